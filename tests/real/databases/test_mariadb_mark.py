"""Marks of change: equal ones prove that nothing was written to the MariaDB database between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import build
from tests.lab.sampling import every

WRITES = (
    "INSERT INTO migrations (migration, batch) VALUES ('x', 9)",
    "UPDATE migrations SET batch = batch + 1 LIMIT 1",
    "DELETE FROM parts LIMIT 1",
    "TRUNCATE lists",
    "DO SETVAL(tickets, 77777)",
    "ALTER TABLE empty_one ADD COLUMN more int",
    "CREATE TABLE another (i int)",
    "RENAME TABLE another TO yet_another",
    "CREATE VIEW a_view AS SELECT 1 AS i",
    "CREATE OR REPLACE VIEW a_view AS SELECT 2 AS i",
    "DROP TRIGGER team_second",
    "CREATE TRIGGER a_trigger BEFORE INSERT ON tree FOR EACH ROW SET NEW.id = 1",
    "DROP PROCEDURE settle",
    "ALTER EVENT nightly COMMENT 'other'",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server"), settings=["--event-scheduler=OFF"]) as running:
        yield running


def mark(shop: Account) -> str:
    return shop.facts("mark")["mark"]


def quiet_mark(shop: Account) -> str:
    """Return a mark after the server has finished what it does by itself after writes."""
    last = mark(shop)
    for _ in range(30):
        time.sleep(2)
        now = mark(shop)
        if now == last:
            time.sleep(9)  # its checkpoint comes up to ten seconds after the last write
            if mark(shop) == now:
                return now
        last = now
    raise AssertionError("the mark never came to rest")


@pytest.mark.parametrize("kind", every(2, [OWN_DATABASE_ONLY, LIKE_ROOT]))
def test_reading_leaves_the_mark_and_every_write_changes_it(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P2, P9: also a write of a session that keeps it out of the binary log; dumps and proofs are no writes."""
    shop = open_account(server, tmp_path, kind)
    with shop.connect() as link:
        build(link)
    before = quiet_mark(shop)
    assert before
    shop.dump()
    for verb in ("counts", "schema", "busy"):
        assert shop.run(verb).returncode == 0
    assert mark(shop) == before
    for statement in WRITES:
        before = mark(shop)
        server.execute("SET SESSION sql_log_bin = 0", statement, database=shop.database)
        assert mark(shop) != before, statement


def test_the_commit_of_a_transaction_that_was_open_changes_the_mark(server: Mariadb, tmp_path: Path) -> None:
    """P9: its rows were written before the first mark, and seen only after the second."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    with shop.connect() as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (id int PRIMARY KEY)")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO notes VALUES (1)")
        before = quiet_mark(shop)
        cursor.execute("COMMIT")
        assert mark(shop) != before


def test_a_restart_changes_the_mark(tmp_path: Path) -> None:
    """P7: nothing that was counted before a restart is known after it."""
    with running_mariadb(tmp_path / "server") as server:
        shop = open_account(server, tmp_path, LIKE_ROOT)
        before = mark(shop)
        server.stop()
        time.sleep(1.1)  # the server tells when it started in whole seconds, and a fast machine restarts it within one
        server.start()
        assert mark(shop) != before


def test_where_the_mark_could_miss_a_write_there_is_none(tmp_path: Path) -> None:
    """P7: tables outside of InnoDB, and servers that only follow another one."""
    with running_mariadb(tmp_path / "server") as server:
        shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
        server.execute("CREATE TABLE old (i int) ENGINE=MyISAM", database=shop.database)
        assert mark(shop) == ""
        server.execute("ALTER TABLE old ENGINE=InnoDB", database=shop.database)
        assert mark(shop) != ""
        server.execute("SET GLOBAL read_only = 1")
        assert mark(shop) == ""
