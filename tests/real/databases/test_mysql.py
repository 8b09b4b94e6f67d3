"""MySQL itself, with its own clients: what it does otherwise than MariaDB must not show in a backup's way back.

Debian's stable suites have no MySQL, so these tests bring one (`tools/mysql`) and are run by `make soak`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb
from tests.lab.mariadb_script import ACCOUNTS, LIKE_ROOT, MAY_CREATE_DATABASES, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_trial import SEED
from tests.lab.mysql import environment, running_mysql

pytestmark = pytest.mark.soak

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "3"))
TABLES = (
    (
        "CREATE TABLE users (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(80) NOT NULL, email varchar(120) UNIQUE,"
        " settings json, loud varchar(90) GENERATED ALWAYS AS (concat(name, '!')) STORED,"
        " length int GENERATED ALWAYS AS (length(name)) VIRTUAL, KEY (name DESC), KEY ((lower(email))))"
    ),
    (
        "CREATE TABLE posts (id bigint AUTO_INCREMENT PRIMARY KEY, user_id bigint unsigned, body text, price decimal(10,2),"
        " raw varbinary(20), kind enum('a', 'b'), made timestamp DEFAULT CURRENT_TIMESTAMP, size double, place point SRID 4326,"
        " hidden int INVISIBLE DEFAULT 7, CONSTRAINT posts_user FOREIGN KEY (user_id) REFERENCES users (id), FULLTEXT (body))"
    ),
    (
        "CREATE TABLE visits (day date, page varchar(20), KEY (page) INVISIBLE) PARTITION BY RANGE (year(day))"
        " (PARTITION old VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN MAXVALUE)"
    ),
    "CREATE TABLE `we``ird \\\\ näme` (`co``l` int DEFAULT (1 + 1), `b` bit(5))",
    """INSERT INTO users (name, email, settings) VALUES ('ä😀', 'a@b', '{"a": "\\\\n"}'), ('b''\\\\', 'c@d', NULL)""",
    (
        "INSERT INTO posts (user_id, body, price, raw, kind, size, place) VALUES (1, 'hello\\nworld', 1.5, x'00FF0A', 'a', 1e100,"
        " ST_SRID(POINT(1, 2), 4326)), (2, '', -2, NULL, NULL, 0.1, NULL)"
    ),
    "INSERT INTO visits VALUES ('2019-01-01', 'home'), ('2026-01-01', 'home')",
    "INSERT INTO `we``ird \\\\ näme` (b) VALUES (b'10101')",
)
CHECK = "ALTER TABLE posts ADD CONSTRAINT cheap CHECK (price < 1000)"
OBJECTS = (
    "CREATE VIEW a_reader AS SELECT * FROM z_base",
    "CREATE VIEW z_base AS SELECT id, name FROM users",
    "CREATE TRIGGER shout BEFORE INSERT ON posts FOR EACH ROW BEGIN SET NEW.body = UPPER(NEW.body); END",
    "CREATE PROCEDURE one() BEGIN SELECT 1; -- a remark\n END",
    "CREATE FUNCTION more(i int) RETURNS int DETERMINISTIC RETURN i + 1",
    "CREATE EVENT yearly ON SCHEDULE EVERY 1 YEAR DO DELETE FROM posts",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mysql(tmp_path_factory.mktemp("server")) as running:
        running.execute("SET GLOBAL log_bin_trust_function_creators = 1")
        yield running


def make_shop(server: Mariadb, folder: Path, kind: str) -> Account:
    shop = open_account(server, folder, kind)
    shop.environment.update(environment())
    with shop.connect() as link, link.cursor() as cursor:
        for statement in (*TABLES, *OBJECTS[1::-1], *OBJECTS[2:]):
            cursor.execute(statement)
        if kind != OWN_DATABASE_ONLY:
            cursor.execute(CHECK)
    return shop


def spelled(definition: str) -> str:
    """Return a table's definition in one spelling: a copy of a table names the character set of each text again."""
    return definition.replace("CHARACTER SET utf8mb4 ", "")


def read(shop: Account) -> dict[str, object]:
    """Return all tables with their rows, and all other objects, as the server itself tells them."""
    found: dict[str, object] = {}
    with shop.connect() as link, link.cursor() as cursor:

        def ask(statement: str) -> list[tuple[object, ...]]:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

        for name, kind in ask(f"SHOW FULL TABLES WHERE tables_in_{shop.database} NOT LIKE '\\_b%'"):
            quoted = "`" + str(name).replace("`", "``") + "`"
            found[f"{kind} {name}"] = (
                spelled(str(ask(f"SHOW CREATE TABLE {quoted}")[0][1])),
                sorted(map(repr, ask(f"SELECT * FROM {quoted}"))),
            )
        found["hidden"] = ask("SELECT id, hidden FROM posts ORDER BY id")
        for kind, statement in (
            ("triggers", "SELECT trigger_name, action_statement, sql_mode, definer FROM information_schema.triggers"),
            ("routines", "SELECT routine_name, routine_definition, sql_mode, definer FROM information_schema.routines"),
            ("events", "SELECT event_name, event_definition, status, definer FROM information_schema.events"),
        ):
            found[kind] = ask(f"{statement} WHERE {kind[:-1]}_schema = DATABASE() ORDER BY 1")
    return found


def migrate(shop: Account) -> None:
    """Change all kinds of things, as a migration that fails in the end would."""
    with shop.connect() as link, link.cursor() as cursor:
        for statement in (
            "ALTER TABLE users ADD COLUMN age int",
            "UPDATE posts SET price = price + 1",
            "DROP TABLE visits",
            "CREATE TABLE extra (i int)",
            "DROP VIEW a_reader",
            "DROP TRIGGER shout",
            "DROP FUNCTION more",
        ):
            cursor.execute(statement)


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_what_a_migration_did_goes_back_and_comes_again(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P1, P9: restored, undone, and both times whole."""
    shop = make_shop(server, tmp_path, kind)
    before = read(shop)
    payload = shop.dump()
    migrate(shop)
    after = read(shop)
    assert shop.facts("restore", shop.backup, payload, tmp_path / "work")["restored"] == "yes"
    assert read(shop) == before
    assert shop.facts("unrestore", tmp_path / "work")["unrestored"] == "yes"
    assert read(shop) == after
    shop.facts("attic-drop", tmp_path / "work")
    assert read(shop) == after


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_twin_is_swapped_in(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P1, P3."""
    shop = make_shop(server, tmp_path, kind)
    before, payload = read(shop), shop.dump()
    assert shop.facts("load", shop.backup, payload, tmp_path / "work")["loaded"] == "yes"
    assert read(shop) == before
    migrate(shop)
    shop.facts("restore", shop.backup, payload, tmp_path / "work")
    assert read(shop) == before


def test_checks_can_not_lie_twice_in_one_database(server: Mariadb, tmp_path: Path) -> None:
    """P7: said before anything is touched, with what would help."""
    shop = make_shop(server, tmp_path, OWN_DATABASE_ONLY)
    with shop.connect() as link, link.cursor() as cursor:
        cursor.execute(CHECK)
    payload, before = shop.dump(), read(shop)
    done = shop.run("restore", shop.backup, payload, tmp_path / "work")
    assert done.returncode == 1
    assert "grant it ALL on databases that begin with the name" in done.stderr
    assert read(shop) == before


def test_a_backup_is_rehearsed_elsewhere(server: Mariadb, tmp_path: Path) -> None:
    """P3."""
    shop = make_shop(server, tmp_path, LIKE_ROOT)
    before, payload = read(shop), shop.dump()
    assert shop.facts("rehearse", shop.backup, payload, f"{shop.database}_rehearsal")["rehearsed"] == "yes"
    assert read(shop) == before


@pytest.mark.parametrize("kind", [MAY_CREATE_DATABASES, OWN_DATABASE_ONLY])
def test_a_killed_restore_is_finished_by_running_it_again(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P8: MySQL's RENAME TABLE too is all or nothing."""
    shop = make_shop(server, tmp_path, kind)
    before, payload = read(shop), shop.dump()
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        if number == 0:
            migrate(shop)
        work = tmp_path / f"work{number}"
        running = shop.start("restore", shop.backup, payload, work)
        time.sleep(chance.uniform(0.05, 4))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        shop.facts("restore", shop.backup, payload, work)
        assert read(shop) == before, f"seed {SEED}, round {number}"
        shop.facts("attic-drop", work)
