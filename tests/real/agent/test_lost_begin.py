"""The client's `begin` when no answer comes: what was begun on the host counts only with its reaper armed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhelpers.errors import NothingChanged
from pyhelpers.hosts import agent as client
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.local import LocalHost
from tests.real.agent.bench import Bench


def killed_once_at(program: str, folder: Path) -> str:
    """A PATH on which the first call of `program` kills the shell that makes it; later ones are as ever."""
    folder.mkdir()
    shim = folder / program
    shim.write_text('#!/bin/sh\nrm "$0"\nkill -9 "$PPID"\n')
    shim.chmod(0o755)
    return str(folder)


def installed(bench: Bench, monkeypatch: pytest.MonkeyPatch, path: str) -> Agent:
    """The client of the bench's own base."""
    monkeypatch.setenv("PATH", path)
    agent = Agent(LocalHost(), str(bench.base), Bundle.of([]))
    agent.install()
    return agent


def test_a_begin_that_was_killed_before_its_reaper_was_armed_is_given_back(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: the lock was taken, and nobody would act when the runner dies; the deploy is refused and the host is free."""
    monkeypatch.setattr(client, "ARM_SECONDS", 1.0)  # nobody is at the fire drill any more
    agent = installed(bench, monkeypatch, f"{killed_once_at('setsid', tmp_path / 'bin')}:{bench.path}")
    with pytest.raises(NothingChanged, match="its reaper was not armed"):
        agent.begin("one", {"actor": "ann"}, ttl=100, watchdog=True)
    assert bench.history() == [("one", "rolled-back")]
    assert bench.read(".belay/active") == ""


def test_a_begin_that_was_killed_before_it_held_anything_is_made_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: the client asks the host first, and only then begins once more."""
    agent = installed(bench, monkeypatch, f"{killed_once_at('mv', tmp_path / 'bin')}:{bench.path}")
    token = agent.begin("one", {"actor": "ann"}, ttl=100, watchdog=False)
    assert (token.deployment, bench.status()["active"]) == ("one", "one")
    agent.abort(token, "enough")
    assert bench.ended()["status"] == "rolled-back"
