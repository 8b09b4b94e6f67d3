"""Restoring a database by hand: for real, as a rehearsal in another database, or only proving that it would work.

A real restore is a transaction of its own on the host, so that a runner that dies in the middle of it leaves either the
database of before or the restored one. What it replaces stays in the attic, and `undo` swaps it back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pyhelpers.app.app import App
from pyhelpers.app.page import Page
from pyhelpers.backups.catalogue import LATEST, Catalogue
from pyhelpers.backups.create import create
from pyhelpers.backups.manifest import Manifest
from pyhelpers.clock import utc
from pyhelpers.databases.engine import Database, engine_named, facts_in
from pyhelpers.deploy import attic
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.find_database import open_database
from pyhelpers.deploy.go_back import Note, Restored, Source, Way, go_back, name_of, services_of
from pyhelpers.deploy.loss import accepted, measure, tell
from pyhelpers.deploy.phases import LONG_SECONDS
from pyhelpers.deploy.piecewise import find_site
from pyhelpers.deploy.policy import why_no_twin
from pyhelpers.deploy.settings import Trace
from pyhelpers.deploy.source import of_backup, of_note
from pyhelpers.deploy.transaction import Story, Transaction
from pyhelpers.deploy.which import ENDED_WELL, changes
from pyhelpers.errors import BadInput, NothingChanged
from pyhelpers.hosts.agent import Agent


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the inputs of `restore` ask for."""

    path: str
    environment: str
    backup: str = ""  # a backup's name, `latest`, or the path of a dump on the host that another tool made
    into: str = ""  # another database: a rehearsal
    verify_only: bool = False
    undo: bool = False
    accept_loss: int = 0  # rows that may be thrown away
    trace: Trace = field(default_factory=Trace)

    @property
    def mode(self) -> str:
        """What is done, in a word, as the host's history keeps it."""
        return (
            "verify-only" if self.verify_only else "rehearsal" if self.into else attic.UNDO if self.undo else "restore"
        )

    @property
    def foreign(self) -> bool:
        """Whether it is a dump that another tool made."""
        return self.backup.startswith("/")


def restore(
    wanted: Wanted,
    agent: Agent,
    outcome: Restored,
    *,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str] = utc,
) -> None:
    """Do what `wanted` asks for, and fill `outcome`.

    Raises `BadInput` for a backup that isn't there, before anything changes; `NothingChanged` when more would be lost
    than is accepted; and what a transaction raises.
    """
    begun = time.monotonic()
    try:
        catalogue = Catalogue(agent, f"{wanted.path}/.belay/backups")
        backup = _chosen(wanted, agent, catalogue)
        agent.install()
        agent.reap()
        undone = attic.last_restore(agent) if wanted.undo else ""
        owner: dict[str, Any] = {
            "since": now(),
            **wanted.trace.as_owner("restore"),
            "environment": wanted.environment,
            "mode": wanted.mode,
            "backup": backup.name if backup else wanted.backup,
            "undoes": undone,
        }
        deployment = wanted.trace.deployment_id()
        story.step(f"Take the lock of {agent.host.name}, arm its reaper")
        deploy = Transaction.begin(agent, deployment, owner, story=story, cancellation=cancellation)
        with deploy:
            _within(wanted, deploy, catalogue, backup, undone, outcome)
            deploy.confirm()
        outcome.database = wanted.mode in attic.REPLACING
    finally:
        outcome.seconds = time.monotonic() - begun


def _chosen(wanted: Wanted, agent: Agent, catalogue: Catalogue) -> Manifest | None:
    """Return the backup that is named; None for an undo, and for a file, which is seen to be there."""
    if wanted.undo:
        return None
    if not wanted.foreign:
        return catalogue.get(wanted.backup)
    if not agent.ask(["test", "-r", wanted.backup]).ok:
        raise BadInput(
            "backup-filename",
            f"there is no file {wanted.backup} on {agent.host.name} that this user may read",
            remedy="Give its whole path on that host, or a name that `backup list` prints.",
        )
    return None


def _within(
    wanted: Wanted,
    deploy: Transaction,
    catalogue: Catalogue,
    backup: Manifest | None,
    undone: str,
    outcome: Restored,
) -> None:
    agent = deploy.agent
    app = App(
        site=find_site(agent, wanted.path),
        agent=agent,
        folder=deploy.folder,
        page=Page(secret=secrets.token_urlsafe(24)),
        services=_services(agent),
    ).leave_options()
    database = _database(app, deploy)
    if wanted.foreign:
        backup = _adopt(deploy, database, catalogue, wanted.backup)
    if backup is not None:
        backup = _of_this(backup, wanted, deploy, database, catalogue)
    outcome.backup = backup.name if backup is not None else ""
    if backup is not None and engine_named(backup.engine) != database.engine:
        raise BadInput("backup-filename", f"is of {backup.engine}, and the app's database is {database.engine.name}")
    if backup is not None and wanted.verify_only:
        _verify(deploy, database, catalogue.path(backup), backup, outcome)
        deploy.precommit()
    elif backup is not None and wanted.into:
        _rehearse(deploy, database, catalogue.path(backup), backup, wanted.into, outcome)
        deploy.precommit()
    else:
        source = _undo_of(agent, database, catalogue, undone) if backup is None else of_backup(backup, catalogue)
        _tell_others(deploy)
        _replace(deploy, app, database, source, wanted.accept_loss, outcome)


def _of_this(
    backup: Manifest, wanted: Wanted, deploy: Transaction, database: Database, catalogue: Catalogue
) -> Manifest:
    """Return the backup that is meant; `latest` is the newest of the app's own database. Warns of one of another."""
    name = name_of(deploy.agent, database)
    if wanted.backup == LATEST:
        return catalogue.get(LATEST, database=name)
    if not backup.is_of(name):
        deploy.story.warning(
            f"{backup.name} is a backup of {backup.database}, and the app's database is {name}",
            title="Another database",
        )
    return backup


def _tell_others(deploy: Transaction) -> None:
    """Say that only this host's visitors are kept out, where the app's last deploy was one of several hosts."""
    fleets = [entry["owner"].get("fleet") for entry in deploy.agent.history() if changes(entry)]
    others = fleets[-1] if fleets else None
    if isinstance(others, list) and len(others) > 1:
        deploy.story.warning(
            f"the app runs on {len(others)} hosts, and only the visitors of {deploy.agent.host.name} are kept out: what "
            "those of the others write meanwhile is not counted. Put the others into maintenance first.",
            title="Other hosts",
        )


def _database(app: App, deploy: Transaction) -> Database:
    """Return the app's own database; raises `NothingChanged` when there is none, or none that answers."""
    try:
        database = open_database(app, deploy)
    except NothingChanged as error:
        remedy = (
            f"{error.remedy} If the database itself is damaged: move a SQLite file aside, or make an empty database of "
            "that name, and restore again; backups are no part of it."
        )
        raise NothingChanged(error.message, remedy=remedy, details=error.details) from error
    if database is None:
        raise NothingChanged(
            f"no database is configured in {app.site.env_file} on {deploy.agent.host.name}",
            remedy="Give the DB_ settings there: they name the database that is restored.",
        )
    return database


def _services(agent: Agent) -> str:
    """Return the services of the deploy that is live: their workers write to the database that is replaced."""
    deploys = (entry["id"] for entry in reversed(agent.history()) if changes(entry) and entry["verdict"] in ENDED_WELL)
    return next((text for deployment in deploys if (text := services_of(agent, deployment))), "")


def _undo_of(agent: Agent, database: Database, catalogue: Catalogue, undone: str) -> Source:
    """Return what a restore replaced; raises `NothingChanged` when it is gone, or what came since would be half undone."""
    note = Note.of(agent, undone)
    if note is None:
        raise NothingChanged(f"what {undone} replaced was kept for {attic.DAYS} days, and is gone now")
    if note.database != name_of(agent, database):
        raise NothingChanged(
            f"{undone} restored {note.database}, and the app's database is another one now",
            remedy="Undo it where the app's settings name that database, or restore a backup by its name.",
        )
    if note.schema_sha256 != database.fingerprint():
        raise NothingChanged(
            f"the schema changed since {undone}: what it replaced would not fit the code that is live",
            remedy="Roll back what was deployed since (`rollback`), or restore a backup by its name.",
        )
    return of_note(agent, catalogue, undone, note)


def _replace(
    deploy: Transaction, app: App, database: Database, source: Source, accept_loss: int, outcome: Restored
) -> None:
    """Count what would be lost, ask whether that is accepted, and put the source in the live database's place."""
    loss = measure(database, source.tables, source.tops)
    outcome.discarded = loss.rows
    tell(deploy.story, loss, source.name)
    accepted(loss, source.name, rows=accept_loss)
    if source.backup is not None and source.backup.schema_sha256 != database.fingerprint():
        deploy.story.warning(
            f"the schema of {source.name} isn't the live one; if the live code needs its own, go back with the code as "
            "well (`rollback` with `release`), or deploy again, which migrates",
            title="Another schema",
        )
    go_back(deploy, Way(app=app, database=database, source=source, accept_loss=accept_loss), outcome)


def _adopt(deploy: Transaction, database: Database, catalogue: Catalogue, file: str) -> Manifest:
    """Make a backup of a dump that another tool made; from then on it is like any other."""
    deploy.phase("adopt", limit=LONG_SECONDS)
    deploy.story.step(f"Make a backup of {file}: checked, loaded beside the live database, dumped")
    manifest = create(deploy, replace(database, foreign=file), catalogue).manifest
    deploy.story.detail(f"{manifest.name}: {len(manifest.tables)} tables, {manifest.rows:,} rows")
    return manifest


def _verify(deploy: Transaction, database: Database, folder: str, backup: Manifest, outcome: Restored) -> None:
    """Prove a backup again: read back whole, and loaded beside the live database where the account can hold two copies."""
    deploy.phase("verify", limit=LONG_SECONDS)
    prove = database.prove_line(folder, backup.payload, backup.sha256)
    proof = deploy.run("prove", "Read the backup back whole", command=prove, timeout=LONG_SECONDS)
    if facts_in(proof.output).get("verified") != "bytes":
        raise NothingChanged("the backup could not be proven", details=proof.output)
    outcome.tables, outcome.rows = len(backup.tables), backup.rows
    if obstacle := why_no_twin(database.probe()):
        deploy.story.warning(f"{backup.name} was read back whole, and not loaded: {obstacle}", title="Not loaded")
        return
    work = f"{deploy.folder}/load-verify"  # tidy.sh knows such names
    deploy.run(
        "load",
        "Load it beside the live database, and compare",
        command=database.load_line(folder, backup.payload, work),
        undo=database.unload_undo_line(work),
        timeout=LONG_SECONDS,
    )
    deploy.run("unload", "Drop what was loaded", command=database.unload_line(work), timeout=LONG_SECONDS)


def _rehearse(
    deploy: Transaction, database: Database, folder: str, backup: Manifest, into: str, outcome: Restored
) -> None:
    """Restore into another database; the live one isn't touched."""
    deploy.phase("rehearse", limit=LONG_SECONDS)
    end = deploy.run(
        "rehearse",
        f"Restore {backup.name} into {into}",
        command=database.rehearse_line(folder, backup.payload, into),
        timeout=LONG_SECONDS,
    )
    facts = facts_in(end.output)
    if facts.get("rehearsed") != "yes":
        raise NothingChanged("the rehearsal did not say that it was done", details=end.output)
    outcome.tables, outcome.rows = int(facts.get("tables", "0")), int(facts.get("rows", "0"))
