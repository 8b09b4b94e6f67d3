"""When each table was last written, told before a restore: rows that only changed leave no other trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import sqlite_shop
from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import OWN_DATABASE_ONLY, open_account
from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import Site

TABLES = """
    CREATE TABLE posts (id integer, created_at timestamp NULL, updated_at timestamp NULL);
    INSERT INTO posts VALUES (1, '2026-01-02 03:04:05', '2026-03-04 05:06:07'), (2, '2026-02-01 00:00:00', NULL);
    CREATE TABLE {odd} (created_at timestamp NULL);
    INSERT INTO {odd} VALUES ('2025-12-31 23:59:59');
    CREATE TABLE never (updated_at timestamp NULL);
    INSERT INTO never VALUES (NULL);
    CREATE TABLE empty_one (updated_at timestamp NULL);
    CREATE TABLE words (updated_at varchar(20))
"""
EXPECTED = ["o'dd \"na`me 2025-12-31 23:59:59", "posts 2026-03-04 05:06:07"]


def told(output: str) -> list[str]:
    """Return the lines with a space for the tab."""
    return [line.replace("\t", " ") for line in output.splitlines()]


def test_mariadb_tells(tmp_path: Path) -> None:
    """P9."""
    with running_mariadb(tmp_path / "server") as server:
        shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
        with shop.connect() as link, link.cursor() as cursor:
            for statement in TABLES.format(odd="`o'dd \"na``me`").split(";"):
                cursor.execute(statement)
            link.commit()
        done = shop.run("newest")
        assert (done.returncode, told(done.stdout)) == (0, EXPECTED)


def test_postgresql_tells(server: Postgresql, tmp_path: Path) -> None:
    """P9."""
    site = Site(server, tmp_path, "guest")
    site.execute(TABLES.format(odd='"o\'dd ""na`me"'))
    status, output, errors = site.call("newest")
    site.drop()
    assert (status, told(output)) == (0, EXPECTED), errors


@pytest.mark.parametrize("driver", ["cli", "python", "php"])
def test_sqlite_tells(tmp_path: Path, driver: str) -> None:
    """P9: SQLite has no type for times, so a word counts as well."""
    site = sqlite_shop.Site(tmp_path, driver=driver)
    sqlite_shop.execute(site.live, TABLES.format(odd='"o\'dd ""na`me"'))
    status, output, errors = site.call("newest")
    assert (status, told(output)) == (0, EXPECTED), errors
