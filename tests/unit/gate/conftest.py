"""Fixtures of the gate's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.github_checks_server import GitHubChecks, running_checks
from tests.lab.php_repository import php_repository

__all__ = ["php_repository"]


@pytest.fixture
def checks() -> Iterator[GitHubChecks]:
    """A stand-in for GitHub that complains of nothing."""
    with running_checks() as server:
        yield server
        assert server.complaints == []
