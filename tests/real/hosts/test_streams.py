"""`receive` and `send`, alike on this machine and on a server: a side that died is never an end of file."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest

from pyhelpers.errors import BelayError, CommandFailed, HostUnreachable
from pyhelpers.hosts.protocol import Host
from tests.lab.hosts import sh

BIG = 200_000_000  # bytes


class Broken(io.BytesIO):
    """A source on a disk that fails after some megabytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read until it breaks."""
        if self.tell() > 3_000_000:
            raise OSError("the disk is gone")
        return super().read(size)


class Full(io.BytesIO):
    """A sink without room."""

    def write(self, _: object, /) -> int:
        """Take nothing."""
        raise OSError("no space left")


def test_two_hundred_megabytes_there_and_back_are_the_same(host: Host, place: str, tmp_path: Path) -> None:
    block = os.urandom(1_000_000)
    source = tmp_path / "source"
    with source.open("wb") as out:
        for _ in range(BIG // len(block)):
            out.write(block)
    with source.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    with source.open("rb") as content:
        host.send(["sh", "-c", 'cat > "$1/big"', "sh", place], content)
    assert sh(host, 'sha256sum < "$1/big"', place).split()[0] == digest
    with (tmp_path / "back").open("wb") as sink:
        host.receive(["cat", f"{place}/big"], sink)
    with (tmp_path / "back").open("rb") as content:
        assert hashlib.file_digest(content, "sha256").hexdigest() == digest


def test_a_producer_that_fails_is_never_a_success(host: Host) -> None:
    """P1, P7: a dump that died looks like the end of a dump."""
    sink = io.BytesIO()
    with pytest.raises(CommandFailed, match="exit status 9") as caught:
        host.receive(["sh", "-c", "echo partly; echo why >&2; exit 9"], sink)
    assert "why" in caught.value.details


def test_a_producer_that_is_killed_is_never_a_success(host: Host) -> None:
    """P7."""
    with pytest.raises(HostUnreachable):
        host.receive(["sh", "-c", "echo partly; kill -s KILL $$"], io.BytesIO())


def test_a_consumer_that_fails_is_an_error(host: Host) -> None:
    with pytest.raises(CommandFailed, match="exit status 5"):
        host.send(["sh", "-c", "cat >/dev/null; exit 5"], io.BytesIO(b"x" * 100_000))
    with pytest.raises(CommandFailed, match="exit status 6"):
        host.send(["sh", "-c", "exit 6"], io.BytesIO(b"x" * 50_000_000))


def test_a_consumer_that_stops_reading_is_an_error_even_with_status_0(host: Host) -> None:
    with pytest.raises(CommandFailed) as caught:
        host.send(["head", "-c", "10"], io.BytesIO(b"x" * 50_000_000))
    assert "before it had read everything" in caught.value.details


def test_a_source_that_breaks_on_our_side_is_an_error(host: Host, place: str) -> None:
    """P7: the command over there sees a clean end of its input, so its own status proves nothing."""
    with pytest.raises(BelayError, match="our own side failed: the disk is gone"):
        host.send(["sh", "-c", 'cat > "$1/part"', "sh", place], Broken(b"x" * 5_000_000))


def test_a_sink_that_breaks_stops_the_producer(host: Host, place: str) -> None:
    with pytest.raises(OSError, match="no space left"):
        host.receive(["sh", "-c", 'echo $$ > "$1/pid"; exec cat /dev/zero', "sh", place], Full())
    gone = 'for i in $(seq 100); do [ -d "/proc/$(cat "$1/pid")" ] || exit 0; sleep 0.1; done; exit 1'
    sh(host, gone, place)


def test_the_deadline_holds_in_both_directions(host: Host) -> None:
    """P7."""
    with pytest.raises(HostUnreachable, match="no end within 1 s"):
        host.receive(["sleep", "30"], io.BytesIO(), timeout=1)
    with pytest.raises(HostUnreachable, match="no end within 1 s"):
        host.send(["sleep", "30"], io.BytesIO(b"x" * 50_000_000), timeout=1)


def test_what_a_consumer_prints_blocks_nothing(host: Host) -> None:
    host.send(["sh", "-c", "cat; cat /dev/zero | head -c 3000000 >&2"], io.BytesIO(b"x" * 3_000_000))
