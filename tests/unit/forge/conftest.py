"""A repository on a stand-in for GitHub, which must never have had to complain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pyhelpers.forge import github_api
from tests.lab.github_checks_server import GitHubChecks, running_checks
from tests.lab.github_server import REPOSITORY, TOKEN, GitHub, running_github

if TYPE_CHECKING:
    from github.Repository import Repository


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running_github() as server:
        yield server
        assert server.complaints == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return github_api.open_repository(TOKEN, REPOSITORY, api_url=github.url, pause=0)


@pytest.fixture
def checks() -> Iterator[GitHubChecks]:
    with running_checks() as server:
        yield server
        assert server.complaints == []


@pytest.fixture
def gated(checks: GitHubChecks) -> Repository:
    """The repository whose pull requests a gate checks."""
    return github_api.open_repository(TOKEN, REPOSITORY, api_url=checks.url, pause=0, silence=1)
