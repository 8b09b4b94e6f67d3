"""New, new elsewhere, or old: each finding is compared with the base's, whatever became of line numbers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyhelpers.gate.finding import Finding
from pyhelpers.gate.history import Diff

# Messages that name a place would differ whenever a line moves.
_PLACE = re.compile(r"(\bon line |class@anonymous/[^\s:]*:|:)\d+")


class Kind(StrEnum):
    """Where a finding comes from."""

    IN_DIFF = "new-in-diff"  # on a line that this change wrote
    ELSEWHERE = "new-elsewhere"  # the change broke it from another place
    OLD = "pre-existing"
    UNKNOWN = "not-compared"  # there was no base to compare with


@dataclass(frozen=True, kw_only=True, slots=True)
class Matched:
    """A finding of the head, and where it comes from."""

    finding: Finding
    kind: Kind


def match(head: Sequence[Finding], base: Sequence[Finding] | None, diff: Diff) -> tuple[list[Matched], int]:
    """Return each of the head's findings with its kind, and how many of the base's are fixed.

    Two findings are the same when file (renames followed), class that uses the trait, identifier and message are. Where
    the head has more of one than the base, those on lines of the change are the new ones.
    """
    if base is None:
        return [Matched(finding=finding, kind=Kind.UNKNOWN) for finding in head], 0
    known = Counter(key(finding, diff.now) for finding in base)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, finding in enumerate(head):
        groups[key(finding, _same)].append(position)
    kinds = [Kind.OLD] * len(head)
    fixed = 0
    for what, positions in groups.items():
        surplus = len(positions) - known[what]
        if surplus > 0:
            by_newness = sorted(positions, key=lambda at: not _in_diff(head[at], diff))
            for position in by_newness[:surplus]:
                kinds[position] = Kind.IN_DIFF if _in_diff(head[position], diff) else Kind.ELSEWHERE
    for what, count in known.items():
        fixed += max(0, count - len(groups.get(what, ())))
    return [Matched(finding=finding, kind=kind) for finding, kind in zip(head, kinds, strict=True)], fixed


def key(finding: Finding, now: Callable[[str], str]) -> tuple[str, ...]:
    """Return what makes a finding the same as another; `now` says where a file of the base is today."""
    return (now(finding.path), finding.context, finding.identifier, _PLACE.sub(r"\1", finding.message))


def distinct(findings: Iterable[Matched]) -> list[Matched]:
    """Return the findings without repeats: an error in a trait comes once for each class that uses it."""
    seen: set[tuple[str, int, str, str]] = set()
    kept: list[Matched] = []
    for matched in findings:
        finding = matched.finding
        what = (finding.path, finding.line, finding.identifier, finding.message)
        if what not in seen:
            seen.add(what)
            kept.append(matched)
    return kept


def _in_diff(finding: Finding, diff: Diff) -> bool:
    return diff.is_new(finding.path, finding.line)


def _same(path: str) -> str:
    return path
