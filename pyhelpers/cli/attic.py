"""`attic list` and `attic drop`: what restores replaced, and letting one go before its time."""

from __future__ import annotations

from typing import Any

import click

from pyhelpers.cli.options import belay_option, connection_from, connection_options
from pyhelpers.cli.restore import check_confirmed
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.clock import utc
from pyhelpers.deploy import attic as work
from pyhelpers.deploy.cancellation import watched
from pyhelpers.errors import BadInput, Exit
from pyhelpers.hosts.status import check_deployment_id


@click.group()
def attic() -> None:
    """What restores replaced is kept for two weeks: list it, drop one."""


@attic.command("list")
@connection_options
@pass_session
def list_(session: Session, /, **values: Any) -> int:
    """List what is kept on the host, newest first."""
    with session.agent(connection_from(values)) as agent:
        every = []
        if agent.installed():
            agent.install()
            every = work.kept(agent)
        for one in every:
            session.log.detail(one.line())
        if not every:
            session.log.done("Nothing was replaced here that is kept still.")
    return Exit.DONE


@attic.command()
@connection_options
@belay_option(
    "deployment-id",
    check=check_deployment_id,
    default="",
    help="Names the restore whose attic goes, as `attic list` prints it; required.",
)
@belay_option(
    "confirm",
    default="",
    help="Repeats the name of `environment`, and is required; by default nothing is dropped.",
)
@pass_session
def drop(session: Session, /, **values: Any) -> int:
    """Drop what one restore replaced, for good."""
    checked = dict(values)
    connection = connection_from(values)
    if not values["deployment_id"]:
        raise BadInput("deployment-id", "is missing", remedy="`attic list` prints them.")
    check_confirmed(click.get_current_context(), checked, "drop it for good")
    wanted = work.Dropping(path=connection.path, deployment=values["deployment_id"], trace=session.trace)
    with watched() as cancellation, session.agent(connection) as agent:
        if not agent.installed():
            raise BadInput("deployment-id", "names nothing: no deploy was ever begun here")
        agent.install()
        gone = work.drop(wanted, agent, story=session.log, cancellation=cancellation, since=utc())
    session.log.done(f"Dropped: {gone.line()}")
    return Exit.DONE
