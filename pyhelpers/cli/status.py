"""`status`, `unlock`: what the host says, and take it back by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from pyhelpers.cli.options import belay_option, connection_from, connection_options, connections_from
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.deploy import report
from pyhelpers.deploy.recover import watchdog_of
from pyhelpers.errors import BadInput, BelayError, Exit, Held, Unknown
from pyhelpers.hosts.connect import Connection
from pyhelpers.hosts.status import Status, check_deployment_id

NOTHING = "No deploy was ever begun here"
MEANING = {
    "confirmed": "it ended well",
    "kept": "it ended well: the runner was lost after that, and the host completed it",
    "open": "at work",
    "precommit": "at work; all is healthy, and it stays",
    "released": "given back by `unlock` as it was",
}
AFTER_A_REBOOT = {"cron": "cron"}  # who acts then; else the next contact does


@click.command()
@connection_options
@belay_option(
    "deployment-id",
    check=check_deployment_id,
    default="",
    help="Names the deploy to ask for; by default the one that holds the host, or the last.",
)
@pass_session
def status(session: Session, /, **values: Any) -> int:
    """Show what holds the host and how the last deploy ended; changes nothing."""
    connections = connections_from(values)
    found: list[Status] = []
    unknown: list[BelayError] = []
    for connection in connections:
        try:
            found.append(_show(session, connection, values["deployment_id"], several=len(connections) > 1))
        except Unknown as error:
            if len(connections) == 1:
                raise
            session.log.warning(f"{error.message}. {error.remedy}".strip(), title=connection.host)
            unknown.append(error)
    first = found[0] if found else Status()
    session.publish({"result": first.status, "deployment-id": first.deployment})
    if unknown:
        raise unknown[0]
    raise_if_held({status.deployment: status.reason for status in found if status.status == "held"})
    return Exit.DONE


def raise_if_held(reasons: Mapping[str, str]) -> None:
    """Raise `Held` when anything is: `reasons` are told by the deploy's id, or by the host's name."""
    if reasons:
        told = "; ".join(f"{name} ({reason or 'no reason was given'})" for name, reason in reasons.items())
        raise Held(f"on hold: {told}", remedy=report.NEXT["held"])


def _show(session: Session, connection: Connection, deployment: str, *, several: bool) -> Status:
    """Tell what one host says, and return it."""
    with session.agent(connection) as agent:
        if several:
            session.log.step(agent.host.name)
        if not agent.installed():
            session.log.done(f"{NOTHING}: {agent.host.name} has no {agent.base}/.belay")
            return Status()
        agent.install()
        found = agent.status(deployment)
        journal = agent.journal(found.deployment) if found.deployment else []
        tell(session, found, journal)
        with session.log.group("Journal"):
            for event in journal:
                session.log.detail(f"{event['time']}  {event['event']:<12} {event['name']}  {event['text']}".rstrip())
        if watchdog := watchdog_of(found):
            session.log.warning(f"{watchdog} Run `doctor` to see why.", title="Reaper")
        return found


@click.command()
@connection_options
@belay_option(
    "deployment-id",
    check=check_deployment_id,
    default="",
    help="Names the deploy on hold; by default the one that holds the host.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Takes the host also from a deploy that is not on hold: its steps are stopped, nothing is undone; by default not.",
)
@pass_session
def unlock(session: Session, /, *, force: bool, **values: Any) -> int:
    """Give the host back as it is: nothing is undone, maintenance stays as it is."""
    connection = connection_from(values)
    with session.agent(connection) as agent:
        if agent.installed():
            agent.install()
            deployment = values["deployment_id"] or agent.status().holder
        else:
            deployment = ""
        if not deployment:
            raise BadInput("deployment-id", "no deploy holds this host", remedy="There is nothing to unlock.")
        agent.unlock(deployment, force=force)
        session.log.done(f"Unlocked: {deployment} does not hold the host any more.")
    return Exit.DONE


def tell(session: Session, /, found: Status, journal: list[dict[str, Any]]) -> None:
    """Say in a few lines what the host said."""
    if not found.deployment:
        session.log.done(NOTHING)
        return
    owner = found.owner
    meaning = "it only looked" if found.only_looked and found.settled else MEANING.get(found.status, "")
    session.log.step(f"Deploy {found.deployment}: {found.status}{f' ({meaning})' if meaning else ''}")
    verb, who, since = owner.get("verb") or "begun", owner.get("actor") or "someone", owner.get("since", "?")
    session.log.detail(f"{verb} by {who} since {since} {owner.get('run-url', '')}".rstrip())
    if found.reason:
        session.log.detail(f"reason: {found.reason}")
    if found.holder:
        session.log.detail(
            f"phase {found.phase or '-'}, lease {found.lease_seconds} s, reaper {found.reaper}, "
            f"after a reboot acts: {AFTER_A_REBOOT.get(found.reboot, 'the next contact')}"
        )
    session.log.detail(
        f"next: {report.NEXT[report.result_of(found, journal)]}" if found.settled else "next: it goes on by itself."
    )
