"""What the database goes back to together with a release: the backup of that time, or what a rollback replaced.

A release and a database are a pair. Which backup belongs to a release is read from what the host noted of its deploys;
where that can't be told, a person names it.
"""

from __future__ import annotations

from dataclasses import replace

from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import TOPS
from pyhelpers.backups.manifest import Manifest
from pyhelpers.databases.engine import Database, engine_named
from pyhelpers.deploy.go_back import Note, Restored, Source, name_of
from pyhelpers.deploy.loss import accepted, measure, rows, tell, were
from pyhelpers.deploy.transaction import Story
from pyhelpers.deploy.which import ENDED_WELL, changes, release_before, remembered, undone
from pyhelpers.errors import BadInput, NothingChanged
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Status

DROPPED = 1  # how the script below ends: the attic was dropped
# An undo that was itself undone left its attic in a folder of its own. An engine swaps each back once.
_HELD = """
work=$1
while [ -s "$work/moved-to" ]; do work=$(cat "$work/moved-to"); done
[ -d "$work" ] && [ ! -e "$work/attic-dropped" ] && [ ! -e "$work/dropped" ] || exit 1
[ ! -e "$work/undone" ] && [ ! -e "$work/unrestore/done" ] || exit 2
printf '%s\\n' "$work"
"""


def held_in(agent: Agent, attic: str, name: str) -> str:
    """Return the folder that holds the attic of the restore in `attic`; raises `NothingChanged` when it can't come back.

    `name` says what is asked for. What was swapped back already would be swapped back by doing nothing.
    """
    found = agent.ask(["sh", "-c", _HELD, "held", attic])
    if found.ok:
        return found.text.strip()
    if found.exit_code == DROPPED:
        raise NothingChanged(f"{name} was dropped", remedy="`attic list` shows what there is.")
    raise NothingChanged(
        f"{name} was swapped back already", remedy="Undo what did that, by its own `deployment-id` (`status`)."
    )


def of_backup(backup: Manifest, catalogue: Catalogue) -> Source:
    """Return a backup as what becomes the live database; those of earlier versions noted no highest keys."""
    return Source(name=backup.name, tables=backup.tables, tops=f"{catalogue.path(backup)}/{TOPS}", backup=backup)


def of_note(agent: Agent, catalogue: Catalogue, deployment: str, note: Note) -> Source:
    """Return what a deploy replaced by hand, as its note tells; raises `NothingChanged` when it is gone."""
    name, tops = f"what {deployment} replaced", f"{agent.folder(deployment)}/{TOPS}"
    if note.attic:
        return Source(name=name, tables=note.tables, tops=tops, attic=held_in(agent, note.attic, name))
    backup = next((one for one in catalogue.all() if one.name == note.backup), None)
    if backup is None:
        raise NothingChanged(f"{name} was kept as the backup {note.backup}, and that is gone now")
    return Source(name=name, tables=note.tables, tops=tops, backup=backup)


def source_for(
    agent: Agent, path: str, status: Status, database: Database | None, *, release: str, live: str, named: str = ""
) -> Source | None:
    """Return what the database was while `release` served, so that undoing the deploy of `status` leads to a pair.

    None: nothing that was deployed since then migrated (or a rollback is undone that left the database alone). `named`
    is the backup that a person chose. Raises `NothingChanged` where it can't be told, or is gone.
    """
    if database is None:
        if agent.ask(["test", "-e", f"{agent.folder(status.deployment)}/database/engine"]).ok:
            raise NothingChanged(
                f"{status.deployment} had a database, and the app's settings name none now",
                remedy="Put the DB_ settings back, or go back with the code alone by `database: never`.",
            )
        return None
    catalogue = Catalogue(agent, f"{path}/.belay/backups")
    name = name_of(agent, database)
    if named:
        return of_backup(catalogue.get(named, database=name), catalogue)
    if status.owner.get("verb") == "rollback":
        note = Note.of(agent, status.deployment)
        if note is not None and note.database != name:
            raise NothingChanged(
                f"{status.deployment} restored {note.database}, and the app's database is another one now",
                remedy="Name a backup of it (`backup list`), or go back with the code alone by `database: never`.",
            )
        return None if note is None else of_note(agent, catalogue, status.deployment, note)
    for deployment in _since(agent, status, release=release, live=live):
        made = catalogue.made_by(deployment, name)
        if made is not None:
            return of_backup(made, catalogue)
        # In a deploy of pieces the user's own step migrates: there the step is one without a command.
        if agent.ask(["test", "-d", f"{agent.folder(deployment)}/ops/migrate"]).ok:
            raise NothingChanged(
                f"{deployment} migrated, and its backup is gone",
                remedy="Name another backup (`backup list`), or go back with the code alone by `database: never`.",
            )
    return None


def _since(agent: Agent, status: Status, *, release: str, live: str) -> list[str]:
    """Return the deploys since `release` served, the first of them the one that replaced it."""
    if not release or release == live:
        return [status.deployment]
    history = remembered(agent)
    gone = undone(history)
    good = [entry["id"] for entry in history if changes(entry) and entry.get("verdict") in ENDED_WELL]
    replaced = [status.deployment] if status.deployment else []
    replaced += [deployment for deployment in reversed(good) if deployment != status.deployment]
    first = next((one for one in replaced if release_before(agent, one) == release), "")
    if not first:
        raise NothingChanged(
            f"which database goes with {release} can't be told: no deploy that this host remembers replaced it",
            remedy="Name the backup as well (`backup-filename`), or go back with the code alone by `database: never`.",
        )
    if first in gone and first != status.deployment:
        return [first]
    ids = [entry["id"] for entry in history]
    after = ids[ids.index(first) + 1 :] if first in ids else []
    return [first, *(one for one in after if one in good and one not in gone)]


def decide(
    source: Source | None,
    database: Database | None,
    outcome: Restored,
    story: Story,
    *,
    agent: Agent,
    wish: str,
    accept_loss: int,
    backups: str,
) -> bool:
    """Return whether the database is restored; raises `NothingChanged` when a person has to decide.

    `wish` is always or auto; `backups` is their folder.
    """
    if database is None or source is None:
        if wish == "always":
            raise BadInput(
                "database",
                "is `always`, and nothing tells what it is to be restored from: the app has no database, or what is undone made no backup",
                remedy="`backup list` names the backups: give one as `backup-filename`.",
            )
        return False
    backup = source.backup
    if backup is not None and engine_named(backup.engine) != database.engine:
        raise BadInput("backup-filename", f"is of {backup.engine}, and the app's database is {database.engine.name}")
    loss = measure(database, source.tables, source.tops)
    outcome.discarded = loss.rows
    tell(story, loss, source.name)
    if wish == "always":
        accepted(loss, source.name, rows=accept_loss)
        return True
    if backup is not None and _as_then(agent, database, backup, f"{backups}/{backup.name}"):
        return False
    differs = f"the schema or the list of migrations changed since {source.name}"
    if backup is None:
        differs = f"{source.name} is another state of the database"
    raise NothingChanged(
        f"{differs}, and {rows(loss.rows)} {were(loss.rows)} written or removed since",
        remedy=f"Choose: `database: always` with `accept-loss: {loss.rows}` restores it; `never` goes back with the code alone.",
    )


def _as_then(agent: Agent, database: Database, backup: Manifest, folder: str) -> bool:
    """Whether schema and list of migrations are those of a backup; a migration of rows alone is seen by the list only."""
    if database.fingerprint() != backup.schema_sha256:
        return False
    table, ledger = (agent.ask(["cat", f"{folder}/{file}"]) for file in ("ledger-table", "ledger.tsv"))
    if not (table.ok and ledger.ok):
        return True
    return replace(database, ledger_table=table.text.strip()).ledger() == ledger.text
