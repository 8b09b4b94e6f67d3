"""SQLite by Python's standard library, on a host that has no `sqlite3` client: the verbs of `sqlite_driver.sh`.

This file runs on the host and knows nothing of the rest of the package. Exit status 0 done, 1 failed.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

WAIT_SECONDS = int(os.environ.get("BELAY_SQLITE_WAIT_MS", "5000")) / 1000
ORDINARY_TABLES = r"""
    SELECT name FROM sqlite_master
    WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
"""


def connect(file: str) -> sqlite3.Connection:
    """Open a database; functions named by its own schema are not trusted, because a backup may be hostile."""
    connection = sqlite3.connect(file, timeout=WAIT_SECONDS, isolation_level=None)
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def escaped(name: str) -> str:
    """Return a name that fits into one field of one line."""
    return name.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def counts(connection: sqlite3.Connection) -> list[str]:
    """Return `table<TAB>rows` of every ordinary table (a virtual one keeps its rows in ordinary ones)."""
    lines = []
    for (name,) in connection.execute(ORDINARY_TABLES).fetchall():
        quoted = name.replace('"', '""')
        (rows,) = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608 — a name can't be bound; it is quoted
        lines.append(f"{escaped(name)}\t{rows}")
    return lines


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy all pages in one step, which is one transaction on either side; raises `sqlite3.OperationalError`.

    `Connection.backup` itself would try for ever while the database is locked.
    """
    deadline = time.monotonic() + WAIT_SECONDS

    def give_up(status: int, _remaining: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > deadline:
            message = "the database is locked"
            raise sqlite3.OperationalError(message)

    source.backup(target, pages=-1, progress=give_up, sleep=0.1)


def main(verb: str, file: str = ":memory:", argument: str = "") -> list[str]:
    """Do one verb and return the lines to print."""
    connection = connect(file)
    if verb == "version":
        return [sqlite3.sqlite_version]
    if verb == "query":
        return [str(row[0]) for row in connection.execute(argument) if row[0] is not None]
    if verb == "counts":
        return counts(connection)
    if verb == "save":
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(argument + ending).unlink(missing_ok=True)
        copy(connection, connect(argument))
        return []
    if verb == "load":
        copy(connect(argument), connection)
        return []
    message = f"no such verb: {verb}"
    raise ValueError(message)


if __name__ == "__main__":
    try:
        sys.stdout.writelines(f"{line}\n" for line in main(*sys.argv[1:]))
    except (sqlite3.Error, ValueError, OSError) as problem:
        sys.exit(f"Error: {problem}")
