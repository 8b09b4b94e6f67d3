"""`deploy`: a whole safe deploy."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click

from pyhelpers.app.services import check_services
from pyhelpers.cli.options import belay_option, connection_options, connections_from, page_options
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.deploy import report
from pyhelpers.deploy.cancellation import watched
from pyhelpers.deploy.deploy import Outcome, run
from pyhelpers.deploy.policy import Choice
from pyhelpers.deploy.settings import DeploySettings, check_inputs
from pyhelpers.deploy.transaction import DryRun
from pyhelpers.errors import BadInput, BelayError
from pyhelpers.hosts.fleet import AT_ONCE
from pyhelpers.watch.health import Health, expectation_in
from pyhelpers.watch.http import check_url


def check_health_url(url: str) -> None:
    """Raise `BadInput` for a `health-url` that can't be asked."""
    check_url(url, source="health-url")


@click.command()
@connection_options
@belay_option(
    "layout",
    type=click.Choice(["releases", "in-place"]),
    default="releases",
    help="Chooses how the code lies on the host: `releases` (each in a folder of its own, `current` links to the live one) or `in-place`; the default is `releases`.",
)
@belay_option(
    "source",
    default=".",
    help="Names the folder with the built app on the runner; the default is `.`, the working directory.",
)
@belay_option(
    "build-command",
    lines=True,
    default="",
    help="Builds the app on the runner, in the folder `source`, before the host is touched, and ends at the first line that fails; by default nothing is run.",
)
@belay_option(
    "deploy-command",
    lines=True,
    default="",
    help="Runs on the host in the folder of the new code, and ends at the first line that fails (required with `layout: in-place`, where it changes the code); by default nothing is run.",
)
@belay_option(
    "migrate",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Says when migrations run: `auto` (when any is pending), `always` or `never`; the default is `auto`.",
)
@belay_option(
    "migrate-command",
    lines=True,
    default="",
    help="Migrates the database, on the host in the folder of the new code, and ends at the first line that fails; by default `php artisan migrate --force` for Laravel, and nothing for other apps.",
)
@belay_option(
    "maintenance",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Says when the maintenance page goes up: `auto` (when migrations run, or code is replaced in place), `always` or `never`; the default is `auto`.",
)
@belay_option(
    "backup-window",
    type=click.Choice(["maintenance", "live"]),
    default="maintenance",
    help="Says when the backup is made: during `maintenance`, or `live` before it, while the app serves, with a second one where anything was written meanwhile; the default is `maintenance`.",
)
@belay_option(
    "verify",
    type=click.Choice(["bytes", "loaded"]),
    default="bytes",
    help="Says how far the backup is proven: its `bytes` are read back whole, or it is `loaded` beside the live database as well, after which a rollback only swaps; the default is `bytes`.",
)
@belay_option(
    "offsite",
    default="none",
    help="Names the store that gets a copy of the backup (none in this version); the default is `none`.",
)
@belay_option(
    "database-rollback",
    type=click.Choice(["auto", "hold", "never"]),
    default="auto",
    help="Says what becomes of a migrated database after a failure: `auto` restores the backup where nobody else can have written, `hold` and `never` leave it to a person; the default is `auto`.",
)
@belay_option(
    "services",
    lines=True,
    check=check_services,
    default="",
    help="Lists what holds old code in memory, one per line, e.g. `php-fpm: php8.2-fpm`, `queue` or `supervisor: worker:*`; by default nothing is reloaded.",
)
@belay_option(
    "health-url",
    check=check_health_url,
    default="",
    help="Names the address that proves that the app is well, e.g. `https://app.example.com/up`; by default nothing is asked.",
)
@belay_option(
    "health-expect",
    lines=True,
    default="",
    help="Lists what a healthy answer holds, one per line, e.g. `status=200`, `text=Welcome`, `json.database=ok` or `release`; by default any status from 200 to 299.",
)
@page_options
@belay_option(
    "lease",
    type=click.IntRange(10, 3600),
    default=120,
    help="Sets after how many seconds without a sign of life from the runner the host saves itself; the default is 120.",
)
@belay_option(
    "watchdog",
    type=click.Choice(["on", "off"]),
    default="on",
    help="Says whether a deploy needs an armed reaper on the host: `on`, or `off` to deploy without one; the default is `on`.",
)
@belay_option(
    "keep-releases",
    type=click.IntRange(1, 1000),
    default=5,
    help="Sets how many releases stay on the host; the default is 5.",
)
@belay_option(
    "schema",
    type=click.Choice(["exclusive", "compatible"]),
    default="exclusive",
    help="Declares whether the release before works with the database after this one's migrations: `exclusive` (it doesn't) or `compatible` (it does, so there is no maintenance for them, and they stay when the code goes back); the default is `exclusive`.",
)
@belay_option(
    "rollout",
    type=click.Choice(["all", "rolling", "canary"]),
    default="all",
    help="Says how several hosts get the release: `all` at once, `rolling` in groups of `hosts-at-once`, or `canary`: the second host before the others (`rolling` and `canary` only with `schema: compatible` or `migrate: never`); the default is `all`.",
)
@belay_option(
    "hosts-at-once",
    type=click.IntRange(1, 100),
    default=AT_ONCE,
    help=f"Sets on how many hosts something is done at the same time; the default is {AT_ONCE}.",
)
@belay_option(
    "dry-run",
    switch=True,
    default=False,
    help="Only says what would be done, and does nothing; the default is `false`.",
)
@pass_session
def deploy(session: Session, /, **values: Any) -> int:
    """Deploy a release: backup before migrations, maintenance, health check, and the way back."""
    environment = values["environment"]
    connections = connections_from(values)
    _not_yet(values)
    settings = _settings(session, environment, connections[0].path, values)
    check_inputs(settings, len(connections))
    session.log.mask(settings.secret)
    outcome = Outcome(deployment=settings.trace.deployment_id())
    session.publish({"deployment-id": outcome.deployment})
    error: BelayError | None = None
    try:
        with watched() as cancellation, session.agents(connections, limit=settings.hosts_at_once) as agents:
            run(
                settings,
                agents,
                outcome,
                story=session.log,
                cancellation=cancellation,
                watchdog=values["watchdog"] == "on",
            )
    except DryRun:
        outcome.result = ""
    except BelayError as failure:
        error = failure
        raise
    finally:
        session.publish(report.outputs(outcome))
        report.tell(outcome, session.log, error)
    return 0


def _not_yet(values: dict[str, Any]) -> None:
    """Refuse what the contract names and this version can't do: a promise that isn't kept is worse than none."""
    if values["offsite"] not in {"", "none"}:
        raise BadInput("offsite", "off-site copies are not available in this version", remedy="Leave it out.")


def _settings(session: Session, environment: str, path: str, values: dict[str, Any]) -> DeploySettings:
    health = None
    if values["health_url"]:
        expect = expectation_in(values["health_expect"].splitlines(), source="health-expect")
        health = Health(url=values["health_url"], expect=expect)
    elif values["health_expect"]:
        raise BadInput("health-expect", "is given, but `health-url` is not", remedy="Give the address to ask.")
    return DeploySettings(
        environment=environment,
        path=path,
        choice=Choice(
            layout=values["layout"],
            migrate=values["migrate"],
            migrate_command=values["migrate_command"],
            maintenance=values["maintenance"],
            database_rollback=values["database_rollback"],
            watchdog=values["watchdog"] == "on",
            verify=values["verify"],
            backup_window=values["backup_window"],
            schema=values["schema"],
            rollout=values["rollout"],
        ),
        source=Path(values["source"]).absolute(),
        build_command=values["build_command"],
        deploy_command=values["deploy_command"],
        services=values["services"],
        health=health,
        secret=values["secret"] or secrets.token_urlsafe(24),
        retry=values["retry"],
        refresh=values["refresh"],
        render=values["render"],
        lease=values["lease"],
        hosts_at_once=values["hosts_at_once"],
        keep_releases=values["keep_releases"],
        dry_run=values["dry_run"],
        trace=session.trace,
    )
