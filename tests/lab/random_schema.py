"""Random schemas with random rows, as statements for each engine: what hypothesis draws, and nobody would think of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

WORDS = (
    "select",
    "order",
    "a b",
    "it's",
    'a"b',
    "a`b",
    "100%",
    "a\\b",
    "Ünïcode",
    "漢字",
    "x;--",
    "a.b",
    "_",
    "id2",
    "$1",
    "A",
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)
HOSTILE = st.sampled_from(
    [
        "'); DROP TABLE x; --",
        "\\N",
        "\\.",
        "\\",
        "\n\\! true\n",
        "-- Dump completed",
        "\r\n\t\x1a\x07",
        "😀" * 10,
        "\u202e\ufeff",
        "NULL",
        "",
        " ",
    ]
)

# A kind of column: its type in MariaDB, PostgreSQL and SQLite, and its values.
KINDS: dict[str, tuple[str, str, str, st.SearchStrategy[Any]]] = {
    "int": ("int", "integer", "INTEGER", st.integers(-(2**31), 2**31 - 1)),
    "bigint": ("bigint", "bigint", "INTEGER", st.integers(-(2**63), 2**63 - 1)),
    "string": ("varchar(120)", "varchar(120)", "TEXT", TEXT | HOSTILE),
    "text": ("longtext", "text", "TEXT", TEXT | HOSTILE),
    "bytes": ("longblob", "bytea", "BLOB", st.binary(max_size=300)),
    "decimal": ("decimal(30,10)", "numeric(30,10)", "TEXT", st.decimals(-(10**15), 10**15, places=10)),
    "float": (
        "double",
        "double precision",
        "REAL",
        st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    ),
    "date": ("date", "date", "TEXT", st.dates(dt.date(1000, 1, 1))),
    "moment": (
        "datetime(6)",
        "timestamp(6)",
        "TEXT",
        st.builds(dt.datetime.combine, st.dates(dt.date(1000, 1, 1)), st.times()),
    ),
    "flag": ("tinyint(1)", "boolean", "INTEGER", st.booleans()),
}
DIALECTS = ("mariadb", "postgresql", "sqlite")


@dataclass(frozen=True)
class Table:
    """A table with an `id`, columns as (name, kind, indexed), maybe a foreign key to an earlier table, and rows."""

    name: str
    columns: tuple[tuple[str, str, bool], ...]
    parent: str
    rows: tuple[tuple[Any, ...], ...]


@st.composite
def schemas(draw: Callable[[Any], Any]) -> list[Table]:
    """Draw one to six tables."""
    found: list[Table] = []
    for number in range(draw(st.integers(1, 6))):
        columns = tuple(
            (f"{draw(st.sampled_from(WORDS))}{place}", draw(st.sampled_from(sorted(KINDS))), draw(st.booleans()))
            for place in range(draw(st.integers(0, 5)))
        )
        values = st.tuples(*(st.none() | KINDS[kind][3] for _, kind, _ in columns))
        rows = tuple(draw(st.lists(values, max_size=8)))
        parent = draw(st.sampled_from(["", *(table.name for table in found)]))
        found.append(Table(name=f"{draw(st.sampled_from(WORDS))} {number}", columns=columns, parent=parent, rows=rows))
    return found


def quoted(name: str, dialect: str) -> str:
    """Return an identifier."""
    mark = "`" if dialect == "mariadb" else '"'
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def plain(value: object, dialect: str) -> object:
    """Return a value as the driver takes it."""
    if dialect == "sqlite" and isinstance(value, (Decimal, dt.date)):
        return str(value)
    return value


def statements(tables: Sequence[Table], dialect: str, hole: str) -> list[tuple[str, tuple[object, ...]]]:
    """Return what makes and fills the tables, with a view on each; `hole` is the driver's placeholder."""
    made: list[tuple[str, tuple[object, ...]]] = []
    place = DIALECTS.index(dialect)
    number_type = "INTEGER" if dialect == "sqlite" else "integer"
    for number, table in enumerate(tables):
        name = quoted(table.name, dialect)
        parts = [f"id {number_type} NOT NULL PRIMARY KEY"]
        parts += [f"{quoted(column, dialect)} {KINDS[kind][place]}" for column, kind, _ in table.columns]
        if table.parent:
            parts += [f"parent {number_type}", f"FOREIGN KEY (parent) REFERENCES {quoted(table.parent, dialect)} (id)"]
        made.append((escaped(f"CREATE TABLE {name} ({', '.join(parts)})", dialect), ()))
        for column, kind, indexed in table.columns:
            if indexed:
                length = "(40)" if dialect == "mariadb" and kind in {"text", "bytes", "string"} else ""
                index = quoted(f"{number} {column}", dialect)
                made.append(
                    (escaped(f"CREATE INDEX {index} ON {name} ({quoted(column, dialect)}{length})", dialect), ())
                )
        for row_number, row in enumerate(table.rows):
            holes = ", ".join([hole] * (len(row) + 1))
            columns = ", ".join(["id", *(quoted(column, dialect) for column, _, _ in table.columns)])
            values = (row_number, *(plain(value, dialect) for value in row))
            insert = escaped(f"INSERT INTO {name} ({columns}) VALUES (", dialect)
            made.append((f"{insert}{holes})", values))
        made.append((escaped(f"CREATE VIEW {quoted(f'view {number}', dialect)} AS SELECT * FROM {name}", dialect), ()))
    return made


def escaped(statement: str, dialect: str) -> str:
    """Return a statement whose per cent signs the driver leaves alone."""
    return statement if dialect == "sqlite" else statement.replace("%", "%%")


def damage(tables: Sequence[Table], dialect: str) -> list[tuple[str, tuple[object, ...]]]:
    """Return what a migration that went wrong may have done: rows gone, a table gone, others changed, new ones."""
    last = tables[-1]
    name, view = quoted(last.name, dialect), quoted(f"view {len(tables) - 1}", dialect)
    first = quoted(tables[0].name, dialect)
    return [
        (escaped(statement, dialect), ())
        for statement in (
            f"ALTER TABLE {first} ADD COLUMN half integer DEFAULT 7",
            f"INSERT INTO {first} (id, half) VALUES (99, 8)",
            f"DROP VIEW {view}",
            f"DELETE FROM {name}" if len(tables) == 1 else f"DROP TABLE {name}",
            "CREATE TABLE invoices (id integer NOT NULL PRIMARY KEY, note varchar(20))",
            "INSERT INTO invoices VALUES (1, 'new')",
        )
    ]
