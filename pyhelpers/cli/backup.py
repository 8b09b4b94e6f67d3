"""`backup create` and `backup list`."""

from __future__ import annotations

from typing import Any

import click

from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.cli.options import belay_option, connection_from, connection_options, secret_option
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.clock import utc
from pyhelpers.databases.engine import check_url
from pyhelpers.deploy import backup as work
from pyhelpers.deploy.cancellation import watched
from pyhelpers.errors import BadInput, Exit
from pyhelpers.hosts.connect import check_path


def check_directory(path: str) -> None:
    """Raise `BadInput` for a `directory` that is no absolute, plain path."""
    try:
        check_path(path.rstrip("/") or path)
    except BadInput as error:
        raise BadInput("directory", error.message.partition(": ")[2], remedy=error.remedy) from error


@click.group()
def backup() -> None:
    """Backups on the host: make one, list them."""


@backup.command()
@connection_options
@secret_option(
    "database-url",
    check=check_url,
    help="Names the database to back up, e.g. `mysql://user:password@host/name`; by default the app's own, read on the host.",
)
@belay_option(
    "verify",
    type=click.Choice(["bytes", "loaded"]),
    default="bytes",
    help="Says how far the backup is proven: its `bytes` are read back whole, or it is `loaded` beside the live database as well; the default is `bytes`.",
)
@belay_option(
    "compression",
    type=click.Choice(["auto", "zstd", "gzip"]),
    default="auto",
    help="Chooses the compression: `zstd`, `gzip`, or `auto` for zstd where the host has it; the default is `auto`.",
)
@belay_option(
    "directory",
    check=check_directory,
    default="",
    help="Names the folder for backups on the host; by default `<path>/.belay/backups`.",
)
@belay_option(
    "keep", type=click.IntRange(1, 1000), default=5, help="Sets how many proven backups stay; the default is 5."
)
@belay_option(
    "only-if-pending",
    switch=True,
    default=False,
    help="Makes a backup only if migrations are pending, which can be told of Laravel apps; the default is `false`.",
)
@pass_session
def create(session: Session, /, **values: Any) -> int:
    """Make a backup and prove it."""
    connection = connection_from(values)
    if values["database_url"]:
        session.log.mask(values["database_url"])
    trace = session.trace
    wanted = work.Wanted(
        path=connection.path,
        database_url=values["database_url"],
        verify=values["verify"],
        compression=values["compression"],
        directory=values["directory"].rstrip("/"),
        keep=values["keep"],
        only_if_pending=values["only_if_pending"],
        trace=trace,
        deployment=trace.deployment_id(),
    )
    with watched() as cancellation, session.agent(connection) as agent:
        made = work.back_up(
            wanted,
            agent,
            story=session.log,
            cancellation=cancellation,
            now=utc,
        )
    manifest = made.backup.manifest if made.backup else None
    session.publish(
        {
            "backup-filename": manifest.name if manifest else "",
            "backup-path": f"{made.backup.path}/{manifest.payload}" if made.backup and manifest else "",
            "backup-sha256": manifest.sha256 if manifest else "",
            "backup-bytes": manifest.bytes if manifest else "",
            "backup-verified": manifest.verification if manifest else "",
            "backup-seconds": made.backup.seconds if made.backup else "",
            "manifest": manifest.to_json() if manifest else "",
            "pending-migrations": list(made.pending),
            "skipped": made.backup is None,
        }
    )
    session.log.done(
        f"Backup {manifest.name}: proven ({manifest.verification})"
        if manifest
        else "No migration is pending: no backup"
    )
    return Exit.DONE


@backup.command("list")
@connection_options
@belay_option(
    "directory",
    check=check_directory,
    default="",
    help="Names the folder for backups on the host; by default `<path>/.belay/backups`.",
)
@pass_session
def list_(session: Session, /, **values: Any) -> int:
    """List the backups on the host, newest first."""
    connection = connection_from(values)
    with session.agent(connection) as agent:
        folder = values["directory"].rstrip("/") or f"{connection.path}/.belay/backups"
        for manifest in Catalogue(agent, folder).all():
            session.log.detail(
                f"{manifest.name}  {manifest.verification}  {manifest.bytes:,} bytes  {manifest.rows:,} rows  {manifest.created}"
            )
    return Exit.DONE
