"""A fleet: the hosts of one app, the first of them its leader; how they are named, and how all are asked at once.

A host's link belongs to one thread at a time, so the work for each host runs in a thread of its own. Only so many run at
once: each costs a link, its buffers and open files.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from pyhelpers.errors import BadInput, BelayError

AT_ONCE = 10  # hosts; more gain little, since a runner has two cores and each link is encrypted
ASK_AT_ONCE = 32  # for calls that are short and urgent, such as the abort of a job that is cancelled
_LINE = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:@\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Address:
    """One host as it is named; what is empty or 0 is as in the inputs `user` and `port`."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return it as a line of the input."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}".removeprefix("@") + (f":{self.port}" if self.port else "")


def addresses_in(text: str) -> list[Address]:
    """Return the hosts in the lines of the input `host`: `name`, `user@name`, `name:port`, `user@[address]:port`.

    Raises `BadInput` for a line that is none of these, and for a host that is named twice.
    """
    found: list[Address] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.count(":") > 1 and "[" not in line:
            found.append(Address(host=line))  # an IPv6 address alone; `connect` checks it
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            remedy = (
                "Write one host a line: `name`, `user@name` or `user@name:port`, an IPv6 address as `[address]:port`."
            )
            raise BadInput("host", f"{line[:120]!r} isn't a host", remedy=remedy)
        found.append(Address(host=match["v6"] or match["host"], user=match["user"] or "", port=int(match["port"] or 0)))
    for address in found:
        if found.count(address) > 1:
            raise BadInput("host", f"names {address} twice", remedy="Each host takes part once.")
    return found


class _Run(Generic[Item, Result]):
    """Works off items in daemon threads; each end comes from `ends` as an index and what became of it."""

    def __init__(self, items: Sequence[Item], work: Callable[[Item], Result], limit: int) -> None:
        self.ends: queue.SimpleQueue[tuple[int, Future[Result]]] = queue.SimpleQueue()
        self.halted = threading.Event()
        waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        for pair in enumerate(items):
            waiting.put(pair)

        def works_off() -> None:
            while not self.halted.is_set():
                try:
                    index, item = waiting.get_nowait()
                except queue.Empty:
                    return
                end: Future[Result] = Future()
                try:
                    end.set_result(work(item))
                except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                    end.set_exception(error)
                self.ends.put((index, end))

        for number in range(min(limit, len(items))):
            threading.Thread(target=works_off, name=f"belay-fleet-{number}", daemon=True).start()


def at_once(items: Sequence[Item], work: Callable[[Item], Result], *, limit: int = AT_ONCE) -> list[Result]:
    """Return the results of `work` for every item, in their order; raises the first failure as soon as it is known.

    What has not begun then doesn't begin; what is under way ends by itself: its host refuses it once it was aborted.
    One item is worked on in this very thread, so that a signal interrupts it.
    """
    if len(items) <= 1:
        return [work(item) for item in items]
    run = _Run(items, work, limit)
    results: dict[int, Result] = {}
    try:
        while len(results) < len(items):
            index, end = run.ends.get()
            results[index] = end.result()
    finally:
        run.halted.set()
    return [results[index] for index in range(len(items))]


def gather(items: Sequence[Item], work: Callable[[Item], Result], *, limit: int = AT_ONCE) -> list[Result | BelayError]:
    """Return for every item the result of `work`, or the error that it raised; waits for all of them."""

    def caught(item: Item) -> Result | BelayError:
        try:
            return work(item)
        except BelayError as error:
            return error

    return at_once(items, caught, limit=limit)
