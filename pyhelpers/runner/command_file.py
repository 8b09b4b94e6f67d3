"""Append to one of the files by which a step talks to the runner (GITHUB_OUTPUT, GITHUB_STEP_SUMMARY)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pyhelpers.errors import BelayError


def append(path: Path, block: bytes, variable: str) -> None:
    """Append `block` in one write; a file whose last line has no end gets that end first.

    A block that goes in only by half (full disk) is taken back. Raises `BelayError`, naming the environment `variable`,
    when the file does not exist or can't be written.
    """
    try:
        # No O_CREAT: the runner made the file before the step; a new one would be read by nobody.
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                block = b"\n" + block
            written = os.write(descriptor, block)
            if written != len(block):
                if stat.S_ISREG(status.st_mode):
                    os.ftruncate(descriptor, size)
                raise OSError(f"only {written} of {len(block)} bytes were written")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BelayError(
            f"{variable} could not be written: {error.strerror or error}",
            remedy=f"{variable} must name the file that the runner made for this step; look for a full disk, too.",
        ) from error
