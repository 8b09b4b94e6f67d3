"""A server reached by ssh: commands and small files over one paramiko link, bulk by OpenSSH's own client."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import paramiko

from pyhelpers.errors import HostUnreachable
from pyhelpers.hosts.bulk import Bulk
from pyhelpers.hosts.command import caption, command_line
from pyhelpers.hosts.files import get_file, put_file
from pyhelpers.hosts.link import Hop, Link
from pyhelpers.hosts.openssh import CONNECTION_FAILED, OpenSsh
from pyhelpers.hosts.private_key import PrivateKey
from pyhelpers.hosts.protocol import Result
from pyhelpers.hosts.tunnel import forwarded

CHUNK = 65_536  # bytes per read of a channel
WINDOW_PAUSE = 0.02  # seconds until we look again whether the host takes more of our input


class SshHost:
    """A server. Several threads may use it at once; each command has a session of its own on the one link."""

    def __init__(self, hops: Sequence[Hop], key: PrivateKey, connect_timeout: float) -> None:
        """Take the way to the server, the last hop being itself; `connect` makes the link."""
        self._way = (tuple(hops), key, connect_timeout)
        self._link = Link(*self._way)
        openssh = OpenSsh(hops=tuple(hops), key=key, connect_timeout=connect_timeout)
        self._bulk = Bulk(host=self.name, child=openssh.child, unknown=frozenset({CONNECTION_FAILED}))

    @property
    def name(self) -> str:
        """How people know the host."""
        return self._link.name

    @property
    def address(self) -> str:
        """The name or address by which it is reached."""
        return self._way[0][-1].host

    def connect(self) -> None:
        """Make the link now; raises `HostUnreachable`, `HostKeyRefused`, or `BadInput` for a key that isn't accepted."""
        self._link.open()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run a command, as `Host.run` says; after the timeout it goes on over there, its end stays unknown.

        On a bare session channel: fabric's own `run` reads our standard input, takes 5 s per MB, and has no bytes.
        """
        line = command_line(argv)
        deadline = time.monotonic() + timeout
        name = f"{caption(argv)} on {self.name}"
        try:
            with self._link.session(deadline) as channel:
                return _converse(channel, line, stdin, deadline)
        except TimeoutError:
            raise HostUnreachable(f"{name} gave no end within {timeout:g} s; it may still run") from None
        except ConnectionError as error:
            raise HostUnreachable(f"{name}: {error}") from error

    def put(self, content: bytes, path: str, *, mode: int = 0o600) -> None:
        """Write a small file whole, as `Host.put` says."""
        put_file(self, content, path, mode)

    def get(self, path: str) -> bytes:
        """Return a small file's content, as `Host.get` says."""
        return get_file(self, path)

    def send_tree(self, source: Path, destination: str, *, exclude: Sequence[str] = ()) -> None:
        """Copy a folder, as `Host.send_tree` says."""
        self._bulk.send_tree(source, destination, exclude)

    def receive(self, argv: Sequence[str], sink: BinaryIO, *, timeout: float = 3600.0) -> None:
        """Stream what a command prints into `sink`, as `Host.receive` says."""
        self._bulk.receive(argv, sink, timeout)

    def send(self, argv: Sequence[str], source: BinaryIO, *, timeout: float = 3600.0) -> None:
        """Stream `source` into a command, as `Host.send` says."""
        self._bulk.send(argv, source, timeout)

    def tunnel(self, address: str, port: int) -> AbstractContextManager[tuple[str, int]]:
        """Return a context that gives a local address which leads to `address:port` as seen from the host."""
        return forwarded(lambda: self._link.connection_to(address, port))

    def another(self) -> SshHost:
        """Return a new, independent link to the same server, made at once."""
        host = SshHost(*self._way)
        host.connect()
        return host

    def close(self) -> None:
        """Let go of the link."""
        self._link.close()


def _converse(channel: paramiko.Channel, line: bytes, stdin: bytes, deadline: float) -> Result:
    """Run one command on a fresh session and return how it ended.

    Raises `TimeoutError` at the deadline, and `ConnectionError` when there is no exit status or the output isn't whole.
    """
    try:
        with _closed_at(channel, deadline):
            channel.exec_command(line)
        stdout, stderr = _exchange(channel, stdin, deadline)
    except TimeoutError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        if time.monotonic() >= deadline:
            raise TimeoutError from error
        raise ConnectionError(f"the link was lost as it began ({error})") from error
    if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    status = channel.recv_exit_status()
    if status >= 0 and channel.eof_received:  # a status alone isn't enough: the output may have been cut short
        return Result(exit_code=status, stdout=stdout, stderr=stderr)
    if status < 0 and channel.get_transport().is_active():  # sshd names no status for a command that a signal ended
        raise ConnectionError("it was killed by a signal")
    raise ConnectionError("the link was lost; it may still run")


@contextmanager
def _closed_at(channel: paramiko.Channel, deadline: float) -> Iterator[None]:
    """Close a channel at the deadline: the only way to end paramiko's wait for the answer to a request."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), channel.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exchange(channel: paramiko.Channel, stdin: bytes, deadline: float) -> tuple[bytes, bytes]:
    """Send the input while reading both outputs, until the other side has closed them; raises `TimeoutError`."""
    stdout, stderr = bytearray(), bytearray()
    rest = memoryview(stdin)
    ended = False  # our input
    channel.settimeout(0.0)
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    while True:
        over = channel.eof_received or channel.closed  # asked before reading: what came until then is read below
        while channel.recv_ready():
            stdout += channel.recv(CHUNK)
        while channel.recv_stderr_ready():
            stderr += channel.recv_stderr(CHUNK)
        if over:
            return bytes(stdout), bytes(stderr)
        before = len(rest)
        rest = _send_some(channel, rest)
        if not rest and not ended:
            channel.shutdown_write()
            ended = True
        patience = deadline - time.monotonic()
        if patience <= 0:
            raise TimeoutError
        if (
            len(rest) == before
        ):  # nothing could be sent: wait, and if that is for the window, nobody tells when it opens
            poll.poll((min(patience, WINDOW_PAUSE) if rest else patience) * 1000)


def _send_some(channel: paramiko.Channel, rest: memoryview) -> memoryview:
    """Send what the host takes now, and return what is left; nothing is when it no longer reads."""
    try:
        sent = channel.send(bytes(rest[:CHUNK])) if rest else 0
    except TimeoutError:
        return rest  # its window is full
    except OSError:
        return rest[:0]  # it closed; its exit status tells why
    return rest[sent:] if sent else rest[:0]
