"""The result in the step's log: every finding, then what weighs most beside the code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyhelpers.forge.checks import Annotation
from pyhelpers.gate.gate import Result
from pyhelpers.gate.matching import Kind, distinct
from pyhelpers.gate.verdict import NotPassed, Verdict
from pyhelpers.runner.log import Log

_MARKS = {Kind.IN_DIFF: "new", Kind.ELSEWHERE: "new, broken from elsewhere", Kind.OLD: "old", Kind.UNKNOWN: ""}
_REMEDIES = {
    Verdict.FINDINGS: "Mend them; a baseline is for errors that were there before.",
    Verdict.BASELINE_GREW: "Mend the errors instead; the summary names each entry.",
    Verdict.WEAKENED: "The summary names each place and what to do; a waiver that was merged before lets one through.",
}


def tell(log: Log, result: Result, beside: Sequence[Annotation]) -> None:
    """Print the findings and refusals; `beside` are those to show beside the code (GitHub shows ten of them)."""
    lines = list(listing(result))
    if lines:
        with log.group(f"What was found ({len(lines)} lines)"):
            log.output("\n".join(lines))
    for annotation in beside:
        if annotation.level == "failure":
            log.error(annotation.message, title=annotation.title, file=annotation.path, line=annotation.start_line)


def listing(result: Result) -> Iterator[str]:
    """Give the findings and complaints as lines for a person, grouped by file."""
    for bypass in result.bypasses:
        yield f"{'refused' if bypass.severity == 'refuse' else 'look at'}  {bypass.place or '-'}  [{bypass.rule}] {bypass.what}"
        yield f"         {bypass.remedy}"
    file = None
    for matched in sorted(distinct(result.matched), key=lambda each: (each.finding.path, each.finding.line)):
        finding = matched.finding
        if finding.path != file:
            file = finding.path
            yield file
        mark = f"  ({_MARKS[matched.kind]})" if _MARKS[matched.kind] else ""
        yield f"  {finding.line or '-':>5}  {finding.message}  [{finding.identifier}]{mark}"
        if finding.tip:
            yield f"         tip: {finding.tip}"
    for text in result.stale:
        yield f"stale  {text}"
    for matched in result.waived.covered:
        yield f"waived  {matched.finding.path}:{matched.finding.line}  [{matched.finding.identifier}]"


def refusal(result: Result, headline: str) -> NotPassed:
    """Return the error that ends a run that did not pass."""
    failures = [failure for seen in result.seen for failure in seen.failures]
    if result.verdict is Verdict.NOT_ANALYSED:
        return NotPassed(
            result.verdict, headline, remedy=failures[0].remedy, details="\n\n".join(each.words for each in failures)
        )
    return NotPassed(result.verdict, headline, remedy=_REMEDIES[result.verdict])
