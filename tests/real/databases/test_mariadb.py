"""MariaDB on the host, on a real server: what was dumped comes back, whole, whatever the account may do.

The checker is `tests/lab/mariadb_shop.py`: it reads with PyMySQL and shares no code with the scripts.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from tests.lab.mariadb import Mariadb, quoted, running_mariadb, write_conn
from tests.lab.mariadb_script import (
    ACCOUNTS,
    LIKE_ROOT,
    MAY_CREATE_DATABASES,
    OWN_DATABASE_ONLY,
    Account,
    open_account,
)
from tests.lab.mariadb_shop import Snapshot, build, damage, snapshot

NASTY_PASSWORDS = (
    "",
    "plain",
    "a b",
    "it's",
    'say "x"',
    "back\\slash\\",
    "#hash;semi",
    "100%d",
    "ünï漢",
    "$HOME`id`",
    "\\\\\"'",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


def read(account: Account) -> Snapshot:
    with account.connect() as link:
        return snapshot(link)


def make_shop(account: Account) -> None:
    with account.connect() as link:
        build(link)


def break_shop(account: Account) -> None:
    with account.connect() as link:
        damage(link)


def places_of_restores(account: Account) -> list[tuple[object, ...]]:
    """Return what restores keep on the server for this account's database."""
    return account.server.query(
        f"""SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{account.database}\\_\\_belay%'
        UNION SELECT table_name FROM information_schema.tables
        WHERE table_schema = '{account.database}' AND table_name LIKE '\\_b%'"""
    )


def pattern(account: Account) -> str:
    """Return the name of the account's database as a GRANT writes it."""
    return quoted(account.database.replace("_", "\\_"))


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_restore_brings_back_what_was_dumped_and_an_unrestore_what_was_replaced(
    server: Mariadb, tmp_path: Path, kind: str
) -> None:
    """P3, P8, P9: rows, definitions, counters, objects; twice is once; the replaced state comes back as well."""
    shop = open_account(server, tmp_path, kind)
    make_shop(shop)
    before = read(shop)
    payload = shop.dump()
    schema, counts = shop.run("schema").stdout, shop.run("counts").stdout
    assert schema == (shop.backup / "schema.txt").read_text()
    assert counts == (shop.backup / "counts.tsv").read_text()
    assert read(shop) == before, "a dump changes nothing"

    break_shop(shop)
    damaged = read(shop)
    work = tmp_path / "work"
    first = shop.run("restore", shop.backup, payload, work)
    assert first.returncode == 0, first.stderr
    assert read(shop) == before
    assert shop.run("schema").stdout == schema
    assert shop.run("counts").stdout == counts

    facts = dict(line.split("=", 1) for line in first.stdout.splitlines())
    assert facts["restored"] == "yes"
    assert facts["mode"] == ("inside" if kind == OWN_DATABASE_ONLY else "database")
    assert facts["tables"] == str(len(counts.splitlines()))
    again = shop.run("restore", shop.backup, payload, work)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert read(shop) == before

    undone = shop.facts("unrestore", work)
    assert undone["unrestored"] == "yes"
    assert read(shop) == damaged
    assert shop.facts("unrestore", work) == undone
    assert read(shop) == damaged

    assert shop.facts("attic-drop", work)["dropped"] == "yes"
    assert read(shop) == damaged
    assert places_of_restores(shop) == []

    other = tmp_path / "other work"
    shop.facts("restore", shop.backup, payload, other)
    assert read(shop) == before
    shop.facts("attic-drop", other)
    assert read(shop) == before
    assert places_of_restores(shop) == []


def test_a_dump_after_a_restore_inside_the_database_leaves_the_attic_out(server: Mariadb, tmp_path: Path) -> None:
    """P3: what restores keep aside never gets into a backup, a count or a schema."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    make_shop(shop)
    payload = shop.dump()
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert len(places_of_restores(shop)) > 10
    second = replace(shop, folder=tmp_path / "second")
    write_conn(second.conn, server, database=shop.database, user=shop.user, password=shop.password)
    second.dump()
    for name in ("schema.txt", "counts.tsv", "inventory.tsv"):
        assert (second.backup / name).read_text() == (shop.backup / name).read_text()


def test_a_stock_client_restores_the_payload_by_hand(server: Mariadb, tmp_path: Path) -> None:
    """P3: a backup is readable without Belay: zstd, the stock client, an empty database."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    before = read(shop)
    payload = shop.dump()
    with shop.connect() as link, link.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {shop.database}")
    server.create_database(shop.database)
    unpack = subprocess.run(["zstd", "-dc", shop.backup / payload], check=True, capture_output=True)
    subprocess.run(
        ["mariadb", f"--defaults-file={shop.conn}/client.cnf", "--comments", "--binary-mode", shop.database],
        input=unpack.stdout,
        check=True,
    )
    assert read(shop) == before


def test_a_backup_is_restored_into_a_database_of_another_name(server: Mariadb, tmp_path: Path) -> None:
    """P3: a drill loads the backup elsewhere; the database that was dumped isn't named and isn't touched."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    before = read(shop)
    payload = shop.dump()
    odd = "odd `name 漢-%"  # quotes and backslashes would make mariadb-dump --events itself fail
    server.create_database(odd)
    scratch = replace(shop, folder=tmp_path / "scratch", database=odd)
    write_conn(scratch.conn, server, database=odd, user=shop.user, password=shop.password)
    scratch.facts("restore", shop.backup, payload, tmp_path / "work")
    moved = read(scratch)
    in_other_words = {
        name: text.replace(quoted(odd), quoted(shop.database))
        for name, text in {**moved.tables, **moved.objects}.items()
    }
    assert in_other_words == {**before.tables, **before.objects}
    assert read(shop) == before
    scratch.facts("unrestore", tmp_path / "work")
    assert read(scratch).tables == {}
    scratch.facts("attic-drop", tmp_path / "work")


def test_an_empty_database_is_dumped_and_restored(server: Mariadb, tmp_path: Path) -> None:
    """P3: the first deploy of an app has nothing to back up, and still something to go back to."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    payload = shop.dump()
    assert (shop.backup / "counts.tsv").read_text() == ""
    make_shop(shop)
    full = read(shop)
    assert shop.facts("restore", shop.backup, payload, tmp_path / "work")["tables"] == "0"
    assert read(shop).tables == {}
    shop.facts("unrestore", tmp_path / "work")
    assert read(shop) == full


@pytest.mark.parametrize("compressor", ["zstd", "gzip"])
def test_the_script_runs_under_busybox(server: Mariadb, tmp_path: Path, compressor: str) -> None:
    """P3: hosts with BusyBox's shell, awk, sed, grep and sort run it as well as those with GNU's, and without zstd."""
    tools = tmp_path / "tools"
    tools.mkdir()
    applets = subprocess.run(["busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in {*applets, "mariadb", "mariadb-dump", compressor, "flock", "comm", "tsort"}:
        program = shutil.which("busybox" if name in applets else name)
        assert program is not None
        (tools / name).symlink_to(program)
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    shop.shell = (str(tools / "sh"),)
    shop.environment["PATH"] = str(tools)
    make_shop(shop)
    before = read(shop)
    payload = shop.dump()
    assert payload == {"zstd": "payload.sql.zst", "gzip": "payload.sql.gz"}[compressor]
    assert shop.facts("mark")["mark"]
    server.execute(
        f"CREATE DATABASE drill_{compressor}", f"GRANT ALL ON drill_{compressor}.* TO {quoted(shop.user)}@localhost"
    )
    assert shop.facts("rehearse", shop.backup, payload, f"drill_{compressor}")["rehearsed"] == "yes"
    assert shop.facts("load", shop.backup, payload, tmp_path / "twin")["loaded"] == "yes"
    assert shop.facts("unload", tmp_path / "twin") == {"unloaded": "yes"}
    break_shop(shop)
    damaged = read(shop)
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert read(shop) == before
    shop.facts("unrestore", tmp_path / "work")
    assert read(shop) == damaged


@pytest.mark.parametrize("password", NASTY_PASSWORDS)
def test_any_password_works(server: Mariadb, tmp_path: Path, password: str) -> None:
    """P6: a password reaches the clients only by a file, whatever characters it has."""
    shop = open_account(server, tmp_path, password=password)
    assert shop.facts("probe")["can_create"] == "yes"


def test_the_password_is_in_no_process_and_no_output(server: Mariadb, tmp_path: Path) -> None:
    """P6: watched from outside while every long verb runs."""
    secret = "Tr0ub4dor-and-3-horses"
    shop = open_account(server, tmp_path, password=secret)
    make_shop(shop)
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        if secret.encode() in (process / name).read_bytes():
                            seen.append((process / "cmdline").read_text())
                    except OSError:
                        continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outputs = [shop.run("probe"), shop.run("dump", shop.backup)]
        outputs.append(shop.run("restore", shop.backup, "payload.sql.zst", tmp_path / "work"))
    finally:
        stop.set()
        watcher.join()
    assert [done.returncode for done in outputs] == [0, 0, 0]
    assert seen == []
    assert all(secret not in done.stdout + done.stderr for done in outputs)


def test_definers_of_others_are_replaced_only_where_the_server_refuses_them(server: Mariadb, tmp_path: Path) -> None:
    """P3: an account that may not speak for others restores triggers as its own, and says so; views stay as they are."""
    shop = open_account(server, tmp_path, MAY_CREATE_DATABASES)
    server.execute(
        "CREATE TABLE notes (id int PRIMARY KEY)",
        "CREATE TRIGGER plus BEFORE INSERT ON notes FOR EACH ROW SET NEW.id = NEW.id + 1",
        "CREATE VIEW all_notes AS SELECT * FROM notes",
        database=shop.database,
    )
    assert "plus (root@localhost)" in shop.facts("probe")["warning"]
    payload = shop.dump()
    server.execute("DROP TRIGGER plus", database=shop.database)
    facts = shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert "definers" in facts["warning"]
    trigger, view = read(shop).objects["trigger plus"], read(shop).objects["view all_notes"]
    assert f"DEFINER=`{shop.user}`@`localhost`" in trigger
    assert "root@localhost" in view

    powerful = replace(shop, folder=tmp_path / "root", user="root", password="")
    write_conn(powerful.conn, server, database=shop.database, user="root", password="")
    assert "warning" not in powerful.facts("restore", shop.backup, payload, tmp_path / "again")
    assert "DEFINER=`root`@`localhost`" in read(shop).objects["trigger plus"]


def test_a_routine_that_the_account_may_not_read_stops_the_dump(server: Mariadb, tmp_path: Path) -> None:
    """P1: a backup that would lack an object isn't made."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    server.execute("CREATE PROCEDURE hidden() SELECT 1", database=shop.database)
    server.execute(f"GRANT EXECUTE ON PROCEDURE hidden TO {quoted(shop.user)}@localhost", database=shop.database)
    done = shop.run("dump", shop.backup)
    assert done.returncode == 1
    assert "may not read 1 routines" in done.stderr
    assert "no backup can be made: the account may not read these routines" in shop.run("probe").stdout
    assert not (shop.backup / "payload.sql.zst").exists()


def test_an_account_that_can_not_see_triggers_makes_no_backup(server: Mariadb, tmp_path: Path) -> None:
    """P1, P9: the server hides triggers from it without a word; a backup would lack them, a restore lose them."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    make_shop(shop)
    payload = shop.dump()
    before = read(shop)
    server.execute(f"REVOKE TRIGGER ON {pattern(shop)}.* FROM {quoted(shop.user)}@localhost")
    for done in (shop.run("dump", tmp_path / "other"), shop.run("restore", shop.backup, payload, tmp_path / "work")):
        assert done.returncode == 1
        assert "may not" in done.stderr
    server.execute(f"GRANT TRIGGER ON {pattern(shop)}.* TO {quoted(shop.user)}@localhost")
    assert read(shop) == before


def test_triggers_that_could_not_be_made_again_are_a_reason_not_to_swap(tmp_path: Path) -> None:
    """P2: with a binary log only SUPER makes triggers; that is found out before anything is touched."""
    with running_mariadb(tmp_path / "server", settings=["--log-bin", "--server-id=1"]) as server:
        shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
        server.execute(
            "CREATE TABLE notes (id int PRIMARY KEY)",
            "CREATE TRIGGER plus BEFORE INSERT ON notes FOR EACH ROW SET NEW.id = NEW.id + 1",
            database=shop.database,
        )
        assert "only SUPER may create triggers" in shop.run("probe").stdout
        payload = shop.dump()
        before = read(shop)
        done = shop.run("restore", shop.backup, payload, tmp_path / "work")
        assert done.returncode == 1
        assert "may not make again what the backup holds" in done.stderr
        assert read(shop) == before


def test_routine_grants_survive_a_restore_that_need_not_touch_the_routine(server: Mariadb, tmp_path: Path) -> None:
    """P9: what is as it should be isn't dropped and made again."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    payload = shop.dump()
    server.create_user(f"clerk{shop.database}", "x")
    server.execute(f"GRANT EXECUTE ON PROCEDURE settle TO clerk{shop.database}@localhost", database=shop.database)
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    granted = server.query(
        f"SELECT routine_name FROM mysql.procs_priv WHERE db = '{shop.database}' AND user LIKE 'clerk%'"
    )
    assert granted == [("settle",)]


@pytest.mark.parametrize("kind", [LIKE_ROOT, OWN_DATABASE_ONLY])
def test_rights_on_single_routines_that_a_restore_takes_away_are_told(
    server: Mariadb, tmp_path: Path, kind: str
) -> None:
    """P9: who may read them prints the statements that give them again; who may not says that much."""
    shop = open_account(server, tmp_path, kind)
    with shop.connect() as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (id int)")
        cursor.execute("CREATE PROCEDURE settle() SELECT 1")
    payload = shop.dump()
    clerk = f"clerk{shop.database}"
    server.create_user(clerk, "x")
    server.execute(f"GRANT EXECUTE ON PROCEDURE settle TO {clerk}@localhost WITH GRANT OPTION", database=shop.database)
    with shop.connect() as link, link.cursor() as cursor:
        cursor.execute("CREATE PROCEDURE brought_by_a_migration() SELECT 2")
    warning = shop.facts("restore", shop.backup, payload, tmp_path / "work")["warning"]
    assert "rights" in warning
    granted = f"SELECT proc_priv FROM mysql.procs_priv WHERE db = '{shop.database}' AND user = '{clerk}'"
    assert server.query(granted) == []
    if kind == LIKE_ROOT:
        statement = warning.partition("give them again: ")[2]
        assert statement == (
            f"GRANT Execute ON PROCEDURE `{shop.database}`.`settle` TO `{clerk}`@`localhost` WITH GRANT OPTION"
        )
        server.execute(statement)
        assert len(server.query(granted)) == 1
    else:
        assert "may not read which (mysql.procs_priv)" in warning


def test_a_broken_view_is_left_out_with_a_warning_and_left_alone(server: Mariadb, tmp_path: Path) -> None:
    """P1, P9: a view whose table is gone must not stop a backup, and no restore may throw it away."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    server.execute(
        "CREATE TABLE gone (i int)",
        "CREATE VIEW stale AS SELECT i FROM gone",
        "DROP TABLE gone",
        database=shop.database,
    )
    before = read(shop)
    made = shop.facts("dump", shop.backup)
    assert "stale" in made["warning"]
    break_shop(shop)
    shop.facts("restore", shop.backup, made["payload"], tmp_path / "work")
    assert read(shop) == before


def test_rows_that_change_during_a_dump_make_its_counts_inexact(server: Mariadb, tmp_path: Path) -> None:
    """P7: counts that can't be exact say so, and such a backup restores all the same."""
    shop = open_account(server, tmp_path)
    with shop.connect() as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE log (id int AUTO_INCREMENT PRIMARY KEY, t varchar(200))")
        cursor.execute("INSERT INTO log (t) SELECT REPEAT('x', 200) FROM seq_1_to_20000")
    stop = threading.Event()

    def write() -> None:
        with shop.connect() as link, link.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO log (t) VALUES ('more')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = shop.facts("dump", shop.backup)
    finally:
        stop.set()
        writer.join()
    assert made["counts_exact"] == "no"
    shop.facts("restore", shop.backup, made["payload"], tmp_path / "work")


def test_tables_that_others_hold_are_waited_for_and_then_left_alone(server: Mariadb, tmp_path: Path) -> None:
    """P2: an open transaction stops the swap; the live database, triggers and all, stays as it was, and who it was is named."""
    shop = open_account(server, tmp_path)
    shop.environment.update(BELAY_LOCK_SECONDS="1", BELAY_LOCK_ATTEMPTS="2")
    make_shop(shop)
    before = read(shop)
    payload = shop.dump()
    break_shop(shop)
    damaged = read(shop)
    blocker = server.connect(database=shop.database)
    blocker.begin()
    with blocker.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID() FROM migrations LIMIT 1")
        ((connection,),) = cursor.fetchall()
    done = shop.run("restore", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 1
    assert f"connection {connection} of root" in done.stderr
    assert read(shop) == damaged
    blocker.rollback()
    blocker.close()
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert read(shop) == before


def test_foreign_keys_from_other_databases_are_a_reason_not_to_swap(server: Mariadb, tmp_path: Path) -> None:
    """P2: they would follow the old tables into the attic."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    payload = shop.dump()
    other = f"other_{shop.database}"
    server.create_database(other)
    server.execute(
        f"CREATE TABLE refers (id bigint unsigned, FOREIGN KEY (id) REFERENCES {shop.database}.users (id))",
        database=other,
    )
    damaged = read(shop)
    done = shop.run("restore", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 1
    assert "foreign keys to tables of" in done.stderr
    assert read(shop) == damaged
    server.execute(f"DROP DATABASE {other}")


def test_stop_sql_ends_what_dead_clients_of_the_account_left_and_nothing_else(server: Mariadb, tmp_path: Path) -> None:
    """P2: a killed migration's statement would go on behind the restore's back."""
    shop = open_account(server, tmp_path)
    other = open_account(server, tmp_path / "other")
    ended: list[str] = []

    def sleep_as(account: Account, name: str) -> None:
        try:
            with account.connect() as link, link.cursor() as cursor:
                cursor.execute("SELECT SLEEP(120)")
        except pymysql.err.OperationalError:
            ended.append(name)

    threads = [
        threading.Thread(target=sleep_as, args=pair, daemon=True) for pair in ((shop, "ours"), (other, "theirs"))
    ]
    for thread in threads:
        thread.start()
    while len(server.query("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")) < len(
        threads
    ):
        time.sleep(0.02)
    with shop.connect():
        assert shop.facts("busy") == {"busy": "1"}
        assert shop.facts("stop-sql") == {"stopped": "1"}
    threads[0].join(10)
    assert ended == ["ours"]
    assert shop.facts("busy") == {"busy": "0"}
    assert shop.facts("stop-sql") == {"stopped": "0"}
    assert other.facts("stop-sql") == {"stopped": "1"}
    threads[1].join(10)


def test_an_idle_session_inside_a_transaction_is_busy(server: Mariadb, tmp_path: Path) -> None:
    """P2: its rows may still be written, and its locks stop a swap."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    with shop.connect() as link, link.cursor() as cursor:
        assert shop.facts("busy") == {"busy": "0"}
        cursor.execute("BEGIN")
        cursor.execute("DELETE FROM migrations")
        time.sleep(0.3)  # InnoDB shows its transactions as they were up to 0.1 s ago
        assert shop.facts("busy") == {"busy": "1"}
        cursor.execute("ROLLBACK")


def test_the_ledger_is_laravels_list_of_migrations(server: Mariadb, tmp_path: Path) -> None:
    """P1: which migrations ran is read from the table itself; without a table there are none."""
    shop = open_account(server, tmp_path)
    assert shop.run("ledger", "migrations").stdout == ""
    make_shop(shop)
    assert shop.run("ledger", "migrations").stdout == "1\t2024_01_01_create_users\n2\t2024_02_01_create_teams\n"


def test_counters_and_statistics_are_no_part_of_the_schema(server: Mariadb, tmp_path: Path) -> None:
    """P3: rows come and go without changing the fingerprint; any change of an object changes it."""
    shop = open_account(server, tmp_path)
    make_shop(shop)
    schema = shop.run("schema").stdout
    server.execute("INSERT INTO teams (label) VALUES ('n')", "ANALYZE TABLE teams, users", database=shop.database)
    assert shop.run("schema").stdout == schema
    for change in (
        "ALTER TABLE teams COMMENT 'x'",
        "ALTER TABLE users MODIFY kind enum('a', 'z')",
        "ALTER TABLE users DROP CONSTRAINT sane",
        "ALTER TABLE tree DROP FOREIGN KEY tree_ibfk_1",
        "ALTER TABLE users DROP INDEX words",
        "ALTER TABLE parts REORGANIZE PARTITION high INTO (PARTITION higher VALUES LESS THAN MAXVALUE)",
        "ALTER SEQUENCE tickets INCREMENT 7",
        "DROP TRIGGER team_second",
        "ALTER EVENT nightly ENABLE",
        "ALTER PROCEDURE settle COMMENT 'other'",
        f"ALTER DATABASE {shop.database} COLLATE utf8mb4_bin",
    ):
        server.execute(change, database=shop.database)
        changed = shop.run("schema").stdout
        assert changed != schema, change
        schema = changed


def test_probe_tells_what_doctor_must_know(server: Mariadb, tmp_path: Path) -> None:
    """P1: rights, engines and writers that backups and restores depend on."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    make_shop(shop)
    server.execute("CREATE TABLE old (i int) ENGINE=MyISAM", "ALTER EVENT nightly ENABLE", database=shop.database)
    facts = shop.facts("probe")
    assert facts["vendor"] == "mariadb"
    assert facts["database"] == shop.database
    assert facts["can_create"] == "no"
    warnings = shop.run("probe").stdout
    assert "old (MyISAM)" in warnings
    assert "enabled" in warnings
    assert "lacks rights" not in warnings
    server.execute(f"REVOKE TRIGGER ON {pattern(shop)}.* FROM {quoted(shop.user)}@localhost")
    assert "lacks rights that backup and restore need, or has them through a role: TRIGGER" in shop.run("probe").stdout


def test_a_wrong_password_and_a_missing_database_are_failures(server: Mariadb, tmp_path: Path) -> None:
    """P7: no verb takes silence for an answer."""
    shop = open_account(server, tmp_path, LIKE_ROOT)
    wrong_password = replace(shop, folder=tmp_path / "password", password="wrong")
    for lost in (wrong_password, replace(shop, folder=tmp_path / "database", database="no_such")):
        write_conn(lost.conn, server, database=lost.database, user=lost.user, password=lost.password)
        for verb, *arguments in (
            ("probe",),
            ("counts",),
            ("schema",),
            ("busy",),
            ("stop-sql",),
            ("ledger", "migrations"),
            ("dump", str(tmp_path / "x")),
        ):
            done = lost.run(verb, *arguments)
            assert done.returncode == 1, verb
            assert "can't connect" in done.stderr
            assert done.stdout == ""
