"""A link that is made anew when it is torn, for calls that may be made again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from pyhelpers.errors import HostUnreachable
from pyhelpers.hosts.protocol import Host

RECONNECT_SECONDS = 60.0  # half a default lease: as long as that, asking again may still find the lease alive
PAUSE_SECONDS = 2.0
Answer = TypeVar("Answer")


class SteadyLink:
    """One host, and the link that leads to it now."""

    def __init__(self, host: Host, sleep: Callable[[float], None]) -> None:
        """Take the link."""
        self.host = host
        self._sleep = sleep

    def repeated(self, call: Callable[[], Answer]) -> Answer:
        """Do what may be repeated, over new links while they are torn; raises `HostUnreachable` when none lasts for a minute."""
        deadline = math.inf
        while True:
            try:
                return call()
            except HostUnreachable:
                deadline = min(deadline, time.monotonic() + RECONNECT_SECONDS)
                if time.monotonic() >= deadline:
                    raise
                self.reconnect()

    def reconnect(self) -> None:
        """Make the link anew; raises `HostUnreachable` when that fails for a minute."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                fresh = self.host.another()
                fresh.run(["true"], timeout=20.0)
            except HostUnreachable:
                if time.monotonic() > deadline:
                    raise
                self._sleep(PAUSE_SECONDS)
            else:
                self.host.close()
                self.host = fresh
                return
