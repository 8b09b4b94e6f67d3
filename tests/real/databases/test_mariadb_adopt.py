"""Dumps of other tools become backups like any other: checked, loaded beside the live MariaDB database, dumped again."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, MAY_CREATE_DATABASES, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import Snapshot, build, damage, snapshot
from tests.lab.mariadb_stock import EVERYTHING, FLAGS, packed, stock_dump
from tests.lab.mariadb_trial import SEED
from tests.lab.sampling import every

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "3"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


def make_shop(server: Mariadb, folder: Path, kind: str) -> Account:
    shop = open_account(server, folder, kind)
    with shop.connect() as link:
        build(link)
    return shop


def read(shop: Account) -> Snapshot:
    with shop.connect() as link:
        return snapshot(link)


def without_history(found: Snapshot) -> Snapshot:
    """Return `found` without the old versions of rows, which stock dumps leave out."""
    tables = {
        name: re.sub(r"\nrows .*", "", text) if name == "history" else text for name, text in found.tables.items()
    }
    return replace(found, tables=tables)


def databases(server: Mariadb) -> set[str]:
    return {str(name) for (name,) in server.query("SHOW DATABASES")}


@pytest.mark.parametrize(("flags", "kind"), every(3, product(FLAGS, [MAY_CREATE_DATABASES, LIKE_ROOT])))
def test_a_stock_dump_comes_back_whole(server: Mariadb, tmp_path: Path, kind: str, flags: str) -> None:
    """P3, P9: same fingerprint, same rows; adopting touches nothing that is live, whatever the dump says to drop."""
    shop = make_shop(server, tmp_path, kind)
    before, schema, counts = read(shop), shop.run("schema").stdout, shop.run("counts").stdout
    file = packed(stock_dump(shop, *FLAGS[flags]), tmp_path, "sql")
    with shop.connect() as link:
        damage(link)
    damaged, known = read(shop), databases(server)
    made = shop.facts("adopt", file, shop.backup)
    assert read(shop) == damaged
    assert databases(server) == known
    assert sorted(path.name for path in shop.backup.iterdir()) == sorted(
        ["facts", "inventory.tsv", "schema.txt", "counts.tsv", "payload.sha256", made["payload"]]
    )
    assert (shop.backup / "schema.txt").read_text() == schema
    assert (shop.backup / "counts.tsv").read_text() == counts
    assert shop.facts("prove", shop.backup, made["payload"], made["sha256"])["verified"] == "bytes"
    shop.facts("restore", shop.backup, made["payload"], tmp_path / "work")
    assert without_history(read(shop)) == without_history(before)
    shop.facts("unrestore", tmp_path / "work")
    assert read(shop) == damaged


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize("kind", ["gz", "zst", "zip", "zip of gz"])
def test_packed_dumps_are_adopted(server: Mariadb, tmp_path: Path, kind: str, shell: str) -> None:
    """P3: what spatie/laravel-backup makes, and what people gzip by hand; with unzip, or BusyBox's alone."""
    shop = make_shop(server, tmp_path, MAY_CREATE_DATABASES)
    if shell == "busybox":
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("mariadb", "mariadb-dump", "zstd", "flock"):
            (tools / name).symlink_to(str(shutil.which(name)))
        for name in (
            "sh",
            "awk",
            "sed",
            "grep",
            "sort",
            "unzip",
            "gzip",
            "od",
            "tr",
            "cut",
            "head",
            "cat",
            "mktemp",
            "find",
        ):
            (tools / name).symlink_to(str(shutil.which("busybox")))
        shop.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
        shop.shell = (str(tools / "sh"),)
    file = packed(stock_dump(shop, *EVERYTHING, "--skip-comments"), tmp_path, kind)
    made = shop.facts("adopt", file, shop.backup)
    assert (shop.backup / "schema.txt").read_text() == shop.run("schema").stdout
    assert (shop.backup / "counts.tsv").read_text() == shop.run("counts").stdout
    assert shop.facts("prove", shop.backup, made["payload"], made["sha256"])["verified"] == "bytes"


def test_an_account_with_one_database_is_told_what_it_lacks(server: Mariadb, tmp_path: Path) -> None:
    """P1: a reason, and nothing changed."""
    shop = make_shop(server, tmp_path, OWN_DATABASE_ONLY)
    before = read(shop)
    done = shop.run("adopt", packed(stock_dump(shop, *EVERYTHING), tmp_path, "sql"), shop.backup)
    assert done.returncode == 1
    assert "may not create one" in done.stderr
    assert read(shop) == before


@pytest.mark.parametrize("kind", [MAY_CREATE_DATABASES, LIKE_ROOT])
def test_a_dump_of_another_database_gives_its_objects_to_this_account(
    server: Mariadb, tmp_path: Path, kind: str
) -> None:
    """P3: a definer of others is never kept: a view of root's would show an app what only root may see."""
    other = make_shop(server, tmp_path / "other", LIKE_ROOT)
    server.execute(
        "CREATE TRIGGER by_root BEFORE INSERT ON tree FOR EACH ROW SET NEW.id = NEW.id", database=other.database
    )
    server.execute(f"ALTER DATABASE {other.database} CHARACTER SET latin1 COLLATE latin1_bin")
    server.execute("CREATE FUNCTION in_latin() RETURNS int RETURN 1", database=other.database)
    dump = stock_dump(other, *EVERYTHING, "--databases", as_root=True)
    shop = open_account(server, tmp_path / "shop", kind)
    made = shop.facts("adopt", packed(dump, tmp_path, "sql"), shop.backup)
    assert "other accounts" in made["warning"]
    shop.facts("restore", shop.backup, made["payload"], tmp_path / "work")
    mine, theirs = shop.run("schema").stdout, other.run("schema").stdout
    assert mine == theirs.replace(f"{other.user}@localhost", f"{shop.user}@localhost").replace(
        "root@localhost", f"{shop.user}@localhost"
    )
    assert shop.run("counts").stdout == other.run("counts").stdout


def test_events_come_switched_off_where_they_would_run(tmp_path: Path) -> None:
    """P9: an event of a dump must not run before anybody has looked at it."""
    with running_mariadb(tmp_path / "server") as server:
        shop = open_account(server, tmp_path, LIKE_ROOT)
        statements = (
            "CREATE TABLE ticks (i int)",
            "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND COMMENT ' ON COMPLETION PRESERVE ENABLE DO ' DO INSERT INTO ticks VALUES (1)",
        )
        with shop.connect() as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        file = packed(stock_dump(shop, *EVERYTHING), tmp_path, "sql")
        assert "warning" not in shop.facts("adopt", file, shop.backup)
        assert "ENABLED" in (shop.backup / "schema.txt").read_text()
        server.execute("DROP EVENT tick", "SET GLOBAL event_scheduler = ON", database=shop.database)
        made = shop.facts("adopt", file, tmp_path / "second")
        assert "switched off" in made["warning"]
        assert "\tDISABLED\t" in (tmp_path / "second" / "schema.txt").read_text()
        assert server.query("SELECT COUNT(*) FROM ticks", database=shop.database) == [(0,)]


def test_archives_that_hold_no_single_dump_are_refused(server: Mariadb, tmp_path: Path) -> None:
    """P3: which of two dumps was meant, nobody can tell; an encrypted one can't be read."""
    shop = make_shop(server, tmp_path, LIKE_ROOT)
    dump = stock_dump(shop, *EVERYTHING)
    for number, members in enumerate(
        (
            {"app/x.sql": dump},
            {"db-dumps/a.sql": dump, "db-dumps/b.sql": dump},
            {"db-dumps/a.sql": dump, "db-dumps/b.archive": b"x"},
            {"db-dumps/*.sql": dump},
            {"db-dumps/../../x.sql": dump},
        )
    ):
        file = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        done = shop.run("adopt", file, shop.backup)
        assert done.returncode == 1, members.keys()
        assert "exactly one file" in done.stderr
    whole = packed(dump, tmp_path, "zip").read_bytes()
    for number, damaged in enumerate((whole[: len(whole) // 2], whole.replace(whole[3000:3010], b"0123456789"))):
        file = tmp_path / f"damaged{number}.zip"
        file.write_bytes(damaged)
        assert shop.run("adopt", file, shop.backup).returncode == 1


def test_a_killed_adoption_is_thrown_away_by_the_next(server: Mariadb, tmp_path: Path) -> None:
    """P8, P9: at any moment, alone or with its children."""
    shop = make_shop(server, tmp_path, LIKE_ROOT)
    before, known = read(shop), databases(server)
    file = packed(stock_dump(shop, *EVERYTHING), tmp_path, "sql")
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        running = shop.start("adopt", file, shop.backup)
        seconds = chance.uniform(0.1, 2)
        while number % 2 == 0 and databases(server) == known:
            assert running.poll() is None
            time.sleep(0.001)
        time.sleep(seconds if number % 2 else 0)
        if chance.random() < 0.5:
            running.kill()
        else:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        told = f"seed {SEED}, round {number}, {seconds} s"
        made = shop.facts("adopt", file, shop.backup)
        assert databases(server) == known, told
        assert read(shop) == before, told
        assert shop.facts("prove", shop.backup, made["payload"], made["sha256"])["verified"] == "bytes", told


def test_a_table_named_as_a_database_of_the_server_is_no_reason_to_refuse_its_rows(
    server: Mariadb, tmp_path: Path
) -> None:
    """P3: only code is looked through for names of databases."""
    shop = open_account(server, tmp_path, LIKE_ROOT)
    server.execute("CREATE TABLE mysql (i int)", "INSERT INTO mysql VALUES (1)", database=shop.database)
    made = shop.facts("adopt", packed(stock_dump(shop), tmp_path, "sql"), shop.backup)
    assert made["tables"] == "1"
