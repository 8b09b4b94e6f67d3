"""SQLite's mark of change: no committed write is ever missed, in either journal mode."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.sqlite_shop import LARAVEL, Site, execute


@pytest.mark.parametrize("driver", ["cli", "python", "php"])
@pytest.mark.parametrize("journal", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_every_committed_write_changes_the_mark_and_reading_does_not(tmp_path: Path, journal: str, driver: str) -> None:
    """P7: also a write of a process that has ended, and of one whose changes still lie in the WAL."""
    site = Site(tmp_path, driver=driver)
    execute(site.live, f"PRAGMA journal_mode={journal};" + LARAVEL)
    marks = [site.facts("mark")["mark"]]
    assert marks[0]
    site.dump()
    execute(site.live, "SELECT count(*) FROM users")
    assert site.facts("mark")["mark"] == marks[0], "nothing was written"
    for _ in range(3):
        execute(site.live, "UPDATE users SET name = name || 'x' WHERE id = 2")  # opened, written, closed
        marks.append(site.facts("mark")["mark"])
    with closing(sqlite3.connect(site.live, isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode={journal}")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        for _ in range(3):
            writer.execute("UPDATE users SET name = name || 'y' WHERE id = 2")
            marks.append(site.facts("mark")["mark"])
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE users SET name = 'never' WHERE id = 2")
        assert site.facts("mark")["mark"] == marks[-1], "not committed"
        writer.execute("ROLLBACK")
        writer.execute("PRAGMA wal_checkpoint(RESTART)")
        checkpointed = site.facts("mark")["mark"]
        writer.execute("UPDATE users SET name = 'z' WHERE id = 2")
        after = site.facts("mark")["mark"]
        assert after != checkpointed
        marks.append(after)
    assert len(set(marks)) == len(marks)


def test_a_database_that_is_held_exclusively_can_not_be_told(tmp_path: Path) -> None:
    """P7: its change counter rises only once for many writes."""
    site = Site(tmp_path)
    execute(site.live, LARAVEL)
    with closing(sqlite3.connect(site.live, isolation_level=None)) as writer:
        writer.execute("PRAGMA locking_mode=EXCLUSIVE")
        writer.execute("DELETE FROM pairs")
        assert site.facts("mark") == {"mark": ""}
    assert site.facts("mark")["mark"]


def test_a_database_that_does_not_exist_has_a_mark_of_its_own(tmp_path: Path) -> None:
    """P7."""
    site = Site(tmp_path)
    missing = site.facts("mark")["mark"]
    execute(site.live, LARAVEL)
    assert site.facts("mark")["mark"] != missing
