"""A copy in MariaDB is compared with what was dumped by each table's checksum, where the dump wrote them down."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import build, snapshot

TABLES = (
    "CREATE TABLE approximate (id int PRIMARY KEY, f float, d double)",
    "INSERT INTO approximate VALUES (1, 1 / 3e0, 1 / 3e0), (2, 3.14159265, -1e-300)",
    "CREATE TABLE `double` (d double PRIMARY KEY)",
    "INSERT INTO `double` SELECT SQRT(seq) FROM seq_1_to_50",
    "CREATE TABLE hidden (a int, b int INVISIBLE DEFAULT 7, v int AS (a * 2) VIRTUAL, s int AS (a * 3) STORED) ROW_FORMAT=COMPRESSED",
    "INSERT INTO hidden (a) VALUES (1), (NULL)",
    "CREATE TABLE grown (a int, t varchar(10))",
    "INSERT INTO grown VALUES (1, 'x')",
    "ALTER TABLE grown ADD COLUMN n int NOT NULL DEFAULT 5 AFTER a, ALGORITHM=INSTANT",
    "CREATE TABLE moments (a timestamp(6) NULL, b time(2), c bit(60), d decimal(65, 30))",
    "INSERT INTO moments VALUES ('2020-01-01 00:00:00.123456', '-10:11:12.5', b'1011', 1e-20)",
    "CREATE TABLE other_engine (a int, t text) ENGINE=MyISAM CHECKSUM=1",
    "INSERT INTO other_engine VALUES (1, 'x'), (NULL, NULL)",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=[OWN_DATABASE_ONLY, LIKE_ROOT])
def shop(request: pytest.FixtureRequest, server: Mariadb, tmp_path: Path) -> Account:
    account = open_account(server, tmp_path, request.param)
    with account.connect() as link:
        build(link)
    server.execute(*TABLES, database=account.database)
    account.environment["BELAY_CHECKSUMS"] = "yes"
    return account


def test_what_was_dumped_has_the_same_checksums_when_it_is_loaded(shop: Account, tmp_path: Path) -> None:
    """P3: for every kind of table but those of which a dump doesn't hold all, and these are named."""
    made = shop.facts("dump", shop.backup)
    assert (made["checksums"], made["checksums_left_out"]) == ("yes", "approximate")
    counted = {line.split("\t")[0] for line in (shop.backup / "counts.tsv").read_text().splitlines()}
    lines = (shop.backup / "checksums.tsv").read_text().splitlines()
    assert {line.split("\t")[0] for line in lines} == counted - {"approximate"}
    assert lines == sorted(lines, key=str.encode)
    with shop.connect() as link:
        before = snapshot(link).tables
    del before["approximate"]  # the sixth digit of a FLOAT is its last one in a dump
    shop.facts("restore", shop.backup, made["payload"], tmp_path / "work")
    with shop.connect() as link:
        after = snapshot(link).tables
    del after["approximate"]
    assert after == before
    shop.environment.clear()
    assert shop.facts("dump", shop.backup)["checksums"] == "no"
    assert not (shop.backup / "checksums.tsv").exists()


def test_rows_of_another_content_are_seen_by_their_checksums(shop: Account, tmp_path: Path) -> None:
    """P1, P3: the same tables, the same number of rows, an intact payload, and yet not what was dumped."""
    payload = shop.dump()
    shop.server.execute("UPDATE users SET name = 'Bab' WHERE name LIKE 'Bob%'", database=shop.database)
    other = tmp_path / "other"
    shop.facts("dump", other)
    shutil.copy(other / payload, shop.backup / payload)
    (shop.backup / "payload.sha256").unlink()
    with shop.connect() as link:
        before = snapshot(link)
    verbs: list[tuple[str, str | Path]] = [("load", tmp_path / "load"), ("restore", tmp_path / "restore")]
    if shop.server.query(f"SELECT 1 FROM mysql.user WHERE user = '{shop.user}' AND create_priv = 'Y'"):
        verbs.append(("rehearse", f"{shop.database}_rehearsal"))
    for verb, place in verbs:
        done = shop.run(verb, shop.backup, payload, place)
        assert done.returncode == 1
        assert "rows differ from the dump's in users" in done.stderr
    with shop.connect() as link:
        assert snapshot(link) == before


def test_checksums_of_another_version_of_the_server_prove_nothing(shop: Account, tmp_path: Path) -> None:
    """P1: a backup isn't refused because the server was upgraded since."""
    payload = shop.dump()
    version = str(shop.server.query("SELECT VERSION()")[0][0])
    for name, old, new in (("facts", version, f"{version}-other"), ("checksums.tsv", "\t", "\t1")):
        file = shop.backup / name
        file.write_text(file.read_text().replace(old, new))
    done = shop.run("load", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 0, done.stderr
    assert "another version of the server" in done.stderr


def test_a_table_that_is_written_during_the_dump_has_no_checksum(server: Mariadb, tmp_path: Path) -> None:
    """P3: nobody could say whether it is that of the dumped rows; the others keep theirs."""
    shop = open_account(server, tmp_path)
    shop.environment["BELAY_CHECKSUMS"] = "yes"
    server.execute(
        "CREATE TABLE log (id int PRIMARY KEY, n bigint)",
        "INSERT INTO log VALUES (1, 1)",
        "CREATE TABLE still (i int)",
        "INSERT INTO still VALUES (1)",
        database=shop.database,
    )
    stop = threading.Event()

    def write() -> None:
        with server.connect(database=shop.database) as link, link.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("UPDATE log SET n = n + 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = shop.facts("dump", shop.backup)
    finally:
        stop.set()
        writer.join()
    assert (made["counts_exact"], made["checksums_left_out"]) == ("yes", "log")
    assert (shop.backup / "checksums.tsv").read_text().startswith("still\t")
    shop.facts("load", shop.backup, made["payload"], tmp_path / "work")
