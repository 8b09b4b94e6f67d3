"""One database of one app on one host, seen through its engine's script.

A new engine is one script with the verbs used here, one module that names it, and one line in `ENGINES`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from pyhelpers.errors import BadInput, CommandFailed
from pyhelpers.hosts.bundle import Scripts

ENGINES = ("sqlite", "mariadb", "postgresql")
SCHEMES = ("mysql", "mysql2", "mariadb", "pgsql", "postgres", "postgresql", "sqlite", "sqlite3")  # as database-url.awk
_NUMBER = re.compile("[0-9]{1,18}")
READ_SECONDS = 300.0  # counts of a large schema; everything longer runs as a step of the agent


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What differs between engines, as far as Python has to know."""

    name: str
    label: str
    script: str
    drivers: tuple[str, ...]  # Laravel's names for it (DB_CONNECTION)
    atomic_migrations: bool  # whether Laravel wraps each migration in a transaction there
    own_mark: bool = False  # whether `mark` sees this database alone; a server's is moved by a load beside it as well


def engine_named(name: str) -> Engine:
    """Return the engine called `name`; raises `BadInput` for one that Belay doesn't know."""
    if name not in ENGINES:
        raise BadInput(
            "DB_CONNECTION", f"`{name}` is no engine that Belay can back up", remedy=f"Known: {', '.join(ENGINES)}."
        )
    engine: Engine = import_module(f"pyhelpers.databases.{name}").ENGINE
    return engine


def check_url(url: str) -> None:
    """Raise `BadInput` for a `database-url` that names no known engine; the host's own parser reads the rest.

    The URL itself never gets into the message: it holds a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES or not rest or any(char.isspace() for char in url):
        raise BadInput(
            "database-url",
            "is no database's address",
            remedy="e.g. `mysql://user:password@host/name`, `pgsql://…` or `sqlite:////absolute/path`; write a space as %20.",
        )


def facts_in(text: str) -> dict[str, str]:
    """Return the `key=value` lines of a script's output; a key that comes again is joined by newlines."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        key, separator, value = line.partition("=")
        if separator and key.replace("_", "").isalnum():
            found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


def table_in(text: str) -> dict[str, int]:
    """Return `table<TAB>rows` lines as a mapping."""
    rows: dict[str, int] = {}
    for line in text.split("\n"):  # and at nothing else: a table's name may hold U+2028
        table, _, count = line.rpartition("\t")
        if table and _NUMBER.fullmatch(count):
            rows[table] = int(count)
    return rows


def number_in(facts: Mapping[str, str], key: str) -> int:
    """Return a fact that is a number; 0 where it is missing, or none."""
    value = facts.get(key, "")
    return int(value) if _NUMBER.fullmatch(value) else 0


@dataclass(frozen=True, kw_only=True)
class Database:
    """An app's database: the engine, and the connection folder on the host that holds its credentials.

    `read` runs a short command on the host and returns its output; methods that end in `_line` return the sh line of a
    step or an undo instead, because what they do may take long and has to outlive the link.
    """

    engine: Engine
    connection: str
    scripts: Scripts
    read: Callable[..., str]
    ledger_table: str = "migrations"  # Laravel's default
    foreign: str = ""  # a dump on the host that another tool made: backups are made of it, not of the live database
    app_connection: str = ""  # of the app's own account, where `connection` is of one that may do more

    def _read(self, verb: str, *arguments: str, connection: str = "") -> str:
        words = self.scripts.argv(self.engine.script, verb, connection or self.connection, *arguments)
        return self.read(*words, timeout=READ_SECONDS)

    def probe(self) -> Mapping[str, str]:
        """Return what the server and the clients are: versions, rights, warnings."""
        return facts_in(self._read("probe"))

    def counts(self) -> dict[str, int]:
        """Return the rows of each table now."""
        return table_in(self._read("counts"))

    def schema(self) -> str:
        """Return the canonical text of every object in the schema; equal texts are equal schemas."""
        return self._read("schema")

    def fingerprint(self) -> str:
        """Return the SHA-256 of the schema's text."""
        return hashlib.sha256(self.schema().encode()).hexdigest()

    def busy(self) -> int:
        """Return how many sessions of the app are at work in the database right now."""
        return int(facts_in(self._read("busy", connection=self.app_connection)).get("busy", "0"))

    def newest(self) -> dict[str, str]:
        """Return when each table's last row was written, as its own `updated_at` or `created_at` says; others are left out."""
        lines = (line.rpartition("\t") for line in self._read("newest").split("\n"))  # a name may hold U+2028
        return {table: time for table, _, time in lines if table}

    def tops(self) -> str:
        """Return the highest key of each table whose primary key is counted up, as lines for a file on the host."""
        return "" if self.foreign else self._read("tops")

    def since(self, file: str) -> dict[str, int]:
        """Return the rows above the `tops` in `file` on the host, of each table that it is about; empty without the file."""
        return table_in(self._read("since", file))

    def ledger(self) -> str:
        """Return Laravel's ledger of migrations as `batch<TAB>migration` lines; empty when there is none, or none known."""
        return "" if self.foreign else self._read("ledger", self.ledger_table)

    def reachable(self) -> str:
        """Return an empty text when the database answers, else what its client said."""
        try:
            self.probe()
        except CommandFailed as error:
            return error.details or error.message
        return ""

    def dump_line(self, folder: str, compression: str = "auto", *, checksums: bool = False) -> str:
        """Return the line that dumps into `folder`; `auto` takes zstd where the host has it.

        With `checksums` the dump writes those of each table's rows down, so that what is loaded can be compared by them.
        A `foreign` dump is checked, loaded beside the live database, and dumped from there.
        """
        if self.foreign:
            return self.scripts.call(self.engine.script, "adopt", self.connection, self.foreign, folder)
        chosen = "" if compression == "auto" else f"BELAY_COMPRESSION={compression}\nexport BELAY_COMPRESSION\n"
        asked = "BELAY_CHECKSUMS=yes\nexport BELAY_CHECKSUMS\n" if checksums else ""
        return chosen + asked + self.scripts.call(self.engine.script, "dump", self.connection, folder)

    def prove_line(self, folder: str, payload: str, sha256: str) -> str:
        """Return the line that reads the payload back whole and proves that it is complete."""
        return self.scripts.call(self.engine.script, "prove", self.connection, folder, payload, sha256)

    def restore_line(self, folder: str, payload: str, work: str) -> str:
        """Return the line that loads the payload beside the live database, proves it, and swaps it in.

        Where `load_line` did all but the last with the same `work`, it only swaps.
        """
        return self._twin("restore", folder, payload, work)

    def unrestore_line(self, work: str) -> str:
        """Return the line that undoes the restore of `work`: what it replaced becomes live again."""
        return self.scripts.call(self.engine.script, "unrestore", self.connection, work)

    def load_line(self, folder: str, payload: str, work: str, *, twin: str = "") -> str:
        """Return the line that loads the payload beside the live database and proves it; a restore with `work` then only swaps.

        `twin` is the work folder of an earlier deploy: what was loaded there of this very backup is taken over.
        """
        return self._twin("load", folder, payload, work, *([twin] if twin else []))

    def unload_line(self, work: str) -> str:
        """Return the line that drops what `load_line` made, unless a restore has used it."""
        return self._twin("drop", work)

    def unload_undo_line(self, work: str) -> str:
        """Return the same as an undo: what can't be dropped now is told and waits for the next deploy's tidying."""
        return self._twin("undo", work)

    def _twin(self, verb: str, *arguments: str) -> str:
        return self.scripts.call("twin.sh", verb, self.engine.script, self.connection, *arguments)

    def rehearse_line(self, folder: str, payload: str, into: str) -> str:
        """Return the line that loads the payload into another database, `into`, and proves it; the live one isn't touched."""
        return self.scripts.call(self.engine.script, "rehearse", self.connection, folder, payload, into)

    def mark(self) -> str:
        """Return where the server is in its own log of changes; equal marks: nothing was written between. Empty: it can't tell."""
        return facts_in(self._read("mark")).get("mark", "")
