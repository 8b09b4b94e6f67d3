"""What the tests of whole verbs share: one lab for all of them, and a small site for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.site import Lab, Site


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The launcher's environment and the servers, each made once, when it is first asked for."""
    with Lab.opened() as opened:
        yield opened


@pytest.fixture
def site(lab: Lab) -> Iterator[Site]:
    """A plain app on SQLite on this machine, live and well."""
    with lab.site("sqlite", kind="plain") as opened:
        yield opened
