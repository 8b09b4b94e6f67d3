"""Rehearsals: a MariaDB backup is proven in another database, and the live one isn't touched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, quoted, running_mariadb, write_conn
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import Snapshot, snapshot
from tests.lab.mariadb_trial import SEED, Trial

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "3"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def trial(server: Mariadb, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A shop with a backup, damaged since; no test changes it."""
    return Trial(server, tmp_path_factory.mktemp("shop"), LIKE_ROOT)


def databases(server: Mariadb) -> set[str]:
    return {str(name) for (name,) in server.query("SHOW DATABASES")}


def renamed(found: Snapshot, old: str, new: str) -> dict[str, str]:
    """Return all that `found` holds, as it would be called in database `new`."""
    return {name: text.replace(quoted(old), quoted(new)) for name, text in {**found.tables, **found.objects}.items()}


def read(shop: Account, database: str) -> Snapshot:
    with shop.server.connect(user=shop.user, password=shop.password, database=database) as link:
        return snapshot(link)


@pytest.mark.parametrize("exists", [False, True])
def test_a_rehearsal_loads_the_backup_whole(trial: Trial, server: Mariadb, exists: bool) -> None:  # noqa: FBT001
    """P3, P9: rows, definitions, keys, objects, in a database that is made for it or was found empty."""
    into = f"drill `{exists}` 漢-%"
    if exists:
        server.create_database(into)
    facts = trial.shop.facts("rehearse", trial.shop.backup, trial.payload, into)
    assert facts["rehearsed"] == "yes"
    lines = (trial.shop.backup / "counts.tsv").read_text().splitlines()
    assert facts["tables"] == str(len(lines))
    assert facts["rows"] == str(sum(int(line.split("\t")[1]) for line in lines))
    expected = renamed(trial.before, trial.shop.database, into)
    assert renamed(read(trial.shop, into), into, into) == expected
    assert trial.read() == trial.damaged


def test_an_account_with_one_database_rehearses_in_another_that_it_was_given(server: Mariadb, tmp_path: Path) -> None:
    """P3: on shared hosts databases are made in a panel; the empty one that it gives will do."""
    own = Trial(server, tmp_path, OWN_DATABASE_ONLY)
    shop, into = own.shop, "panel_drill"
    before = databases(server)
    done = shop.run("rehearse", shop.backup, own.payload, into)
    assert done.returncode == 1
    assert "could not be made" in done.stderr
    assert databases(server) == before
    server.create_database(into)
    server.execute(f"GRANT ALL ON `panel\\_drill`.* TO {quoted(shop.user)}@localhost")
    assert shop.facts("rehearse", shop.backup, own.payload, into)["rehearsed"] == "yes"
    assert renamed(read(shop, into), into, into) == renamed(own.before, shop.database, into)
    assert own.read() == own.damaged


def test_databases_that_are_in_use_are_refused(trial: Trial, server: Mariadb) -> None:
    """P9: the live one, one of ours, and any that holds a table, a view, a routine or an event."""
    shop = trial.shop
    uses = {
        "with_table": "CREATE TABLE t (i int)",
        "with_view": "CREATE VIEW v AS SELECT 1",
        "with_routine": "CREATE FUNCTION f() RETURNS int RETURN 1",
        "with_event": "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1",
    }
    for name, statement in uses.items():
        server.create_database(name)
        server.execute(statement, database=name)
    reasons = {
        shop.database: "live database",
        shop.database.upper(): "live database",
        f"{shop.database}__belay_s_0123abcd": "keeps for itself",
        "other__belay_a_0123abcd": "keeps for itself",
        "": "needs a name",
        "two\nlines": "needs a name",
        "mysql": "holds",
        "information_schema": "holds",
        **dict.fromkeys(uses, "holds 1 tables or other objects"),
    }
    before = databases(server)
    for into, reason in reasons.items():
        done = shop.run("rehearse", shop.backup, trial.payload, into)
        assert done.returncode == 1, into
        assert reason in done.stderr
        assert done.stdout == ""
    assert databases(server) == before
    assert trial.read() == trial.damaged
    for name in uses:
        assert server.query(f"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}'") == [(1,)]


@pytest.mark.parametrize("exists", [False, True])
def test_a_rehearsal_that_fails_takes_away_what_it_made(
    trial: Trial,
    server: Mariadb,
    tmp_path: Path,
    exists: bool,  # noqa: FBT001
) -> None:
    """P8: a backup that doesn't hold what it says leaves nothing behind, and what was found stays, empty."""
    backup = tmp_path / "backup"
    backup.mkdir()
    for file in trial.shop.backup.iterdir():
        (backup / file.name).write_bytes(file.read_bytes())
    counts = (backup / "counts.tsv").read_text()
    (backup / "counts.tsv").write_text(counts.replace("tree\t3", "tree\t4"))
    into = f"failed_{exists}"
    if exists:
        server.execute(f"CREATE DATABASE {into} CHARACTER SET latin1 COLLATE latin1_bin")
    before = databases(server)
    done = trial.shop.run("rehearse", backup, trial.payload, into)
    assert done.returncode == 1
    assert "tree 4" in done.stderr
    assert databases(server) == before
    if exists:
        assert server.query("SELECT @@collation_database", database=into) == [("latin1_bin",)]
        assert server.query("SHOW TABLES", database=into) == []


def test_a_missing_view_is_found(trial: Trial, server: Mariadb, tmp_path: Path) -> None:
    """P3: more than tables and rows is compared."""
    backup = tmp_path / "backup"
    backup.mkdir()
    for file in trial.shop.backup.iterdir():
        (backup / file.name).write_bytes(file.read_bytes())
    schema = (backup / "schema.txt").read_text()
    (backup / "schema.txt").write_text(schema.replace("sweep; it", "sweep; that"))
    done = trial.shop.run("rehearse", backup, trial.payload, "missing_view")
    assert done.returncode == 1
    assert "isn't what was saved" in done.stderr
    assert "missing_view" not in databases(server)


def test_events_are_left_out_where_they_would_run(tmp_path: Path) -> None:
    """P9: an event that names the live database would change it from the rehearsal as well."""
    with running_mariadb(tmp_path / "server", settings=["--event-scheduler=ON"]) as server:
        shop = open_account(server, tmp_path, LIKE_ROOT)
        server.execute(
            "CREATE TABLE ticks (i int)",
            f"CREATE EVENT tick ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO INSERT INTO {shop.database}.ticks VALUES (1)",
            database=shop.database,
        )
        facts = shop.facts("rehearse", shop.backup, shop.dump(), "drill")
        assert "scheduler" in facts["warning"]
        assert server.query("SHOW EVENTS", database="drill") == []


def test_a_killed_rehearsal_is_thrown_away_by_the_next(trial: Trial, server: Mariadb) -> None:
    """P8, P9: at any moment, alone or with its children; asked again, it begins anew."""
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        into = f"killed_{number}"
        if number % 2:
            server.create_database(into)
        running: subprocess.Popen[bytes] = trial.shop.start("rehearse", trial.shop.backup, trial.payload, into)
        seconds = chance.uniform(0.1, 3)
        time.sleep(seconds)
        if chance.random() < 0.5:
            running.kill()
        else:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        told = f"seed {SEED}, round {number}, {seconds} s"
        done = trial.shop.run("rehearse", trial.shop.backup, trial.payload, into)
        if done.returncode:  # it was finished just before
            assert "holds" in done.stderr, told + done.stderr
        assert renamed(read(trial.shop, into), into, into) == renamed(trial.before, trial.shop.database, into), told
        assert trial.read() == trial.damaged, told


def test_a_rehearsal_of_another_apps_account_sees_no_database_of_others(trial: Trial, tmp_path: Path) -> None:
    """P9: a wrong connection is a failure before anything is made."""
    lost = replace(trial.shop, folder=tmp_path, password="wrong")
    write_conn(lost.conn, lost.server, database=lost.database, user=lost.user, password="wrong")
    assert lost.run("rehearse", trial.shop.backup, trial.payload, "nowhere").returncode == 1
    assert "nowhere" not in databases(trial.shop.server)
