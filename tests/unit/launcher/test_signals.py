"""A cancelled job: the runner signals the process that it started, and nothing below it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.launcher import Machine


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the program prints; if it ended instead, how and with which words."""
    assert process.stdout
    assert process.stderr
    text = process.stdout.readline()
    assert text, (process.wait(timeout=20), process.stderr.read())
    return text.strip()


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_both_signals_reach_python(machine: Machine, start: str) -> None:
    """P2: without this nobody would hand the abort to the host."""
    if start == "warm":
        machine.facts("health")
    with machine.popen("wait") as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGINT)
        assert line(process) == "SIGINT"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "SIGTERM"
        assert process.wait(timeout=20) == 7


@pytest.mark.parametrize("machine", ["uv"], indirect=True)
def test_no_shell_stays_above_the_program(machine: Machine) -> None:
    machine.facts("health")
    with machine.popen("wait") as process:
        assert line(process) == "ready"
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/bin/python")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 7


@pytest.mark.parametrize("machine", ["uv"], indirect=True)
def test_an_interrupt_while_bash_still_looks_for_python_is_not_lost(machine: Machine) -> None:
    """A shell forgets a SIGINT that comes while its child runs, if the child ends well."""
    python = Path(machine.environ["PATH"]) / "python3"
    real = python.rename(python.with_name("real"))
    python.write_text(f'#!/bin/sh\n/bin/sleep 1\nexec "{real}" "$@"\n')
    python.chmod(0o755)
    machine.facts("health")
    with machine.popen("wait") as process:
        while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
            """Until bash has a child; what the child prints is thrown away."""
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
