"""`recover`: let each host settle what a dead runner left behind, tell how it ended, and tell GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from pyhelpers.cli.options import belay_option, connection_options, connections_from, secret_option
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.cli.status import raise_if_held, tell
from pyhelpers.deploy.incident import Where, ended_of, incident_of, worst_of_each_run
from pyhelpers.deploy.recover import Found, look
from pyhelpers.errors import BelayError, Exit, ForgeFailed, Unknown
from pyhelpers.forge import deployments, github_api, incidents
from pyhelpers.hosts.connect import Connection
from pyhelpers.runner import summary

SHOWN = {"quiet": "nothing to recover", "busy": "a deploy is under way", "good": "well", "released": "unlocked by hand"}


@dataclass
class Told:
    """One host's row."""

    where: Where
    found: Found | None = None  # None: nothing was ever begun there, or it could not be asked
    error: BelayError | None = None  # why the host could not be asked
    untold: ForgeFailed | None = None  # why GitHub could not be told
    issue: int | None = None

    @property
    def host(self) -> str:
        """The host's name."""
        return self.where.host

    @property
    def kind(self) -> str:
        """How it stands, in one word."""
        return "unknown" if self.error else self.found.kind if self.found else "quiet"

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of the output `hosts`."""
        status = self.found.status if self.found else None
        return {
            "host": self.host,
            "kind": self.kind,
            "deployment-id": status.deployment if status else "",
            "status": status.status if status else "",
            "reason": status.reason if status else "",
            "watchdog": self.found.watchdog if self.found else "",
            "issue": self.issue,
        }


@click.command()
@connection_options
@secret_option(
    "token",
    help="Lets GitHub be told: the job's own `github.token`, with `issues: write` and `deployments: write`; by default GitHub is told nothing.",
)
@belay_option(
    "alert",
    type=click.Choice(["issue", "none"]),
    default="issue",
    help="Says how people are told of a deploy that is on hold, or that the host ended alone: by an `issue` (needs `token`), or `none`; the default is `issue`.",
)
@pass_session
def recover(session: Session, /, **values: Any) -> int:
    """Let the hosts settle what a dead runner left behind, and tell how it ended."""
    token, alert, environment = values.pop("token"), values.pop("alert"), values["environment"]
    connections = connections_from(values)
    if token:
        session.log.mask(token)
        # An error in it is told before anything is asked of a host.
        github_api.check(token, session.runner.repository, session.runner.api_url)
    rows = [_look(session, connection, environment) for connection in connections]
    if token:
        _tell_github(session, rows, token, issues=alert == "issue")
    shown = [(row.host, SHOWN.get(row.kind, row.kind), _words(row)) for row in rows]
    summary.append(f"## Belay: recover\n\n{summary.table(['host', '', ''], shown)}", session.runner)
    first = next((row.found.status for row in rows if row.found), None)
    session.publish(
        {
            "result": first.status if first else "",
            "deployment-id": first.deployment if first else "",
            "hosts": [row.as_dict() for row in rows],
        }
    )
    return _end(rows)


def _look(session: Session, connection: Connection, environment: str) -> Told:
    row = Told(where=_where(session, connection.host or "this machine", connection, environment))
    try:
        with session.agent(connection) as agent:
            row.where = _where(session, agent.host.name, connection, environment)
            if not agent.installed():
                session.log.done(f"{row.host}: no deploy was ever begun here.")
                return row
            agent.install()
            found = row.found = look(agent)
    except BelayError as error:
        row.error = error
        session.log.warning(f"{error.message}. {error.remedy}".strip(), title=row.host)
        return row
    told = found.status.deployment
    tell(session, found.status, next((list(end.journal) for end in found.recent if end.deployment == told), []))
    if found.watchdog:
        session.log.warning(f"{found.watchdog} Run `doctor` to see why.", title=f"{row.host}: reaper")
    return row


def _where(session: Session, host: str, connection: Connection, environment: str) -> Where:
    runner = session.runner
    return Where(
        host=host,
        path=connection.path,
        environment=environment,
        server_url=runner.server_url,
        repository=runner.repository,
    )


def _tell_github(session: Session, rows: Sequence[Told], token: str, *, issues: bool) -> None:
    """Open, update or close each place's issue, and mend the status of Deployments; a failure is kept for the end."""
    repository = github_api.open_repository(token, session.runner.repository, api_url=session.runner.api_url)
    for row in rows:
        incident = incident_of(row.found, row.where) if row.found and issues else None
        if row.found is None or incident is None:
            continue
        try:
            if row.kind == "good":
                closed = github_api.ask(partial(incidents.resolve, repository, incident))
                session.log.detail(
                    f"{row.host}: issues closed: {', '.join(f'#{number}' for number in closed) or 'none'}"
                )
            else:
                row.issue = github_api.ask(partial(incidents.report, repository, incident))
                session.log.detail(f"{row.host}: issue {f'#{row.issue}' if row.issue else 'none'}")
        except ForgeFailed as error:
            row.untold = error
            session.log.warning(f"{error.message}. {error.remedy}".strip(), title="GitHub was not told")
    found = [ended for row in rows if row.found for end in row.found.recent if (ended := ended_of(end, row.where))]
    for ended in worst_of_each_run(found):
        try:
            state = github_api.ask(partial(deployments.mend, repository, ended))
        except ForgeFailed as error:
            rows[0].untold = error
            session.log.warning(f"{error.message}. {error.remedy}".strip(), title="GitHub was not told")
            return
        if state:
            session.log.detail(f"Deployment of run {ended.run_id} in {ended.environment}: {state}")


def _words(row: Told) -> str:
    if row.error:
        return row.error.message
    if row.found is None or row.found.end is None:
        return ""
    end = row.found.end
    told = f"{end.deployment}: {end.verdict} {end.reason}".strip()
    return f"{told}, issue {row.issue}" if row.issue else told


def _end(rows: list[Told]) -> int:
    """Return the exit code, or raise the error, that speaks for all hosts: what isn't known, then a hold, then GitHub."""
    for row in rows:
        if row.error is not None:
            raise row.error
    if stuck := [row.host for row in rows if row.kind == "stuck"]:
        raise Unknown(f"not settled, though the lease is over: {', '.join(stuck)}", remedy="Run `doctor` there.")
    raise_if_held(
        {row.host: row.found.end.reason if row.found.end else "" for row in rows if row.found and row.kind == "held"}
    )
    for row in rows:
        if row.untold is not None:
            raise row.untold
    return Exit.DONE
