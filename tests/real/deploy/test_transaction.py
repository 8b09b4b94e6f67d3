"""How a transaction ends on a real host when its runner lost it: by what the host says, never by what was hoped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.transaction import Transaction
from pyhelpers.errors import BelayError, Exit, HostUnreachable, NothingChanged, RolledBack, Unknown
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.local import LocalHost
from tests.real.deploy.silence import Silence


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """The agent of an empty folder on this machine."""
    found = Agent(LocalHost(), str(tmp_path), Bundle.of([]))
    found.install()
    return found


@pytest.fixture
def deploy(agent: Agent) -> Iterator[Transaction]:
    """An open transaction; a step of it has an undo."""
    begun = Transaction.begin(
        agent, "one", {"actor": "ann"}, story=Silence(), cancellation=Cancellation(), watchdog=False
    )
    begun.leave_undo("a", "true")
    yield begun
    begun.stop()


def undone_by_somebody(agent: Agent, deploy: Transaction) -> None:
    """Let somebody else roll it back meanwhile."""
    other = agent.another()
    other.abort(deploy.token, "somebody else")
    assert other.settle("one", timeout=60).status == "rolled-back"


@pytest.mark.parametrize("visible", [True, False])
def test_what_the_host_put_back_is_never_confirmed(agent: Agent, deploy: Transaction, *, visible: bool) -> None:
    """P7: the host was quicker than `confirm`; nothing of the deploy is left, whether or not a visitor could tell."""
    wanted: type[BelayError] = RolledBack if visible else NothingChanged
    deploy.visible = visible
    deploy.precommit()
    undone_by_somebody(agent, deploy)
    with pytest.raises(wanted), deploy:
        deploy.confirm()


@pytest.mark.parametrize("error", [Unknown("the step still runs"), HostUnreachable("the link was torn")])
def test_what_the_host_was_asked_about_is_unknown_no_more(agent: Agent, deploy: Transaction, error: Unknown) -> None:
    """P7: exit 1 says that nothing was changed, and 6 that nobody knows; the host has just said it."""
    with pytest.raises(NothingChanged) as caught, deploy:
        raise error
    assert caught.value.exit_code == Exit.FAILED
    assert caught.value.message.startswith(error.message)
    assert agent.status("one").status == "rolled-back"


def test_a_lease_that_was_lost_before_anything_was_visible_changed_nothing(agent: Agent, deploy: Transaction) -> None:
    """P7: refused by the fence, and told how the host ended it."""
    undone_by_somebody(agent, deploy)
    with pytest.raises(NothingChanged, match="nothing that visitors could see was changed"), deploy:
        deploy.run("b", "B", command="true")
