"""Streams and folders to and from a host, the same for every host: only the child process that carries them differs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pyhelpers.errors import BelayError, CommandFailed, HostUnreachable
from pyhelpers.hosts.command import caption
from pyhelpers.hosts.stream import CHUNK, Child, DeadlinePassedError, End, Feed, ProducerFailedError, receive, send
from pyhelpers.hosts.tree import write_tree

TREE_TIMEOUT = 3600.0  # seconds; a release with its vendor folder takes some, a slow line minutes
_UNTAR = Path(__file__).with_name("untar.sh").read_text()


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """Carries bulk data to and from one host.

    `child` gives, for a command on the host, the process here that runs it and is its pipe. `unknown` holds the
    statuses of that process which say nothing of the command's own end.
    """

    host: str
    child: Callable[[Sequence[str]], AbstractContextManager[Child]]
    unknown: frozenset[int] = frozenset()

    def receive(self, argv: Sequence[str], sink: BinaryIO, timeout: float) -> None:
        """Stream what the command prints into `sink`; raises `CommandFailed`, `HostUnreachable`, or what `sink` does."""
        self._transfer(argv, timeout, lambda child: receive(child, sink, timeout=timeout))

    def send(self, argv: Sequence[str], source: BinaryIO, timeout: float) -> None:
        """Stream `source` into the command; raises `CommandFailed`, `HostUnreachable`, or `BelayError` for our side.

        A command can't tell a cut stream from a whole one: one that keeps what it reads must check size or digest.
        """
        self._send(argv, timeout, lambda feed: shutil.copyfileobj(source, cast("BinaryIO", feed), CHUNK))

    def send_tree(self, source: Path, destination: str, exclude: Sequence[str]) -> None:
        """Copy the folder `source` into the folder `destination` over there; raises as `send` does."""
        if not source.is_dir():
            raise BelayError(f"{source} isn't a folder that could be sent")
        if not destination.startswith("/"):
            raise ValueError(f"{destination!r} isn't an absolute path")
        untar = ["sh", "-c", _UNTAR, "untar", destination]
        name = f"unpacking into {destination}"
        self._send(untar, TREE_TIMEOUT, lambda feed: write_tree(source, feed, exclude), name=name)

    def _send(self, argv: Sequence[str], timeout: float, produce: Callable[[Feed], None], name: str = "") -> None:
        """Stream what `produce` writes into the command."""
        self._transfer(argv, timeout, lambda child: send(child, produce, timeout=timeout), name=name)

    def _transfer(
        self, argv: Sequence[str], timeout: float, transfer: Callable[[Child], End], *, name: str = ""
    ) -> None:
        """Do one transfer and raise unless both sides ended well; `name` is what errors call it."""
        name = name or caption(argv)
        try:
            with self.child(argv) as child:
                end = transfer(child)
        except DeadlinePassedError:
            raise HostUnreachable(f"{name} gave no end within {timeout:g} s on {self.host}") from None
        except ProducerFailedError as error:
            reason = error.__cause__
            raise BelayError(f"{name} on {self.host} was cut off, as our own side failed: {reason}") from reason
        if end.status < 0 or end.status in self.unknown:
            raise HostUnreachable(f"the link to {self.host} was lost during {name}", details=end.messages)
        if end.status > 0:
            raise CommandFailed(name, end.status, end.messages)
        if not end.took_all:
            raise CommandFailed(name, end.status, f"It ended before it had read everything.\n{end.messages}")
