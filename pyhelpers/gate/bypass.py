"""A way around the gate that was found: which rule saw it, where it is, and how to close it."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["refuse", "report"]


@dataclass(frozen=True, kw_only=True)
class Bypass:
    """One way around the gate.

    `rule` is a stable kebab-case id. `severity` is "refuse" (the gate fails for it) or "report" (it is shown and does not
    decide). `place` is `file:line` from the repository's root, a file alone, or "" where it has none. `what` says what was
    seen, `remedy` what to do, each as a sentence.
    """

    rule: str
    severity: Severity
    place: str
    what: str
    remedy: str
