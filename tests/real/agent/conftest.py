"""Benches for the agent; what a test leaves running is ended by its mark, never by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.agent.bench import AGENT, Bench, tools


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's file as a host has it: its own copy, because a shell reads a script while it runs it."""
    return Path(shutil.copy(AGENT, tmp_path_factory.mktemp("agent") / "agent"))


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH without `crontab`: where a cron daemon runs, the tests must not touch the table of who runs them."""
    return str(tools(tmp_path_factory.mktemp("tools") / "bin"))


@pytest.fixture
def bench(tmp_path: Path, agent: Path, path: str) -> Iterator[Bench]:
    """An empty base folder with the agent in front of it."""
    base = tmp_path / "base"
    base.mkdir()
    made = Bench(base=base, agent=agent, path=path)
    yield made
    made.sweep()
