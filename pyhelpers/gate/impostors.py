"""Other jobs that look like the gate, speak for it, or let a merge through whatever it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.job_names import may_show_as
from pyhelpers.gate.workflow import Gate, Repository, Workflow
from pyhelpers.gate.yaml_reader import Block, Value

_CHECKS_API = re.compile(
    r"check-runs|/statuses|checks\.(?:create|update)|createCommitStatus|createCheckRun", re.IGNORECASE
)
_MERGE = re.compile(r"\bgh\s+pr\s+merge\b|pulls?\.merge\b|enablePullRequestAutoMerge|/pulls/\S{1,80}/merge\b")
_TRIVIAL = re.compile(r"echo\b.*|printf\b.*|true|:|exit\s+0|#.*|")
_VERDICTS = {"success", "neutral", "skipped"}


def impostors(repository: Repository, gates: list[Gate], check_name: str) -> Iterator[Bypass]:
    """Yield the jobs beside the gate that stand in its way."""
    own = {(layer.path, id(layer.content)) for gate in gates for layer in gate.layers}
    for workflow in repository.workflows.values():
        for name, job in workflow.jobs.items():
            if (workflow.path, id(job)) not in own:
                yield from _same_name(workflow, name, job, check_name)
                yield from _deaf(workflow, name, job, gates)
            for step in job.blocks("steps"):
                if (workflow.path, id(step)) not in own:
                    yield from _forged(workflow, step, check_name)


def _same_name(workflow: Workflow, name: str, job: Block, check_name: str) -> Iterator[Bypass]:
    if may_show_as(check_name, name, job):
        yield Bypass(
            rule="same-name-job",
            severity="refuse",
            place=f"{workflow.path}:{job.lines.get('name') or workflow.content.block('jobs').at(name)}",
            what=f"The job {name} doesn't run the gate, and shows as the check {check_name}: it can be green in its place.",
            remedy="Give it another name.",
        )


def _forged(workflow: Workflow, step: Block, check_name: str) -> Iterator[Bypass]:
    """Yield a step that writes a check or a status of the gate's name."""
    given = step.block("with")
    texts = [
        step.text("run"),
        *(given.text(key) for key in given),
        *(step.block("env").text(key) for key in step.block("env")),
    ]
    calls = any(_CHECKS_API.search(text) for text in texts) and any(
        check_name.lower() in text.lower() for text in texts
    )
    plain = {text.lower() for text in texts}
    if calls or (check_name.lower() in plain and plain & _VERDICTS):
        yield Bypass(
            rule="forged-check",
            severity="refuse",
            place=f"{workflow.path}:{step.line}",
            what=f"A step writes a check or a status with the name {check_name}, which is the gate's.",
            remedy="Take it away, and pin the required check to the app that the gate writes as.",
        )


def _deaf(workflow: Workflow, name: str, job: Block, gates: list[Gate]) -> Iterator[Bypass]:
    """Yield a job that waits for the gate and then goes on without a look at what it said.

    Many a job does so for good ends (a message, a report); those that only say yes, or that merge, are told of.
    """
    guarded = {gate.job for gate in gates if gate.workflow.path == workflow.path}
    condition = job.text("if").replace(" ", "").lower()
    always = any(
        word in condition for word in ("always()", "!cancelled()", "success()||failure()", "failure()||success()")
    )
    if not (set(job.texts("needs")) & guarded and always) or any(
        "needs." in text or "needs)" in text for text in _texts(job)
    ):
        return
    scripts = [step.text("run") for step in job.blocks("steps")]
    trivial = bool(scripts) and all(
        script and all(_TRIVIAL.fullmatch(line.strip(" ;")) for line in script.split("\n")) for script in scripts
    )
    merges = any(_MERGE.search(text) for text in _texts(job))
    if trivial or merges:
        yield Bypass(
            rule="gate-result-ignored",
            severity="refuse",
            place=f"{workflow.path}:{job.at('if')}",
            what=f"The job {name} waits for the gate, and {'merges' if merges else 'is green'} whatever it says.",
            remedy="Take `always()` away from its `if:`, or let it fail unless `needs.<job>.result` is success.",
        )


def _texts(value: Value) -> Iterator[str]:
    """Yield every text in a value."""
    waiting: list[Value] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        else:
            waiting += each.values() if isinstance(each, dict) else each
