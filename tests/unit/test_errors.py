"""What a person reads when something failed: one line with the cause and the remedy, whatever the cause printed."""

from __future__ import annotations

import io

import pytest

from pyhelpers.cli.main import guarded
from pyhelpers.errors import CommandFailed, Exit
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from pyhelpers.runner.masks import Masks


def shown(error: Exception) -> tuple[int, str]:
    """The exit code and the log of a verb that ends by `error`, on GitHub."""

    def work() -> int:
        raise error

    stream = io.StringIO()
    code = guarded(Log(Runner.from_environment({"GITHUB_ACTIONS": "true"}), stream, known=Masks()), work)
    return code, stream.getvalue()


def test_a_command_that_failed_is_told_with_its_own_words() -> None:
    """The annotation alone has to say what to mend: the log is a click away, and folded."""
    output = "starting\n\ntimeout: failed to run command 'php': No such file or directory\nlaravel: it does not start\n"
    code, text = shown(CommandFailed("step `boot`", 1, output))
    (line,) = [line for line in text.splitlines() if line.startswith("::error")]
    assert code == Exit.FAILED
    assert "step `boot` ended with exit status 1: timeout: failed to run command 'php'" in line
    assert "laravel: it does not start. Nothing was changed" in line
    assert "starting" not in line


@pytest.mark.parametrize("output", ["", " \n\n"])
def test_a_command_that_printed_nothing_is_told_by_its_status(output: str) -> None:
    _, text = shown(CommandFailed("step `boot`", 1, output, remedy="Look at it."))
    assert "step `boot` ended with exit status 1. Look at it." in text
