"""What a step hands to the next one, read back by the runner's own rules."""

from __future__ import annotations

import os
import re
import resource
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.errors import BadInput, BelayError
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.masks import Masks
from pyhelpers.runner.outputs import Value, write_outputs
from tests.unit.runner.github_runner import read_outputs

names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
# Any text but NUL and halves of characters, and no "@": passwords in URLs are removed on purpose (tested below).
texts = st.text(st.characters(exclude_characters="\0@", exclude_categories=["Cs"]))
hostile = st.lists(
    st.sampled_from(
        [
            "\n",
            "\r",
            "\r\n",
            "rolled-back=false",
            "result<<EOF",
            "EOF",
            "<<",
            "=",
            "belay-",
            "\u2028",
            "\x85",
            "x",
            "::",
        ]
    )
).map("".join)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    file = tmp_path / "output"
    file.touch()
    return Runner(on_github=True, output=file)


def on_github(folder: Path, before: str = "") -> Runner:
    """Return a runner whose output file holds `before`."""
    file = folder / f"output-{secrets.token_hex(4)}"
    file.write_text(before, newline="")
    return Runner(on_github=True, output=file)


def content(runner: Runner) -> str:
    """Return what the runner would find in the file."""
    assert runner.output
    return runner.output.read_bytes().decode()


@given(values=st.dictionaries(names, texts | hostile, max_size=5))
def test_any_text_arrives_unchanged(values: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    runner = on_github(tmp_path_factory.getbasetemp())
    write_outputs(values, runner)
    assert read_outputs(content(runner)) == values


@given(value=hostile, first=hostile)
def test_a_value_can_not_set_another_output(value: str, first: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """P7: a host's text must not be able to claim `rolled-back=false`."""
    runner = on_github(tmp_path_factory.getbasetemp())
    write_outputs({"message": first}, runner)
    # The attacker has even seen the file as it is so far.
    write_outputs({"report": f"{value}\n{content(runner)}\n{value}"}, runner)
    assert set(read_outputs(content(runner))) == {"message", "report"}


def test_a_delimiter_that_stands_in_the_value_is_thrown_away(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    # 128 random bits can't be made to collide, so here the dice are loaded.
    dice = iter(["unlucky", "unlucky", "lucky"])
    monkeypatch.setattr(secrets, "token_hex", lambda _size: next(dice))
    value = "a\nbelay-unlucky\nrolled-back=false"
    write_outputs({"report": value}, runner)
    assert read_outputs(content(runner)) == {"report": value}


def test_the_delimiter_is_another_one_for_each_value(runner: Runner) -> None:
    write_outputs({"first": "x", "second": "x"}, runner)
    delimiters = [line.partition("<<")[2] for line in content(runner).splitlines() if "<<" in line]
    assert len(set(delimiters)) == 2
    assert all(re.fullmatch("belay-[0-9a-f]{32}", delimiter) for delimiter in delimiters)


def test_values_become_the_text_that_workflows_compare_with(runner: Runner) -> None:
    write_outputs(
        {
            "healthy": True,
            "rolled-back": False,
            "release": None,
            "seconds": 12.5,
            "rows": 0,
            "health-results": [{"url": "http://x/", "text": "é\n\u2028"}],
            "queues": {},
        },
        runner,
    )
    assert read_outputs(content(runner)) == {
        "healthy": "true",
        "rolled-back": "false",
        "release": "",
        "seconds": "12.5",
        "rows": "0",
        "health-results": r'[{"url":"http://x/","text":"\u00e9\n\u2028"}]',
        "queues": "{}",
    }


@pytest.mark.parametrize(
    "name", ["", "Healthy", "rolled_back", "-a", "a-", "a--b", "1a", "a b", "a=b", "a<<b", "a\n", "é", "a\0"]
)
def test_a_name_that_is_not_kebab_case_is_refused(runner: Runner, name: str) -> None:
    with pytest.raises(BadInput):
        write_outputs({"good": "1", name: "x"}, runner)
    assert content(runner) == ""


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", float("nan"), float("inf"), [float("nan")], [object()], {"a": {1, 2}}, b"bytes"]
)
def test_a_value_that_no_workflow_can_read_is_refused_and_nothing_is_written(runner: Runner, value: Any) -> None:
    with pytest.raises(BadInput):
        write_outputs({"good": "1", "bad": value}, runner)
    assert content(runner) == ""


@pytest.mark.parametrize("before", ["earlier=1", "earlier=1\n", "earlier<<E\n1\nE", ""])
def test_an_earlier_line_without_an_end_stays_whole(tmp_path: Path, before: str) -> None:
    runner = on_github(tmp_path, before)
    write_outputs({"later": "2"}, runner)
    assert read_outputs(content(runner)) == {"later": "2"} | ({"earlier": "1"} if before else {})


def test_off_github_nothing_is_written() -> None:
    write_outputs({"healthy": True}, Runner())


def test_off_github_a_bad_name_is_refused_all_the_same() -> None:
    with pytest.raises(BadInput):
        write_outputs({"not_kebab": True}, Runner())


def test_on_github_outputs_are_never_lost_in_silence(tmp_path: Path) -> None:
    with pytest.raises(BelayError, match="GITHUB_OUTPUT"):
        write_outputs({"healthy": True}, Runner(on_github=True))
    missing = tmp_path / "missing"
    with pytest.raises(BelayError, match="GITHUB_OUTPUT"):
        write_outputs({"healthy": True}, Runner(on_github=True, output=missing))
    assert not missing.exists()


def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(BelayError, match="No space left"):
        write_outputs({"healthy": True}, Runner(on_github=True, output=Path("/dev/full")))


def test_half_a_block_is_taken_back(tmp_path: Path) -> None:
    runner = on_github(tmp_path, "earlier=1\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # a disk with room for 100 bytes: the write ends early
    try:
        with pytest.raises(BelayError, match="only 90 of"):
            write_outputs({"report": "x" * 500}, runner)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(runner) == "earlier=1\n"


def test_a_known_secret_never_becomes_an_output(runner: Runner) -> None:
    """P6, also for a password in a URL that nobody told us about."""
    known = Masks()
    known.register("s3cret-passphrase")
    known.register("app")  # a common word stays, or paths would break
    values: dict[str, Value] = {
        "report": "login with s3cret-passphrase at mysql://app:pw@db/",
        "findings": ["s3cret-passphrase"],
        "path": "/srv/app",
    }
    write_outputs(values, runner, known=known)
    assert read_outputs(content(runner)) == {
        "report": "login with *** at mysql://app:***@db/",
        "findings": '["***"]',
        "path": "/srv/app",
    }


def test_it_appends_with_one_write(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    real = os.write

    def counted(descriptor: int, block: bytes) -> int:
        calls.append(block)
        return real(descriptor, block)

    monkeypatch.setattr(os, "write", counted)
    write_outputs({"a": "1", "b": "2"}, runner)
    assert len(calls) == 1
