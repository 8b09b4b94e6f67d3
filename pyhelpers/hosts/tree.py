"""A folder as a tar stream, made here: the same bytes for the same folder, whatever the file system's order.

In GNU's format, which keeps any name byte by byte; BusyBox reads it as well.
"""

from __future__ import annotations

import logging
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, cast

from pyhelpers.hosts.stream import CHUNK, Feed

log = logging.getLogger(__name__)


def write_tree(source: Path, feed: Feed, exclude: Sequence[str] = ()) -> None:
    """Write the tar of everything below `source` into `feed`: modes, times, links and hard links kept, owners left out.

    Sockets, devices and pipes are left out with a line in the log. Raises `OSError` when something can't be read.
    """
    writer = cast("IO[bytes]", feed)  # tarfile asks for nothing of a stream but `write`
    with tarfile.open(
        fileobj=writer,
        mode="w|",
        format=tarfile.GNU_FORMAT,
        bufsize=CHUNK,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        for path, name in _walk(source, "", exclude):
            info = archive.gettarinfo(path, name)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            if info.isreg():
                with path.open("rb") as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)


def _walk(folder: Path, above: str, exclude: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Return path and name of everything below `folder`, a folder before what is in it, in the order of the bytes."""
    for entry in sorted(os.scandir(folder), key=lambda found: os.fsencode(found.name)):
        name = above + entry.name
        if _excluded(name, exclude):
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            log.warning("%s was not sent: it is a socket, a pipe or a device", entry.path)
            continue
        yield Path(entry.path), name
        if stat.S_ISDIR(mode):
            yield from _walk(Path(entry.path), f"{name}/", exclude)


def _excluded(name: str, patterns: Sequence[str]) -> bool:
    """Return whether tar's `--exclude` would leave `name` out: a pattern fits it whole, or its end after any slash."""
    parts = name.split("/")
    ends = [f"./{name}", *("/".join(parts[start:]) for start in range(len(parts)))]
    return any(fnmatchcase(end, pattern.rstrip("/")) for end in ends for pattern in patterns)
