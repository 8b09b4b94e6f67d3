"""The heartbeat: the client's sign of life, over a link of its own.

It has to come from here. A loop on the host would go on renewing after the runner died, and nobody would undo.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from pyhelpers.errors import BelayError, Fenced
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Token


class Heartbeat:
    """Renews the lease every `interval` seconds while the `with` block runs; says when the lease is lost."""

    def __init__(self, agent: Agent, token: Token, *, interval: float) -> None:
        """Take the agent (its link is cloned), the token, and the seconds between two renewals."""
        self._agent = agent
        self._token = token
        self._interval = interval
        self._stop = threading.Event()
        self._lost: Fenced | None = None
        self._thread = threading.Thread(target=self._beat, name="belay-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Start to beat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop beating; a renewal that is under way may still arrive, which does no harm."""
        self._stop.set()
        self._thread.join(timeout=5.0)

    def check(self) -> None:
        """Raise `Fenced` when the host refused a renewal."""
        if self._lost is not None:
            raise self._lost

    def _beat(self) -> None:
        agent: Agent | None = None
        while not self._stop.wait(self._interval):
            try:
                agent = agent or self._agent.another()
                agent.renew(self._token)
            except Fenced as error:
                self._lost = error
                break
            except BelayError:
                # A lost link is no verdict: try again over a new one. The lease outlives several missed beats.
                if agent is not None:
                    agent.host.close()
                agent = None
        if agent is not None:
            agent.host.close()
