"""The one seam between Belay and a machine: what every host can do, wherever it is.

Two modules implement it, `local` and `ssh`. Everything above asks only for these few verbs, so that a test can give a
real directory on this machine where production gives a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a command ended: its exit status (0 to 255) and what it wrote. Never a guess: unknown is an exception."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        """Whether the command ended with status 0."""
        return self.exit_code == 0

    @property
    def text(self) -> str:
        """Standard output as text; bytes that aren't UTF-8 are replaced, never a reason to fail."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "replace")


class Host(Protocol):
    """A machine on which commands run and files lie. All paths are absolute paths on that machine."""

    @property
    def name(self) -> str:
        """How people know the host: `this machine`, or `user@host:port`."""

    @property
    def address(self) -> str:
        """The name or address by which it is reached; empty for this machine."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run a short command (seconds, small output) and return how it ended, whatever its status.

        Each word of `argv` arrives unchanged (quoted by `shlex.quote` over ssh); secrets go through `stdin`, never `argv`.
        Raises `HostUnreachable` when the end can't be known: link lost, `timeout` (seconds) over, killed by a signal.
        """

    def put(self, content: bytes, path: str, *, mode: int = 0o600) -> None:
        """Write a small file whole: into a temporary one beside it, synced, then renamed.

        Raises `CommandFailed` when the host refused, `HostUnreachable` when that can't be known.
        """

    def get(self, path: str) -> bytes:
        """Return a small file's content. Raises `CommandFailed` when it can't be read."""

    def send_tree(self, source: Path, destination: str, *, exclude: Sequence[str] = ()) -> None:
        """Copy the folder `source` (here) into the existing or new folder `destination` (there), links as links.

        `exclude` holds patterns of names as tar knows them. Bulk goes by OpenSSH's own client, never through paramiko.
        """

    def receive(self, argv: Sequence[str], sink: BinaryIO, *, timeout: float = 3600.0) -> None:
        """Stream what a command on the host prints into `sink`, at full speed; raises when it ends other than 0."""

    def send(self, argv: Sequence[str], source: BinaryIO, *, timeout: float = 3600.0) -> None:
        """Stream `source` into a command's standard input on the host; raises when it ends other than 0."""

    def tunnel(self, address: str, port: int) -> AbstractContextManager[tuple[str, int]]:
        """Return a context that gives a local `(address, port)` which leads to `address:port` as seen from the host."""

    def another(self) -> Host:
        """Return a new, independent link to the same machine (for the heartbeat's own channel)."""

    def close(self) -> None:
        """Let go of the link. What runs detached on the host goes on."""


def each_line(text: str) -> Iterator[str]:
    """Return the non-empty lines of a command's output without their white space at both ends."""
    return (line.strip() for line in text.splitlines() if line.strip())
