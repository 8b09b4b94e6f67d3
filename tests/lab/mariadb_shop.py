"""A small shop whose MariaDB database holds what restores stumble over, and an independent eye on it.

The schema: foreign keys in a cycle, in a tree and without an index of their own; views on views; triggers, a procedure,
a function, an event, a sequence; generated columns, checks, partitions, full text, history; names with quotes, spaces,
keywords and letters of other scripts; rows that look like SQL. `snapshot` reads it with PyMySQL, and shares no code with
the scripts under test.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pymysql
from pymysql.cursors import Cursor

from tests.lab.mariadb import quoted

EVERY_BYTE = bytes(range(256))

# Text that a reader of dumps would take for structure if data could stand at the start of a line.
LOOKS_LIKE_SQL = (
    "x');\nINSERT INTO `users` VALUES (99,'evil');\n",
    "\nUSE `mysql`;\nCREATE DATABASE evil;\n-- Dump completed on 2026-01-01\n-- Belay: part triggers\nDELIMITER ;;\n",
    "\n) ENGINE=InnoDB;\n  CONSTRAINT `users_team_foreign` FOREIGN KEY (`a`) REFERENCES `b` (`c`),\n/* ' \" ` # -- */;\\",
    "tab\tcr\rnul\0ctrl-z\x1a backslash\\ percent% under_score 'single' \"double\" `back`",
    "ends in a backslash\\",
    "smile 😊 ünïcode 漢字",
    "\\! touch /tmp/belay-was-here\n\\! touch /tmp/belay-was-here",
    "",
)

TABLES = (
    """CREATE TABLE teams (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, owner_id bigint unsigned,
        label varchar(191) COLLATE utf8mb4_bin) AUTO_INCREMENT = 70""",
    r"""CREATE TABLE users (id bigint unsigned NOT NULL AUTO_INCREMENT, name varchar(100) NOT NULL DEFAULT 'a\nb;',
        team_id bigint unsigned, born date DEFAULT '0000-00-00', seen timestamp NULL, made timestamp NOT NULL
        DEFAULT current_timestamp() ON UPDATE current_timestamp(), balance decimal(30, 10), kind enum('a', 'b''c', 'd\ne'),
        document json, loud varchar(220) GENERATED ALWAYS AS (concat(upper(name), '\n;')) STORED,
        next_id bigint AS (id + 1) VIRTUAL, KEY born_at (born) COMMENT 'when; they\nwere', PRIMARY KEY (id),
        UNIQUE KEY name_unique (name), FULLTEXT KEY words (name), CONSTRAINT users_team_foreign FOREIGN KEY (team_id)
        REFERENCES teams (id) ON DELETE CASCADE, CONSTRAINT sane CHECK (balance IS NULL OR balance > -1000),
        CONSTRAINT `it's` CHECK (name <> '\nCONSTRAINT `x` FOREIGN KEY')) AUTO_INCREMENT = 500
        COMMENT = ') ENGINE=x;\nhello'""",
    """ALTER TABLE teams ADD CONSTRAINT teams_owner_foreign FOREIGN KEY (owner_id) REFERENCES users (id)
        ON DELETE SET NULL ON UPDATE CASCADE""",
    # InnoDB makes the index of this key itself and calls it `parent`, the key `tree_ibfk_1`.
    "CREATE TABLE tree (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES tree (id))",
    """CREATE TABLE `select` (`from` int PRIMARY KEY, `or``der` text, `group` longblob, `bytes` varbinary(300),
        `bits` bit(12), `place` point)""",
    """CREATE TABLE `odd "name's `` 100%\\` (a int NOT NULL, `b c` double, KEY `by a` (a),
        CONSTRAINT `odd's key` FOREIGN KEY (a) REFERENCES `select` (`from`))""",
    "CREATE TABLE `Ünïcode` (a int)",
    "CREATE TABLE `unïcode` (a int, b char(3) CHARACTER SET latin1)",
    "CREATE TABLE Users (a int)",
    f"CREATE TABLE {'long_' * 12}name (id int PRIMARY KEY, other int, CONSTRAINT long_key FOREIGN KEY (other) REFERENCES tree (id))",
    r"""CREATE TABLE parts (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (id)
        (PARTITION low VALUES LESS THAN (10) COMMENT 'x;\ny', PARTITION high VALUES LESS THAN MAXVALUE)""",
    r"CREATE TABLE lists (id varchar(20)) PARTITION BY LIST COLUMNS (id) (PARTITION a VALUES IN ('a\n;', 'b'))",
    "CREATE SEQUENCE tickets START WITH 100 INCREMENT BY 5",
    "CREATE TABLE with_sequence (id int DEFAULT nextval(tickets) PRIMARY KEY, t text)",
    "CREATE TABLE history (id int, x int) WITH SYSTEM VERSIONING",
    "CREATE TABLE empty_one (id int)",
    "CREATE TABLE migrations (id int AUTO_INCREMENT PRIMARY KEY, migration varchar(191), batch int)",
)

ROWS = (
    "INSERT INTO with_sequence (t) VALUES ('a'), ('b')",
    "INSERT INTO history VALUES (1, 1), (2, 2)",
    "UPDATE history SET x = x + 10",
    "INSERT INTO teams (label) VALUES ('first'), ('second')",
    """INSERT INTO users (name, team_id, balance, kind, document) VALUES
        ('Ann', 70, 1.5, 'd\\ne', '{"a": [1, "x;"]}'), ('Bob 😊', 71, -99999.123456789 / 1000, NULL, NULL)""",
    "UPDATE teams SET owner_id = 500 WHERE id = 70",
    "INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2)",
    "INSERT INTO parts VALUES (1, '2020-02-29'), (20, '2020-01-01')",
    "INSERT INTO `Ünïcode` VALUES (1), (2)",
    "INSERT INTO Users VALUES (7)",
    "INSERT INTO migrations (migration, batch) VALUES ('2024_01_01_create_users', 1), ('2024_02_01_create_teams', 2)",
)

OBJECTS = (
    """CREATE FUNCTION shout(t varchar(100)) RETURNS varchar(110) DETERMINISTIC
        RETURN concat(upper(t), '!
DELIMITER ;;
-- not a comment')""",
    """CREATE PROCEDURE settle(IN amount decimal(10, 2), OUT result varchar(50) CHARACTER SET latin1) COMMENT 'it''s'
        BEGIN\r\n  DECLARE i int DEFAULT 0;\r\n  -- USE mysql;\r\n  SET result = 'a;
b'; END""",
    "CREATE VIEW people AS SELECT id, name, shout(name) AS loud, 'DEFINER=`a`@`b` ' AS text FROM users",
    "CREATE SQL SECURITY INVOKER VIEW all_people AS SELECT people.* FROM people WITH CASCADED CHECK OPTION",
    """CREATE TRIGGER team_label BEFORE INSERT ON teams FOR EACH ROW BEGIN
  SET NEW.label = concat(NEW.label, '
-- Belay: part views
');
END""",
    "CREATE TRIGGER team_second BEFORE INSERT ON teams FOR EACH ROW FOLLOWS team_label SET NEW.label = trim(NEW.label)",
    "CREATE TRIGGER `tree's` AFTER DELETE ON tree FOR EACH ROW DELETE FROM empty_one WHERE id = OLD.id",
    """CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE
        COMMENT 'sweep; it' DO BEGIN DELETE FROM empty_one; END""",
)

# What a migration does that fails half way, and then some: every statement of DDL has committed by itself.
DAMAGE = (
    "ALTER TABLE users ADD COLUMN half int NOT NULL DEFAULT 7, DROP COLUMN next_id",
    "INSERT INTO users (name, team_id) VALUES ('added by the migration', 70)",
    "DELETE FROM parts",
    "UPDATE `select` SET `group` = 'overwritten'",
    "SET foreign_key_checks = 0",
    "DROP TABLE tree",
    "DROP TABLE empty_one",
    "CREATE TABLE new_table (id int PRIMARY KEY, user_id bigint unsigned, FOREIGN KEY (user_id) REFERENCES users (id))",
    "INSERT INTO new_table VALUES (1, 500)",
    "CREATE TRIGGER new_trigger BEFORE INSERT ON new_table FOR EACH ROW SET NEW.id = NEW.id + 1",
    "DROP TRIGGER team_second",
    "CREATE OR REPLACE VIEW people AS SELECT id, name FROM users",
    "CREATE VIEW empty_one AS SELECT 1 AS stands_where_a_table_was",
    "DROP PROCEDURE settle",
    "CREATE FUNCTION new_function() RETURNS int DETERMINISTIC RETURN 1",
    "ALTER TABLE teams DROP FOREIGN KEY teams_owner_foreign",
    "TRUNCATE with_sequence",
    "SELECT SETVAL(tickets, 99999)",
    "INSERT INTO migrations (migration, batch) VALUES ('2026_11_21_half', 3)",
)


@dataclass(frozen=True)
class Snapshot:
    """All that a database holds: each object's definition, and each table's content as a hash."""

    tables: dict[str, str]
    objects: dict[str, str]

    def tables_without_keys(self) -> dict[str, str]:
        """Return the tables without foreign keys and the names of indexes: a restore mends them just after the swap."""
        keys = re.compile(r",?\n  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY [^\n]*?(?=,?\n)")
        names = re.compile(r"(?<=\n  KEY )`(?:[^`]|``)+`")
        return {name: names.sub("", keys.sub("", text)) for name, text in self.tables.items()}


def build(link: pymysql.Connection[Cursor]) -> None:
    """Make the shop in the database of `link`, every object owned by its account."""
    with link.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        for statement in (*TABLES, *ROWS):
            cursor.execute(statement)
        for number, text in enumerate(LOOKS_LIKE_SQL):
            cursor.execute("INSERT INTO teams (label) VALUES (%s)", (text[:191],))
            cursor.execute(
                "INSERT INTO `select` VALUES (%s, %s, %s, %s, b'101', POINT(1, -2.5))",
                (number, text, EVERY_BYTE * (number * 40) + EVERY_BYTE, EVERY_BYTE),
            )
        cursor.execute("INSERT INTO `odd \"name's `` 100%%\\` VALUES (1, 0.1), (2, -1e300)", ())
        for statement in OBJECTS:
            cursor.execute(statement)


def damage(link: pymysql.Connection[Cursor]) -> None:
    """Do to the shop what a migration does that fails half way."""
    with link.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        for statement in DAMAGE:
            cursor.execute(statement)


def snapshot(link: pymysql.Connection[Cursor]) -> Snapshot:
    """Return all that the database of `link` holds, except what a restore keeps aside in it."""
    _rows(link, "SET SESSION sql_mode = '', time_zone = '+00:00'")
    kinds = {str(name): str(kind) for name, kind in _listed(link, "table_name, table_type", "tables", "table_schema")}
    return Snapshot(
        tables={
            name: _table(link, name, kind)
            for name, kind in kinds.items()
            if kind != "VIEW" and not re.match(r"_b[sau][0-9a-f]{4}_", name)
        },
        objects=dict(_objects(link)),
    )


def _table(link: pymysql.Connection[Cursor], name: str, kind: str) -> str:
    """Return a table's definition and a hash of its rows."""
    table = quoted(name)
    rows = sorted(repr(row) for row in _rows(link, f"SELECT * FROM {table}"))
    if kind == "SYSTEM VERSIONED":
        every_version = f"SELECT *, row_start, row_end FROM {table} FOR SYSTEM_TIME ALL"
        rows += sorted(repr(row) for row in _rows(link, every_version))
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    definition = _rows(link, f"SHOW CREATE TABLE {table}")[0][1]
    return f"{definition}\nrows {len(rows)} {digest} checksum {_rows(link, f'CHECKSUM TABLE {table}')[0][1]}"


def _objects(link: pymysql.Connection[Cursor]) -> Iterator[tuple[str, str]]:
    """Yield name and definition of everything that isn't a table."""
    yield "database", _text(_rows(link, "SELECT @@character_set_database, @@collation_database"))
    # What SHOW CREATE VIEW says changes while a table or a column is missing.
    view_columns = "table_name, view_definition, check_option, definer, security_type, algorithm, character_set_client"
    for row in _listed(link, view_columns, "views", "table_schema"):
        yield f"view {row[0]}", _text([row])
    for (name,) in _listed(link, "trigger_name", "triggers", "trigger_schema"):
        shown = _rows(link, f"SHOW CREATE TRIGGER {quoted(str(name))}")
        yield f"trigger {name}", _text([shown[0][:6]])  # the seventh is when it was created
    for name, kind in _listed(link, "routine_name, routine_type", "routines", "routine_schema"):
        yield f"{kind} {name}", _text(_rows(link, f"SHOW CREATE {kind} {quoted(str(name))}"))
    for (name,) in _listed(link, "event_name", "events", "event_schema"):
        yield f"event {name}", _text(_rows(link, f"SHOW CREATE EVENT {quoted(str(name))}"))


def _listed(link: pymysql.Connection[Cursor], columns: str, view: str, schema: str) -> list[tuple[object, ...]]:
    return _rows(link, f"SELECT {columns} FROM information_schema.{view} WHERE {schema} = DATABASE() ORDER BY 1")


def _rows(link: pymysql.Connection[Cursor], statement: str) -> list[tuple[object, ...]]:
    with link.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


def _text(rows: Sequence[tuple[object, ...]]) -> str:
    return "\n".join("\t".join(map(str, row)) for row in rows)
