"""What people and later steps are told: outputs, the last lines of the log, the summary of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyhelpers.deploy.deploy import Outcome
from pyhelpers.deploy.timeline import Span, backup_made, downtime, spans, touched
from pyhelpers.errors import BelayError
from pyhelpers.hosts.status import Status
from pyhelpers.runner.summary import Bar, code, gantt, table, text
from pyhelpers.watch.http import Answer

HEADLINES = {
    "": "Dry run: nothing was changed",
    "deployed": "Deployed",
    "rolled-back": "Rolled back: code, database and services are as before",
    "held": "On hold: the app is down on purpose",
    "failed": "Failed: nothing was changed",
    "unknown": "Unknown: the host could not be asked",
}
NEXT = {
    "": "Nothing to do.",
    "deployed": "Nothing to do.",
    "rolled-back": "Mend the cause, which that run's log shows, and run it again; the app is as it was before.",
    "held": "Read the reason, then decide: `rollback --database always` restores the backup and puts the rest back, "
    "`rollback --database never` puts back the rest alone, `unlock` leaves everything as it is.",
    "failed": "Mend the cause, which that run's log shows, and run it again.",
    "unknown": "The host's reaper is in charge. Run `status` when the host can be reached.",
}


@dataclass(frozen=True, kw_only=True)
class End:
    """What one host says of a deploy; `error` is why it could not be asked, `touched` whether it knows Belay at all."""

    host: str
    status: Status = field(default_factory=Status)
    journal: Sequence[dict[str, Any]] = ()
    error: str = ""
    touched: bool = True

    @property
    def result(self) -> str:
        """The action's `result`, as far as this host is concerned."""
        return "unknown" if self.error else result_of(self.status, self.journal)

    @property
    def told(self) -> str:
        """It in words."""
        why = self.error or self.status.reason
        return f"{self.result or 'looked at only'}{f' ({why})' if why else ''}"


class Teller(Protocol):
    """The part of the log that is used here."""

    def done(self, text: str) -> None:
        """Something was achieved."""

    def detail(self, text: str) -> None:
        """Something for the curious."""


def result_of(status: Status, journal: Sequence[dict[str, Any]]) -> str:
    """Return the action's `result` for what the host says of a deploy; empty for one that only looked."""
    if status.only_looked:
        return ""
    if status.status in {"confirmed", "kept", "precommit", "finishing"}:
        return "deployed"
    if status.status == "rolled-back":
        # A deploy that failed before anything visible happened has nothing that was rolled back.
        return "rolled-back" if touched(journal) else "failed"
    return {"held": "held", "released": "held", "refused": "failed", "": "failed"}.get(status.status, "unknown")


def combined(results: Sequence[str]) -> str:
    """Return one `result` for several hosts: what needs a person most; hosts that disagree are `unknown`."""
    found = set(results)
    for worst in ("held", "unknown"):
        if worst in found:
            return worst
    if len(found) == 1:
        return next(iter(found))
    if "deployed" in found:
        return "unknown"
    return "rolled-back" if "rolled-back" in found else "failed"


def health_results(answers: list[Answer], healthy: bool | None) -> dict[str, Any]:  # noqa: FBT001  # a value, no switch
    """Return the JSON of the output `health-results`."""
    verdict = "unknown" if healthy is None else "healthy" if healthy else "failing"
    return {"verdict": verdict, "checks": [answer.as_dict() for answer in answers]}


def outputs(outcome: Outcome) -> dict[str, Any]:
    """Return every output that the root action declares."""
    return {
        "result": outcome.result,
        "deployment-id": outcome.deployment,
        "release": outcome.release,
        "previous-release": outcome.previous_release,
        "backup-filename": outcome.backup_filename,
        "healthy": outcome.healthy,
        "health-results": health_results(outcome.answers, outcome.healthy),
        "rolled-back": outcome.rolled_back,
        "downtime-seconds": outcome.downtime_seconds,
        "seconds": round(outcome.seconds, 3),
        "report": {
            "deployment": outcome.deployment,
            "result": outcome.result,
            "release": outcome.release,
            "previous-release": outcome.previous_release,
            "backup": outcome.backup_filename,
            "backup-verified": outcome.backup_verified,
            "backup-window": outcome.backup_window,
            "reasons": list(outcome.reasons),
            **({"hosts": [end.as_dict() for end in outcome.hosts]} if outcome.hosts else {}),
        },
    }


def tell(outcome: Outcome, log: Teller, error: BelayError | None) -> None:
    """Say in a line or two how it went; an error is said by the handler at the edge."""
    if error is not None or outcome.result != "deployed":
        return
    log.done(f"Deployed {outcome.release or 'in place'} in {outcome.seconds:.1f} s")
    down = outcome.downtime_seconds
    log.detail(f"visitors saw the maintenance page for {down:.1f} s" if down else "no downtime")
    if outcome.backup_filename:
        window = {"live": "while the app served", "maintenance": "in maintenance"}
        when = window.get(outcome.backup_window, "in maintenance, after one that did not stand")
        log.detail(f"backup: {outcome.backup_filename}, proven ({outcome.backup_verified}), made {when}")


def summary(status: Status, journal: Sequence[dict[str, Any]], host: str) -> str:
    """Return the Markdown of the run's summary: verdict first, then what happened, then what to do next."""
    result = result_of(status, journal)
    ran = spans(journal)
    undone = [span for span in ran if span.kind == "undo" and not span.failed]
    facts: list[tuple[str, str]] = [("Host", code(host)), ("Deploy", code(status.deployment))]
    if status.owner.get("release"):
        facts.append(("Release", code(str(status.owner["release"]))))
    if status.reason:
        facts.append(("Reason", text(status.reason)))
    if status.status == "kept":
        facts.append(
            ("Note", text("The runner was lost after all was healthy; the host kept the new release by itself."))
        )
    facts.append(("Maintenance page shown", f"{downtime(journal):.1f} s"))
    if made := backup_made(ran):
        facts.append(("Backup", text(made)))
    if undone:
        facts.append(("Put back", text(", ".join(span.name for span in undone))))
    parts = [
        f"## Belay: {HEADLINES[result]}\n",
        table(["", ""], facts),
        f"\n**What to do next.** {NEXT[result]}\n",
        gantt("The deploy by the clock of the host", _sections(ran)),
    ]
    return "\n".join(parts)


def fleet_summary(ends: Sequence[End]) -> str:
    """Return the Markdown of the run's summary for several hosts: one verdict, each host's own, the leader's picture."""
    result = combined([end.result for end in ends])
    leader = ends[0]
    shown = [(code(end.host), text(end.result or "-"), text(end.error or end.status.reason or "-")) for end in ends]
    facts: list[tuple[str, str]] = [("Deploy", code(leader.status.deployment)), ("Leader", code(leader.host))]
    if leader.status.owner.get("release"):
        facts.append(("Release", code(str(leader.status.owner["release"]))))
    facts.append(("Maintenance page shown", f"{max(downtime(end.journal) for end in ends):.1f} s"))
    ran = spans(leader.journal)
    if made := backup_made(ran):
        facts.append(("Backup", text(made)))
    parts = [
        f"## Belay: {HEADLINES[result]}\n",
        table(["", ""], facts),
        "",
        table(["Host", "Result", "Reason"], shown),
        f"\n**What to do next.** {NEXT[result]}\n",
        gantt("The deploy by the clock of the leader", _sections(ran)),
    ]
    return "\n".join(parts)


def _sections(ran: list[Span]) -> list[tuple[str, list[Bar]]]:
    titles = {"step": "Deploy", "finish": "Completed by the host", "undo": "Put back"}
    sections: list[tuple[str, list[Bar]]] = []
    for kind, title in titles.items():
        bars = [
            Bar(
                name=span.name,
                start=span.begin,
                end=span.end,
                state="failed" if span.failed else "undone" if kind == "undo" else "done",
            )
            for span in ran
            if span.kind == kind
        ]
        if bars:
            sections.append((title, bars))
    return sections
