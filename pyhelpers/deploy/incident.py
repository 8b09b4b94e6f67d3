"""What people are told of an incident, and GitHub of a deploy: texts only.

A host's words (reasons, names, the journal) may have been written by whoever broke into it: they become plain text,
never markup, a mention or a link, and are cut short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyhelpers.deploy.recover import TROUBLE, End, Found
from pyhelpers.deploy.report import result_of
from pyhelpers.forge.deployments import Ended
from pyhelpers.forge.incidents import Incident, place_of, state_of
from pyhelpers.hosts.status import Status
from pyhelpers.runner.summary import code, table, text

LONGEST = 500  # characters of one of a host's texts
EVENTS = 80  # of the journal, the last ones
LOOK_BACK = timedelta(days=1)  # before a deploy began: no issue of its is older, whatever clocks say

HEADLINES = {
    "held": "is on hold: down on purpose, until a person decides",
    "saved": "was put back by the host alone: the runner was gone",
    "kept": "was completed by the host alone: the runner was gone after all was healthy",
    "stuck": "is in mid-deploy, its lease is over, and nothing on the host acts",
    "released": "was taken back by hand, as it is",
    "good": "is well again",
}
NEXT = {
    "held": "Read the reason, then decide: `rollback` tries the undo again, `rollback --database always` restores the backup "
    "and puts the rest back, `rollback --database never` puts back the rest alone, `unlock` leaves everything as it is.",
    "saved": "The app serves what it served before. Find out why the runner was lost, then deploy again: the next good "
    "deploy closes this issue.",
    "kept": "Nothing has to be done: the new release serves. The next good deploy closes this issue, or you do.",
    "stuck": "Run `doctor` on the host's connection: it says what keeps the reaper from acting. Then `recover` again; "
    "if that doesn't help, `unlock --force` stops the deploy's steps and leaves everything as it is.",
    "released": "Whoever unlocked it decides what the app needs; the next good deploy closes this issue.",
    "good": "",
}
STATES = {"deployed": "success", "rolled-back": "failure", "failed": "failure", "held": "error"}


@dataclass(frozen=True, kw_only=True)
class Where:
    """The place that is told of, from the inputs, and where its runs are found."""

    host: str
    path: str
    environment: str
    server_url: str
    repository: str

    def run_url(self, run_id: str) -> str:
        """Return the page of a run; empty for what is no run's number. The host's own word for it is never a link."""
        if not (self.repository and run_id.isascii() and run_id.isdigit() and len(run_id) <= 20):  # noqa: PLR2004
            return ""
        return f"{self.server_url}/{self.repository}/actions/runs/{run_id}"


def incident_of(found: Found, where: Where) -> Incident | None:
    """Return what GitHub's issue has to say now; None when nothing is known that concerns it."""
    end = found.end
    if end is None or found.kind not in HEADLINES:
        return None
    headline = f"{where.environment} on {where.host} {HEADLINES[found.kind]}"
    return Incident(
        place=place_of(where.host, where.path, where.environment),
        state=state_of(found.kind, end.deployment, end.reason),
        title=_plain(f"Belay: {headline}", 200),
        text=_text(found, end, where),
        opens=found.kind in TROUBLE,
        since=_moment(end, LOOK_BACK),
    )


def ended_of(end: End, where: Where) -> Ended | None:
    """Return what GitHub's Deployment has to show for a deploy that its host ended, or holds; None for all others."""
    if not (end.by_host or end.verdict == "held"):
        return None
    result = result_of(Status(deployment=end.deployment, status=end.verdict, owner=dict(end.owner)), list(end.journal))
    if result not in STATES or end.verdict == "released":
        return None
    run_id = end.owned("run-id")
    return Ended(
        environment=end.owned("environment") or where.environment,
        sha=_sha(end.owned("sha")),
        run_id=run_id if where.run_url(run_id) else "",
        begun=_moment(end, timedelta()),
        state=STATES[result],
        description=_plain(f"Belay, asked of the host: {result}. {end.reason}", 140),
        log_url=where.run_url(run_id),
    )


def worst_of_each_run(found: Sequence[Ended]) -> list[Ended]:
    """Return one end for each run: a fleet has one Deployment, and the host that is worst off speaks for it."""
    order = ["success", "failure", "error"]
    worst: dict[tuple[str, str], Ended] = {}
    for ended in found:
        key = (ended.environment, ended.run_id)
        if key not in worst or order.index(ended.state) > order.index(worst[key].state):
            worst[key] = ended
    return list(worst.values())


def _text(found: Found, end: End, where: Where) -> str:
    facts: list[tuple[str, str]] = [
        ("Host", code(where.host)),
        ("App", code(where.path)),
        ("Environment", code(where.environment)),
        ("Deploy", code(_cut(end.deployment))),
        ("Begun", text(_cut(f"{end.owned('since') or '?'} by {end.owned('actor') or 'someone'}"))),
        ("How it stands", text(_cut(f"{end.verdict} since {_last_time(end.journal)}"))),
    ]
    if end.owned("release"):
        facts.append(("Release", code(_cut(end.owned("release")))))
    if end.reason:
        facts.append(("Reason", text(_cut(end.reason))))
    if found.watchdog:
        facts.append(("Watchdog", text(_cut(found.watchdog))))
    parts = [f"**{text(where.environment)} on {code(where.host)} {HEADLINES[found.kind]}.**\n", table(["", ""], facts)]
    if NEXT[found.kind]:
        parts.append(f"\n**What to do.** {NEXT[found.kind]}\n")
    if url := where.run_url(end.owned("run-id")):
        parts.append(f"\nThe deploy's run: {url}\n")
    parts.append(_timeline(end.journal))
    return "\n".join(parts)


def _timeline(journal: Sequence[dict[str, Any]]) -> str:
    rows = [
        tuple(_cut(str(event.get(name) or "")) for name in ("time", "event", "name", "text"))
        for event in journal[-EVENTS:]
    ]
    if not rows:
        return ""
    shown = table(["time (UTC)", "event", "what", ""], rows)
    return f"<details><summary>Timeline, as the host's journal has it</summary>\n\n{shown}\n</details>\n"


def _last_time(journal: Sequence[dict[str, Any]]) -> str:
    return next((str(event["time"]) for event in reversed(journal) if event.get("time")), "?")


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST else value[:LONGEST] + "…"


def _plain(value: str, length: int) -> str:
    """Return one line of plain characters for a title or a description, where GitHub knows no markup but mentions."""
    flat = "".join(char if char.isprintable() else " " for char in value).replace("@", "(at)")
    return " ".join(flat.split())[:length]


def _sha(value: str) -> str:
    return value if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value) else ""


def _moment(end: End, before: timedelta) -> datetime | None:
    """Return when the deploy began, by the clock of the runner that began it; None when that can't be read."""
    try:
        begun = datetime.fromisoformat(end.owned("since")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return begun - before if begun.year > 2000 else None  # noqa: PLR2004  # else its clock was never set
