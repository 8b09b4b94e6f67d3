"""What a host says of a deploy: who holds it, how it stands, how a step ended; and the words for a host that is taken."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pyhelpers.errors import BadInput, Locked, Unknown

LATE_SECONDS = 30  # as `late_seconds` in agent.sh
_HEADER = re.compile(rb"^state=(\w+) rc=(\d{1,3}|-) offset=(\d{1,18}) status=(\S*)\n")
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # as `named` in agent.sh


@dataclass(frozen=True, kw_only=True)
class Token:
    """What proves to the host that a call comes from the deploy that holds it."""

    deployment: str
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the host says of a deploy; `deployment` is empty when it knows of none."""

    deployment: str = ""
    holder: str = ""
    status: str = ""
    phase: str = ""
    epoch: int = 0
    reason: str = ""
    lease_seconds: int = 0
    overdue_seconds: int = 0  # since the lease ran out, at least (after a reboot: since that)
    reaper: str = "off"
    reboot: str = "none"
    running: str = ""
    owner: dict[str, Any] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether nothing will change by itself any more (a deploy on hold counts: it waits for a person)."""
        return self.status not in {"open", "precommit", "aborting", "finishing"}

    @property
    def only_looked(self) -> bool:
        """Whether it was a dry run of a deploy, or the work of `doctor`: its end says nothing about the app."""
        return bool(self.owner.get("dry-run")) or self.owner.get("verb") == "doctor"

    @property
    def over(self) -> bool:
        """Whether its lease does not protect it: it ran out, or the end has begun."""
        return self.status not in {"open", "precommit"} or self.lease_seconds <= 0

    @property
    def abandoned(self) -> bool:
        """Whether it has to end, and no reaper is known to live that would see to it."""
        return not self.settled and self.over and self.reaper != "alive"

    @property
    def stuck(self) -> bool:
        """Whether it should have been acted on long ago, by a reaper that looks every second."""
        return self.status in {"open", "precommit"} and self.overdue_seconds >= LATE_SECONDS

    @classmethod
    def from_json(cls, text: str) -> Status:
        """Return the status in a line of the agent's; raises `Unknown` when the line can't be read."""
        try:
            data = json.loads(text)
            if data["id"] is None:
                return cls()
            words = {name: data[name] for name in ("id", "status", "phase", "reason", "reaper", "reboot", "running")}
            numbers = {name: data[name] for name in ("epoch", "lease", "overdue")}
            holder, owner = data["active"] or "", _owner(data["owner"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _unreadable(text) from error
        sound = all(isinstance(word, str) for word in (*words.values(), holder))
        if not sound or not all(type(number) is int for number in numbers.values()):
            raise _unreadable(text)
        return cls(
            deployment=words["id"],
            holder=holder,
            status=words["status"],
            phase=words["phase"],
            epoch=numbers["epoch"],
            reason=words["reason"].strip(),
            lease_seconds=numbers["lease"],
            overdue_seconds=numbers["overdue"],
            reaper=words["reaper"],
            reboot=words["reboot"],
            running=words["running"],
            owner=owner,
        )


def _unreadable(text: str) -> Unknown:
    return Unknown("the host's answer about the deploy can't be read", details=text)


def check_deployment_id(name: str) -> None:
    """Raise `BadInput` for what the agent would not take as a deploy's id (ids reach paths on the host)."""
    if not _ID.fullmatch(name):
        raise BadInput(
            "deployment-id",
            f"`{name[:80]}` is no deploy's id",
            remedy="Ids look like `1234567890-1-0123456789abcdef`; `status` names the last one.",
        )


@dataclass(frozen=True, kw_only=True)
class StepEnd:
    """How a step ended: its exit status and all that it printed."""

    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class News:
    """What a look at a step told: `state` is running, ended, lost or none; `exit_code` counts once it ended.

    `output` are the bytes that it printed since the look before, `offset` how many it has printed up to them.
    """

    state: str
    exit_code: int
    offset: int
    output: bytes

    @classmethod
    def from_text(cls, text: str) -> News:
        """Return what the agent's `wait` printed: a line of its own, then the step's output; raises `Unknown`."""
        out = text.encode("utf-8", "surrogateescape")
        header = _HEADER.match(out)
        if header is None:
            raise Unknown("the host's answer about a step can't be read", details=text)
        return cls(
            state=header[1].decode(),
            exit_code=int(header[2]) if header[2].isdigit() else -1,
            offset=int(header[3]),
            output=out[header.end() :],
        )


def events_in(text: str) -> list[dict[str, Any]]:
    """Return the events of a journal's lines; a line that a crash tore, or that is no event, is left out."""
    return [
        event
        for event in _objects(text)
        if all(isinstance(event.get(name), str) for name in ("event", "name", "text", "boot", "time"))
        and type(event.get("uptime")) in {int, float}
        and math.isfinite(event["uptime"])
    ]


def history_in(text: str) -> list[dict[str, Any]]:
    """Return the ends in a history's lines (`id`, `verdict`, `reason`, `owner`), under the same rule."""
    return [
        {**line, "owner": _owner(line["owner"])}
        for line in _objects(text)
        if isinstance(line.get("id"), str)
        and _ID.fullmatch(line["id"])
        and isinstance(line.get("verdict"), str)
        and isinstance(line.get("owner"), dict)
    ]


def _owner(found: object) -> dict[str, Any]:
    """Return what a host says of who began a deploy: plain values, and the names of a fleet's hosts; nothing else is ours.

    Raises `TypeError` where it is no object.
    """
    if not isinstance(found, dict):
        raise TypeError
    owner: dict[str, Any] = {name: value for name, value in found.items() if isinstance(value, str | int)}
    fleet = found.get("fleet")
    if isinstance(fleet, list) and all(isinstance(name, str) for name in fleet):
        owner["fleet"] = fleet
    return owner


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for line in text.split("\n"):  # and at nothing else: in a reason, U+2028 is a character like any other
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def locked(holder: Status, host: str) -> Locked:
    """Return the error that names who holds the host, and since when."""
    owner = holder.owner
    who = owner.get("actor") or "someone"
    words = f"{host} is held by deploy {holder.deployment} of {who} since {owner.get('since', 'an unknown time')}"
    if holder.status == "held":
        return Locked(
            f"{words}; it is on hold: {holder.reason}",
            remedy="Settle that deploy first: `rollback` tries the undo again, `unlock` gives the host back as it is.",
        )
    run = f", {owner['run-url']}" if owner.get("run-url") else ""
    if owner.get("verb") == "maintenance" and holder.status == "open":
        return Locked(
            f"{words} (maintenance){run}",
            remedy="`maintenance off` lets visitors in and ends it; else the host undoes it when its lease runs out.",
        )
    return Locked(
        f"{words} ({holder.phase or holder.status}){run}",
        remedy="Wait for it to end; a deploy whose runner died is settled by the host when its lease runs out.",
    )
