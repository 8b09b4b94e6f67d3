"""What became of deploys whose runner is gone: how the host ended them, and what that means for an app.

The host settles what a lease protects no more; a person's decisions (maintenance put up by hand, a deploy that is on
hold) are only told of. `judge` is pure: from what the host says to one kind, which the texts and GitHub's issue follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyhelpers.deploy.timeline import touched
from pyhelpers.errors import Unknown
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Status

RECENT = 10  # deploys that are looked at; an incident is told within minutes, and one good deploy ends it
CHANGES = frozenset({"deploy", "rollback", "restore"})  # verbs after whose good end the app is known to be well
TROUBLE = frozenset({"held", "saved", "kept", "stuck"})


def ended_by_host(journal: Sequence[dict[str, Any]]) -> bool:
    """Whether the lease that ran out ended a deploy, and nobody's own decision came after it."""
    asked = [event.get("event") for event in journal if event.get("event") in {"fire", "abort"}]
    return asked[-1:] == ["fire"]


@dataclass(frozen=True, kw_only=True)
class End:
    """One deploy as its host tells of it."""

    deployment: str
    verdict: str
    reason: str = ""
    owner: Mapping[str, Any] = field(default_factory=dict)
    journal: Sequence[dict[str, Any]] = ()

    @property
    def by_host(self) -> bool:
        """Whether the host ended it because nobody asked any more; an abort after that was somebody's decision."""
        return ended_by_host(self.journal)

    @property
    def late_seconds(self) -> str:
        """For how long the lease had been over when it was acted on, where that was too long; else empty."""
        told = [str(event.get("text")) for event in self.journal if event.get("event") == "late"]
        return told[-1] if told else ""

    def owned(self, name: str) -> str:
        """Return what the one who began it wrote down under `name`, as text."""
        value = self.owner.get(name)
        return "" if value is None else str(value)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found on one host; `kind` is one of `judge`'s words."""

    kind: str
    end: End | None  # the deploy that decides the kind
    status: Status
    recent: Sequence[End] = ()
    watchdog: str = ""  # what is wrong with the reaper, in a sentence


def look(agent: Agent) -> Found:
    """Let the host settle what it may, wait for that, and return what is so then."""
    before = agent.status()
    watchdog = watchdog_of(before)
    try:
        status = agent.reap()
    except Unknown:
        status = agent.status()  # the host can be asked, so it is its reaper that doesn't come to an end
    recent = ends(agent, status)
    kind, end = judge(status, recent)
    if end is not None and end.late_seconds and not watchdog:
        watchdog = f"Nobody acted on the host until {end.late_seconds} s after the lease had run out."
    return Found(kind=kind, end=end, status=status, recent=recent, watchdog=watchdog)


def watchdog_of(status: Status) -> str:
    """Return what is wrong with the reaper of the deploy that holds the host, in a sentence; empty when nothing is."""
    if not status.holder or status.settled or status.reaper == "off":
        return ""
    if status.reaper != "alive":
        return (
            f"The reaper of deploy {status.deployment} is {status.reaper}: something on the host ended or stopped it."
        )
    if status.stuck:
        return f"The reaper of deploy {status.deployment} lives, and has not acted for {status.overdue_seconds} s."
    return ""


def ends(agent: Agent, status: Status) -> list[End]:
    """Return the host's last deploys, the newest first: the holder, then those that ended."""
    found = []
    if status.holder:
        journal = agent.journal(status.holder)
        found.append(
            End(
                deployment=status.holder,
                verdict=status.status,
                reason=status.reason,
                owner=status.owner,
                journal=journal,
            )
        )
    for line in reversed(agent.history()[-RECENT:]):
        name, owner = line.get("id"), line.get("owner")
        if not isinstance(name, str) or name == status.holder:
            continue
        verdict, reason = str(line.get("verdict") or ""), str(line.get("reason") or "").strip()
        owned = owner if isinstance(owner, dict) else {}
        found.append(End(deployment=name, verdict=verdict, reason=reason, owner=owned, journal=agent.journal(name)))
    return found


def judge(status: Status, recent: Sequence[End]) -> tuple[str, End | None]:
    """Return how the app stands, and the deploy that tells it.

    One of `held` (down on purpose), `saved` (put back by the host alone), `kept` (completed by the host alone), `stuck` (over,
    and not settled), `busy` (a deploy is under way), `released` (taken back by hand), `good`, or `quiet` (nothing told).
    """
    if status.holder and not status.settled:
        return ("stuck" if status.over else "busy"), recent[0]
    for end in recent:
        if kind := kind_of(end):
            return kind, end
    return "quiet", None


def kind_of(end: End) -> str:
    """Return what one deploy's end says of the app, or nothing: a runner that failed has told of it by itself."""
    if end.owner.get("dry-run") or end.owner.get("verb") == "doctor":
        return ""
    if end.verdict in {"held", "released"}:
        return end.verdict
    if end.verdict == "kept":
        return "good" if _handed_over(end.journal) else "kept"
    if end.verdict == "rolled-back":
        if end.by_host:
            return "saved" if touched(end.journal) else ""
        was_held = any(event.get("event") == "settled" and event.get("name") == "held" for event in end.journal)
        return "good" if was_held else ""
    return "good" if end.verdict == "confirmed" and end.owner.get("verb") in CHANGES else ""


def _handed_over(journal: Sequence[dict[str, Any]]) -> bool:
    """Whether the runner itself left the rest to the host: after precommit no other phase is ever entered."""
    events = [event.get("event") for event in journal]
    return "precommit" in events and "phase" in events[events.index("precommit") :]
