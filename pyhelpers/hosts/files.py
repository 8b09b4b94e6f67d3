"""Small files on a host, read and written through `Host.run`: the same few lines serve every kind of host."""

from __future__ import annotations

from pathlib import Path

from pyhelpers.errors import CommandFailed
from pyhelpers.hosts.protocol import Host

_PUT = Path(__file__).with_name("put.sh").read_text()


def put_file(host: Host, content: bytes, path: str, mode: int) -> None:
    """Write `content` to the absolute `path` by temporary file, sync and rename; `mode` is the file's permissions.

    Raises `CommandFailed` when the host refused, `HostUnreachable` when that can't be known.
    """
    _must_be_absolute(path)
    result = host.run(["sh", "-c", _PUT, "put", path, f"{mode:o}", str(len(content))], stdin=content)
    if not result.ok:
        raise CommandFailed(f"writing {path}", result.exit_code, result.error_text)


def get_file(host: Host, path: str) -> bytes:
    """Return the content of the file at the absolute `path`; raises `CommandFailed` when it can't be read."""
    _must_be_absolute(path)
    result = host.run(["cat", path])
    if not result.ok:
        raise CommandFailed(f"reading {path}", result.exit_code, result.error_text)
    return result.stdout


def _must_be_absolute(path: str) -> None:
    """Refuse a path that would depend on where a login happens to start, or that reads as an option."""
    if not path.startswith("/"):
        raise ValueError(f"{path!r} isn't an absolute path")
