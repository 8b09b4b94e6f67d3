"""PostgreSQL's mark of change: no committed write is ever missed, also of transactions that were older than the mark."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import Site


@pytest.fixture(params=["creator", "guest"])
def site(request: pytest.FixtureRequest, mortal_server: Postgresql, tmp_path: Path) -> Iterator[Site]:
    """A small database, for each kind of account."""
    made = Site(mortal_server, tmp_path, request.param)
    made.execute("CREATE TABLE notes (id serial PRIMARY KEY, body text); INSERT INTO notes (body) VALUES ('first')")
    yield made
    made.drop()


def mark(site: Site) -> str:
    """The mark that the script prints."""
    return site.facts("mark")["mark"]


def test_every_committed_write_changes_the_mark_and_reading_does_not(site: Site) -> None:
    """P7."""
    marks = [mark(site)]
    assert marks[0]
    site.dump()
    site.execute("SELECT * FROM notes")
    assert mark(site) == marks[0], "nothing was written"
    for statement in (
        "INSERT INTO notes (body) VALUES ('more')",
        "UPDATE notes SET body = 'x' WHERE id = 1",
        "DELETE FROM notes WHERE id = 1",
        "TRUNCATE notes",
        "CREATE TABLE more (x integer)",
        "SELECT setval('notes_id_seq', 99)",
    ):
        site.execute(statement)
        marks.append(mark(site))
    assert len(set(marks)) == len(marks)


def test_the_commit_of_an_older_transaction_is_seen(site: Site) -> None:
    """P7: its id is lower than the highest that had ended when the mark was taken."""
    with site.connect() as older:
        older.execute("BEGIN")
        older.execute("INSERT INTO notes (body) VALUES ('older')")
        site.execute("INSERT INTO notes (body) VALUES ('newer')")
        before = mark(site)
        assert mark(site) == before, "not committed yet"
        older.execute("COMMIT")
    assert mark(site) != before


def test_the_mark_of_a_server_that_crashed_or_was_started_again_is_another(site: Site) -> None:
    """P7: a crash may hand out the ids of lost transactions once more."""
    before = mark(site)
    site.server.kill()
    site.server.start()
    crashed = mark(site)
    assert crashed != before
    victim = site.server.connect()
    os.kill(victim.info.backend_pid, signal.SIGKILL)  # the server starts its other processes anew
    victim.close()
    wait_until_up(site)
    assert mark(site) != crashed


def wait_until_up(site: Site) -> None:
    """Wait until the server has noticed the death of one of its processes, and takes sessions again."""
    deadline = time.monotonic() + 30
    while "reinitializing" not in site.server.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while True:
        try:
            site.server.query("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
