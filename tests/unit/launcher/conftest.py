"""A package index, and a machine to start the launcher on: once with pip alone, once with uv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.launcher import Machine, make_machine
from tests.lab.package_index import Index, running_index


@pytest.fixture(scope="session")
def index_server() -> Iterator[Index]:
    """One index for the whole run."""
    with running_index() as index:
        yield index


@pytest.fixture
def index(index_server: Index) -> Iterator[Index]:
    """The index, as if fresh."""
    index_server.downloads.clear()
    index_server.asked.clear()
    yield index_server
    index_server.tampered = False
    index_server.open.set()


@pytest.fixture(params=["pip", "uv"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, index: Index) -> Machine:
    """A machine with each of the two installers; a test whose subject is neither parametrizes this with one."""
    return make_machine(tmp_path, index, request.param)
