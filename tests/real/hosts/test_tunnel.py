"""A tunnel leads to what only the host can see, as often and as much as wanted, and is gone at its end."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import paramiko
import pytest

from pyhelpers.hosts.protocol import Host
from pyhelpers.hosts.tunnel import _Server


class Echo(socketserver.BaseRequestHandler):
    """Answers with all that it was sent, once the other side has said its last."""

    def handle(self) -> None:
        """Echo."""
        received = bytearray()
        while chunk := self.request.recv(65_536):
            received += chunk
        self.request.sendall(received)


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[str, int]]:
    """A service on the host."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield "127.0.0.1", service.server_address[1]
        service.shutdown()


def ask(address: tuple[str, int], data: bytes) -> bytes:
    """Send `data`, say that this was all, and return the whole answer."""
    with socket.create_connection(address, timeout=30) as client:

        def speak() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        speaking = threading.Thread(target=speak)
        speaking.start()
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
        speaking.join()
        return answer


def test_what_is_sent_comes_back_whole(host: Host, echo: tuple[str, int]) -> None:
    data = os.urandom(5_000_000)
    with host.tunnel(*echo) as local:
        assert ask(local, data) == data
        assert ask(local, b"") == b""
        assert host.run(["true"]).ok, "commands go on beside it"


def test_many_connections_share_one_tunnel(host: Host, echo: tuple[str, int]) -> None:
    with host.tunnel(*echo) as local, ThreadPoolExecutor(12) as pool:
        words = [f"number {number}".encode() * 1000 for number in range(36)]
        assert list(pool.map(lambda word: ask(local, word), words)) == words


def test_nothing_listens_any_more_at_the_end(server: Host, echo: tuple[str, int]) -> None:
    with server.tunnel(*echo) as local:
        lasting = socket.create_connection(local, timeout=10)
        lasting.sendall(b"half a word")
    with lasting, suppress(ConnectionResetError):  # how one ends that nobody had accepted yet
        assert lasting.recv(100) == b"", "an open connection is ended with it"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(local, timeout=10)


def test_what_comes_in_as_the_tunnel_ends_is_cut_too() -> None:
    """A connection that was accepted before the end may only now get its way to the host."""

    def never() -> paramiko.Channel:
        raise AssertionError

    relays = _Server(never)
    relays.server_close()
    late, other_side = socket.socketpair()
    with late, other_side:
        relays.hold(late)
        assert other_side.recv(100) == b""


def test_a_service_that_is_not_there_ends_the_connection(server: Host, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    with server.tunnel("127.0.0.1", closed) as local:
        assert ask(local, b"hello") == b""
    assert "tunnel could not be opened" in caplog.text
