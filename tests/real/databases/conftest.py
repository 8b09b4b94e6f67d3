"""What the tests of engines share: SQLite's shops, and one PostgreSQL server for all that do it no harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import postgresql_shop
from tests.lab.postgresql import Postgresql, running_postgresql
from tests.lab.sqlite_shop import HOSTILE_NAME, LARAVEL, Site, execute


@pytest.fixture(params=["cli", "python", "php"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A filled database in WAL mode under a hostile path, for each of the three drivers."""
    made = Site(tmp_path, HOSTILE_NAME, driver=request.param)
    execute(made.live, "PRAGMA journal_mode=WAL;" + LARAVEL)
    return made


@pytest.fixture
def cli(tmp_path: Path) -> Site:
    """A filled database in WAL mode, read and written by the command-line client."""
    made = Site(tmp_path)
    execute(made.live, "PRAGMA journal_mode=WAL;" + LARAVEL)
    return made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """A PostgreSQL server; each test makes its own database and account, and none kills it."""
    with running_postgresql(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture(scope="module")
def mortal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """A PostgreSQL server of one file's own, whose tests may kill it."""
    with running_postgresql(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture(params=["creator", "guest"])
def either(request: pytest.FixtureRequest, server: Postgresql, tmp_path: Path) -> Iterator[postgresql_shop.Site]:
    """A filled PostgreSQL database, for an account of each way to restore: with CREATEDB, and with CREATE in it alone."""
    made = postgresql_shop.made_of(request.param, server, tmp_path)
    yield made
    made.drop()


@pytest.fixture
def creator(server: Postgresql, tmp_path: Path) -> Iterator[postgresql_shop.Site]:
    """A filled PostgreSQL database of an account that may create others."""
    made = postgresql_shop.made_of("creator", server, tmp_path)
    yield made
    made.drop()


@pytest.fixture
def guest(server: Postgresql, tmp_path: Path) -> Iterator[postgresql_shop.Site]:
    """A filled PostgreSQL database of an account that may not."""
    made = postgresql_shop.made_of("guest", server, tmp_path)
    yield made
    made.drop()
