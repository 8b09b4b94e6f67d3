"""A backup that was loaded beside the live MariaDB database: a restore only swaps it, and nobody else notices it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, quoted, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_trial import SEED, Trial
from tests.lab.sampling import every

KINDS = [OWN_DATABASE_ONLY, LIKE_ROOT]
ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "3"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


def copies(account: Account) -> list[str]:
    """Return the databases and tables that loads and restores keep on the server for this account's database."""
    rows = account.server.query(
        f"""SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{account.database}\\_\\_belay%'
        UNION SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables
        WHERE table_schema LIKE '{account.database}\\_\\_belay%'
            OR table_schema = '{account.database}' AND table_name REGEXP '^_b[sau][0-9a-f]{{4}}_'"""
    )
    return sorted(str(row[0]) for row in rows)


def copied_table(account: Account, name: str) -> str:
    """Return how the copy of table `name` is written in a statement."""
    (found,) = (copy for copy in copies(account) if "." in copy and copy.endswith((f".{name}", f"_{name}")))
    database, _, table = found.partition(".")
    return f"{quoted(database)}.{quoted(table)}"


@pytest.mark.parametrize("kind", every(2, KINDS))
def test_a_restore_after_a_load_only_swaps(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P1, P3: proven by loading before the migration; afterwards not even the payload is needed any more."""
    trial = Trial(server, tmp_path, kind)
    shop, work = trial.shop, tmp_path / "work"
    schema, counts = shop.run("schema").stdout, shop.run("counts").stdout
    facts = shop.facts("load", shop.backup, trial.payload, work)
    assert facts["loaded"] == "yes"
    assert facts["mode"] == ("inside" if kind == OWN_DATABASE_ONLY else "database")
    lines = (shop.backup / "counts.tsv").read_text().splitlines()
    assert facts["tables"] == str(len(lines))
    assert facts["rows"] == str(sum(int(line.split("\t")[1]) for line in lines))
    assert any(
        copy.partition(".")[2 if kind == OWN_DATABASE_ONLY else 0].startswith(facts["shadow"]) for copy in copies(shop)
    )
    assert trial.read() == trial.damaged, "a load changes nothing that is live"
    assert (shop.run("schema").stdout, shop.run("counts").stdout) == (schema, counts)
    assert shop.facts("load", shop.backup, trial.payload, work) == facts
    (shop.backup / trial.payload).unlink()
    moved = tmp_path / "moved"
    work.rename(moved)
    assert shop.facts("restore", shop.backup, trial.payload, moved)["restored"] == "yes"
    assert trial.read() == trial.before
    assert shop.facts("unload", moved) == {"unloaded": "nothing"}
    assert trial.read() == trial.before
    shop.facts("unrestore", moved)
    assert trial.read() == trial.damaged
    assert shop.facts("unload", moved) == {"unloaded": "nothing"}
    shop.facts("attic-drop", moved)
    assert copies(shop) == []


@pytest.mark.parametrize("kind", every(2, reversed(KINDS)))
def test_an_unload_drops_the_copy_and_nothing_else(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P8: twice is once, and the same folder can be loaded again."""
    trial = Trial(server, tmp_path, kind)
    shop, work = trial.shop, tmp_path / "work"
    assert shop.facts("unload", work) == {"unloaded": "nothing"}
    assert not work.exists()
    for _ in range(2):
        shop.facts("load", shop.backup, trial.payload, work)
        assert copies(shop)
        assert shop.facts("unload", work) == {"unloaded": "yes"}
        assert copies(shop) == []
        assert shop.facts("unload", work) == {"unloaded": "nothing"}
        assert trial.read() == trial.damaged
    trial.finish("restore", work, trial.before, "after an unload")


@pytest.mark.parametrize("kind", every(2, KINDS))
def test_a_copy_that_is_no_longer_whole_is_loaded_again(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P3: `db:wipe` drops every table that it sees; what was proven before that proves nothing any more."""
    trial = Trial(server, tmp_path, kind)
    shop, work = trial.shop, tmp_path / "work"
    harms = ("DROP TABLE {}", "ALTER TABLE {} DROP COLUMN migration", "ALTER TABLE {} ADD KEY more (batch)")
    for number, harm in enumerate(harms):
        shop.facts("load", shop.backup, trial.payload, work)
        server.execute(harm.format(copied_table(shop, "migrations")))
        if number:  # and the verb itself sees it too
            shop.facts("load", shop.backup, trial.payload, work)
            server.execute(harm.format(copied_table(shop, "migrations")))
        done = shop.run("restore", shop.backup, trial.payload, work)
        assert done.returncode == 0, done.stderr
        assert "loaded again" in done.stderr
        assert trial.read() == trial.before
        trial.finish("unrestore", work, trial.damaged, harm)
        shop.facts("attic-drop", work)
        work = tmp_path / f"work{number}"


@pytest.mark.parametrize("kind", every(2, reversed(KINDS)))
def test_a_copy_that_vanished_between_two_tries_to_swap_is_not_taken_for_swapped(
    server: Mariadb, tmp_path: Path, kind: str
) -> None:
    """P2, P7: tables that left the shadow without the live ones having left were dropped, not moved."""
    trial = Trial(server, tmp_path, kind)
    shop, work = trial.shop, tmp_path / "work"
    shop.environment.update(BELAY_LOCK_SECONDS="1", BELAY_LOCK_ATTEMPTS="1")
    shop.facts("load", shop.backup, trial.payload, work)
    with server.connect(database=shop.database) as blocker, blocker.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM migrations")
        assert shop.run("restore", shop.backup, trial.payload, work).returncode == 1
    assert (work / "restore/moves.tsv").exists()
    kept = copies(shop)
    assert shop.facts("unload", work) == {"unloaded": "nothing"}, "a restore has begun to use it"
    assert copies(shop) == kept
    assert (work / "load/done").exists()
    for copy in copies(shop):
        database, _, table = copy.partition(".")
        if table:
            kind_of_table = "SEQUENCE" if table.endswith("tickets") else "TABLE"
            server.execute("SET foreign_key_checks = 0", f"DROP {kind_of_table} {quoted(database)}.{quoted(table)}")
    assert trial.read() == trial.damaged
    trial.finish("restore", work, trial.before, "all of the copy was dropped")
    trial.finish("unrestore", work, trial.damaged, "all of the copy was dropped")


def test_tables_in_memory_are_loaded_again_after_the_server_restarted(tmp_path: Path) -> None:
    """P3: the server empties them without a word, and they still look like tables."""
    with running_mariadb(tmp_path / "server") as server:
        shop = open_account(server, tmp_path, LIKE_ROOT)
        server.execute("CREATE TABLE m (i int) ENGINE=MEMORY", "INSERT INTO m VALUES (1), (2)", database=shop.database)
        payload = shop.dump()
        shop.facts("load", shop.backup, payload, tmp_path / "work")
        server.stop()
        server.start()
        assert server.query("SELECT COUNT(*) FROM m", database=shop.database) == [(0,)]
        shop.facts("restore", shop.backup, payload, tmp_path / "work")
        assert server.query("SELECT COUNT(*) FROM m", database=shop.database) == [(2,)]


def test_a_work_folder_with_the_copy_of_another_backup_is_not_swapped_in(server: Mariadb, tmp_path: Path) -> None:
    """P3: what is restored is the backup that was asked for."""
    trial = Trial(server, tmp_path, LIKE_ROOT)
    shop, work = trial.shop, tmp_path / "work"
    second = tmp_path / "second"
    made = shop.facts("dump", second)
    shop.facts("load", second, made["payload"], work)
    done = shop.run("restore", shop.backup, trial.payload, work)
    assert done.returncode == 0, done.stderr
    assert "of another backup" in done.stderr
    assert trial.read() == trial.before


def test_an_account_that_may_make_no_table_is_told_so(server: Mariadb, tmp_path: Path) -> None:
    """P1: a proof that can't be had is a failure with a reason."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    server.execute("CREATE TABLE notes (id int)", database=shop.database)
    payload = shop.dump()
    pattern = shop.database.replace("_", "\\_")
    server.execute(f"REVOKE CREATE ON `{pattern}`.* FROM {quoted(shop.user)}@localhost")
    done = shop.run("load", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 1
    assert "may not make again what the backup holds" in done.stderr
    assert shop.facts("unload", tmp_path / "work") == {"unloaded": "nothing"}


@pytest.mark.parametrize("kind", every(2, KINDS))
def test_a_killed_load_or_unload_is_finished_by_running_it_again(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P2, P8: killed alone or with its children, at any moment; nothing stays behind and the live database never notices."""
    trial = Trial(server, tmp_path, kind)
    shop = trial.shop
    for number in range(ROUNDS):
        work = tmp_path / f"work{number}"
        told = f"seed {SEED}, round {number}: " + trial.kill("load", work)
        assert trial.read() == trial.damaged, told
        if number % 3 == 1:
            told += ", " + trial.kill("unload", work)
            shop.facts("unload", work)
            assert copies(shop) == [], told
        if number % 3 != 2:
            shop.facts("load", shop.backup, trial.payload, work)
        assert trial.read() == trial.damaged, told
        told += ", " + trial.kill("restore", work)
        trial.finish("restore", work, trial.before, told)
        trial.finish("unrestore", work, trial.damaged, told)
        shop.facts("attic-drop", work)
        assert copies(shop) == [], told
