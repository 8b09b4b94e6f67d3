"""Who logs in is the given user with the given key, whatever settings and agents there are on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhelpers.errors import BadInput, BelayError, HostKeyRefused
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.known_hosts import KnownHosts
from pyhelpers.hosts.link import Hop
from pyhelpers.hosts.openssh import OpenSsh
from pyhelpers.hosts.private_key import read_private_key
from tests.lab.hosts import connection_to, key_of, works
from tests.lab.sshd import Sshd, make_key, running_sshd


def test_a_key_that_is_not_accepted_is_a_wrong_input(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "key", "ed25519")
    with pytest.raises(BadInput, match=f"ssh-key: {sshd.user}@.* doesn't accept") as caught:
        open_host(connection_to(sshd, ssh_key=(tmp_path / "key").read_text()))
    assert (tmp_path / "key.pub").read_text().split()[1] in caught.value.remedy


def test_a_user_that_may_not_log_in_is_a_wrong_input(sshd: Sshd) -> None:
    with pytest.raises(BadInput, match="ssh-key: nobody@"):
        open_host(connection_to(sshd, user="nobody"))


def test_nobodys_settings_agents_or_keys_are_used(
    sshd: Sshd, other: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A self-hosted runner's own ssh and fabric files change nothing, and trust nobody."""
    canary = tmp_path / "canary"
    settings = tmp_path / ".ssh"
    settings.mkdir(mode=0o700)
    lines = ["Host *", f"ProxyCommand touch {canary}", "User root", "HostName 192.0.2.1", "StrictHostKeyChecking no"]
    (settings / "config").write_text("\n".join(lines))
    (settings / "known_hosts").write_text(other.known_hosts)
    (settings / "id_ed25519").write_text(sshd.key)
    (tmp_path / ".fabric.yml").write_text(f"gateway: touch {canary}\nuser: root\nload_ssh_configs: true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(canary))
    works(connection_to(sshd))
    with pytest.raises(HostKeyRefused):
        open_host(connection_to(other, known_hosts=f"[{other.host}]:{other.port} {key_of(sshd)}"))
    make_key(tmp_path / "key", "ed25519")
    with pytest.raises(BadInput, match="ssh-key"):
        open_host(connection_to(sshd, ssh_key=(tmp_path / "key").read_text()))
    assert not canary.exists()


def test_the_bulk_client_reads_no_settings_either(sshd: Sshd) -> None:
    """It finds them by the user database and not by HOME, so only what it is told can be looked at."""
    pins = KnownHosts.parse(sshd.known_hosts).pins_for(sshd.host, sshd.port)
    hop = Hop(host=sshd.host, port=sshd.port, user=sshd.user, pins=pins)
    openssh = OpenSsh(hops=(hop, hop), key=read_private_key(sshd.key), connect_timeout=5)
    with openssh.child(["true"]) as child:
        words = " ".join(str(word) for word in child.argv)
    assert words.count("-F /dev/null") == words.count("StrictHostKeyChecking=yes") == 2


def test_a_server_with_weak_ciphers_only_is_refused(tmp_path: Path) -> None:
    with (
        running_sshd(tmp_path, settings=["Ciphers aes128-cbc,3des-cbc"]) as server,
        pytest.raises(BelayError, match="no safe algorithms"),
    ):
        open_host(connection_to(server))
