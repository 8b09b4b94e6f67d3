"""The one place that writes to the step's standard output: whole texts, flushed, and never a reason to die.

A deploy outlives its audience. When nobody reads any more (the runner dropped the pipe, the terminal is gone, the disk
under a redirected log is full), the console goes silent and the work goes on.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TextIO


class Console:
    """A text stream that may be shared by threads."""

    def __init__(self, stream: TextIO | None) -> None:
        """Take the stream: usually `sys.stdout`, which is None where the process was started with it closed."""
        self._stream = stream
        self._lock = threading.RLock()
        self._silent = stream is None

    @property
    def is_terminal(self) -> bool:
        """Whether a person's terminal is at the other end."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # a closed stream
            return False

    def write(self, text: str) -> None:
        r"""Write `text` in one piece and flush it. After the first failure nothing is written any more; never raises.

        One piece matters: GitHub reads line by line, and a line of another thread inside a `stop-commands` block or
        a group would lose its meaning. What the stream can't encode is written as `\x..` or `\u....`.
        """
        with self._lock:
            if self._silent or self._stream is None:
                return
            try:
                encoding = self._stream.encoding or "utf-8"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
                self._stream.flush()
            except RuntimeError:
                # A signal's handler wants to write while this very thread is inside a write: Python's buffers refuse
                # that. The line is lost, the stream is not.
                return
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._silent = True
                _discard_the_rest(self._stream)


def _discard_the_rest(stream: TextIO) -> None:
    """Point the stream at /dev/null: Python flushes at exit, and failing there would change our exit code to 120."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
