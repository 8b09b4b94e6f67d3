"""`rollback`: put a deploy back, by hand or as the last step of a job."""

from __future__ import annotations

from typing import Any

import click

from pyhelpers.app.release import check_release
from pyhelpers.backups.manifest import check_name
from pyhelpers.cli.options import belay_option, connection_options, connections_from
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.deploy.cancellation import watched
from pyhelpers.deploy.fleet_rollback import check_wanted, roll_back_fleet
from pyhelpers.deploy.go_back import Restored
from pyhelpers.deploy.report import health_results
from pyhelpers.deploy.rollback import Wanted, roll_back
from pyhelpers.deploy.transaction import DryRun
from pyhelpers.errors import Exit
from pyhelpers.hosts.status import check_deployment_id
from pyhelpers.watch.health import asked_in


def check_backup(name: str) -> None:
    """Raise `BadInput` for a `backup-filename` that is neither a backup's name nor `latest`."""
    if name != "latest":
        check_name(name)


def check_results(text: str) -> None:
    """Raise `BadInput` for `health-results` that no health check wrote."""
    asked_in(text, source="health-results")


@click.command()
@connection_options
@belay_option(
    "deployment-id",
    check=check_deployment_id,
    default="",
    help="Names the deploy to undo, or `last` for the host's last one; by default it is what this run began, and by hand the last one.",
)
@belay_option(
    "backup-filename",
    check=check_backup,
    default="",
    help="Names the backup to restore, or `latest`; by default it is the one that the deploy made.",
)
@belay_option(
    "release", check=check_release, default="", help="Names the release to go back to; by default it is the one before."
)
@belay_option(
    "database",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Says whether the database goes back: `auto` (only where that loses nothing), `always` (within `accept-loss`) or `never`; the default is `auto`.",
)
@belay_option(
    "accept-loss",
    type=click.IntRange(0),
    default=0,
    help="Sets how many rows a restore may throw away; the default is 0.",
)
@belay_option(
    "health-results",
    check=check_results,
    default="",
    help="Takes the output of `health-check`, whose address is asked again after the rollback; by default nothing is asked.",
)
@belay_option(
    "dry-run",
    switch=True,
    default=False,
    help="Only says what would be done, and counts what would be lost; the default is `false`.",
)
@pass_session
def rollback(session: Session, /, **values: Any) -> int:
    """Put code, database and services back."""
    connections = connections_from(values)
    if values["health_results"]:
        with session.log.group("Health results of the step before"):
            session.log.output(values["health_results"])
    health = asked_in(values["health_results"], source="health-results") if values["health_results"] else None
    wanted = Wanted(
        path=connections[0].path,
        deployment=values["deployment_id"],
        backup=values["backup_filename"],
        release=values["release"],
        database=values["database"],
        accept_loss=values["accept_loss"],
        dry_run=values["dry_run"],
        health=health,
        trace=session.trace,
    )
    check_wanted(wanted, len(connections))
    outcome = Restored()
    try:
        with watched() as cancellation, session.agents(connections) as agents:
            if len(agents) == 1:
                roll_back(wanted, agents[0], outcome, story=session.log, cancellation=cancellation)
            else:
                roll_back_fleet(wanted, agents, outcome, story=session.log, cancellation=cancellation)
    except DryRun:
        session.log.done("Dry run: nothing was changed")
    finally:
        session.publish(
            {
                "rolled-back": outcome.rolled_back,
                "restored-release": outcome.release,
                "restored-database": outcome.database,
                "discarded-rows": outcome.discarded,
                "attic": outcome.attic,
                "healthy": outcome.healthy,
                "health-results": health_results(outcome.answers, outcome.healthy),
                "seconds": round(outcome.seconds, 3),
            }
        )
    if outcome.rolled_back:
        session.log.done(
            f"Rolled back{f' to {outcome.release}' if outcome.release else ''}{', database restored' if outcome.database else ''}"
        )
        if outcome.database:
            session.log.detail(
                "What it replaced is kept for two weeks: `rollback` with `database: always` and the `deployment-id` that "
                "`attic list` prints swaps it back."
            )
    return Exit.DONE
