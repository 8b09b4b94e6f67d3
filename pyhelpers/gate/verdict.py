"""What the gate says in the end: passed, or the one reason that weighs most."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pyhelpers.errors import NothingChanged
from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.failure import Failure
from pyhelpers.gate.matching import Matched


class Verdict(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    FINDINGS = "findings"
    BASELINE_GREW = "baseline-grew"
    WEAKENED = "configuration-weakened"
    NOT_ANALYSED = "analysis-failed"


TITLES = {
    Verdict.PASSED: "No errors",
    Verdict.FINDINGS: "Type errors",
    Verdict.BASELINE_GREW: "Baseline grew",
    Verdict.WEAKENED: "Gate weakened",
    Verdict.NOT_ANALYSED: "Analysis failed",
}


class NotPassed(NothingChanged):
    """The gate is closed; `title` is the verdict's."""

    def __init__(self, verdict: Verdict, message: str, *, remedy: str, details: str = "") -> None:
        """Take the verdict beside what every error has."""
        super().__init__(message, remedy=remedy, details=details)
        self.title = TITLES[verdict]
        self.verdict = verdict


def decide(
    *, failures: Sequence[Failure], bypasses: Sequence[Bypass], findings: Sequence[Matched], stale: Sequence[str]
) -> Verdict:
    """Return the verdict.

    An analysis that failed says nothing about the code, so it comes first; then what was done to the gate, since the
    findings behind it can't be trusted to be all; then a baseline that grew; then what PHPStan found. A baseline's stale
    entries are findings as well: PHPStan reports them.
    """
    refused = [bypass for bypass in bypasses if bypass.severity == "refuse"]
    if failures:
        return Verdict.NOT_ANALYSED
    if any(not bypass.rule.startswith("baseline-") for bypass in refused):
        return Verdict.WEAKENED
    if refused:
        return Verdict.BASELINE_GREW
    return Verdict.FINDINGS if findings or stale else Verdict.PASSED
