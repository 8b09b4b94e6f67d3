"""Every rule by which the gate refuses or reports stands in the action's README: its name is what a waiver is written for."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
_NAMED = re.compile(
    r'(?:rule=|_refuse\(|_report\(|_finding\(|Gap\(|Loss\()\s*"([a-z]+(?:-[a-z]+)+)"|"((?:gate|required)-[a-z-]+)"'
)
NO_RULES = {"required-status-checks"}


def rules() -> set[str]:
    """Return the names of all rules, as the sources have them."""
    found = set()
    for file in (TOP / "pyhelpers/gate").glob("*.py"):
        found |= {one or other for one, other in _NAMED.findall(file.read_text())}
    return found - NO_RULES


def test_the_readme_names_every_rule_and_no_other() -> None:
    readme = (TOP / "actions/phpstan-gate/README.md").read_text()
    named = {
        name
        for row in re.findall(r"^\| (`[a-z]+-[a-z`, -]+) \|", readme.split("## Inputs")[0], re.MULTILINE)
        for name in re.findall(r"`([a-z-]+)`", row)
    }
    assert rules() == named
