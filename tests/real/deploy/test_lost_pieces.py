"""A job made of pieces whose transaction is over before its last piece comes: its own steps took too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhelpers.app.page import Page
from pyhelpers.cli.session import HOST_FILES
from pyhelpers.clock import utc
from pyhelpers.deploy import backup, piecewise
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.go_back import Restored
from pyhelpers.deploy.rollback import Wanted, roll_back
from pyhelpers.deploy.settings import Trace
from pyhelpers.errors import NothingChanged, RolledBack
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.status import Token
from tests.real.deploy.silence import Silence

JOB = Trace(run_id="42", run_attempt=1)
DEPLOYMENT = "42-1-00000000000000aa"


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """The agent of an app in place, down by `maintenance on`, whose lease ran out after the user's own step."""
    base = tmp_path / "app"
    base.mkdir()
    (base / "index.php").write_text("old")
    agent = go_down(base)
    (base / "index.php").write_text("new")
    lose(agent)
    assert (base / "index.php").read_text() == "old"
    return agent


def go_down(base: Path) -> Agent:
    """Begin the job's transaction on the app at `base`."""
    agent = Agent(LocalHost(), str(base), Bundle.of(HOST_FILES))
    agent.install()
    piecewise.maintenance_on(
        agent,
        str(base),
        Page(secret="a-bypass-secret-of-the-test"),
        JOB,
        deployment=DEPLOYMENT,
        lease=900,
        story=Silence(),
        cancellation=Cancellation(),
        now=utc,
    )
    return agent


def lose(agent: Agent) -> None:
    """Let the lease run out now, and not in a quarter of an hour."""
    agent.complete(Token(deployment=DEPLOYMENT, epoch=1))
    assert agent.settle(DEPLOYMENT, timeout=60).status == "rolled-back"


@pytest.mark.parametrize("deployment", ["", DEPLOYMENT])
def test_letting_visitors_in_is_no_success_where_the_host_put_everything_back(agent: Agent, deployment: str) -> None:
    """P7: the app is up, but with the release of before; the job must not be green."""
    with pytest.raises(RolledBack, match="the lease ran out"):
        piecewise.maintenance_off(
            agent, agent.base, JOB, deployment=deployment, story=Silence(), cancellation=Cancellation()
        )


def test_no_backup_pretends_to_hold_a_job_whose_rope_is_gone(agent: Agent) -> None:
    """P2: the step after it would change an app that nobody takes back."""
    wanted = backup.Wanted(path=agent.base, deployment="42-1-00000000000000bb", trace=JOB)
    with pytest.raises(RolledBack, match="rolled-back already"):
        backup.back_up(wanted, agent, story=Silence(), cancellation=Cancellation(), now=utc)


def test_another_job_is_not_told(agent: Agent) -> None:
    """P7: it is no business of the next run's that the app is up already."""
    other = Trace(run_id="43", run_attempt=1)
    found = piecewise.maintenance_off(
        agent, agent.base, other, deployment="", story=Silence(), cancellation=Cancellation()
    )
    assert (found[1]["state"], found[2]) == ("up", False)


def test_a_switch_that_came_after_the_host_had_put_all_back_is_not_called_rolled_back(tmp_path: Path) -> None:
    """P7: the user's own step outlived the lease; its release is live, and `rollback` must not say that it isn't."""
    base = tmp_path / "app"
    for name in ("old", "new"):
        (base / "releases" / name).mkdir(parents=True)
        (base / "releases" / name / "RELEASE").write_text(f"{name}\n")
    (base / "shared").mkdir()
    (base / "current").symlink_to("releases/old")
    agent = go_down(base)
    lose(agent)
    call = Wanted(path=str(base), trace=JOB)
    outcome = Restored()
    roll_back(call, agent, outcome, story=Silence(), cancellation=Cancellation())
    assert (outcome.rolled_back, outcome.release) == (True, "old")
    (base / "current").unlink()
    (base / "current").symlink_to("releases/new")
    with pytest.raises(NothingChanged, match="`current` names new since then"):
        roll_back(call, agent, outcome, story=Silence(), cancellation=Cancellation())
