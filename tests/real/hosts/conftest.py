"""Hosts of both kinds for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Host
from tests.lab.hosts import connection_to
from tests.lab.sshd import Sshd, running_sshd


@pytest.fixture(scope="module")
def server(sshd: Sshd) -> Iterator[Host]:
    """The lab's server behind one link that the module's tests share."""
    host = open_host(connection_to(sshd))
    yield host
    host.close()


@pytest.fixture(scope="session")
def other(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A second server that takes the same client key, with a host key of its own: an impostor, or a jump host."""
    with running_sshd(tmp_path_factory.mktemp("other"), key=sshd.key) as server:
        yield server


@pytest.fixture(scope="module", params=["this machine", "a server"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Both kinds of host, one after the other: they must not differ."""
    if request.param == "this machine":
        yield LocalHost()
    else:
        yield request.getfixturevalue("server")


@pytest.fixture
def place(host: Host) -> Iterator[str]:
    """A new folder on the host, its login user's own."""
    made = host.run(["mktemp", "-d", "/var/tmp/belay place.XXXXXX"])
    assert made.ok
    folder = made.text.removesuffix("\n")
    yield folder
    host.run(["chmod", "-R", "u+rwx", folder])
    host.run(["rm", "-rf", folder])
