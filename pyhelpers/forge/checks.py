"""A check run of our own: a verdict with any number of annotations on the lines of a commit.

GitHub takes 50 annotations in a request, appends those of later requests, and deletes neither annotations nor check
runs. So a request that is repeated because its answer was lost shows its annotations twice, and two jobs that write to
one check run at once mix theirs. Two rules keep one check:

- **One writer.** A check run's `external_id` ends in what it says (a digest) and who writes it (drawn at random). Only
  that writer ever adds to it, and after a lost answer it looks how many annotations arrived. A run that was killed
  leaves a check that is open, so not green; the next run makes its own.
- **The newest counts.** Whoever ends looks for others of the same `external_id`, and takes their name away.

Until all annotations are there the check is in progress, and the last request brings the conclusion.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyhelpers.forge.github_api import PAUSE_SECONDS, TOTAL_SECONDS, ask, insist, listed
from pyhelpers.forge.permissions import CHECKS_WRITE
from pyhelpers.forge.texts import fitted

if TYPE_CHECKING:
    from github.CheckRun import CheckRun
    from github.Repository import Repository

# GitHub's OpenAPI description of "Create a check run": maxItems of annotations, maxLength of summary and text; the sizes of
# an annotation's parts stand in its prose.
BATCH = 50
LONGEST_SUMMARY = 65_535
LONGEST_MESSAGE = 65_535  # "64 KB", also of the details
LONGEST_TITLE = 255  # said of an annotation's; the check's own has no stated limit, and a longer one helps nobody
MOST = 1000  # check runs of one name that are looked at; GitHub itself keeps no more in a suite
SECONDS_A_BATCH = 4.0  # a pause of one between writes, and what GitHub takes over 50 annotations
CONCLUSIONS = frozenset({"action_required", "cancelled", "failure", "neutral", "skipped", "success", "timed_out"})
LEVELS = frozenset({"failure", "warning", "notice"})
SUPERSEDED = "superseded by a newer run"
_CUT = "\n\n… The rest is cut here: GitHub shows no more."


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What is shown at some lines of a file; `path` is from the repository's root, lines count from 1."""

    path: str
    start_line: int
    end_line: int
    level: str  # failure | warning | notice
    title: str
    message: str
    raw_details: str = ""


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """All that the check says, within GitHub's limits."""

    name: str
    head_sha: str
    external_id: str
    conclusion: str
    output: dict[str, str]
    annotations: list[dict[str, str | int]]
    details_url: str

    @property
    def identity(self) -> str:
        """Return the `external_id` with the digest of what is said."""
        said = json.dumps(asdict(self), sort_keys=True)
        return f"{self.external_id}#{hashlib.sha256(said.encode()).hexdigest()[:24]}"


def publish_check(
    repository: Repository,
    *,
    head_sha: str,
    name: str,
    external_id: str,
    conclusion: str,
    title: str,
    summary: str,
    annotations: Sequence[Annotation],
    details_url: str = "",
    pause: float = PAUSE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Leave one check run `name` on `head_sha` that says this, and return its id; said already, nothing is written.

    `external_id` names what is checked (not the run of it). Texts are cut to GitHub's limits. `pause` seconds lie before
    a request is tried again, doubled each time. Raises `ForgeFailed`, with the permission that is missing.
    """
    if conclusion not in CONCLUSIONS:
        raise ValueError(conclusion)
    verdict = _Verdict(
        name=name,
        head_sha=head_sha,
        external_id=external_id,
        conclusion=conclusion,
        output={
            "title": fitted(title, LONGEST_TITLE) or name,
            "summary": fitted(summary, LONGEST_SUMMARY, note=_CUT) or name,
        },
        annotations=[_written(annotation) for annotation in annotations],
        details_url=details_url,
    )
    return ask(
        partial(_publish, repository, verdict, pause=pause, sleep=sleep),
        seconds=TOTAL_SECONDS + SECONDS_A_BATCH * len(annotations) / BATCH,
        needs=CHECKS_WRITE,
    )


def _written(annotation: Annotation) -> dict[str, str | int]:
    if annotation.level not in LEVELS:
        raise ValueError(annotation.level)
    start = max(annotation.start_line, 1)
    written: dict[str, str | int] = {
        "path": fitted(annotation.path, LONGEST_MESSAGE),
        "start_line": start,
        "end_line": max(annotation.end_line, start),
        "annotation_level": annotation.level,
        "title": fitted(annotation.title, LONGEST_TITLE),
        "message": fitted(annotation.message, LONGEST_MESSAGE, note=_CUT) or "(no message)",
        "raw_details": fitted(annotation.raw_details, LONGEST_MESSAGE, note=_CUT),
    }
    return {key: value for key, value in written.items() if value != ""}


def _publish(repository: Repository, verdict: _Verdict, *, pause: float, sleep: Callable[[float], None]) -> int:
    keep = partial(insist, needs=CHECKS_WRITE, pause=pause, sleep=sleep)
    found = keep(partial(_ours, repository, verdict))
    if found and _says(found[-1], verdict):
        return keep(partial(_settle, repository, verdict, found[-1]))
    writer = _Writer(repository=repository, verdict=verdict, external_id=f"{verdict.identity}.{secrets.token_hex(6)}")
    run = keep(writer.write)
    while not writer.done:
        run = keep(writer.write)
    return keep(partial(_settle, repository, verdict, run))


@dataclass(kw_only=True)
class _Writer:
    """The one that writes to a check run, and what it knows of it."""

    repository: Repository
    verdict: _Verdict
    external_id: str
    run: CheckRun | None = None
    sent: int = 0  # annotations
    done: bool = False
    sure: bool = True  # whether the last write was answered

    def write(self) -> CheckRun:
        """Create the check run, or send its next annotations; after a lost answer, look first what arrived."""
        if not self.sure:
            self._look()
        if self.run is not None and self.done:
            return self.run
        self.sure = False
        said = _request(self.verdict, self.sent)
        if self.run is None:
            if self.verdict.details_url:
                said["details_url"] = self.verdict.details_url
            self.run = self.repository.create_check_run(
                name=self.verdict.name, head_sha=self.verdict.head_sha, external_id=self.external_id, **said
            )
        else:
            self.run.edit(**said)
        self.sent += len(said["output"].get("annotations", []))
        self.done = said["status"] == "completed"
        self.sure = True
        return self.run

    def _look(self) -> None:
        if self.run is None:
            ours = _ours(self.repository, self.verdict)
            self.run = next((run for run in ours if _external_id(run) == self.external_id), None)
        else:
            self.run = self.repository.get_check_run(self.run.id)
            self.run.update()
        if self.run is not None:
            self.sent = _count(self.run)
            self.done = listed(self.run).get("status") == "completed"


def _request(verdict: _Verdict, sent: int) -> dict[str, Any]:
    """Return what the next request says, when `sent` annotations are there; the last one ends the check."""
    batch = verdict.annotations[sent : sent + BATCH]
    output = {**verdict.output, **({"annotations": batch} if batch else {})}
    if sent + len(batch) < len(verdict.annotations):
        return {"status": "in_progress", "output": output}
    return {"status": "completed", "conclusion": verdict.conclusion, "output": output}


def _ours(repository: Repository, verdict: _Verdict) -> list[CheckRun]:
    """Return the check runs of this name and `external_id` on the commit, the newest last."""
    runs = repository.get_commit(verdict.head_sha).get_check_runs(check_name=verdict.name, filter="all")
    ours = [run for run in islice(runs, MOST) if _external_id(run).startswith(f"{verdict.external_id}#")]
    return sorted(ours, key=lambda run: run.id)


def _external_id(run: CheckRun) -> str:
    return str(listed(run).get("external_id") or "")


def _says(run: CheckRun, verdict: _Verdict) -> bool:
    """Whether a check run is complete and says all of the verdict; its own word for it (the digest) isn't enough."""
    said = listed(run)
    return (
        _external_id(run).startswith(f"{verdict.identity}.")
        and (said.get("status"), said.get("conclusion")) == ("completed", verdict.conclusion)
        and _count(run) == len(verdict.annotations)
    )


def _count(run: CheckRun) -> int:
    output = listed(run).get("output")
    return int(output.get("annotations_count") or 0) if isinstance(output, dict) else 0


def _settle(repository: Repository, verdict: _Verdict, own: CheckRun) -> int:
    """Leave its name to the newest check run alone, and return its id."""
    runs = {run.id: run for run in (own, *_ours(repository, verdict))}
    newest = max(runs)
    for number, run in runs.items():
        if number != newest:
            _retire(run, verdict)
    return int(newest)


def _retire(run: CheckRun, verdict: _Verdict) -> None:
    """Take an older check run's name, so that it decides nothing, and end it.

    It ends as cancelled until GitHub has shown that it took the new name: neutral would count as passed.
    """
    name = f"{verdict.name} ({SUPERSEDED})"
    output = {"title": "Superseded", "summary": f"A newer run of {verdict.name} says what counts."}
    run.edit(name=name, status="completed", conclusion="cancelled", output=output)
    if run.name == name:
        run.edit(status="completed", conclusion="neutral", output=output)
