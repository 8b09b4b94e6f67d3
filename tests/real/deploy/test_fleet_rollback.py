"""Rolling back several hosts that don't stand alike: a runner was lost while it ended the deploy on one after the other.

Each host is this machine in a mount namespace of its own, so that one `path` is another folder on each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyhelpers.cli.session import HOST_FILES
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.fleet_rollback import roll_back_fleet
from pyhelpers.deploy.go_back import Restored
from pyhelpers.deploy.rollback import Wanted
from pyhelpers.errors import NothingChanged
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.follow import follow
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Result
from pyhelpers.hosts.status import Token
from tests.real.agent.bench import namespace
from tests.real.deploy.silence import Silence

DEPLOYMENT = "local-1-00000000000000aa"
OLD, NEW = "releases/old", "releases/new"


class Inside(LocalHost):
    """This machine, as it is in a mount namespace."""

    def __init__(self, words: Sequence[str], name: str) -> None:
        """Take the words that enter the namespace, and what people call the host."""
        self.words, self.called = words, name
        super().__init__()

    @property
    def name(self) -> str:
        """Its name."""
        return self.called

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run it inside."""
        return super().run([*self.words, *argv], stdin=stdin, timeout=timeout)

    def another(self) -> Inside:
        """Return the same namespace once more."""
        return Inside(self.words, self.called)


@dataclass(frozen=True, kw_only=True)
class Web:
    """One host: its folder as it is outside of its namespace, and the deploy that is open there."""

    agent: Agent
    folder: Path
    token: Token

    @property
    def live(self) -> str:
        """What `current` says."""
        return str((self.folder / "current").readlink())

    def say(self, end: str) -> None:
        """Bring its deploy to that end."""
        if end in {"precommit", "confirmed"}:
            self.agent.precommit(self.token)
        if end == "confirmed":
            self.agent.confirm(self.token)
        if end == "held":
            self.agent.hold(self.token, "a person has to look")
        if end == "rolled-back":
            self.agent.abort(self.token, "its own link was lost")
            assert self.agent.settle(DEPLOYMENT, timeout=60).status == end


@pytest.fixture
def webs(tmp_path: Path) -> Iterator[list[Web]]:
    """Two hosts, each with the new release live and its deploy still open."""
    path = tmp_path / "app"
    path.mkdir()
    with ExitStack() as stack:
        yield [opened(stack, tmp_path / name, path) for name in ("web1", "web2")]


def opened(stack: ExitStack, folder: Path, path: Path) -> Web:
    """Make one host."""
    for release in (OLD, NEW):
        (folder / release).mkdir(parents=True)
        (folder / release / "RELEASE").write_text(f"{Path(release).name}\n")
    (folder / "shared").mkdir()
    (folder / "current").symlink_to(OLD)
    words = stack.enter_context(namespace(f"mount --bind '{folder}' '{path}'", folder.name))
    agent = Agent(Inside(words, folder.name), str(path), Bundle.of(HOST_FILES))
    agent.install()
    token = agent.begin(DEPLOYMENT, {"verb": "deploy", "fleet": ["web1", "web2"]}, ttl=600, watchdog=False)
    call = agent.scripts.call
    agent.step(token, "switch", command=call("releases.sh", "switch", "new"), undo=call("releases.sh", "switch-undo"))
    assert follow(agent, token, "switch", timeout=60, on_output=print, alive=lambda: None).exit_code == 0
    return Web(agent=agent, folder=folder, token=token)


@pytest.fixture
def roll_back(webs: list[Web]) -> Callable[[], Restored]:
    """The verb, on both hosts."""

    def call() -> Restored:
        outcome = Restored()
        wanted = Wanted(path=webs[0].agent.base, deployment=DEPLOYMENT)
        agents = [web.agent for web in webs]
        roll_back_fleet(wanted, agents, outcome, story=Silence(), cancellation=Cancellation())
        return outcome

    return call


@pytest.mark.parametrize("ends", [("precommit", "confirmed"), ("confirmed", "rolled-back")])
def test_hosts_that_ended_otherwise_than_the_others_come_to_one_release(
    webs: list[Web], roll_back: Callable[[], Restored], ends: tuple[str, str]
) -> None:
    """P2, P8: all of them go back, and once more changes nothing."""
    for web, end in zip(webs, ends, strict=True):
        web.say(end)
    assert roll_back().rolled_back
    assert [web.live for web in webs] == [OLD, OLD]
    assert roll_back().rolled_back
    assert [web.live for web in webs] == [OLD, OLD]


def test_a_host_on_hold_is_not_undone_alone_where_another_has_the_release_for_good(
    webs: list[Web], roll_back: Callable[[], Restored]
) -> None:
    """P7: half of the hosts put back is no success; a person hears which host waits for what."""
    webs[0].say("held")
    webs[1].say("confirmed")
    with pytest.raises(NothingChanged, match=r"web2 ended the deploy well.*web1: held"):
        roll_back()
    assert [web.live for web in webs] == [NEW, NEW]
    assert webs[0].agent.status().status == "held"
