"""`verdict`: ask the host how a deploy ended, and write it where people look. The last, `always()` step of the root action."""

from __future__ import annotations

from typing import Any

import click

from pyhelpers.cli.options import belay_option, connection_options, connections_from
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.cli.status import raise_if_held
from pyhelpers.deploy import report
from pyhelpers.deploy.timeline import downtime
from pyhelpers.errors import BelayError, Exit, Unknown
from pyhelpers.hosts.connect import Connection
from pyhelpers.hosts.fleet import ASK_AT_ONCE, gather
from pyhelpers.hosts.status import check_deployment_id
from pyhelpers.runner import summary

PATIENCE_SECONDS = 200.0  # GitHub ends a cancelled job's `always()` steps after 5 minutes


@click.command()
@connection_options
@belay_option(
    "deployment-id",
    check=check_deployment_id,
    default="",
    help="Names the deploy to ask for; by default none, and then there is nothing to tell.",
)
@pass_session
def verdict(session: Session, /, **values: Any) -> int:
    """Tell how a deploy ended, as each host says."""
    connections = connections_from(values)
    deployment = values["deployment_id"]
    if not deployment:
        session.log.detail("No deploy was begun.")
        return Exit.DONE
    found = gather(connections, lambda connection: _ask(session, connection, deployment), limit=ASK_AT_ONCE)
    if len(found) == 1 and isinstance(found[0], BelayError):
        raise found[0]
    ends = [
        report.End(host=connection.host, error=end.message) if isinstance(end, BelayError) else end
        for connection, end in zip(connections, found, strict=True)
    ]
    if not any(end.status.deployment or end.error for end in ends):
        session.log.detail("The deploy never reached the host." if ends[0].touched else "The host was not touched.")
        return Exit.DONE
    leader = ends[0]
    if len(ends) == 1:
        summary.append(report.summary(leader.status, leader.journal, leader.host), session.runner)
    else:
        summary.append(report.fleet_summary(ends), session.runner)
        for end in ends:
            session.log.detail(f"{end.host}: {end.told}")
    result = report.combined([end.result for end in ends])
    session.publish(
        {
            # The output has four values; that the end is not known is told by the exit code 6, and is no success.
            "result": "failed" if result == "unknown" else result,
            "release": next((end.status.owner["release"] for end in ends if end.status.owner.get("release")), ""),
            "rolled-back": result == "rolled-back",
            "downtime-seconds": max(downtime(end.journal) for end in ends),
        }
    )
    if result == "held":
        raise_if_held({end.host: end.status.reason for end in ends if end.result == "held"})
    reason = next((end.status.reason for end in ends if end.result == result and end.status.reason), "")
    session.log.done(f"{report.HEADLINES[result]}{f' ({reason})' if result and reason else ''}")
    if result == "unknown" and len(ends) > 1:
        told = "; ".join(f"{end.host}: {end.told}" for end in ends)
        raise Unknown(f"the hosts do not agree, or could not all be asked: {told}", remedy=report.NEXT["unknown"])
    return Exit.DONE


def _ask(session: Session, connection: Connection, deployment: str) -> report.End:
    """Return what one host says of the deploy, once it has ended there."""
    with session.agent(connection) as agent:
        name = agent.host.name
        if not agent.installed():
            return report.End(host=name, touched=False)
        agent.install()
        status = agent.status(deployment)
        if not status.deployment:
            return report.End(host=name)
        status = agent.settle(deployment, timeout=PATIENCE_SECONDS)
        return report.End(host=name, status=status, journal=agent.journal(deployment))
