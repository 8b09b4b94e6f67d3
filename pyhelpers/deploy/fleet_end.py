"""How a deploy of several hosts ended: each host is asked, and all of them make one verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pyhelpers.deploy.transaction import KEPT, SETTLE_SECONDS, Transaction, nothing_kept
from pyhelpers.errors import BelayError, Fenced, Held, HostUnreachable, RolledBack, Unknown
from pyhelpers.hosts.status import Status

GRACE_SECONDS = 60.0  # that a lost host is asked for again after its lease has run out; its reaper has begun by then
PAUSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class HostEnd:
    """How one host ended: `result` is deployed, rolled-back, held or unknown; `reason` in words, where there is one."""

    host: str
    result: str
    reason: str = ""

    @classmethod
    def of(cls, deploy: Transaction, end: Status | BelayError) -> HostEnd:
        """Return what the host said, or why it could not be asked."""
        name = deploy.agent.host.name
        if isinstance(end, BelayError):
            return cls(host=name, result="unknown", reason=end.message)
        if end.status in KEPT:
            return cls(host=name, result="deployed")
        known = end.status if end.status in {"rolled-back", "held"} else "unknown"
        return cls(host=name, result=known, reason=end.reason if known != "unknown" else end.status)

    @property
    def told(self) -> str:
        """It in words."""
        return f"{self.result} ({self.reason})" if self.reason and self.result != "rolled-back" else self.result

    def as_dict(self) -> dict[str, str]:
        """Return the entry of the outputs."""
        return {"host": self.host, "result": self.result, "reason": self.reason}


def cause_of(error: BaseException) -> str:
    """Return in a sentence why a deploy ended."""
    return error.message if isinstance(error, BelayError) else f"{type(error).__name__}: {error}"


def settled(deploy: Transaction, *, lost_at: float) -> Status:
    """Wait until the host has ended the deploy and return how.

    One that can't be reached is asked again until its lease has run out and a minute more: its reaper undoes the deploy
    then, and a short cut is over. Raises `Unknown` (`lost_at` is in seconds of the monotonic clock).
    """
    deadline = lost_at + deploy.lease + GRACE_SECONDS
    while True:
        try:
            return deploy.agent.settle(deploy.deployment, timeout=SETTLE_SECONDS)
        except HostUnreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


def judge(ends: Sequence[HostEnd], error: BaseException, *, cause: str, visible: bool) -> bool:
    """Raise the verdict of all hosts together; returns True when all kept the new release, False when nothing was visible.

    What is worst for a person decides: a host that holds, then one that nobody knows of, then hosts that disagree.
    """
    cause = cause.rstrip(".")
    details = error.details if isinstance(error, BelayError) else ""
    found = {result: [end for end in ends if end.result == result] for result in ("held", "unknown", "deployed")}
    table = "; ".join(f"{end.host}: {end.told}" for end in ends)
    if found["held"]:
        first = found["held"][0]
        raise Held(
            f"{cause}. {first.host} holds: {first.reason} All hosts: {table}",
            remedy="Decide on the leader first: `rollback` tries again or restores, `unlock` gives the hosts back as they are.",
            details=details,
        ) from error
    if found["unknown"]:
        raise Unknown(
            f"{cause}. Not every host could be asked how it ended: {table}",
            remedy="Each of them undoes the deploy when its lease has run out. Ask later with the verb `status`.",
            details=details,
        ) from error
    if len(found["deployed"]) == len(ends):
        return True
    if found["deployed"]:
        raise Unknown(
            f"{cause}. The hosts do not agree: {table}",
            remedy="Mend the cause and deploy again; the next deploy brings all hosts to one release.",
            details=details,
        ) from error
    if visible:
        last = details.strip().splitlines()[-1].strip()[:300] if details.strip() else ""
        remedy = getattr(error, "remedy", "") or "The log above shows the cause; nothing is left to clean up."
        raise RolledBack(
            f"{f'{cause}: {last}'.rstrip('.') if last else cause}. Everything was put back on all {len(ends)} hosts.",
            remedy=remedy,
            details=details,
        ) from error
    if isinstance(error, Unknown | Fenced):
        raise nothing_kept(cause, error, details=details) from error
    return False
