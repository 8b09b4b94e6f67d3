"""A shop in SQLite for the tests: its live file, the scripts called as the agent calls them, and a checker.

The checker (`picture`) reads databases with Python's own sqlite3 module and shares no code with the scripts.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.lab.engine_call import EngineCall

SCRIPT = Path(__file__).parents[2] / "pyhelpers" / "databases" / "sqlite.sh"
HOSTILE_NAME = 'it\'s a "wéird" näme/da$ta\\ba;se`id`.sqlite'

LARAVEL = """
    CREATE TABLE migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, migration TEXT, batch INTEGER);
    INSERT INTO migrations (migration, batch) VALUES ('2014_users', 1), ('2019_jobs', 2);
    CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, "e mail" TEXT,
                        upper_name TEXT GENERATED ALWAYS AS (upper(name)) STORED);
    CREATE UNIQUE INDEX users_email ON users (lower("e mail")) WHERE "e mail" IS NOT NULL;
    CREATE TABLE log (at TEXT, what TEXT) STRICT;
    CREATE TRIGGER users_log AFTER INSERT ON users BEGIN INSERT INTO log VALUES (new.name, 'made'); END;
    CREATE VIEW grown AS SELECT * FROM users WHERE id > 1;
    CREATE TABLE pairs (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE VIRTUAL TABLE search USING fts5 (body);
    CREATE TABLE "ta'b""
x	y\\z" (v BLOB);
    INSERT INTO users (name, "e mail") VALUES ('Zoë', 'z@example.org'), ('O''Neil', NULL), ('李', 'l@example.org');
    INSERT INTO pairs VALUES (1, 2), (2, x'00ff');
    INSERT INTO search VALUES ('hello belay'), ('rope and climber');
    INSERT INTO "ta'b""
x	y\\z" VALUES (randomblob(5000)), (NULL);
    PRAGMA user_version = 42;
    PRAGMA application_id = 1234567;
"""
DAMAGE = """
    CREATE TABLE invoices (id INTEGER PRIMARY KEY);
    DROP TABLE pairs;
    ALTER TABLE users ADD COLUMN age INTEGER DEFAULT 7;
    DELETE FROM users WHERE id = 1;
    INSERT INTO search VALUES ('noise');
    INSERT INTO migrations (migration, batch) VALUES ('2026_invoices', 3);
    PRAGMA user_version = 43;
"""


def picture(file: Path) -> str:
    """Return one hash of everything a reader can see in a database: schema, every row of every table, its numbers."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(file)) as connection:
        for pragma in ("user_version", "application_id", "encoding", "integrity_check"):
            digest.update(repr(connection.execute(f"PRAGMA {pragma}").fetchall()).encode())
        objects = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
        digest.update(repr(objects).encode())
        for kind, name, *_ in objects:
            if kind == "table":
                quoted = name.replace('"', '""')
                digest.update(repr(sorted(map(repr, connection.execute(f'SELECT * FROM "{quoted}"')))).encode())
    return digest.hexdigest()


def execute(file: Path, script: str) -> None:
    """Run statements on a database and close it."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)


@dataclass
class Site(EngineCall):
    """An app's live database, its connection folder and a backup folder; `call` runs the script as the agent does."""

    script: ClassVar[Path] = SCRIPT
    defaults: ClassVar[dict[str, str]] = {"BELAY_SQLITE_WAIT_MS": "300", "BELAY_SQLITE_TRIES": "2"}
    root: Path
    name: str = "database.sqlite"
    shell: tuple[str, ...] = ("dash",)
    driver: str = "cli"
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live = self.root / self.name
        self.live.parent.mkdir(parents=True, exist_ok=True)
        self.conn = self.root / "conn"
        self.conn.mkdir()
        (self.conn / "engine").write_text("sqlite")
        (self.conn / "database").write_text(str(self.live))
        self.folder = self.root / "backup"
        self.work = self.root / "work"

    def environment(self) -> dict[str, str]:
        """Return the script's whole environment."""
        return {"BELAY_SQLITE_DRIVER": self.driver, **super().environment()}

    def dump(self) -> dict[str, str]:
        """Dump into the backup folder."""
        return self.facts("dump", self.folder)

    def restore(self, payload: str) -> dict[str, str]:
        """Restore from the backup folder."""
        return self.facts("restore", self.folder, payload, self.work)


def hide(site: Site, command: str) -> None:
    """Give the script a PATH on which one command isn't found."""
    folder = site.root / "path"
    folder.mkdir()
    for source in os.environ["PATH"].split(":"):
        for file in Path(source).glob("*"):
            if file.name != command and not (folder / file.name).exists():
                (folder / file.name).symlink_to(file)
    site.settings["PATH"] = str(folder)
