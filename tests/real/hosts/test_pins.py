"""Only pinned servers are talked to, by paramiko and by OpenSSH alike; nothing is told to any other."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from pyhelpers.errors import BadInput, Exit, HostKeyRefused, HostUnreachable
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.known_hosts import KnownHosts
from pyhelpers.hosts.link import Hop
from pyhelpers.hosts.private_key import read_private_key
from pyhelpers.hosts.ssh import SshHost
from tests.lab.hosts import connection_to, key_of, works
from tests.lab.sshd import Sshd, make_key, running_sshd


def test_a_server_without_a_pin_is_not_contacted(sshd: Sshd, other: Sshd) -> None:
    with pytest.raises(BadInput, match="known-hosts: has no line for") as caught:
        open_host(connection_to(sshd, known_hosts=other.known_hosts))
    assert f"[{other.host}]:{other.port}" in caught.value.message


def test_a_changed_key_is_refused_before_anything_is_sent(sshd: Sshd, other: Sshd) -> None:
    """Not even the user's name is told to an impostor."""
    said = other.log.read_text()
    wrong = f"[{other.host}]:{other.port} {key_of(sshd)}"
    with pytest.raises(HostKeyRefused) as caught:
        open_host(connection_to(other, known_hosts=wrong))
    assert caught.value.exit_code == Exit.BAD_INPUT
    (shown,) = KnownHosts.parse(other.known_hosts).pins_for(other.host, other.port)
    (pinned,) = KnownHosts.parse(sshd.known_hosts).pins_for(sshd.host, sshd.port)
    assert shown.fingerprint in caught.value.message
    assert pinned.fingerprint in caught.value.message
    assert other.user not in other.log.read_text()[len(said) :]


def test_the_bulk_client_refuses_a_changed_key_too(sshd: Sshd, other: Sshd) -> None:
    said = other.log.read_text()
    pins = KnownHosts.parse(sshd.known_hosts).pins_for(sshd.host, sshd.port)
    hop = Hop(host=other.host, port=other.port, user=other.user, pins=pins)
    with pytest.raises(HostUnreachable) as caught:
        SshHost([hop], read_private_key(sshd.key), 5).receive(["true"], io.BytesIO())
    assert "Host key verification failed" in caught.value.details
    assert "Accepted" not in other.log.read_text()[len(said) :]


@pytest.mark.parametrize(("shown", "pinned"), [("ed25519", "ecdsa"), ("rsa", "ed25519"), ("ecdsa", "rsa")])
def test_a_pin_of_a_type_that_the_server_lacks_is_refused(tmp_path: Path, shown: str, pinned: str) -> None:
    make_key(tmp_path / "key", pinned)
    with running_sshd(tmp_path, host_key_type=shown) as server:
        wrong = f"[{server.host}]:{server.port} {(tmp_path / 'key.pub').read_text()}"
        with pytest.raises(HostKeyRefused, match="no key of a pinned type"):
            open_host(connection_to(server, known_hosts=wrong))


def test_an_old_pin_beside_the_new_one_does_no_harm(sshd: Sshd, other: Sshd) -> None:
    """A server's key can be changed without a deploy that fails."""
    name = f"[{sshd.host}]:{sshd.port}"
    works(connection_to(sshd, known_hosts=f"{name} {key_of(other)}{name} {key_of(sshd)}"))
    works(connection_to(sshd, known_hosts=f"{name} {key_of(sshd)}{name} {key_of(other)}"))


def test_a_hashed_pin_serves_both_clients(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(sshd.known_hosts)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    works(connection_to(sshd, known_hosts=file.read_text()))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys_work_on_both_sides(tmp_path: Path, kind: str) -> None:
    with running_sshd(tmp_path, key_type=kind, host_key_type=kind) as server:
        works(connection_to(server))


def test_a_pin_decides_which_of_two_host_keys_is_used(tmp_path: Path) -> None:
    make_key(tmp_path / "rsa", "rsa")
    with running_sshd(tmp_path, settings=[f"HostKey {tmp_path / 'rsa'}"]) as server:
        pin = f"[{server.host}]:{server.port} {(tmp_path / 'rsa.pub').read_text()}"
        works(connection_to(server, known_hosts=pin))
