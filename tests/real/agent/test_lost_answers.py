"""The client when no answer comes: what was begun counts only with its reaper armed, and what was done is done once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pyhelpers.errors import HostUnreachable, Locked, NothingChanged
from pyhelpers.hosts import agent as client
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Result
from pyhelpers.hosts.status import Token
from tests.real.agent.bench import Bench, says


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


class Late(LocalHost):
    """This machine over a link whose first `begin` arrives only when the next one is made; a stand-in as below."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        super().__init__()
        self.under_way: list[tuple[Sequence[str], bytes]] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run it, after what was under way."""
        if "begin" not in argv:
            return super().run(argv, stdin=stdin, timeout=timeout)
        if not self.under_way:
            self.under_way.append((argv, stdin))
            raise HostUnreachable("the link was torn")
        super().run(self.under_way[0][0], stdin=self.under_way[0][1])
        return super().run(argv, stdin=stdin, timeout=timeout)

    def another(self) -> Late:
        """Return the same link: what is under way on it isn't forgotten."""
        return self


def test_a_begin_that_arrives_late_is_known_for_ours(bench: Bench) -> None:
    """P5: the second call is refused in the name of the first, which is no other deploy."""
    agent = Agent(Late(), str(bench.base), Bundle.of([]))
    agent.install()
    assert agent.begin("one", {"actor": "ann"}, ttl=100, watchdog=False) == Token(deployment="one", epoch=1)
    with pytest.raises(Locked, match="held by deploy one of ann"):
        Agent(LocalHost(), agent.base, Bundle.of([])).begin("one", {}, ttl=100, watchdog=False)


class Torn(LocalHost):
    """This machine over a link that is torn once, at a verb: before the call arrives, or before its answer does.

    A stand-in: where exactly a real link is torn can't be chosen.
    """

    def __init__(self, verb: str, *, arrives: bool) -> None:
        """Take the verb."""
        super().__init__()
        self.verb, self.arrives = verb, arrives

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run it, or not; the new link is a sound one."""
        if self.verb not in argv:
            return super().run(argv, stdin=stdin, timeout=timeout)
        if self.arrives:
            super().run(argv, stdin=stdin, timeout=timeout)
        raise HostUnreachable("the link was torn")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_hold_that_is_tried_again_over_a_torn_link_is_tried(bench: Bench, *, arrives: bool) -> None:
    """P7: that it was on hold before is no sign that the call arrived."""
    agent = Agent(Torn("abort", arrives=arrives), str(bench.base), Bundle.of([]))
    agent.install()
    token = Token(deployment="one", epoch=bench.begin())
    bench.step("a", undo=f'{says("undo a")}; [ -e "$BELAY_BASE/decided" ] || exit 10')
    bench.must("abort", "one", 1, "x")
    assert bench.ended()["status"] == "held"
    (bench.base / "decided").touch()
    agent.abort(token, "again")
    assert agent.settle("one", timeout=60).status == "rolled-back"


def test_an_unlock_whose_answer_was_lost_is_done(bench: Bench) -> None:
    """P7: the second call finds what the first one did."""
    agent = Agent(Torn("unlock", arrives=True), str(bench.base), Bundle.of([]))
    agent.install()
    bench.begin()
    agent.unlock("one", force=True)
    assert bench.status("one")["status"] == "released"
