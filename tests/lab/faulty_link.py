"""A TCP proxy whose link goes bad on demand: it stalls, crawls, goes silent, or is torn.

    with FaultyLink.to(port) as link:
        connect(link.port)
        link.silence()

What is real: the sockets, and what the two ends notice of them, which for a link that went silent is nothing.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ADDRESS = "127.0.0.1"
PIECE = 16384  # bytes that are passed on at once; a slow link gets less
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


@dataclass(eq=False)
class Pair:
    """One connection through the proxy: its two sockets, and whether its packets still arrive."""

    ends: tuple[socket.socket, socket.socket]
    silent: bool = False

    def tear(self) -> None:
        """End it at once on both sides."""
        for end in self.ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass(eq=False)
class FaultyLink:
    """The proxy; `made` counts the connections that were made through it."""

    target: int
    door: socket.socket
    made: int = 0
    delay: float = 0.0  # seconds that each piece waits
    bytes_per_second: float = 0.0  # 0: as fast as it goes
    _pairs: list[Pair] = field(default_factory=list)
    _dead: bool = False  # new connections are silent too
    _flows: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def to(cls, target: int) -> Iterator[FaultyLink]:
        """Open a proxy to a port of this machine for a `with` block."""
        with socket.create_server((ADDRESS, 0), backlog=50) as door:
            link = cls(target=target, door=door)
            link._flows.set()
            threading.Thread(target=link._serve, daemon=True).start()
            try:
                yield link
            finally:
                link.cut()
                with suppress(OSError):
                    door.shutdown(socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self.door.getsockname()[1])

    def stall(self, seconds: float) -> None:
        """Let nothing through for a while; nothing is lost."""
        self._flows.clear()
        time.sleep(seconds)
        self._flows.set()

    def cut(self) -> int:
        """Tear every connection (RST on both sides); new ones are made. Returns how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        self._flows.set()
        for pair in pairs:
            pair.tear()
        return len(pairs)

    def silence(self, *, new: bool = False) -> int:
        """Lose all packets of the connections that are there, as a NAT that forgot them does; with `new`, of later ones too.

        Neither end is told. Returns how many there were.
        """
        with self._lock:
            self._dead = new
            for pair in self._pairs:
                pair.silent = True
            return len(self._pairs)

    def heal(self) -> None:
        """Let new connections live again."""
        self._dead, self.delay, self.bytes_per_second = False, 0.0, 0.0

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((ADDRESS, self.target), timeout=20)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = Pair((client, server), silent=self._dead)
            with self._lock:
                self._pairs.append(pair)
                self.made += 1
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(pair, source, sink), daemon=True).start()

    def _pass_on(self, pair: Pair, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                self._flows.wait()
                if self.delay or self.bytes_per_second:
                    time.sleep(self.delay + (len(data) / self.bytes_per_second if self.bytes_per_second else 0))
                if not pair.silent:
                    sink.sendall(data)
        if not pair.silent:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
