"""Following a step to its end: over lost links, in pieces, and never longer than it may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from pyhelpers.errors import BelayError, Fenced, Unknown
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import StepEnd, Token


def follow(
    agent: Agent,
    token: Token,
    name: str,
    *,
    timeout: float,
    on_output: Callable[[str], None],
    alive: Callable[[], None],
) -> StepEnd:
    """Follow a step to its end, over lost links too, for `timeout` seconds at most.

    `alive` is asked between two looks and raises when the deploy was lost or cancelled. Raises `Unknown` when the
    step is still running after `timeout`, `Fenced` when the host gave the deploy up meanwhile.
    """
    deadline = time.monotonic() + timeout
    offset, seen = 0, bytearray()
    while True:
        alive()
        news = agent.news(token, name, offset)
        offset = news.offset
        seen += news.output
        if news.output:
            on_output(news.output.decode("utf-8", "replace"))
        if news.state == "ended" and not news.output:
            return StepEnd(exit_code=news.exit_code, output=seen.decode("utf-8", "replace"))
        if news.state in {"lost", "none"}:
            _lost(agent, token, name)
        if time.monotonic() > deadline:
            raise Unknown(f"step {name} still runs after {timeout:.0f} s", remedy="The rollback stops it first.")


def _lost(agent: Agent, token: Token, name: str) -> NoReturn:
    """Raise what it means that a step is neither running nor ended.

    With the lease alive nobody on the host undoes anything: the runner has to ask for it.
    """
    status = agent.status(token.deployment)
    if status.holder == token.deployment and not status.over:
        raise BelayError(
            f"step {name} is not there any more: something on the host killed it",
            remedy="Look into the host's kernel log: memory or disk may have run out.",
        )
    raise Fenced(f"step {name} is not there any more: the host was rebooted, or something killed it")
