"""Fixtures of the contract tests: one tool cache for the whole run, one app per test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.consumer import Consumer
from tests.lab.plain_app import running_plain_app


@pytest.fixture(scope="session")
def tool_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the launcher keeps its environments; built once, as on a runner that lives on."""
    return tmp_path_factory.mktemp("tool cache")


@pytest.fixture(scope="session")
def seen() -> dict[str, set[str]]:
    """The outputs that the actions set in any run."""
    return {}


@pytest.fixture
def consumer(tmp_path: Path, tool_cache: Path, seen: dict[str, set[str]]) -> Iterator[Consumer]:
    """A repository that deploys a small app to this machine."""
    with running_plain_app(tmp_path / "host") as app:
        yield Consumer(app=app, folder=tmp_path, tool_cache=tool_cache, seen=seen)


@pytest.fixture
def served(consumer: Consumer) -> Consumer:
    """A consumer whose app is served already, by a release of the user's own making."""
    subprocess.run(
        ["sh", "deploy.sh", consumer.app.base], cwd=consumer.job().workspace, check=True, capture_output=True
    )
    consumer.app.write_notes(50)
    return consumer
