"""Loading by several sessions of MariaDB at once, and the indexes at last: the same database, or a clean refusal."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import build, snapshot

SIDE_BY_SIDE = {"BELAY_LOAD_JOBS": "3", "BELAY_LOAD_CHUNK": "1"}

# What may have its indexes late and what may not, beside the tables of the shop.
TABLES = (
    """CREATE TABLE plain (id int AUTO_INCREMENT PRIMARY KEY, a varchar(40), b int NOT NULL, c text, KEY by_c (c(20)),
        UNIQUE by_a (a), KEY by_b (b DESC, a) COMMENT 'it''s; late', UNIQUE by_b_id (b, id))""",
    "CREATE TABLE counting_late (a int, id int AUTO_INCREMENT, KEY by_a (a), KEY by_id (id), PRIMARY KEY (a, id))",
    "CREATE TABLE no_primary (a int NOT NULL, b int, UNIQUE by_a (a), KEY by_b (b))",
    "CREATE TABLE hidden_rows (a int, KEY by_a (a))",
    "CREATE TABLE long_unique (id int PRIMARY KEY, t text, UNIQUE (t))",
    "CREATE TABLE placed (id int PRIMARY KEY, g point NOT NULL, a int, SPATIAL KEY by_g (g), KEY by_a (a))",
    "CREATE TABLE calculated (id int PRIMARY KEY, a int, v int AS (a * 2) VIRTUAL, KEY by_v (v), KEY by_a (a))",
    "CREATE TABLE other_engine (id int PRIMARY KEY, a int, KEY by_a (a)) ENGINE=MyISAM",
    "CREATE TABLE aria (id int PRIMARY KEY, a int, KEY by_a (a)) ENGINE=Aria",
    "CREATE TABLE in_memory (id int PRIMARY KEY, a int, KEY by_a (a)) ENGINE=MEMORY",
    "INSERT INTO plain (a, b, c) SELECT CONCAT('a', seq), seq % 7, REPEAT('it''s \\\\ text; ', 40) FROM seq_1_to_9000",
    "INSERT INTO counting_late SELECT seq % 5, seq FROM seq_1_to_100",
    "INSERT INTO no_primary SELECT seq, NULL FROM seq_1_to_100",
    "INSERT INTO hidden_rows SELECT seq % 3 FROM seq_1_to_100",
    "INSERT INTO long_unique VALUES (1, REPEAT('x', 5000)), (2, NULL)",
    "INSERT INTO placed VALUES (1, POINT(1, 2), 3)",
    "INSERT INTO calculated (id, a) VALUES (1, 2), (3, 4)",
    "INSERT INTO other_engine VALUES (1, 2)",
    "INSERT INTO aria VALUES (1, 2)",
    "INSERT INTO in_memory VALUES (1, 2)",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    small = ("--innodb-sort-buffer-size=65536",)  # so that an index of some rows needs a temporary file
    with running_mariadb(tmp_path_factory.mktemp("server"), settings=small) as running:
        yield running


def shop_with_indexes(server: Mariadb, folder: Path, kind: str = LIKE_ROOT) -> Account:
    shop = open_account(server, folder, kind)
    server.execute(*TABLES, database=shop.database)
    shop.environment.update(SIDE_BY_SIDE)
    return shop


@pytest.mark.parametrize("kind", [OWN_DATABASE_ONLY, LIKE_ROOT])
def test_a_database_filled_by_several_sessions_is_the_same_one(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P3: to the letter of each SHOW CREATE TABLE and the checksum of its rows, indexes in their order."""
    shop = shop_with_indexes(server, tmp_path, kind)
    with shop.connect() as link:
        build(link)
        before = snapshot(link)
    payload = shop.dump()
    log = tmp_path / "general.log"
    server.execute(f"SET GLOBAL general_log_file = '{log}'", "SET GLOBAL general_log = 1")
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    server.execute("SET GLOBAL general_log = 0")
    with shop.connect() as link:
        assert snapshot(link) == before
    lines = log.read_text(errors="replace").splitlines()
    sessions = {
        line.split("Query")[0].split()[-1] for line in lines if "Query\tINSERT INTO" in line and "plain" in line
    }
    assert len(sessions) > 1, "the rows of one table came by several sessions"
    (late,) = (number for number, line in enumerate(lines) if "ALTER TABLE" in line and "plain` ADD UNIQUE KEY" in line)
    assert not [line for line in lines[late:] if "Query\tINSERT INTO" in line and "plain" in line]


def test_a_session_that_dies_fails_the_load_and_leaves_nobody_behind(server: Mariadb, tmp_path: Path) -> None:
    """P7, P8: the reason is told, no reader or writer hangs, and running it again works."""
    shop = shop_with_indexes(server, tmp_path)
    payload = shop.dump()
    work = tmp_path / "work"
    running = shop.start("load", shop.backup, payload, work)
    number = None
    while not number:
        assert running.poll() is None, (tmp_path / "log").read_text()
        if (work / "id").exists():
            ((number,),) = server.query(f"SELECT IS_USED_LOCK('belay:{(work / 'id').read_text().strip()}.1')")
    server.execute(f"KILL {number}")
    assert running.wait(60) == 1
    assert "the live database is untouched: ERROR" in (tmp_path / "log").read_text()
    shop.wait_until_idle()
    shop.facts("load", shop.backup, payload, work)
    shop.facts("unload", work)


def test_rows_that_break_a_late_unique_index_are_refused(server: Mariadb, tmp_path: Path) -> None:
    """P3: an index that comes last still refuses what it would have refused first."""
    shop = open_account(server, tmp_path, LIKE_ROOT)
    server.execute(
        "CREATE TABLE u (id int PRIMARY KEY, a char(1) UNIQUE)",
        "INSERT INTO u VALUES (1, 'a'), (2, 'b')",
        database=shop.database,
    )
    payload = shop.dump()
    plain = subprocess.run(["zstd", "-dc", shop.backup / payload], check=True, capture_output=True).stdout
    forged = subprocess.run(
        ["zstd", "-qc"], input=plain.replace(b"'b'", b"'a'"), check=True, capture_output=True
    ).stdout
    (shop.backup / payload).write_bytes(forged)
    (shop.backup / "payload.sha256").unlink()
    done = shop.run("load", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 1
    assert "ERROR 1062" in done.stderr
    shop.facts("unload", tmp_path / "work")


def test_indexes_are_built_row_by_row_where_the_server_has_no_room_to_sort(server: Mariadb, tmp_path: Path) -> None:
    """P9: a folder for temporary files that is full is no reason not to restore."""
    shop = shop_with_indexes(server, tmp_path)
    payload = shop.dump()
    with shop.connect() as link:
        before = snapshot(link)
    gone = tmp_path / "gone"
    gone.mkdir()
    server.execute(f"SET GLOBAL innodb_tmpdir = '{gone}'")
    gone.rmdir()
    done = shop.run("restore", shop.backup, payload, tmp_path / "work")
    server.execute("SET GLOBAL innodb_tmpdir = DEFAULT")
    assert done.returncode == 0, done.stderr
    assert "row by row" in done.stderr
    with shop.connect() as link:
        assert snapshot(link) == before


def test_a_session_of_a_killed_load_is_ended_before_the_next_begins(server: Mariadb, tmp_path: Path) -> None:
    """P8: whichever of the sessions side by side was left behind."""
    shop = shop_with_indexes(server, tmp_path)
    payload = shop.dump()
    work = tmp_path / "work"
    shop.facts("load", shop.backup, payload, work)
    with shop.connect() as left, left.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK('belay:{(work / 'id').read_text().strip()}.2', 0)")
        shop.facts("unload", work)
        time.sleep(0.1)
        with pytest.raises(pymysql.Error):
            cursor.execute("SELECT 1")
