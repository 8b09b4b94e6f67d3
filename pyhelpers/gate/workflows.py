"""The repository's own workflows, looked through for ways round the gate.

A required check lets a merge through when it is green or *skipped*, so a gate that a condition or a filter keeps from running
is no gate, nor is one whose failure the step, the job or the shell forgets. A finding that decides ("refuse") is certain;
what depends on settings that a file doesn't show is reported. Not looked at, because half of all workflows do it: a gate's job
that `needs` another one which may fail (the other job is red then).

Sources: GitHub's "Workflow syntax", "About status checks" (a skipped job "will report its status as Success") and
"Troubleshooting required status checks".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.conditions import outcome
from pyhelpers.gate.impostors import impostors
from pyhelpers.gate.scripts import losses
from pyhelpers.gate.triggers import gaps
from pyhelpers.gate.workflow import BY_HAND, Broken, Gate, Layer, Repository, gates_in, load
from pyhelpers.gate.yaml_reader import Block, Unreadable

MERGES = ("pull_request", "pull_request_target", "merge_group")  # the events before a merge
REMEDIES = {
    "gate-path-filter": "Take the filter away: the gate is quick where nothing changed. A pull request that it leaves out gets no "
    "check, or that of another job of the same name.",
    "gate-branch-filter": "Let the trigger include the branch that the gate protects.",
    "gate-event-types": "Leave `types` away, or name opened, synchronize and reopened as well.",
    "gate-exit-status": "Let the gate's command stand on a line of its own, with nothing after it.",
    "gate-pipe": "Write to a file instead of a pipe, or set `shell: bash` for the step, which sets pipefail.",
}


def audit_workflows(
    repository_folder: Path,
    *,
    action: str,
    check_name: str,
    branch: str | None = None,
    merge_queue: bool = False,
) -> list[Bypass]:
    """Return the ways round the gate in the workflows of a checkout, each once, by file and line.

    `action` is what a step's `uses:` ends in (`phpstan-gate`, or all of owner/repository/path), `check_name` the check that is
    required, `branch` the protected branch where it is known, `merge_queue` whether it has a queue. Reads files only; a
    hostile one is told of and can't hold it up.
    """
    repository = load(repository_folder, action=action, check_name=check_name)
    found = list(_broken(repository.broken))
    try:
        gates = gates_in(repository)
    except Unreadable as error:
        return [*found, *_broken([Broken(path="", error=error, about_gate=True)])]
    found += _missing(repository, gates)
    events = _events(gates)
    for gate in gates:
        found += _gate(gate, [event for event in events if event in gate.workflow.triggers], gates, branch)
    found += _merge_group(repository, gates, merge_queue=merge_queue)
    found += impostors(repository, gates, check_name)
    return sorted(set(found), key=lambda each: (_order(each.place), each.rule, each.what))


def _order(place: str) -> tuple[str, int]:
    path, _, line = place.partition(":")
    return path, int(line or 0)


def _events(gates: list[Gate]) -> list[str]:
    """Return the events that the gate stands guard for; pushes only where nothing else starts it."""
    started = {event for gate in gates for event in gate.workflow.triggers}
    return [event for event in MERGES if event in started] or [event for event in ("push",) if event in started]


def _broken(files: Iterable[Broken]) -> Iterator[Bypass]:
    for broken in files:
        yield Bypass(
            rule="workflow-unreadable",
            severity="refuse" if broken.about_gate else "report",
            place=f"{broken.path}:{broken.error.line}" if broken.error.line else broken.path,
            what=f"The workflow {broken.error.reason}, so it can't be looked through.",
            remedy="Mend it; GitHub doesn't run it like this either, or runs something else than it shows.",
        )


def _missing(repository: Repository, gates: list[Gate]) -> Iterator[Bypass]:
    if any(set(gate.workflow.triggers) & set(MERGES) for gate in gates) or any(
        each.about_gate for each in repository.broken
    ):
        return
    far = [
        (workflow, name, job.text("uses"))
        for workflow in repository.workflows.values()
        for name, job in workflow.jobs.items()
        if "@" in job.text("uses")
    ]
    for workflow, name, uses in far:
        yield Bypass(
            rule="gate-hidden",
            severity="report",
            place=f"{workflow.path}:{workflow.jobs[name].at('uses')}",
            what=f"No workflow here runs the gate, and the job {name} runs `{uses}`, which can't be looked into.",
            remedy="Call the gate in a workflow of this repository, where a change to it is seen.",
        )
    if gates and not far:
        yield Bypass(
            rule="gate-not-on-pull-requests",
            severity="report",
            place=gates[0].step.place(),
            what="No workflow runs the gate on pull requests.",
            remedy="Start it on `pull_request` (and on `merge_group`, where there is a merge queue).",
        )
    if not gates and not far:
        yield Bypass(
            rule="gate-not-found",
            severity="report",
            place="",
            what=f"No workflow of this repository runs {repository.action}.",
            remedy="Add a workflow that runs it on `pull_request`, without filters.",
        )


def _gate(gate: Gate, events: list[str], gates: list[Gate], branch: str | None) -> Iterator[Bypass]:
    """Yield what is wrong with one place where the gate runs; nothing where it runs for other ends (by schedule, say)."""
    if not events:
        return
    for event in events:
        for gap in gaps(event, gate.workflow.triggers[event], branch=branch):
            if not any(_firm(other, event, branch) for other in gates):
                yield Bypass(
                    rule=gap.rule,
                    severity="refuse" if gap.certain else "report",
                    place=f"{gate.workflow.path}:{gate.workflow.triggers[event].at(gap.key)}",
                    what=f"The gate doesn't run for all changes: {gap.what}.",
                    remedy=REMEDIES[gap.rule],
                )
    if "pull_request_target" in events:
        yield Bypass(
            rule="gate-pull-request-target",
            severity="refuse",
            place=f"{gate.workflow.path}:{gate.workflow.content.block('on').at('pull_request_target')}",
            what="The gate runs on `pull_request_target`: with the repository's secrets, and on the base's code unless told "
            "otherwise. PHPStan runs code of the pull request.",
            remedy="Use `pull_request`. The gate needs no secret.",
        )
    for layer in gate.layers:
        yield from _layer(layer, events, gates, branch)
    yield from _matrix(gate)
    if gate.step.kind == "step" and (script := gate.step.content.get("run")) and isinstance(script, str):
        for loss in losses(script, BY_HAND, shell=gate.shell):
            line = gate.step.content.starts["run"] + loss.line
            yield Bypass(
                rule=loss.rule,
                severity="refuse",
                place=f"{gate.step.path}:{line}",
                what=f"What the gate says is lost by {loss.seen}.",
                remedy=REMEDIES[loss.rule],
            )


def _firm(gate: Gate, event: str, branch: str | None) -> bool:
    """Whether a gate runs for every change that an event brings."""
    return (
        event in gate.workflow.triggers
        and not gaps(event, gate.workflow.triggers[event], branch=branch)
        and all(outcome(layer.content.text("if"), known(event)) for layer in gate.layers)
    )


def known(event: str) -> dict[str, str]:
    """Return the contexts that an event settles."""
    return {"github.event_name": event}


def _layer(layer: Layer, events: list[str], gates: list[Gate], branch: str | None) -> Iterator[Bypass]:
    who = f"The gate's {layer.kind}"
    text = layer.content.text("continue-on-error")
    if text and any(outcome(text, known(event)) is not False for event in events):
        yield Bypass(
            rule="gate-continue-on-error",
            severity="refuse",
            place=layer.place("continue-on-error"),
            what=f"{who} has `continue-on-error: {text[:100]}`: its failure is none.",
            remedy="Take it away.",
        )
    if _skipped(layer.content.text("if"), events, gates, branch):
        yield Bypass(
            rule="gate-condition",
            severity="refuse",
            place=layer.place("if"),
            what=f"{who} runs only `if: {layer.content.text('if')[:100]}`, and a job that is skipped counts as a success.",
            remedy="Take the condition away. Where a second event needs another job, compare `github.event_name` alone.",
        )
    if layer.kind == "job" and not _goes_on(layer.content.text("if")):
        for name, needed in _needed(layer):
            if _skipped(needed.text("if"), events, gates, branch):
                yield Bypass(
                    rule="gate-needs",
                    severity="refuse",
                    place=layer.place("needs"),
                    what=f"{who} needs the job {name}, which runs only `if: {needed.text('if')[:100]}`; it is skipped with it.",
                    remedy="Take `needs` away from the gate's job, or give it `if: ${{ !cancelled() }}`.",
                )


def _skipped(condition: str, events: list[str], gates: list[Gate], branch: str | None) -> bool:
    """Whether a condition may keep the gate from running: for one of the events, and no other gate runs then."""
    for event in events:
        holds = outcome(condition, known(event))
        if holds is None or (not holds and not any(_firm(gate, event, branch) for gate in gates)):
            return True
    return False


def _goes_on(condition: str) -> bool:
    """Whether a job runs though what it needs was skipped."""
    plain = condition.replace(" ", "").lower()
    return "always()" in plain or "!cancelled()" in plain


def _needed(layer: Layer) -> Iterator[tuple[str, Block]]:
    """Yield all jobs that a job waits for, those of its own needs included."""
    waiting, seen = list(layer.content.texts("needs")), set()
    while waiting:
        name = waiting.pop()
        if name not in seen and name in layer.siblings:
            seen.add(name)
            yield name, layer.siblings[name]
            waiting += layer.siblings[name].texts("needs")


def _matrix(gate: Gate) -> Iterator[Bypass]:
    """Yield what is wrong with a gate that runs once for each value of a matrix."""
    jobs = [layer for layer in gate.layers if layer.kind == "job" and "matrix" in layer.content.block("strategy")]
    for job in jobs:
        strategy = job.content.block("strategy")
        given = gate.step.content.block("with")
        if gate.step.kind == "step" and given.text("token") and "matrix." not in given.text("check-run"):
            yield Bypass(
                rule="gate-matrix",
                severity="refuse",
                place=job.place("strategy"),
                what="The gate runs in a matrix, and all of its runs write to one check: what the last one says is all that counts.",
                remedy="Name the run in the gate's input `check-run` (`${{ matrix.… }}`), or run it in a job without a matrix.",
            )
        if strategy.text("fail-fast") != "false":
            yield Bypass(
                rule="gate-fail-fast",
                severity="report",
                place=job.place("strategy"),
                what="The gate runs in a matrix with fail-fast: the first failure cancels the other runs before they say anything.",
                remedy="Set `fail-fast: false`.",
            )


def _merge_group(repository: Repository, gates: list[Gate], *, merge_queue: bool) -> Iterator[Bypass]:
    queued = merge_queue or any("merge_group" in workflow.triggers for workflow in repository.workflows.values())
    guarded = any("merge_group" in gate.workflow.triggers for gate in gates)
    merging = [gate for gate in gates if set(gate.workflow.triggers) & set(MERGES)]
    if queued and merging and not guarded:
        yield Bypass(
            rule="gate-merge-group",
            severity="report",
            place=f"{merging[0].workflow.path}:{merging[0].workflow.content.at('on')}",
            what="There is a merge queue, and the gate doesn't run on `merge_group`: the queue waits for a check that never comes.",
            remedy="Add `merge_group:` to the triggers of the gate's workflow.",
        )
