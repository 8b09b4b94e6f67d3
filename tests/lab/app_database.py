"""A fresh database for one site, of any engine: its own name, its own user with rights in it alone, and some content.

The content is what restores stumble over: a foreign key, a view, a trigger, a function, bytes that are no text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from tests.lab.mariadb import Mariadb
from tests.lab.postgresql import Postgresql

ENGINES = ("sqlite", "mariadb", "postgresql")
USERS = 30  # rows of the app's own table `users`
BYTES = bytes(range(256))


@dataclass(frozen=True, kw_only=True)
class AppDatabase:
    """One database: how the app is told of it, and how a test looks at it from outside, with all rights."""

    engine: str
    name: str
    password: str
    settings: dict[str, str]  # the DB_ lines of an `.env`
    connect: Callable[[], Any]  # a new connection of the engine's own driver, as the superuser
    connect_as_app: Callable[[], Any]


def sqlite_database(file: Path) -> AppDatabase:
    """Return an empty SQLite database in `file`."""
    file.touch()

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(file, isolation_level=None, timeout=30)

    settings = {"DB_CONNECTION": "sqlite", "DB_DATABASE": str(file)}
    return AppDatabase(
        engine="sqlite", name=str(file), password="", settings=settings, connect=connect, connect_as_app=connect
    )


def mariadb_database(server: Mariadb, name: str, password: str) -> AppDatabase:
    """Make a database and a user of the same name on `server`; the user can do everything in it and nothing outside."""
    server.create_database(name)
    with server.connect() as link, link.cursor() as cursor:
        cursor.execute(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY %s", (password,))
        cursor.execute(f"GRANT ALL ON {name}.* TO {name}@'127.0.0.1'")
    settings = {
        "DB_CONNECTION": "mysql",
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_DATABASE": name,
        "DB_USERNAME": name,
        "DB_PASSWORD": password,
    }

    def connect_as_app() -> Any:
        return pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user=name,
            password=password,
            database=name,
            charset="utf8mb4",
            autocommit=True,
        )

    return AppDatabase(
        engine="mariadb",
        name=name,
        password=password,
        settings=settings,
        connect=lambda: server.connect(database=name),
        connect_as_app=connect_as_app,
    )


def postgresql_database(server: Postgresql, name: str, password: str) -> AppDatabase:
    """Make a database on `server` and the role that owns it; it may not create others."""
    server.create_role(name, password)
    server.create_database(name, owner=name)
    settings = {
        "DB_CONNECTION": "pgsql",
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_DATABASE": name,
        "DB_USERNAME": name,
        "DB_PASSWORD": password,
    }
    return AppDatabase(
        engine="postgresql",
        name=name,
        password=password,
        settings=settings,
        connect=lambda: server.connect(name),
        connect_as_app=lambda: psycopg.connect(
            host="127.0.0.1", port=server.port, dbname=name, user=name, password=password, autocommit=True
        ),
    )


def execute(link: Any, *statements: str | tuple[str, Sequence[Any]]) -> None:
    """Run statements, one after the other, each with or without its values."""
    cursor = link.cursor()
    for statement in statements:
        text, values = statement if isinstance(statement, tuple) else (statement, ())
        cursor.execute(text, values) if values else cursor.execute(text)
    cursor.close()


def fill(database: AppDatabase) -> None:
    """Put content beside the app's own tables, as the app's own user; `users` has to be there."""
    mark = "?" if database.engine == "sqlite" else "%s"
    users = [
        (
            f"INSERT INTO users (name, email) VALUES ({mark}, {mark})",
            (f"Nº {number} O'Brien 漢字", f"u{number}@example.org"),
        )
        for number in range(1, USERS + 1)
    ]
    orders = [
        (f"INSERT INTO orders (user_id, body) VALUES ({mark}, {mark})", (number, BYTES)) for number in range(1, 6)
    ]
    link = database.connect_as_app()
    try:
        execute(link, *users, *OBJECTS[database.engine], *orders, "DELETE FROM orders WHERE id = 5")
    finally:
        link.close()


OBJECTS: dict[str, tuple[str, ...]] = {
    "sqlite": (
        "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL REFERENCES users (id), body BLOB)",
        "CREATE TABLE changes (id INTEGER PRIMARY KEY, what TEXT NOT NULL)",
        "CREATE INDEX orders_of ON orders (user_id)",
        "CREATE TRIGGER orders_added AFTER INSERT ON orders BEGIN INSERT INTO changes (what) VALUES ('order ' || NEW.id); END",
        "CREATE VIEW order_names AS SELECT orders.id, users.name FROM orders JOIN users ON users.id = orders.user_id",
    ),
    "mariadb": (
        """CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL,
        body BLOB, CONSTRAINT orders_of FOREIGN KEY (user_id) REFERENCES users (id))""",
        "CREATE TABLE changes (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, what VARCHAR(100) NOT NULL)",
        """CREATE TRIGGER orders_added AFTER INSERT ON orders FOR EACH ROW
        INSERT INTO changes (what) VALUES (CONCAT('order ', NEW.id))""",
        "CREATE VIEW order_names AS SELECT orders.id, users.name FROM orders JOIN users ON users.id = orders.user_id",
        "CREATE FUNCTION order_count() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM orders)",
    ),
    "postgresql": (
        """CREATE TABLE orders (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id BIGINT NOT NULL
        CONSTRAINT orders_of REFERENCES users (id), body BYTEA)""",
        "CREATE TABLE changes (id BIGSERIAL PRIMARY KEY, what TEXT NOT NULL)",
        """CREATE FUNCTION note_order() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO changes (what) VALUES (''order '' || NEW.id); RETURN NEW; END'""",
        "CREATE TRIGGER orders_added AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note_order()",
        "CREATE VIEW order_names AS SELECT orders.id, users.name FROM orders JOIN users ON users.id = orders.user_id",
        "CREATE FUNCTION order_count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT COUNT(*) FROM orders'",
    ),
}
