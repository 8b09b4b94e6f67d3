"""How PHPStan is asked: its parameters in either language, and never its environment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pyhelpers.gate.failure import Failure
from pyhelpers.gate.output import Completed
from pyhelpers.gate.phpstan import DISCOVERED, Settings, analyse, chosen_config, parameters
from tests.unit.gate.samples import RUNS, completed

ASKED = Settings(phpstan="/bin/true", level="8", memory_limit="2G", paths=("src", "-odd"))


def test_a_phpstan_that_tells_its_parameters_in_neon_alone_is_understood(tmp_path: Path) -> None:
    """PHPStan 1."""
    started: list[list[str]] = []

    def start(argv: Sequence[str], _folder: Path) -> Completed:
        started.append(list(argv))
        if "--json" in argv:
            return Completed(exit_code=1, stdout="", stderr='The "--json" option does not exist.')
        return completed("dump-parameters/neon")

    told = parameters(tmp_path, ASKED, start=start)
    assert told == json.loads(RUNS["dump-parameters/json"]["stdout"])
    assert len(started) == 2


@pytest.mark.parametrize("stdout", ["", "null", "[]", "level: [", "noise"])
def test_parameters_that_can_not_be_read_are_a_failure(tmp_path: Path, stdout: str) -> None:
    told = parameters(tmp_path, ASKED, start=lambda _argv, _folder: Completed(exit_code=0, stdout=stdout, stderr=""))
    assert isinstance(told, Failure)


def test_what_a_bootstrap_file_prints_before_them_means_nothing(tmp_path: Path) -> None:
    printed = Completed(exit_code=0, stdout='hello from {bootstrap}\n{\n  "level": 9\n}\n', stderr="")
    assert parameters(tmp_path, ASKED, start=lambda _argv, _folder: printed) == {"level": 9}


def test_parameters_of_a_run_that_failed_are_a_failure(tmp_path: Path) -> None:
    """P7: with whatever it printed."""
    told = parameters(tmp_path, ASKED, start=lambda _argv, _folder: Completed(exit_code=1, stdout="{}", stderr=""))
    assert isinstance(told, Failure)


def test_the_environment_is_dropped(tmp_path: Path) -> None:
    """P6."""
    printed = Completed(exit_code=0, stdout='{"level": 9, "env": {"TOKEN": "x"}}', stderr="")
    assert parameters(tmp_path, ASKED, start=lambda _argv, _folder: printed) == {"level": 9}


def test_it_is_asked_for_json_over_the_whole_project_and_the_canary(tmp_path: Path) -> None:
    started: list[list[str]] = []

    def start(argv: Sequence[str], _folder: Path) -> Completed:
        started.append(list(argv))
        return completed("small-success/json")

    analyse(tmp_path, ASKED, start=start, temp=tmp_path / "temp")
    (words,) = started
    assert {"--error-format=json", "--no-progress", "--level=8", "--memory-limit=2G"} <= set(words)
    # After `--` nothing is an option; the paths stand in the place of the configuration's, so the canary is among them.
    assert words[words.index("--") + 1 :][:2] == ["src", "-odd"]
    assert words[-1].endswith("canary.php")


@pytest.mark.parametrize("position", range(len(DISCOVERED)))
def test_the_configuration_is_looked_for_in_phpstans_order(tmp_path: Path, position: int) -> None:
    for name in DISCOVERED[position:]:
        (tmp_path / name).touch()
    assert chosen_config(tmp_path, Settings()) == tmp_path / DISCOVERED[position]


def test_a_given_configuration_is_taken_and_none_is_none(tmp_path: Path) -> None:
    (tmp_path / "phpstan.neon").touch()
    (tmp_path / "other.neon").touch()
    assert chosen_config(tmp_path, Settings(config="other.neon")) == tmp_path / "other.neon"
    assert chosen_config(tmp_path, Settings(config="gone.neon")) is None
    assert chosen_config(tmp_path / "nowhere", Settings()) is None
