"""What all tests share. Each suite keeps its own fixtures beside its tests; here stands only what several need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.lab.sshd import Sshd, running_sshd

# A slow example says something about the machine, which may have other work to do, and nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd for the whole run; a test that needs a folder of the login user's own makes one in `sshd.base`."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server
