"""A jump host is pinned like the host itself, for paramiko and for OpenSSH, and can't lead us elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pyhelpers.errors import BadInput, HostKeyRefused, HostUnreachable
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.known_hosts import KnownHosts
from pyhelpers.hosts.link import Hop
from pyhelpers.hosts.private_key import read_private_key
from pyhelpers.hosts.ssh import SshHost
from tests.lab.hosts import key_of, through, works
from tests.lab.sshd import Sshd, free_port, running_sshd


def test_it_carries_commands_and_bulk(sshd: Sshd, other: Sshd) -> None:
    said = other.log.read_text()
    works(through(sshd, other))
    assert other.log.read_text()[len(said) :].count("Accepted publickey") == 2


def test_it_needs_a_pin(sshd: Sshd, other: Sshd) -> None:
    with pytest.raises(BadInput, match=rf"has no line for \[{other.host}\]:{other.port}"):
        open_host(through(sshd, other, known_hosts=sshd.known_hosts))


def test_a_changed_key_of_the_jump_host_is_refused(sshd: Sshd, other: Sshd) -> None:
    pins = f"{sshd.known_hosts}[{other.host}]:{other.port} {key_of(sshd)}"
    with pytest.raises(HostKeyRefused, match=str(other.port)):
        open_host(through(sshd, other, known_hosts=pins))


def test_a_jump_host_that_leads_elsewhere_is_refused(sshd: Sshd, other: Sshd) -> None:
    """An evil jump host sees to it that we meet a server of its own; that one lacks the pinned key."""
    pins = f"{other.known_hosts}[{sshd.host}]:{sshd.port} {key_of(other)}"
    said = sshd.log.read_text()
    with pytest.raises(HostKeyRefused, match=str(sshd.port)):
        open_host(through(sshd, other, known_hosts=pins))
    assert sshd.user not in sshd.log.read_text()[len(said) :]


def test_a_changed_key_behind_it_is_refused_by_the_bulk_client_too(sshd: Sshd, other: Sshd) -> None:
    right = KnownHosts.parse(other.known_hosts).pins_for(other.host, other.port)
    wrong = KnownHosts.parse(sshd.known_hosts).pins_for(sshd.host, sshd.port)
    for jump_pins, host_pins in ((wrong, wrong), (right, right)):
        hops = [
            Hop(host=other.host, port=other.port, user=other.user, pins=jump_pins),
            Hop(host=sshd.host, port=sshd.port, user=sshd.user, pins=host_pins),
        ]
        with pytest.raises(HostUnreachable):
            SshHost(hops, read_private_key(sshd.key), 5).receive(["true"], io.BytesIO())


def test_one_that_may_not_forward_is_named(sshd: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path, key=sshd.key, settings=["AllowTcpForwarding no"]) as jump:
        with pytest.raises(BadInput, match="jump-host: doesn't forward") as caught:
            open_host(through(sshd, jump))
        assert "AllowTcpForwarding" in caught.value.remedy


def test_a_host_that_it_cannot_reach_is_unreachable(sshd: Sshd, other: Sshd) -> None:
    closed = free_port()
    pins = f"{other.known_hosts}[{sshd.host}]:{closed} {key_of(sshd)}"
    with pytest.raises(HostUnreachable, match=str(closed)):
        open_host(through(sshd, other, port=closed, known_hosts=pins))
