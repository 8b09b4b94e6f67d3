"""One command as a host's shell must see it: every word exactly as it was given."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

LONGEST = 131_071  # bytes: Linux takes no single argument beyond MAX_ARG_STRLEN, and sshd hands over one `sh -c` line
CAPTION = 80  # characters of a command that an error may show


def command_line(argv: Sequence[str]) -> bytes:
    """Return the shell line that runs `argv`, each word quoted.

    It begins with `exec`, so that the login shell becomes the command: a signal that kills it is then reported as a
    signal, and not as a status above 128 that the shell made up. The login shell must be a POSIX one.

    Raises `ValueError` for what no shell line can hold: no words, a NUL byte, or more than 128 KiB (use stdin).
    """
    if not argv or not argv[0]:
        raise ValueError("a command needs a name")
    line = "exec " + shlex.join(argv)
    if "\0" in line:
        raise ValueError("a command can't hold a NUL byte; send it by stdin")
    encoded = line.encode("utf-8", "surrogateescape")
    if len(encoded) > LONGEST:
        raise ValueError(f"a command of {len(encoded)} bytes is too long; send the data by stdin")
    return encoded


def caption(argv: Sequence[str]) -> str:
    """Return how an error names the command: its words on one line, shortened."""
    words = " ".join(shlex.join(argv).split())
    return words if len(words) <= CAPTION else words[: CAPTION - 1] + "…"
