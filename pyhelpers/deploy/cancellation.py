"""SIGINT and SIGTERM: GitHub gives a cancelled job 7.5 s until TERM and 2.5 s more until KILL.

The first signal becomes a `Cancelled` in the main thread, so that the abort is handed to the host at once. Signals after
it change nothing: handing over is all that is left to do, and it takes less than the time that remains.
Source: actions/runner, ProcessInvoker (INT, 7.5 s, TERM, 2.5 s, kill); the signals go to the entry process alone.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pyhelpers.errors import Cancelled


class Cancellation:
    """Whether the job was cancelled; inside `deferred` a signal is kept until the block ends."""

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self.asked = False
        self._deferred = 0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal; raise on the first one, unless it has to wait."""
        if self.asked:
            return
        self.asked = True
        if not self._deferred:
            raise _cancelled(number)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Keep a signal until the block ended: half of what it does would be worse than all of it."""
        before = self.asked
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        if self.asked and not before and not self._deferred:
            raise _cancelled(signal.SIGINT)


def _cancelled(number: int) -> Cancelled:
    return Cancelled(
        f"cancelled ({signal.Signals(number).name})",
        remedy="The host undoes the deploy by itself; the verdict step, or the verb `status`, tells how it ended.",
    )


@contextmanager
def watched() -> Iterator[Cancellation]:
    """Take over SIGINT and SIGTERM while the block runs, and give them back after it."""
    cancellation = Cancellation()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, cancellation.handle)
    try:
        yield cancellation
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
