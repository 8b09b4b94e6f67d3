"""What PHPStan's answer says, read strictly: whatever can't be believed is a failure, never "no findings".

Neither the exit status nor the JSON decides alone. A bootstrap file that calls exit(0) gives status 0 and nothing on
standard output; a shutdown function that does so gives status 0 beside findings; a worker out of memory gives well-formed
JSON with one text in `errors`. All of these were recorded, see tests/samples/phpstan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyhelpers.gate.failure import Failure, explained
from pyhelpers.gate.finding import Finding

# No message can hold this: inside a JSON text its quotes would be escaped.
_DOCUMENT = re.compile(r'\{\s*"totals"\s*:')
# PHPStan names a trait's file so; an anonymous class has no "class" before its name (ScopeContext, MutatingScope).
_CONTEXT = re.compile(r"(?P<path>.+) \(in context of (?:class )?(?P<context>.+)\)", re.DOTALL)
_STALE = re.compile(
    r"^Ignored error pattern .*(?:was not matched in reported errors"
    r"|is expected to occur \d+ times?, but occurred only \d+ times?)\.$",
    re.DOTALL,
)
_INCOMPLETE = "Result is incomplete"


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a child ended: its exit status (negative: the signal that ended it) and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What PHPStan said.

    `findings` in its order; `stale`, its texts about ignored errors that no longer occur (those without a file);
    `failure`, why the answer can't be believed, or None.
    """

    findings: tuple[Finding, ...] = ()
    stale: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def clean(self) -> bool:
        """Whether PHPStan analysed everything and found nothing."""
        return self.failure is None and not self.findings and not self.stale


class _Refused(Exception):
    """The document isn't what PHPStan prints."""


def read_answer(completed: Completed) -> Answer:
    """Return what PHPStan said; never raises.

    Believed is only one JSON document at the end of standard output, whose totals agree with its contents and with the
    exit status (0 for nothing found, 1 for something), and no word of an incomplete result.
    """
    try:
        document = _only_document(completed.stdout)
        findings, texts = _contents(document)
    except _Refused as refused:
        return Answer(failure=explained(str(refused), completed.exit_code, completed.stderr, completed.stdout))
    stale = tuple(text for text in texts if _STALE.match(text))
    return Answer(
        findings=findings, stale=stale, failure=_failure(completed, findings, [t for t in texts if t not in set(stale)])
    )


def _failure(completed: Completed, findings: tuple[Finding, ...], others: list[str]) -> Failure | None:
    status, stderr = completed.exit_code, completed.stderr
    if others:
        return explained("PHPStan did not finish", status, "\n".join(others), "")
    broken = [finding for finding in findings if finding.incomplete]
    if broken:
        words = "\n".join(f"{finding.path}:{finding.line}: {finding.message}" for finding in broken[:20])
        return explained("PHPStan could not analyse every file", status, words, "")
    if _INCOMPLETE in stderr:
        return explained("PHPStan says that its result is incomplete", status, stderr, "")
    total = _declared(completed)
    if status != (1 if total else 0):
        return explained(
            f"PHPStan's answer contradicts itself: it tells of {total} errors and ended with status {status}",
            status,
            stderr,
            "",
        )
    return None


def _declared(completed: Completed) -> int:
    totals = _only_document(completed.stdout)["totals"]
    return int(totals["errors"]) + int(totals["file_errors"])


def _only_document(stdout: str) -> dict[str, Any]:
    if not stdout.strip():
        raise _Refused("PHPStan printed nothing")
    begins = [match.start() for match in _DOCUMENT.finditer(stdout)]
    if not begins:
        raise _Refused("PHPStan did not answer in JSON")
    if len(begins) > 1:
        raise _Refused(f"standard output holds {len(begins)} answers, and PHPStan gives one")
    try:
        document = json.loads(stdout[begins[0] :], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _Refused(f"PHPStan's answer is not JSON to its end: {error}") from error
    if not isinstance(document, dict):
        raise _Refused("PHPStan's answer is no object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) != len(pairs):
        raise ValueError("a key occurs twice")
    return known


def _contents(document: Mapping[str, Any]) -> tuple[tuple[Finding, ...], list[str]]:
    """Return the findings and the texts about no file; raises `_Refused` when the totals don't agree with them."""
    totals = document.get("totals")
    files, texts = document.get("files"), document.get("errors")
    if not isinstance(totals, dict) or not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _Refused("PHPStan's answer lacks its parts `totals`, `files` and `errors`")
    if files == []:
        files = {}
    if not isinstance(files, dict):
        raise _Refused("PHPStan's answer lacks its parts `totals`, `files` and `errors`")
    findings = [finding for name, entry in files.items() for finding in _of_file(name, entry)]
    if _number(totals.get("file_errors")) != len(findings) or _number(totals.get("errors")) != len(texts):
        raise _Refused("the totals in PHPStan's answer are not those of its contents")
    return tuple(findings), texts


def _of_file(name: str, entry: object) -> list[Finding]:
    messages = entry.get("messages") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(messages, list) or _number(entry.get("errors")) != len(messages):
        raise _Refused(f"what PHPStan's answer says of {name[:200]} can't be read")
    inside = _CONTEXT.fullmatch(name) if name.endswith(")") else None  # or a long name takes time by the square
    path, context = (inside["path"], inside["context"]) if inside else (name, "")
    return [_finding(path, context, message) for message in messages]


def _finding(path: str, context: str, message: object) -> Finding:
    if not isinstance(message, dict) or not isinstance(message.get("message"), str):
        raise _Refused(f"what PHPStan's answer says of {path[:200]} can't be read")
    line = message.get("line")
    identifier, tip = message.get("identifier"), message.get("tip")
    return Finding(
        path=path,
        line=0 if line is None else _number(line),
        message=message["message"],
        identifier=identifier if isinstance(identifier, str) else "",
        tip=tip if isinstance(tip, str) else "",
        ignorable=message.get("ignorable") is not False,
        context=context,
    )


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Refused(f"PHPStan's answer holds {value!r:.40} where a number belongs")
    return value
