"""`doctor`: what would not work, said beforehand."""

from __future__ import annotations

from typing import Any

import click

from pyhelpers.app.services import check_services
from pyhelpers.cli.options import belay_option, connection_from, connection_options
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.clock import utc
from pyhelpers.deploy.cancellation import watched
from pyhelpers.deploy.doctor import examine
from pyhelpers.errors import Exit
from pyhelpers.runner import summary


@click.command()
@connection_options
@belay_option(
    "services",
    lines=True,
    check=check_services,
    default="",
    help="Lists the services that a deploy would reload, one per line; by default none.",
)
@pass_session
def doctor(session: Session, /, **values: Any) -> int:
    """Look at the host, the app and its database, and say what a deploy would stumble over."""
    connection = connection_from(values)
    trace = session.trace
    with watched() as cancellation, session.agent(connection) as agent:
        findings = examine(
            agent,
            connection.path,
            trace,
            services=values["services"],
            deployment=trace.deployment_id(),
            story=session.log,
            cancellation=cancellation,
            now=utc,
        )
    failed = [finding for finding in findings if finding.level == "failed"]
    for finding in findings:
        session.log.detail(f"{finding.level:<8} {finding.name:<10} {finding.text}")
    rows = [(finding.level, finding.name, finding.text) for finding in findings]
    summary.append(f"## Belay: doctor\n\n{summary.table(['', 'what', 'found'], rows)}", session.runner)
    if failed:
        session.log.error(
            f"{len(failed)} thing{'' if len(failed) == 1 else 's'} would fail: {', '.join(finding.name for finding in failed)}.",
            title="Doctor",
            final=True,
        )
        return Exit.FAILED
    session.log.done("A deploy can be made here")
    return Exit.DONE
