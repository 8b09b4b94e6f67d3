"""act, one published copy of Belay, and an app's repository per test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.act.repository import Repository, publish
from tests.lab.site import ROOT, Lab


@pytest.fixture(scope="session")
def act() -> str:
    """Return act's program; without it this suite can't run, which in CI is a failure."""
    own = ROOT / ".dev" / "bin" / "act"
    found = str(own) if own.exists() else shutil.which("act")
    if found is None:
        reason = "act is not there (tools/setup installs it where Go can be had)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Belay's repository as a tag gives it."""
    return publish(tmp_path_factory.mktemp("belay"))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The servers, started once."""
    with Lab.opened() as opened:
        yield opened


@pytest.fixture
def repository(act: str, published: Path, lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Repository]]:
    """Return the function that gives the repository of a fresh Laravel app on one of the engines."""
    with ExitStack() as stack:

        def make(engine: str) -> Repository:
            site = stack.enter_context(lab.site(engine, kind="laravel"))
            folder = tmp_path / "app"
            return Repository(folder=folder, site=site, act=act, published=published, tool_cache=lab.folder / "home")

        yield make
