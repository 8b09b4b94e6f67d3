"""What makes a MariaDB database differ from its own dump: rows too long to come back, checks, clocks, neighbours, events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, quoted, running_mariadb, write_conn
from tests.lab.mariadb_script import Account, open_account
from tests.lab.mariadb_shop import Snapshot, snapshot

LONGEST_STATEMENT = 2 << 20  # bytes
LONG_BLOB = 1_200_000  # bytes; fits when it comes in, and not as hexadecimal digits


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    settings = [f"--max-allowed-packet={LONGEST_STATEMENT}"]
    with running_mariadb(tmp_path_factory.mktemp("server"), settings=settings) as running:
        yield running


def read(account: Account) -> Snapshot:
    with account.connect() as link:
        return snapshot(link)


def execute(account: Account, *statements: str) -> None:
    with account.connect() as link, link.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_row_that_the_server_would_not_take_back_is_found_by_the_proof(server: Mariadb, tmp_path: Path) -> None:
    """P1, P3: with `verify: bytes` nothing is loaded, so the proof has to tell, and what to change."""
    shop = open_account(server, tmp_path)
    execute(shop, "CREATE TABLE files (id int PRIMARY KEY, body longblob)")
    execute(shop, f"INSERT INTO files VALUES (1, repeat(x'ff', {LONG_BLOB}))", "INSERT INTO files VALUES (2, 'short')")
    made = shop.facts("dump", shop.backup)
    proof = shop.run("prove", shop.backup, made["payload"], made["sha256"])
    assert (proof.returncode, proof.stdout) == (1, "")
    assert "set max_allowed_packet to 4M or more" in proof.stderr
    server.execute("SET GLOBAL max_allowed_packet = 4 << 20")
    before = read(shop)
    payload = shop.dump()
    execute(shop, "DROP TABLE files")
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert read(shop) == before
    server.execute(f"SET GLOBAL max_allowed_packet = {LONGEST_STATEMENT}")


@pytest.mark.soak
def test_rows_that_break_a_check_come_back(server: Mariadb, tmp_path: Path) -> None:
    """P3: they got in while checks were off, and are as much the app's as the others."""
    shop = open_account(server, tmp_path)
    execute(
        shop,
        "CREATE TABLE prices (id int PRIMARY KEY, cents int CHECK (cents > 0), more json, KEY (cents))",
        "SET check_constraint_checks = 0",
        "INSERT INTO prices VALUES (1, -5, 'no json'), (2, 5, '{}')",
    )
    before = read(shop)
    payload = shop.dump()
    execute(shop, "DELETE FROM prices")
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert read(shop) == before


def test_events_whose_time_is_over_are_no_reason_to_hold(server: Mariadb, tmp_path: Path) -> None:
    """P2, P3: the server drops them as soon as they are made, or switches them off; nobody has to decide about that."""
    shop = open_account(server, tmp_path)
    execute(
        shop,
        "CREATE TABLE done (id int)",
        "SET timestamp = unix_timestamp('2020-01-01')",  # or the server would not let them be made
        "CREATE EVENT once ON SCHEDULE AT '2020-01-02' DO INSERT INTO done VALUES (1)",
        "CREATE EVENT kept ON SCHEDULE AT '2020-01-02' ON COMPLETION PRESERVE DO INSERT INTO done VALUES (2)",
        "CREATE EVENT `a while` ON SCHEDULE EVERY 1 HOUR ENDS '2020-01-02' DO INSERT INTO done VALUES (3)",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO INSERT INTO done VALUES (4)",
    )
    payload = shop.dump()
    execute(shop, "DROP EVENT once", "DROP EVENT `a while`", "DROP EVENT kept", "DROP EVENT nightly")
    rehearsed = shop.facts("rehearse", shop.backup, payload, f"{shop.database}_other")
    restored = shop.facts("restore", shop.backup, payload, tmp_path / "work")
    for facts in (rehearsed, restored):
        assert set(facts["warning"].rpartition(": ")[2].split()) == {"a", "while", "kept", "once"}
    events = "SELECT event_name, status FROM information_schema.events WHERE event_schema = '{}' ORDER BY 1"
    assert server.query(events.format(shop.database)) == [("kept", "DISABLED"), ("nightly", "ENABLED")]
    assert shop.facts("unrestore", tmp_path / "work")["unrestored"] == "yes"
    assert server.query(events.format(shop.database)) == []


@pytest.mark.soak
def test_an_event_that_is_missing_though_its_time_is_not_over_is_a_difference(server: Mariadb, tmp_path: Path) -> None:
    """P3, P7: only what the clock explains is let pass."""
    shop = open_account(server, tmp_path)
    execute(
        shop,
        "CREATE TABLE done (id int)",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO INSERT INTO done VALUES (4)",
    )
    payload = shop.dump()
    schema = shop.backup / "schema.txt"
    schema.write_text(schema.read_text().replace("\tENABLED\t", "\tDISABLED\t"))
    done = shop.run("restore", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "the schema isn't the saved one" in done.stdout


def test_a_neighbour_whose_name_differs_in_case_only_is_another_database(server: Mariadb, tmp_path: Path) -> None:
    """P3: information_schema takes the two names for the same, and would give the one what the other has."""
    shop = open_account(server, tmp_path)
    execute(
        shop,
        "CREATE TABLE users (id int PRIMARY KEY)",
        "CREATE TABLE orders (id int PRIMARY KEY, CONSTRAINT of FOREIGN KEY (id) REFERENCES users (id))",
        "CREATE VIEW ids AS SELECT id FROM users",
    )
    alone = {verb: shop.run(verb).stdout for verb in ("schema", "counts", "newest")}
    neighbour = quoted(shop.database.upper())
    server.execute(
        f"CREATE DATABASE {neighbour}",
        f"CREATE TABLE {neighbour}.users (id int PRIMARY KEY, x int CHECK (x > 1), created_at datetime, KEY x (x))",
        f"INSERT INTO {neighbour}.users VALUES (1, 2, now())",
        f"CREATE TABLE {neighbour}.orders (id int PRIMARY KEY, CONSTRAINT theirs FOREIGN KEY (id) REFERENCES {neighbour}.users (id))",
        f"CREATE TRIGGER {neighbour}.t BEFORE INSERT ON {neighbour}.users FOR EACH ROW SET NEW.x = 7",
        f"CREATE EVENT {neighbour}.e ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1",
        f"CREATE FUNCTION {neighbour}.f() RETURNS int RETURN 1",
        f"CREATE VIEW {neighbour}.ids AS SELECT id, x FROM {neighbour}.users",
        f"CREATE SEQUENCE {neighbour}.s",
    )
    assert {verb: shop.run(verb).stdout for verb in alone} == alone
    payload = shop.dump()
    execute(shop, "DROP VIEW ids", "DROP TABLE orders", "INSERT INTO users VALUES (9)")
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert shop.run("schema").stdout == alone["schema"]
    assert shop.run("counts").stdout == alone["counts"]
    shop.facts("unrestore", tmp_path / "work")
    shop.facts("attic-drop", tmp_path / "work")
    assert server.query(f"SELECT * FROM {neighbour}.ids") == [(1, 2)]
    assert (
        len(server.query(f"SHOW TRIGGERS FROM {neighbour}")) == len(server.query(f"SHOW EVENTS FROM {neighbour}")) == 1
    )
    server.execute(f"DROP DATABASE {neighbour}")


def test_an_event_at_which_the_dump_client_would_not_end_is_named_beforehand(server: Mariadb, tmp_path: Path) -> None:
    """P2: a dump that never ends would keep the app in maintenance until somebody looks."""
    shop = open_account(server, tmp_path)
    execute(shop, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DO ';;'")
    done = shop.run("dump", shop.backup)
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 events hold two semicolons in a row" in done.stderr


@pytest.mark.soak
def test_a_database_with_a_backslash_in_its_name_comes_back(server: Mariadb, tmp_path: Path) -> None:
    """P3: some shells' echo would make a tab of it."""
    shop = open_account(server, tmp_path)
    name = f"{shop.database}\\tab"
    server.create_database(name)
    write_conn(shop.conn, server, database=name, user=shop.user, password=shop.password)
    shop = replace(shop, database=name)
    execute(shop, "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @i = 1")
    execute(
        shop, "CREATE SEQUENCE s", "CREATE TABLE u (id int DEFAULT nextval(s))", "CREATE VIEW v AS SELECT id FROM t"
    )
    before = read(shop)
    payload = shop.dump()
    execute(shop, "DROP TABLE u", "INSERT INTO t VALUES (1)")
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert read(shop) == before


def test_a_view_whose_text_quotes_another_views_name_does_not_read_it(server: Mariadb, tmp_path: Path) -> None:
    """P1: two that quote each other's names are no circle, and no reason to make no backup."""
    shop = open_account(server, tmp_path)
    quoting = "SELECT id, 'it''s \\\\ from `{0}`.`{1}`' AS note FROM `t`"
    execute(
        shop,
        "CREATE TABLE t (id int PRIMARY KEY)",
        f"CREATE VIEW a AS {quoting.format(shop.database, 'b')}",
        f"CREATE VIEW b AS {quoting.format(shop.database, 'a')}",
        "CREATE VIEW `0 it's above` AS SELECT a.id FROM a JOIN b ON a.id = b.id",
    )
    shop.dump()


@pytest.mark.parametrize("name", ["it's", pytest.param("back\\slash", marks=pytest.mark.soak)])
def test_events_that_the_dump_client_can_not_read_are_named(server: Mariadb, tmp_path: Path, name: str) -> None:
    """P2: it would say that the database is unknown."""
    shop = open_account(server, tmp_path)
    name = f"{shop.database}{name}"
    server.create_database(name)
    write_conn(shop.conn, server, database=name, user=shop.user, password=shop.password)
    shop = replace(shop, database=name)
    execute(shop, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1")
    done = shop.run("dump", shop.backup)
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't read the 1 events of a database with a quote or a backslash" in done.stderr
    execute(shop, "DROP EVENT e")
    shop.dump()
