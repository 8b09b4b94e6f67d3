"""Servers that aren't there, or not yet, or say nothing; and a runner without an ssh client."""

from __future__ import annotations

import io
import socket
import threading
from pathlib import Path

import pytest

from pyhelpers.errors import HostUnreachable, NothingChanged
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.protocol import Host
from tests.lab.hosts import connection_to, key_of, works
from tests.lab.sshd import Sshd, free_port, running_sshd


def test_a_closed_port_is_unreachable(sshd: Sshd) -> None:
    port = free_port()
    with pytest.raises(HostUnreachable, match="can't be reached") as caught:
        open_host(connection_to(sshd, port=port, known_hosts=f"[{sshd.host}]:{port} {key_of(sshd)}"))
    assert caught.value.remedy


def test_a_port_that_says_nothing_is_given_up(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        pins = f"[{sshd.host}]:{port} {key_of(sshd)}"
        with pytest.raises(HostUnreachable):
            open_host(connection_to(sshd, port=port, known_hosts=pins, connect_timeout=0.5))


def test_a_server_that_starts_a_moment_later_is_waited_for(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as first:
        port = first.port  # its keys stay in the folder, and so does its pin
    up, done = threading.Event(), threading.Event()

    def start_late() -> None:
        up.wait(10)
        with running_sshd(tmp_path, port=port):
            done.wait(30)

    late = threading.Timer(0.3, start_late)
    late.start()
    up.set()
    try:
        works(connection_to(first))
    finally:
        done.set()
        late.join()


def test_a_name_that_does_not_resolve_is_unreachable(sshd: Sshd) -> None:
    with pytest.raises(HostUnreachable):
        open_host(
            connection_to(
                sshd, host="no-such-host.invalid", port=22, known_hosts=f"no-such-host.invalid {key_of(sshd)}"
            )
        )


def test_a_machine_without_an_ssh_client_says_so(server: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NothingChanged, match="no `ssh` program") as caught:
        server.receive(["true"], io.BytesIO())
    assert "openssh-client" in caught.value.remedy
    assert server.run(["true"]).ok
