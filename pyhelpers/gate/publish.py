"""Where people see the verdict on GitHub: a check run, a comment, and where neither may be written, the step's own log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pyhelpers.errors import ForgeFailed
from pyhelpers.forge.checks import Annotation, publish_check
from pyhelpers.forge.comments import keep_comment
from pyhelpers.gate.base import Event
from pyhelpers.gate.gate import Result
from pyhelpers.gate.matching import Kind, distinct
from pyhelpers.gate.page import CHECK_ROWS, COMMENT_ROWS, headline, page
from pyhelpers.gate.verdict import TITLES, Verdict

if TYPE_CHECKING:
    from github.Repository import Repository

MOST_ANNOTATIONS = 2000  # forty requests, about two minutes; the rest is in the report
Warn = Callable[[str], object]


def publish(
    repository: Repository,
    result: Result,
    event: Event,
    *,
    check: str,
    comment: bool,
    page_url: str,
    trend: str,
    warn: Warn,
) -> bool:
    """Publish the check run (named `check`; empty: none) and the comment; return whether the check run is there.

    What GitHub refuses is told through `warn` and changes nothing: the exit code carries the verdict in every case. A
    token of a fork's pull request may write neither.
    """
    written = bool(check) and _tried(lambda: _check(repository, result, event, check, page_url), warn)
    if comment and event.pull_request:
        marker = "phpstan-gate " + re.sub(r"[^A-Za-z0-9 ._/-]+|-{2,}", " ", check or "none")
        body = page(result, rows=COMMENT_ROWS, trend=trend)
        _tried(
            lambda: keep_comment(repository, pull_request=event.pull_request, marker=marker.strip(), body=body), warn
        )
    return written


def marks(result: Result) -> Iterator[Annotation]:
    """Give what is shown beside the code: refusals that have a place, then findings, new ones first.

    An error in a trait comes once for each class that uses it, and is shown once, in the trait's own file.
    """
    for bypass in result.bypasses:
        path, line = _place(bypass.place)
        if path:
            level = "failure" if bypass.severity == "refuse" else "notice"
            yield _annotation(path, line, level, bypass.rule, bypass.what, bypass.remedy)
    for matched in sorted(distinct(result.matched), key=lambda each: each.kind is Kind.OLD):
        finding = matched.finding
        if not finding.path.startswith("/"):
            level = "warning" if matched.kind is Kind.OLD else "failure"
            details = "\n".join(part for part in (finding.tip, finding.link) if part)
            title = finding.identifier or "PHPStan"
            yield _annotation(finding.path, finding.line, level, title, finding.message, details)


def _annotation(path: str, line: int, level: str, title: str, message: str, details: str) -> Annotation:
    return Annotation(
        path=path,
        start_line=max(1, line),
        end_line=max(1, line),
        level=level,
        title=title,
        message=message,
        raw_details=details,
    )


def _check(repository: Repository, result: Result, event: Event, check: str, page_url: str) -> object:
    shown = list(marks(result))
    return publish_check(
        repository,
        head_sha=event.head_sha,
        name=check,
        external_id=f"belay-gate {check}",
        conclusion="success" if result.verdict is Verdict.PASSED else "failure",
        title=f"{TITLES[result.verdict]}: {headline(result)}",
        summary=page(result, rows=CHECK_ROWS),
        annotations=shown[:MOST_ANNOTATIONS],
        details_url=page_url,
    )


def _tried(work: Callable[[], object], warn: Warn) -> bool:
    try:
        work()
    except ForgeFailed as error:
        warn(f"{error.message}. {error.remedy} The verdict stands without it.")
        return False
    return True


def _place(place: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.+):(\d+)", place)
    return (found[1], int(found[2])) if found else (place, 0)
