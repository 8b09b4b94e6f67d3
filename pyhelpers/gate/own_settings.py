"""The gate's own settings in belay.toml: whether a change, which may carry them as well, made the gate softer."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from pyhelpers.gate.bypass import Bypass

FILE = "belay.toml"
# From soft to hard; what is not given is the default.
_SCALES: dict[str, tuple[tuple[str, ...], str]] = {
    "baseline": (("free", "shrink", "frozen"), "shrink"),
    "suppressions": (("allow", "report", "deny"), "deny"),
}
_DECIDES = ("working-directory", "config", "level", "paths", "php", "phpstan", "base-ref", "check-run")


def audit_own_settings(base: str | None, head: str | None, *, place: str = FILE) -> Iterator[Bypass]:
    """Give what changed in the gate's settings between two texts of the file `place` (None: there is none)."""
    before, after = _settings(base), _settings(head)
    for name, (scale, default) in _SCALES.items():
        old, new = str(before.get(name) or default), str(after.get(name) or default)
        if old in scale and new in scale and scale.index(new) < scale.index(old):
            yield _refuse(place, f"`{name}` was `{old}` and is `{new}`.")
    for name in _DECIDES:
        if before.get(name) != after.get(name) and not _raised(name, before.get(name), after.get(name)):
            yield _refuse(place, f"`{name}` differs, and it decides what is analysed, and by what.")


def _raised(name: str, old: object, new: object) -> bool:
    if name != "level":
        return False
    numbers = [
        99 if str(value) == "max" else int(str(value)) if re.fullmatch("[0-9]{1,4}", str(value)) else None
        for value in (old, new)
    ]
    return numbers[0] is not None and numbers[1] is not None and numbers[1] >= numbers[0]


def _refuse(place: str, what: str) -> Bypass:
    return Bypass(
        rule="gate-settings-changed",
        severity="refuse",
        place=place,
        what=f"This change makes the gate softer: {what}",
        remedy="Change it by a change of its own, with a waiver for this rule.",
    )


def _settings(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
