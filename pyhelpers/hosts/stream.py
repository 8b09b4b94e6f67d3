"""Bulk data through a child process on this machine: an ssh client, or, on the runner itself, the command.

Pipes are read and written against a deadline on the monotonic clock, in chunks, never whole. A transfer counts only
when our own side saw its end *and* the child ended with status 0; a side that died is an exception, never an end of file.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO

CHUNK = 1 << 20  # bytes per read; larger ones brought nothing
KEPT_OUTPUT = 65_536  # bytes of a child's messages that an error may hold


class DeadlinePassedError(Exception):
    """The time for a transfer was over; the child was killed."""


class ProducerFailedError(Exception):
    """What should have been sent couldn't be read on our side; the child was killed. The cause is chained."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """How to start the child: its words, its environment (None: ours) and its working folder (None: ours)."""

    argv: Sequence[str | bytes]
    environment: Mapping[str, str] | None = None
    folder: str | None = None


@dataclass(frozen=True, kw_only=True)
class End:
    """How a child ended: its status (below 0: the signal that killed it), its messages, and whether it took all."""

    status: int
    messages: str
    took_all: bool = True


class Feed:
    """The child's standard input as something that can be written to; gives up at the deadline."""

    def __init__(self, pipe: IO[bytes], deadline: float) -> None:
        """Take the pipe and the deadline (seconds of the monotonic clock)."""
        os.set_blocking(pipe.fileno(), False)
        self._pipe = pipe
        self._deadline = deadline

    def write(self, data: bytes) -> int:
        """Write all of `data`; raises `BrokenPipeError` when the child stopped reading, `DeadlinePassedError`."""
        rest = memoryview(data)
        while rest:
            _wait(self._pipe, select.POLLOUT, self._deadline)
            with suppress(BlockingIOError):
                rest = rest[os.write(self._pipe.fileno(), rest) :]
        return len(data)


def receive(child: Child, sink: BinaryIO, *, timeout: float) -> End:
    """Write everything that the child prints into `sink`, and return how it ended.

    Raises `DeadlinePassedError` after `timeout` seconds, and whatever `sink.write` raises; the child is then dead.
    """
    deadline = time.monotonic() + timeout
    with _running(child, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as (process, messages):
        for chunk in _chunks(_pipe(process.stdout), deadline):  # noqa: FURB122  a sink that only writes will do
            sink.write(chunk)
        return _end(process, messages, deadline)


def send(child: Child, produce: Callable[[Feed], None], *, timeout: float) -> End:
    """Let `produce` write into the child's standard input, close it, and return how the child ended.

    Raises `DeadlinePassedError` after `timeout` seconds, `ProducerFailedError` when `produce` raises an `OSError`; the child is
    then dead, and the command behind it saw its input end early.
    """
    deadline = time.monotonic() + timeout
    # Nobody reads what the command prints before it ends, hence a file: a full pipe would block it.
    with tempfile.TemporaryFile() as printed, _running(child, subprocess.PIPE, printed) as (process, messages):
        pipe = _pipe(process.stdin)
        took_all = True
        try:
            produce(Feed(pipe, deadline))
        except BrokenPipeError:
            took_all = False  # its status, below, tells why
        except OSError as error:
            raise ProducerFailedError from error
        with suppress(BrokenPipeError):
            pipe.close()
        return _end(process, messages, deadline, took_all=took_all)


@contextmanager
def _running(child: Child, stdin: int, stdout: int | IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run the child in a process group of its own, and leave none of it behind when we are interrupted."""
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            child.argv,
            stdin=stdin,
            stdout=stdout,
            stderr=messages,
            env=child.environment,
            cwd=child.folder,
            start_new_session=True,
        )
        try:
            yield process, messages
        finally:
            if process.poll() is None:
                kill_group(process)
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child and all it started, except what moved into a session of its own, and wait for the child."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _chunks(pipe: IO[bytes], deadline: float) -> Iterator[bytes]:
    """Return what comes out of a pipe until its end; raises `DeadlinePassedError`."""
    while True:
        _wait(pipe, select.POLLIN, deadline)
        chunk = os.read(pipe.fileno(), CHUNK)
        if not chunk:
            return
        yield chunk


def _wait(pipe: IO[bytes], event: int, deadline: float) -> None:
    """Wait until a pipe can be read or written; raises `DeadlinePassedError`."""
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise DeadlinePassedError


def _end(process: subprocess.Popen[bytes], messages: IO[bytes], deadline: float, *, took_all: bool = True) -> End:
    """Wait for the child and return how it ended; raises `DeadlinePassedError`."""
    try:
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise DeadlinePassedError from None
    size = messages.seek(0, os.SEEK_END)
    messages.seek(max(0, size - KEPT_OUTPUT))
    return End(status=status, messages=messages.read().decode("utf-8", "replace"), took_all=took_all)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe that was asked for; `Popen` types it as perhaps missing."""
    if pipe is None:
        raise ValueError("the child was started without this pipe")
    return pipe
