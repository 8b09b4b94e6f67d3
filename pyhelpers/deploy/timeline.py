"""The journal as people read it: when what happened, how long visitors saw the maintenance page, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# The phases in which something changes that visitors, or the code that serves them, can notice.
VISIBLE = frozenset({"down", "replace", "migrate", "switch", "restore"})


@dataclass(frozen=True, kw_only=True)
class Span:
    """One step or undo: its name, what kind it is, and its begin and end in seconds since the deploy began."""

    name: str
    kind: str  # step | undo | finish
    begin: float
    end: float
    failed: bool = False


def spans(journal: Sequence[dict[str, Any]]) -> list[Span]:
    """Return what ran, in order. Times are the host's uptime, so clocks that jump don't bend the picture.

    After a reboot the uptime begins anew; spans of different boots are laid one behind the other.
    """
    found: list[Span] = []
    started: dict[tuple[str, str], float] = {}
    zero, offset, boot, last = None, 0.0, None, 0.0
    for event in journal:
        try:
            kind, name, uptime = str(event["event"]), str(event["name"]), float(event["uptime"])
        except (KeyError, TypeError, ValueError):
            continue
        if boot is not None and event.get("boot") != boot:
            offset, zero = last, uptime
        boot = event.get("boot")
        zero = uptime if zero is None else zero
        last = offset + uptime - zero
        word, what = _kind(kind)
        if what == "start":
            started[(word, name)] = last
        elif what == "end" and (word, name) in started:
            begin = started.pop((word, name))
            failed = event.get("text", "0") not in {"0", ""}
            found.append(Span(name=name, kind=word, begin=begin, end=last, failed=failed))
        elif kind == "stop" and ("step", name) in started:
            found.append(Span(name=name, kind="step", begin=started.pop(("step", name)), end=last, failed=True))
    return found


def _kind(event: str) -> tuple[str, str]:
    return {
        "start": ("step", "start"),
        "end": ("step", "end"),
        "undo-start": ("undo", "start"),
        "undo-end": ("undo", "end"),
        "finish-start": ("finish", "start"),
        "finish-end": ("finish", "end"),
    }.get(event, ("", ""))


def touched(journal: Sequence[dict[str, Any]]) -> bool:
    """Return whether the deploy came as far as to change something that visitors could notice."""
    return any(event.get("event") == "phase" and event.get("name") in VISIBLE for event in journal)


def downtime(journal: Sequence[dict[str, Any]]) -> float:
    """Return for how many seconds visitors saw the maintenance page; 0 when it never went up.

    From the end of the step `down` to the end of what lifted it: the step or finish `up`, or the undo of `down`.
    """
    total, down = 0.0, None
    for span in spans(journal):
        closes = (span.kind, span.name) == ("step", "down") and not span.failed
        opens = span.name == "up" if span.kind in {"step", "finish"} else span.name == "down"
        if closes:
            down = span.end
        elif (span.kind, span.name) == ("undo", "up"):
            down = span.begin  # a door that was opened is closed again on the way back
        elif down is not None and opens:
            total, down = total + span.end - down, None
    return round(total, 3)


def backup_made(ran: Sequence[Span]) -> str:
    """Return when the deploy's backup was made and how far it was proven, in words; empty when none was begun."""
    steps = [span for span in ran if span.kind == "step"]
    dumps = [span for span in steps if span.name.startswith("backup-")]
    if not dumps:
        return ""
    closed = next((span.end for span in steps if span.name == "down" and not span.failed), None)
    live = closed is not None and dumps[0].end <= closed
    when = "while the app served" if live else "in maintenance" if closed is not None else "with no maintenance"
    if any(span.name.startswith("discard-") for span in steps):
        when = "in maintenance, after one made while the app served did not stand"
    good = {span.name.partition("-")[0] for span in steps if not span.failed}
    proof = "loaded" if "load" in good else "read back" if "prove" in good else "not proven"
    seconds = sum(span.end - span.begin for span in steps if span.name.startswith(("backup-", "prove-", "load-")))
    return f"made {when}, {proof}, {seconds:.1f} s in all"
