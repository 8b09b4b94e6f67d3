"""Who connects to PostgreSQL, and who is connected already: credentials that nobody sees, sessions and locks of others."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.lab.postgresql import SUPERUSER, Postgresql, write_conn
from tests.lab.postgresql_shop import (
    DAMAGE,
    Site,
    made_of,
)


@pytest.mark.parametrize(
    "password", ["simple", "co:lon", "back\\slash\\", "quote'\"", " sp ace ", "%41%", "密码ü", "#;=[x]"]
)
def test_passwords_of_all_kinds_work_and_are_seen_nowhere(server: Postgresql, tmp_path: Path, password: str) -> None:
    """P6: not in any process's arguments, not in any output."""
    site = Site(server, tmp_path, "creator")
    site.password = password
    site.execute_as_superuser(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(site.user), sql.Literal(password))
    )
    write_conn(site.conn, server, database=site.name, user=site.user, password=password)
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            with suppress(OSError):  # a process that ends while its folder is listed
                for file in Path("/proc").glob("[0-9]*/cmdline"):
                    with suppress(OSError):
                        seen.add(file.read_bytes())
            time.sleep(0.002)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        assert site.facts("probe")["can_create"] == "yes"
        site.dump()
        site.restore()
    finally:
        stop.set()
        looking.join()
        site.drop()
    assert any(b"postgresql.sh" in words for words in seen), "the watcher saw the work"
    assert not any(password.encode() in words for words in seen if b"postgresql" in words or b"pg_" in words)


def test_a_wrong_password_and_a_server_that_is_away_are_unknown(server: Postgresql, tmp_path: Path) -> None:
    """P7, P6."""
    site = Site(server, tmp_path, "creator")
    write_conn(site.conn, server, database=site.name, user=site.user, password="wrong" + site.password)
    status, _, errors = site.call("dump", site.folder)
    assert status == 6
    assert "wrong" + site.password not in errors
    assert not site.folder.exists()
    site.drop()


def test_the_apps_own_sessions_are_ended_for_the_swap_and_can_come_back(either: Site) -> None:
    """P2: a worker that keeps reconnecting can't keep the restore out, and finds the restored database."""
    before = either.picture()
    either.dump()
    either.execute(DAMAGE)
    stop = threading.Event()
    connected = 0

    def hammer() -> None:
        nonlocal connected
        while not stop.is_set():
            with suppress(psycopg.Error), either.connect() as link:
                connected += 1
                link.execute("SELECT pg_sleep(0.02)")

    hammers = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in hammers:
        thread.start()
    try:
        with suppress(psycopg.OperationalError), either.connect() as idle:  # as a queue worker that waits
            either.restore()
            idle.execute("SELECT 1 FROM users")
    finally:
        stop.set()
        for thread in hammers:
            thread.join()
    assert connected
    assert either.picture() == before
    assert server_allows_all(either.server)


def server_allows_all(server: Postgresql) -> bool:
    """Return whether no database is left closed to connections."""
    return server.query("SELECT count(*) FROM pg_database WHERE NOT datallowconn AND datname <> 'template0'") == [(0,)]


def test_a_session_that_this_account_may_not_end_is_a_failure_that_changed_nothing(
    server: Postgresql, tmp_path: Path
) -> None:
    """P2: somebody's superuser session holds the database; it is named, and the same command completes later."""
    site = made_of("creator", server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    damaged = site.picture()
    with server.connect(site.name) as link:
        status, _, errors = site.call("restore", site.folder, site.payload, site.work)
        assert status == 1
        assert f"of {SUPERUSER}" in errors
        assert link.execute("SELECT count(*) FROM invoices").fetchone() == (1,)
        assert site.picture() == damaged
        assert server_allows_all(server)
    site.restore()
    assert site.picture() == before
    site.drop()


def test_a_transaction_that_holds_locks_is_ended_before_the_move(server: Postgresql, tmp_path: Path) -> None:
    """P2: what a dead client of the app left open can't block a restore inside the database."""
    site = made_of("guest", server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    with site.connect() as link:
        link.autocommit = False
        link.execute("SELECT * FROM users")
        assert site.facts("busy")["busy"] == "1"
        site.restore()
        with pytest.raises(psycopg.OperationalError):
            link.execute("SELECT 1")
    assert site.picture() == before
    site.drop()


def test_somebody_elses_lock_is_a_failure_that_changed_nothing(server: Postgresql, tmp_path: Path) -> None:
    """P2."""
    site = made_of("guest", server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    damaged = site.picture()
    with server.connect(site.name) as link:
        link.autocommit = False
        link.execute("SELECT * FROM users")
        status, _, errors = site.call("restore", site.folder, site.payload, site.work)
        assert status == 1
        assert "lock timeout" in errors
        link.rollback()
    assert site.picture() == damaged
    site.restore()
    assert site.picture() == before
    site.drop()


def test_stop_sql_ends_the_apps_own_statements_and_nobody_elses(either: Site) -> None:
    """P2: a client that died leaves its statement running in the server."""
    own = subprocess.Popen(
        ["psql", "-Xq", "-c", "SELECT pg_sleep(600)"],
        env={"PATH": os.environ["PATH"], "PGSERVICE": "belay", "PGSERVICEFILE": str(either.conn / "pgservice.conf"),
             "PGPASSFILE": str(either.conn / "pgpass")},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    sleeping = "SELECT usename FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(600)%'"
    try:
        with either.server.connect(either.name) as other, either.connect() as idle:
            other.autocommit = False
            other.execute("SELECT 1")
            while not either.server.query(sleeping):
                time.sleep(0.02)
            own.kill()
            own.wait()
            assert either.server.query(sleeping), "killing the client did not end its statement"
            busy = either.facts("busy")
            assert busy["busy"] == "1"
            assert either.facts("stop-sql") == {"stopped": "1"}
            assert not either.server.query(sleeping)
            other.execute("SELECT 1")
            idle.execute("SELECT 1")
    finally:
        own.kill()
        own.wait()
