"""Random schemas and rows: dumped, damaged, restored, and the restore undone; each time all is as it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings

from tests.lab import sqlite_shop
from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, open_account
from tests.lab.mariadb_shop import snapshot
from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import Site as PostgresqlSite
from tests.lab.random_schema import Table, damage, schemas, statements

ROUNDS = int(os.environ.get("BELAY_RANDOM_SCHEMAS", "2"))  # for each engine and kind of account
Statements = Sequence[tuple[str, tuple[object, ...]]]
random_schemas = given(schemas())
some = settings(
    max_examples=ROUNDS,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("mariadb")) as running:
        yield running


@pytest.mark.parametrize("kind", [OWN_DATABASE_ONLY, LIKE_ROOT])
@some
@random_schemas
def test_mariadb_brings_any_schema_back(mariadb: Mariadb, kind: str, tables: list[Table]) -> None:
    """P3, P9."""
    with TemporaryDirectory() as folder:
        shop = open_account(mariadb, Path(folder), kind)
        work = Path(folder) / "work"

        def run(made: Statements) -> None:
            with shop.connect() as link, link.cursor() as cursor:
                for statement, values in made:
                    cursor.execute(statement, values)
                link.commit()

        def picture() -> object:
            with shop.connect() as link:
                return snapshot(link)

        run(statements(tables, "mariadb", "%s"))
        before = picture()
        payload = shop.dump()
        run(damage(tables, "mariadb"))
        damaged = picture()
        shop.facts("restore", shop.backup, payload, work)
        assert picture() == before
        shop.facts("unrestore", work)
        assert picture() == damaged
        shop.facts("attic-drop", work)
        mariadb.query(f"DROP DATABASE {shop.database}")


@pytest.mark.parametrize("kind", ["creator", "guest"])
@some
@random_schemas
def test_postgresql_brings_any_schema_back(server: Postgresql, kind: str, tables: list[Table]) -> None:
    """P3, P9."""
    with TemporaryDirectory() as folder:
        site = PostgresqlSite(server, Path(folder), kind)

        def run(made: Statements) -> None:
            with site.connect() as link:
                for statement, values in made:
                    link.execute(statement.encode(), values)

        run(statements(tables, "postgresql", "%s"))
        before = site.picture()
        site.dump()
        run(damage(tables, "postgresql"))
        damaged = site.picture()
        site.restore()
        assert site.picture() == before
        site.facts("unrestore", site.work)
        assert site.picture() == damaged
        site.facts("attic-drop", site.work)
        site.drop()


@pytest.mark.parametrize("mode", ["delete", "wal"])
@some
@random_schemas
def test_sqlite_brings_any_schema_back(mode: str, tables: list[Table]) -> None:
    """P3, P9."""
    with TemporaryDirectory() as folder:
        site = sqlite_shop.Site(Path(folder))

        def run(made: Statements) -> None:
            with closing(sqlite3.connect(site.live)) as link:
                for statement, values in made:
                    link.execute(statement, values)
                link.commit()

        run([(f"PRAGMA journal_mode = {mode}", ()), *statements(tables, "sqlite", "?")])
        before = sqlite_shop.picture(site.live)
        payload = site.dump()["payload"]
        run(damage(tables, "sqlite"))
        damaged = sqlite_shop.picture(site.live)
        site.restore(payload)
        assert sqlite_shop.picture(site.live) == before
        site.facts("unrestore", site.work)
        assert sqlite_shop.picture(site.live) == damaged
