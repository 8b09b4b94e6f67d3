"""The locks: one set of versions in all of them, a hash for every file, and no trace of where they were made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = sorted(file.stem for file in REQUIREMENTS.glob("*.txt"))
RUN_TIME = ["core", "ssh", "db", "stores", "forge", "janitor", "gate", "gate-forge"]


def pins(name: str) -> dict[str, set[str]]:
    """Return each pinned requirement of a lock with its hashes."""
    text = re.sub(r"^ *#.*\n", "", (REQUIREMENTS / f"{name}.txt").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return {line.partition(" --hash=")[0].strip(): set(re.findall(r"--hash=(\S+)", line)) for line in lines}


def test_there_is_a_lock_for_every_list_and_a_list_for_every_lock() -> None:
    assert sorted(file.stem for file in REQUIREMENTS.glob("*.in")) == LOCKS
    assert set(RUN_TIME) <= set(LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    """What is installed on a runner that holds secrets is what was locked, to the byte."""
    for requirement, hashes in pins(name).items():
        assert re.fullmatch(r"[a-z0-9._-]+==[^\s;]+( ; .+)?", requirement)
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes)


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_an_index(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash)", text, re.MULTILINE)


@pytest.mark.parametrize("name", RUN_TIME)
def test_what_is_tested_is_what_runs(name: str) -> None:
    """Every version of a run-time lock stands in the lock that the tests are run with, whatever its condition there."""
    tested = {requirement.partition(" ;")[0]: hashes for requirement, hashes in pins("dev").items()}
    for requirement, hashes in pins(name).items():
        assert tested.get(requirement.partition(" ;")[0]) == hashes, requirement


@pytest.mark.parametrize("name", LOCKS)
def test_every_library_that_we_ask_for_says_why(name: str) -> None:
    lines = (REQUIREMENTS / f"{name}.in").read_text().splitlines()
    asked = [line for line in lines if line and not line.startswith(("#", "-r"))]
    assert [line for line in asked if "#" not in line] == (["flask-cors"] if name == "dev" else [])
