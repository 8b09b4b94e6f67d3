"""`restore`: a backup becomes the live database, is rehearsed in another one, or is only proven again."""

from __future__ import annotations

import posixpath
import re
from typing import Any

import click
from click.core import ParameterSource

from pyhelpers.backups.manifest import check_name
from pyhelpers.cli.options import belay_option, connection_from, connection_options
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.deploy.cancellation import watched
from pyhelpers.deploy.go_back import Restored
from pyhelpers.deploy.restore import Wanted
from pyhelpers.deploy.restore import restore as work
from pyhelpers.errors import BadInput, Exit

HERE = "host"
STORES = ("b2", "s3", "file")
_ON_THE_HOST = "Backups on the `host` alone: copy the file there and give its path as `backup-filename`."
_FILE = re.compile(r"/[A-Za-z0-9._@%+,=:/ -]*")
_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_BELOW_ROOT = "It is a whole path, from /, without quotes, `..`, `//` or a slash at the end."


def check_source(name: str) -> None:
    """Raise `BadInput` for a `backup-filename` that is neither a backup's name, nor `latest`, nor a whole path."""
    if name.startswith("/"):
        _check_file("backup-filename", name)
    elif name != "latest":
        check_name(name)


def check_into(name: str) -> None:
    """Raise `BadInput` for an `into` that is neither a plain name of a database nor a whole path of a file."""
    if name.startswith("/"):
        _check_file("into", name)
    elif not _DATABASE.fullmatch(name):
        remedy = (
            "Give the name of another database on the same server, e.g. `rehearsal`; for SQLite a file's whole path."
        )
        raise BadInput("into", f"`{name[:80]}` is no plain name of a database", remedy=remedy)


def check_from(place: str) -> None:
    """Raise `BadInput` for what is neither the host nor a store's address."""
    if place != HERE and place.partition("://")[0] not in STORES:
        raise BadInput("from", f"`{place[:20]}` is no place to restore from", remedy=_ON_THE_HOST)


def _check_file(name: str, path: str) -> None:
    if not _FILE.fullmatch(path) or path.startswith("//") or path == "/" or posixpath.normpath(path) != path:
        raise BadInput(name, f"{path[:200]!r} is no plain path", remedy=_BELOW_ROOT)


def check_confirmed(context: click.Context, values: dict[str, Any], what: str) -> None:
    """Raise `BadInput` unless the environment was named, and named once more as `confirm`, by somebody who means it."""
    environment, confirm = values["environment"], values["confirm"]
    named = context.get_parameter_source("environment") is not ParameterSource.DEFAULT
    if confirm and context.get_parameter_source("confirm") is ParameterSource.DEFAULT_MAP:
        raise BadInput("confirm", "stands in belay.toml, where it confirms nothing", remedy="Take it out of there.")
    if named and confirm == environment:
        return
    if not confirm:
        problem = "is missing"
    else:
        problem = f"is `{confirm[:80]}`" if named else f"is `{confirm[:80]}`, but `environment` is not given"
    remedy = f"Type `environment: {environment}` and `confirm: {environment}` if you mean to {what} there."
    raise BadInput("confirm", problem, remedy=remedy)


@click.command()
@connection_options
@belay_option(
    "backup-filename",
    check=check_source,
    default="",
    help="Names the backup, or `latest` for the newest proven one, or the whole path of a dump on the host that another tool made; required, except with `--undo`.",
)
@belay_option(
    "from",
    check=check_from,
    default=HERE,
    help="Says where the backup lies: on the `host`, or in a store given by its address (not in this version); the default is `host`.",
)
@belay_option(
    "into",
    check=check_into,
    default="",
    help="Names another, empty database to restore into as a rehearsal (for SQLite a file's whole path); by default the app's own is restored.",
)
@belay_option(
    "verify-only",
    switch=True,
    default=False,
    help="Only proves again that the backup can be restored, and changes nothing; the default is `false`.",
)
@belay_option(
    "confirm",
    default="",
    help="Repeats the name of `environment`, and is required to restore the app's own database; by default nothing is restored.",
)
@belay_option(
    "accept-loss",
    type=click.IntRange(0),
    default=0,
    help="Sets how many rows a restore may throw away; the default is 0.",
)
@click.option(
    "--undo", is_flag=True, help="Swaps back what the last restore (or the last undo) replaced; by default not."
)
@pass_session
def restore(session: Session, /, *, undo: bool, **values: Any) -> int:
    """Restore a database, rehearse it, or prove that it would work."""
    environment = values["environment"]
    checked = dict(values)
    connection = connection_from(values)
    wanted = Wanted(
        path=connection.path,
        environment=environment,
        backup=values["backup_filename"],
        into=values["into"],
        verify_only=values["verify_only"],
        undo=undo,
        accept_loss=values["accept_loss"],
        trace=session.trace,
    )
    if values["from"] != HERE:
        store = values["from"].partition("://")[0]
        raise BadInput("from", f"`{store}` is no place that this version restores from", remedy=_ON_THE_HOST)
    _check_together(wanted)
    if not (wanted.into or wanted.verify_only):
        check_confirmed(click.get_current_context(), checked, "undo the last restore" if undo else "restore")
    outcome = Restored()
    try:
        with watched() as cancellation, session.agent(connection) as agent:
            work(wanted, agent, outcome, story=session.log, cancellation=cancellation)
    finally:
        session.publish(
            {
                "restored": outcome.database,
                "attic": outcome.attic,
                "discarded-rows": outcome.discarded,
                "tables": outcome.tables,
                "rows": outcome.rows,
                "seconds": round(outcome.seconds, 3),
            }
        )
    session.log.done(told(wanted, outcome))
    if outcome.database:
        session.log.detail("What it replaced is kept for two weeks (`attic list`); `restore --undo` swaps it back.")
    return Exit.DONE


def told(wanted: Wanted, outcome: Restored) -> str:
    """Return how it ended, in a sentence."""
    what = f"{outcome.tables} tables, {outcome.rows:,} rows" if outcome.rows is not None else "see above"
    return {
        "verify-only": f"{outcome.backup} can be restored: {what}; nothing was changed",
        "rehearsal": f"Restored {outcome.backup} into {wanted.into}: {what}; the app's own database was not touched",
        "undo": f"The last restore was undone: {what}",
        "restore": f"Restored {outcome.backup}: {what}",
    }[wanted.mode]


def _check_together(wanted: Wanted) -> None:
    """Raise `BadInput` for inputs that contradict each other, or for the one that is missing."""
    if wanted.into and wanted.verify_only:
        raise BadInput("into", "is given together with `verify-only`", remedy="Give one of them.")
    if wanted.undo and (wanted.backup or wanted.into or wanted.verify_only):
        raise BadInput(
            "undo", "is given together with a backup", remedy="It swaps back what the last restore replaced."
        )
    if not wanted.undo and not wanted.backup:
        remedy = "Give `latest`, or a name that `backup list` prints."
        raise BadInput("backup-filename", "is missing", remedy=remedy)
