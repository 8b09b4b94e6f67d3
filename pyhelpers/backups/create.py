"""Make a backup and prove it: dump, read back whole, load beside if asked for, manifest last.

All of it runs on the host as steps of a deploy. `create` does it in one go; a deploy that dumps while the app serves
takes the parts one by one: until `seal` has written the manifest there is only a draft, which can be thrown away.
"""

from __future__ import annotations

import calendar
import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.manifest import Manifest, backup_name
from pyhelpers.clock import utc
from pyhelpers.databases.engine import Database, facts_in, table_in
from pyhelpers.errors import CommandFailed, NothingChanged
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import StepEnd

_NAME_TIME = "%Y%m%dT%H%M%SZ"
TOPS = "tops.tsv"  # in a backup's folder: the highest keys, above which a loss report counts
DUMP_SECONDS = 6 * 3600  # GitHub's own limit for a job


class Teller(Protocol):
    """Where it is told what a person should look at."""

    def warning(self, message: str, *, title: str = "") -> None:
        """Say it."""


class Stepper(Protocol):
    """What this needs of a deploy: to run a step on the host and wait for its end."""

    @property
    def agent(self) -> Agent:
        """The agent that the steps run on."""

    @property
    def story(self) -> Teller:
        """Where it is told what happens."""

    @property
    def deployment(self) -> str:
        """The deploy's id."""

    def run(self, name: str, caption: str, *, command: str, undo: str = "", timeout: float = 600.0) -> StepEnd:
        """Run a step; raises when it ends other than 0."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A dump that was proven and is no backup yet: it lies in `folder`, and goes when its deploy is undone."""

    stamp: str
    folder: str
    begun: str  # UTC
    facts: Mapping[str, str]  # what the dump said
    probe: Mapping[str, str]
    tables: Mapping[str, int]  # rows
    seconds: float
    verification: str = "bytes"
    checksums: bool = False  # whether the rows that were loaded were compared by checksum, table by table
    twin: str = ""  # work folder of the copy that it was loaded into, if that is kept
    mark: str = ""  # where the database was in its own log of changes before the dump began; empty: nobody asked

    @property
    def key(self) -> str:
        """What its steps are called by: a transaction may hold several backups."""
        return self.stamp[-8:]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup that exists: its manifest, where it lies, how long it took (seconds), and the twin's work folder if it has one."""

    manifest: Manifest
    path: str
    seconds: float
    twin: str = ""
    checksums: bool = False

    @property
    def proof(self) -> str:
        """How it was proven, in words."""
        if self.manifest.verification != "loaded":
            return "read back whole"
        return "read back whole and loaded" + (", every table's checksum equal" if self.checksums else "")


def create(
    deploy: Stepper,
    database: Database,
    catalogue: Catalogue,
    *,
    git_sha: str = "",
    batch: int = 0,
    compression: str = "auto",
    loaded: bool = False,
    twin: str = "",
) -> Backup:
    """Make and prove a backup of `database`; raises `CommandFailed` or `NothingChanged`, and then there is none.

    `loaded` proves it by loading it beside the live database; the copy stays in the work folder `twin` where one is
    given, and is dropped at once where none is.
    """
    made = draft(deploy, database, catalogue, compression=compression, checksums=loaded)
    if loaded:
        made = load(deploy, database, made, twin=twin)
    return seal(deploy, database, catalogue, made, git_sha=git_sha, batch=batch)


def draft(
    deploy: Stepper,
    database: Database,
    catalogue: Catalogue,
    *,
    compression: str = "auto",
    checksums: bool = False,
    mark: Callable[[Database], str] = lambda _database: "",
) -> Draft:
    """Dump `database` and read the dump back whole; `mark` notes where its log of changes is before the dump begins.

    `checksums` are for one that will be loaded: what is loaded is compared by them.
    The dump's folder has a name of its own until all is proven, so that what was left by a crash is never a backup.
    """
    started = time.monotonic()
    begun = utc()
    stamp = f"{_time_for_name(deploy, catalogue)}-{secrets.token_hex(8)}"
    incoming = f"{catalogue.folder}/.incoming-{stamp}"
    probe = database.probe()
    tops = database.tops()  # before the dump: what is written meanwhile counts as lost, though it may not be
    noted = mark(database)  # after the probe, which may write to find out what it may do
    dump = deploy.run(
        f"backup-{stamp[-8:]}",
        "Dump the database",
        command=f"umask 077; mkdir -p {shlex.quote(incoming)} || exit 1\n"
        + database.dump_line(incoming, compression, checksums=checksums),
        undo=f"rm -rf -- {shlex.quote(incoming)}",
        timeout=DUMP_SECONDS,
    )
    facts = facts_in(dump.output)
    missing = {"payload", "bytes", "sha256", "schema_sha256"} - facts.keys()
    if missing:
        raise NothingChanged(f"the dump did not say {', '.join(sorted(missing))}", details=dump.output)
    prove = database.prove_line(incoming, facts["payload"], facts["sha256"])
    proof = deploy.run(f"prove-{stamp[-8:]}", "Read the backup back whole", command=prove, timeout=DUMP_SECONDS)
    if facts_in(proof.output).get("verified") != "bytes":
        raise NothingChanged("the backup could not be proven", details=proof.output)
    deploy.agent.put(database.ledger().encode(), f"{incoming}/ledger.tsv")
    deploy.agent.put(f"{database.ledger_table}\n".encode(), f"{incoming}/ledger-table")
    deploy.agent.put(tops.encode(), f"{incoming}/{TOPS}")
    return Draft(
        stamp=stamp,
        folder=incoming,
        begun=begun,
        facts=facts,
        probe=probe,
        tables=table_in(deploy.agent.read("cat", f"{incoming}/counts.tsv")),
        seconds=time.monotonic() - started,
        mark=noted,
    )


def _time_for_name(deploy: Stepper, catalogue: Catalogue) -> str:
    """Return the time of now, or the second after the newest backup's name: names tell which backup is the newest.

    A runner whose clock is ahead leaves names from the future; a backup named before those would be let go at once.
    """
    now = time.strftime(_NAME_TIME, time.gmtime())
    newest = max((one.name.partition("-")[0] for one in catalogue.all()), default="")
    if newest < now:
        return now
    try:
        after = time.gmtime(calendar.timegm(time.strptime(newest, _NAME_TIME)) + 1)
    except ValueError:  # no name of ours, but one that a manifest may have
        return newest
    if newest > now:
        deploy.story.warning(
            f"the newest backup's name says {newest}, which is still to come: this runner's clock is behind, or that of "
            "an earlier one was ahead. This backup is named after it; `created` in its manifest has the time of now.",
            title="A clock is wrong",
        )
    return time.strftime(_NAME_TIME, after)


def load(deploy: Stepper, database: Database, made: Draft, *, twin: str = "") -> Draft:
    """Prove a draft further, by loading it beside the live database; the copy stays in the work folder `twin`, if given."""
    started = time.monotonic()
    work = twin or f"{deploy.agent.folder(deploy.deployment)}/load-{made.key}"
    proof = deploy.run(
        f"load-{made.key}",
        "Load the backup beside the live database, and compare",
        command=database.load_line(made.folder, made.facts["payload"], work),
        undo=database.unload_undo_line(work),
        timeout=DUMP_SECONDS,
    )
    facts = facts_in(proof.output)
    if facts.get("loaded") != "yes":
        raise NothingChanged("the backup could not be proven by loading it", details=proof.output)
    if not twin:
        drop_twin(deploy, database, work, made.key)
    return replace(
        made,
        verification="loaded",
        checksums=facts.get("checksums") == "yes",
        twin=twin,
        seconds=made.seconds + time.monotonic() - started,
    )


def drop_twin(deploy: Stepper, database: Database, work: str, key: str) -> None:
    """Drop what `load` left beside the live database, unless a restore has used it."""
    command = database.unload_line(work)
    deploy.run(f"unload-{key}", "Drop the copy that proved it", command=command, timeout=DUMP_SECONDS)


def discard(deploy: Stepper, database: Database, made: Draft) -> None:
    """Throw a draft away, with the copy that it was loaded into."""
    if made.twin:
        drop_twin(deploy, database, made.twin, made.key)
    deploy.run(f"discard-{made.key}", "Throw the first dump away", command=f"rm -rf -- {shlex.quote(made.folder)}")


def seal(
    deploy: Stepper, database: Database, catalogue: Catalogue, made: Draft, *, git_sha: str = "", batch: int = 0
) -> Backup:
    """Make a draft a backup: its manifest is written, then it gets its final name."""
    facts = made.facts
    previous = catalogue.all()
    manifest = Manifest(
        name=backup_name(made.stamp, facts["payload"], database.engine.name),
        created=made.begun,  # from then on what is written is not in it
        engine=database.engine.name,
        payload=facts["payload"],
        bytes=int(facts["bytes"]),
        sha256=facts["sha256"],
        verification=made.verification,
        tables=made.tables,
        counts_exact=facts.get("counts_exact", "no") == "yes",
        schema_sha256=facts["schema_sha256"],
        inventory=_inventory(deploy.agent.read("cat", f"{made.folder}/inventory.tsv")),
        server_version=made.probe.get("server_version", ""),
        client_version=made.probe.get("client_version", ""),
        flags=facts.get("flags", ""),
        consistency={key: facts[key] for key in ("position", "lsn", "window") if key in facts},
        deployment=deploy.deployment,
        git_sha=git_sha,
        migration_batch=batch,
        seconds=round(made.seconds, 3),
        previous=previous[0].digest if previous else "",
        database=made.probe.get("database", ""),
    )
    path = catalogue.path(manifest)
    argv = deploy.agent.scripts.argv("seal.sh", made.folder, path)
    sealed = deploy.agent.ask(argv, stdin=manifest.to_json().encode())
    if not sealed.ok:
        raise CommandFailed("sealing the backup", sealed.exit_code, sealed.error_text)
    return Backup(manifest=manifest, path=path, seconds=manifest.seconds, twin=made.twin, checksums=made.checksums)


def _inventory(text: str) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for line in text.split("\n"):  # and at nothing else: a name may hold U+2028
        kind, separator, name = line.partition("\t")
        if separator:
            kinds.setdefault(kind, []).append(name)
    return kinds
