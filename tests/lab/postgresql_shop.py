"""A shop in PostgreSQL for the tests: its database and account, the scripts called as the agent calls them, and a checker.

The checker (`picture`) reads a database with psycopg and pg_dump's schema text and shares no code with the scripts.
"""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from tests.lab.engine_call import EngineCall
from tests.lab.postgresql import ADDRESS, SUPERUSER, Postgresql, write_conn

SCRIPT = Path(__file__).parents[2] / "pyhelpers" / "databases" / "postgresql.sh"
SAMPLE = Path(__file__).with_name("postgresql_shop.sql").read_text()
NAME = 'it\'s a "Shop" 100% Ü=\\'
PASSWORD = "p:a\\s's \"w%rd 密 $HOME`id`"
EXTENSIONS = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION btree_gist;"
DAMAGE = """
    CREATE TABLE invoices (id bigserial PRIMARY KEY, payer bigint REFERENCES users, feeling mood);
    INSERT INTO invoices (payer) VALUES (1);
    CREATE VIEW per_invoice AS SELECT invoices.id, users.name FROM invoices JOIN users ON users.id = payer;
    DROP TABLE scratch;
    DROP MATERIALIZED VIEW empty_yet;
    ALTER TABLE users ADD COLUMN age integer DEFAULT 7, ALTER COLUMN amount TYPE bigint;
    DELETE FROM users WHERE id = 2;
    ALTER TYPE mood ADD VALUE 'great';
    DROP SCHEMA "order""s Ü .x" CASCADE;
    CREATE SCHEMA reporting;
    CREATE TABLE reporting.facts (what text);
    INSERT INTO reporting.facts VALUES ('kept in the attic');
    CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    INSERT INTO migrations (migration, batch) VALUES ('2026_invoices', 3);
"""


def rows_of(link: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Return every row of every table and materialized view, and where every sequence stands."""
    found: dict[str, list[str]] = {}
    relations = link.execute(
        "SELECT n.nspname, c.relname, c.relkind, c.relispopulated FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'm', 'S') AND nspname !~ '^(pg_|_belay_|information_schema)'"
    ).fetchall()
    for schema, name, kind, populated in relations:
        if populated:
            columns = "last_value, is_called" if kind == "S" else "t::text"
            query = sql.SQL(f"SELECT {columns} FROM ONLY {{}} t").format(sql.Identifier(schema, name))
            found[f"{schema}.{name}"] = sorted(map(repr, link.execute(query).fetchall()))
    return found


def large_objects_of(link: psycopg.Connection[Any]) -> list[Any]:
    """Return every large object with its content."""
    return link.execute("SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY oid").fetchall()


def picture(server: Postgresql, database: str) -> dict[str, Any]:
    """Return everything that can be seen of a database. Casts and brackets are dropped: a restore may rewrite them."""
    text = subprocess.run(
        [
            *(
                "pg_dump",
                "--schema-only",
                "--exclude-schema=_belay_*",
                "-h",
                str(server.folder),
                "-p",
                str(server.port),
            ),
            *(
                "-U",
                SUPERUSER,
                "-d",
                f"dbname='{database.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'",
            ),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    text = re.sub(r"^\\(un)?restrict.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"::(character varying|text)(\[\])?|[() ]", "", text)
    with server.connect(database) as link:
        return {"schema": sorted(text.splitlines()), **rows_of(link), "large objects": large_objects_of(link)}


def tables(seen: dict[str, Any]) -> set[str]:
    """Return the relations with rows that a picture shows."""
    return set(seen) - {"schema", "large objects"}


@dataclass
class Site(EngineCall):
    """An app's database and account, its connection folder and a backup folder; `call` runs the script as the agent does."""

    script: ClassVar[Path] = SCRIPT
    defaults: ClassVar[dict[str, str]] = {
        "BELAY_POSTGRESQL_TRIES": "2",
        "PGHOST": "nowhere.invalid",
        "PGPORT": "1",
    }
    server: Postgresql
    root: Path
    kind: str
    shell: tuple[str, ...] = ("dash",)
    name: str = NAME
    settings: dict[str, str] = field(default_factory=dict)
    extensions: str = EXTENSIONS

    def __post_init__(self) -> None:
        self.folder = self.root / "backup"
        self.payload = "payload.dump.zst"
        self.work = self.root / "work"
        self.user = SUPERUSER if self.kind == "superuser" else f"app '{self.kind}' ü"
        self.drop()
        if self.kind == "superuser":
            self.server.execute("ALTER ROLE postgres PASSWORD 'secret'")
            self.password = "secret"
        else:
            self.password = PASSWORD
            self.server.create_role(self.user, PASSWORD, "CREATEDB" if self.kind == "creator" else "")
        self.server.create_database(self.name, owner=SUPERUSER if self.kind in {"guest", "reader"} else self.user)
        self.server.execute(self.extensions, database=self.name)
        if self.kind == "guest":  # may do what it likes in a database of somebody else's
            self.execute_as_superuser(
                sql.SQL("GRANT CREATE ON DATABASE {0} TO {1}; GRANT ALL ON SCHEMA public TO {1}").format(
                    sql.Identifier(self.name), sql.Identifier(self.user)
                )
            )
        if self.kind == "reader":  # may not even make schemas
            self.execute_as_superuser(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(self.user)))
        self.conn = write_conn(
            self.root / "conn", self.server, database=self.name, user=self.user, password=self.password
        )

    @property
    def mode(self) -> str:
        """The way in which this account can restore."""
        return "database" if self.kind in {"creator", "superuser"} else "inside"

    def drop(self) -> None:
        """Drop the database, what Belay made beside it, and the account."""
        for name in self.server.databases():
            self.server.drop_database(name)
        if self.kind != "superuser":
            with suppress(psycopg.errors.UndefinedObject):
                self.execute_as_superuser(sql.SQL("DROP ROLE {}").format(sql.Identifier(self.user)), "postgres")

    def execute_as_superuser(self, statement: sql.Composed, database: str = "") -> None:
        """Run a composed statement as the superuser."""
        with self.server.connect(database or self.name) as link:
            link.execute(statement)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a session of the app's own."""
        return psycopg.connect(
            host=ADDRESS,
            port=self.server.port,
            dbname=self.name,
            user=self.user,
            password=self.password,
            autocommit=True,
        )

    def execute(self, statements: str) -> None:
        """Run statements as the app's account, as a migration does."""
        with self.connect() as link:
            link.execute(statements.encode())

    def picture(self) -> dict[str, Any]:
        """Return everything that can be seen of the live database."""
        return picture(self.server, self.name)

    def dump(self) -> dict[str, str]:
        """Dump into the backup folder."""
        dumped = self.facts("dump", self.folder)
        self.payload = dumped["payload"]
        return dumped

    def restore(self) -> dict[str, str]:
        """Restore from the backup folder."""
        return self.facts("restore", self.folder, self.payload, self.work)


def made_of(kind: str, server: Postgresql, root: Path) -> Site:
    """Return a filled database of one kind."""
    made = Site(server, root, kind)
    made.execute(SAMPLE)
    return made


def wait_for_leftovers(server: Postgresql) -> None:
    """Wait until no statement of a killed run is left in the server, so that its outcome is decided."""
    while server.query("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'belay-%'"):
        time.sleep(0.02)
