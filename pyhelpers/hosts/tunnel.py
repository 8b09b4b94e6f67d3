"""A local port that leads to an address as seen from the host, e.g. to a database that listens there only."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import paramiko

from pyhelpers.errors import BelayError

LOOPBACK = "127.0.0.1"
CHUNK = 65_536

log = logging.getLogger(__name__)


@contextmanager
def forwarded(connect: Callable[[], paramiko.Channel]) -> Iterator[tuple[str, int]]:
    """Give the local `(address, port)`; each connection to it gets a channel of its own from `connect`.

    While the context lasts every user of this machine can connect to the port. At its end all channels are closed.
    """
    server = _Server(connect)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield LOOPBACK, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(socketserver.ThreadingTCPServer):
    """Accepts on a free port and relays; knows both ends of every open connection, to end them with itself."""

    server_address: tuple[str, int]

    def __init__(self, connect: Callable[[], paramiko.Channel]) -> None:
        self.connect = connect
        self._ends: set[socket.socket | paramiko.Channel] = set()
        self._over = False
        self._lock = threading.Lock()
        super().__init__((LOOPBACK, 0), _Relay)

    def server_close(self) -> None:
        """End every connection, stop listening, and wait until the relaying threads have ended too."""
        with self._lock:
            self._over = True
            for end in self._ends:
                _cut(end)
        super().server_close()

    def hold(self, end: socket.socket | paramiko.Channel) -> None:
        """Remember one end of a connection; one that comes too late is cut at once."""
        with self._lock:
            self._ends.add(end)
            if self._over:
                _cut(end)

    def release(self, *ends: socket.socket | paramiko.Channel) -> None:
        """Forget the ends of a connection that is over."""
        with self._lock:
            self._ends.difference_update(ends)


class _Relay(socketserver.BaseRequestHandler):
    """One connection: its bytes to the host and the host's bytes back, each direction with its own end."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Relay until both directions have ended."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a database's questions are small
        self.server.hold(self.request)
        try:
            channel = self.server.connect()
        except BelayError as error:
            log.warning("the tunnel could not be opened: %s", error)
            self.server.release(self.request)
            return
        self.server.hold(channel)
        try:
            answers = (channel.recv, self.request.sendall, self._end_reply)
            back = threading.Thread(target=_copy, args=answers, daemon=True)
            back.start()
            _copy(self.request.recv, channel.sendall, channel.shutdown_write)
            back.join()
        finally:
            channel.close()
            self.server.release(self.request, channel)

    def _end_reply(self) -> None:
        """Tell the client that no more will come."""
        self.request.shutdown(socket.SHUT_WR)


def _cut(end: socket.socket | paramiko.Channel) -> None:
    """End one side of a connection now, whoever is waiting for it."""
    if isinstance(end, paramiko.Channel):
        end.close()
        return
    with suppress(OSError):  # it ended by itself meanwhile
        end.shutdown(socket.SHUT_RDWR)


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], None], end: Callable[[], None]) -> None:
    """Copy until the source ends or either side breaks, then end the other side."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        while chunk := read(CHUNK):
            write(chunk)
    with suppress(OSError, EOFError, paramiko.SSHException):
        end()
