"""The way back by hand, inside its transaction: database, release, services, and visitors in again.

`rollback` and `restore` both go it. What replaces the database is loaded while visitors are in still, where the account
can hold two copies; behind the closed door the loss is counted again, and the swap is all that is left to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pyhelpers.app.app import App
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import TOPS, create
from pyhelpers.backups.manifest import Manifest
from pyhelpers.databases.engine import Database, facts_in
from pyhelpers.deploy.loss import accepted, loss_since
from pyhelpers.deploy.phases import LONG_SECONDS, SHORT_SECONDS, let_visitors_in
from pyhelpers.deploy.policy import why_no_twin
from pyhelpers.deploy.transaction import Transaction
from pyhelpers.errors import CommandFailed
from pyhelpers.hosts.agent import Agent
from pyhelpers.watch.health import Health, probe
from pyhelpers.watch.http import Answer

NOTE = "replaced.json"  # in the folder of a deploy that replaced a database by hand
STEP = "restore"  # its name is known to put-back.sh


@dataclass
class Restored:
    """What the actions report of a way back."""

    rolled_back: bool = False
    release: str = ""
    database: bool = False
    discarded: int | None = None
    attic: str = ""
    backup: str = ""
    tables: int | None = None
    rows: int | None = None
    answers: list[Answer] = field(default_factory=list)
    healthy: bool | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """What becomes the live database: a backup, or with `attic` what the restore in that folder replaced.

    `tables` are the rows that were there last, against which "now" is counted, and `tops` the file with the highest keys.
    """

    name: str
    tables: Mapping[str, int]
    tops: str
    backup: Manifest | None = None
    attic: str = ""


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where to: a release (empty: the code stays), and a database's source if it goes back as well."""

    app: App
    release: str = ""
    database: Database | None = None
    source: Source | None = None
    accept_loss: int
    health: Health | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The backups on the host."""
        return Catalogue(self.app.agent, f"{self.app.site.base}/.belay/backups")


@dataclass(frozen=True, kw_only=True)
class Note:
    """What a replacement of the database leaves to know, for the one that undoes it.

    `attic` is the folder of the restore whose attic holds what was replaced; where it is empty, `backup` names a backup
    of it. `tables` and `schema_sha256` are the database right after, `before` the rows that it had right before.
    """

    database: str
    attic: str
    backup: str
    tables: Mapping[str, int]
    schema_sha256: str
    before: Mapping[str, int]

    @classmethod
    def of(cls, agent: Agent, deployment: str) -> Note | None:
        """Return the note of a deploy; None when it left none, or one that can't be read."""
        text = agent.ask(["cat", f"{agent.folder(deployment)}/{NOTE}"])
        try:
            return cls(**json.loads(text.text)) if text.ok else None
        except (ValueError, TypeError):
            return None


def go_back(deploy: Transaction, way: Way, outcome: Restored) -> None:
    """Go the way, each step with its undo left before it, and fill `outcome`. The point of no return is before the door."""
    set_out(deploy, way, outcome)
    deploy.precommit()
    arrive(deploy, way, outcome)


def set_out(deploy: Transaction, way: Way, outcome: Restored) -> None:
    """Go the way to the point of no return."""
    app, source = way.app, way.source
    if way.database is not None and source is not None and source.backup is not None and not source.attic:
        _load(deploy, way.database, source.backup, way.catalogue.path(source.backup))
    if app.services:
        deploy.run("writers", "Stop the workers", command=app.stop_writers_line(), undo=app.start_writers_line())
    if way.database is not None and source is not None:
        _database(deploy, way, way.database, source, outcome)
    elif app.services:
        deploy.leave_undo("services-back", app.apply_services_line())
    if way.release:
        deploy.phase("switch", limit=SHORT_SECONDS)
        caption = f"Switch to {way.release}"
        deploy.run("switch", caption, command=app.switch_line(way.release), undo=app.switch_back_line())
    if app.services:
        deploy.run("services", "Reload services", command=app.apply_services_line())
        deploy.agent.register(deploy.token, "writers", app.start_writers_line())
    if source is not None:
        deploy.agent.register(deploy.token, "up", app.up_line())


def arrive(deploy: Transaction, way: Way, outcome: Restored) -> None:
    """Let workers and visitors in, and see how the release before is."""
    app = way.app
    if app.services:
        deploy.run("writers-up", "Start the workers", command=app.start_writers_line())
    if way.source is not None:
        let_visitors_in(deploy, app)
    _look(deploy, way, outcome)


def services_of(agent: Agent, deployment: str) -> str:
    """Return the services that a deploy reloaded: their workers run its code, on its database."""
    note = agent.ask(["cat", f"{agent.folder(deployment)}/services"]) if deployment else None
    return note.text.strip() if note is not None and note.ok else ""


def _work(deploy: Transaction) -> str:
    return f"{deploy.folder}/restore"


def _load(deploy: Transaction, database: Database, backup: Manifest, folder: str) -> None:
    """Load a backup beside the live database while visitors are in, or take over the twin of the deploy that made it.

    An account that can't is no reason to give up, a damaged backup is: reading it back tells which of the two it is.
    """
    later = "it is loaded behind the maintenance page"
    if obstacle := why_no_twin(database.probe()):
        deploy.story.detail(f"{later}: {obstacle}")
        return
    deploy.phase("load", limit=LONG_SECONDS)
    work = _work(deploy)
    twin = f"{deploy.agent.folder(backup.deployment)}/restore" if backup.deployment else ""
    try:
        deploy.run(
            "load",
            f"Load {backup.name} beside the live database, and compare",
            command=database.load_line(folder, backup.payload, work, twin=twin),
            undo=database.unload_undo_line(work),
            timeout=LONG_SECONDS,
        )
    except CommandFailed as error:
        prove = database.prove_line(folder, backup.payload, backup.sha256)
        deploy.run("prove", "Read the backup back whole", command=prove, timeout=LONG_SECONDS)
        deploy.story.detail(f"{later}: {_last_line(error)}")


def _last_line(error: CommandFailed) -> str:
    """Return what a command said last, in short."""
    lines = error.details.strip().splitlines() or [error.message]
    return lines[-1].strip()[:300]


def _database(deploy: Transaction, way: Way, database: Database, source: Source, outcome: Restored) -> None:
    """Close the door, count the loss again, and put the database back: from a backup, or from an attic."""
    deploy.phase("down", limit=SHORT_SECONDS)
    deploy.run("down", "Maintenance on", command=way.app.down_line(), undo=way.app.lift_undo_line())
    if way.app.services:
        deploy.leave_undo("services-back", way.app.apply_services_line())
    before = database.counts()
    # What came in since the first count was shown to nobody.
    loss = loss_since(source.tables, before, added=database.since(source.tops))
    outcome.discarded = accepted(loss, source.name, rows=way.accept_loss)
    _note_before(deploy, database, before)
    if source.attic:
        attic, backup, tables = _unrestore(deploy, way, database, source.attic)
    else:
        assert source.backup is not None  # noqa: S101  # a source is one or the other
        attic, backup = _restore(deploy, database, source.backup, way.catalogue.path(source.backup)), ""
        tables = source.backup.tables
    outcome.attic, outcome.tables, outcome.rows = attic, len(tables), sum(tables.values())
    note = Note(
        database=name_of(deploy.agent, database),
        attic="" if backup else _work(deploy),
        backup=backup,
        tables=dict(tables),
        schema_sha256=database.fingerprint(),
        before=before,
    )
    deploy.agent.put(database.tops().encode(), f"{deploy.folder}/{TOPS}")
    deploy.agent.put(json.dumps(asdict(note)).encode(), f"{deploy.folder}/{NOTE}")


def name_of(agent: Agent, database: Database) -> str:
    """Return the database's name, or the path of its file."""
    return agent.read("cat", f"{database.connection}/database").strip()


def _note_before(deploy: Transaction, database: Database, counts: Mapping[str, int]) -> None:
    """Leave what the undo can tell by whether a restore that failed changed anything."""
    lines = "".join(f"{table}\t{rows}\n" for table, rows in counts.items())
    deploy.agent.put(lines.encode(), f"{deploy.folder}/before.counts")
    deploy.agent.put(database.schema().encode(), f"{deploy.folder}/before.schema")


def _restore(deploy: Transaction, database: Database, backup: Manifest, folder: str) -> str:
    """Restore a backup beside the live database, prove it, swap it in; return where the state of before is kept."""
    deploy.phase("restore", limit=LONG_SECONDS)
    work = _work(deploy)
    named = [database.engine.script, database.connection, STEP, folder, backup.payload, work]
    end = deploy.run(
        STEP,
        f"Put {backup.name} in the place of the live database",
        command=database.restore_line(folder, backup.payload, work),
        undo=deploy.agent.scripts.call("put-back.sh", "restore", *named),
        timeout=LONG_SECONDS,
    )
    return facts_in(end.output).get("attic", "")


def _unrestore(deploy: Transaction, way: Way, database: Database, attic: str) -> tuple[str, str, Mapping[str, int]]:
    """Swap back what a restore replaced; return the attic, the backup of what is replaced now, and the rows of each table.

    An engine swaps an attic back once. The backup is the way forth again: for this step's undo, and for whoever undoes
    the undo.
    """
    deploy.phase("backup", limit=LONG_SECONDS)
    made = create(deploy, database, way.catalogue)
    deploy.phase("restore", limit=LONG_SECONDS)
    script = database.engine.script
    forth = [made.path, made.manifest.payload, _work(deploy)]
    end = deploy.run(
        STEP,
        "Swap back what the restore replaced",
        command=database.unrestore_line(attic),
        undo=deploy.agent.scripts.call("put-back.sh", "attic", script, database.connection, STEP, *forth, attic),
        timeout=LONG_SECONDS,
    )
    return facts_in(end.output).get("attic", ""), made.manifest.name, database.counts()


def _look(deploy: Transaction, way: Way, outcome: Restored) -> None:
    """See how the release before is. A person asked for it, visitors are in: an unhealthy one is told, not undone."""
    if way.health is None:
        return
    answer = probe(way.health.for_release(way.release), name="after rollback", between=deploy.alive)
    outcome.answers.append(answer)
    outcome.healthy = answer.healthy
    if not answer.healthy:
        deploy.story.warning(f"the release before is not healthy either: {answer.reason}", title="Unhealthy")
