"""Which pull requests a workflow's trigger leaves out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pyhelpers.gate.yaml_reader import Block

# The types of `pull_request` that bring new commits: without either, a commit comes in that was never looked at.
NEEDED_TYPES = ("opened", "synchronize")
USUAL_BRANCHES = ("main", "master")  # where it isn't known which branch is protected


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What a trigger leaves out: by which rule and key, and what it says there."""

    rule: str
    key: str
    what: str
    certain: bool = True


def gaps(event: str, trigger: Block, *, branch: str | None) -> list[Gap]:
    """Return what the filters of a trigger leave out; `branch` is the protected one, None where it isn't known."""
    found = []
    for key in ("paths", "paths-ignore"):
        patterns = trigger.texts(key)
        if key in trigger and not (key == "paths" and passes("any/file", patterns) and passes("file", patterns)):
            what = f"`{event}` has `{key}: {', '.join(patterns)[:100]}`"
            found.append(Gap(rule="gate-path-filter", key=key, what=what))
    branches = (branch,) if branch else USUAL_BRANCHES
    for key, left_out in {
        "branches": "branches" in trigger and not any(passes(name, trigger.texts("branches")) for name in branches),
        "branches-ignore": any(passes(name, trigger.texts("branches-ignore")) for name in branches),
    }.items():
        if left_out:
            what = f"`{event}` has `{key}: {', '.join(trigger.texts(key))[:100]}`, which leaves out {' and '.join(branches)}"
            found.append(Gap(rule="gate-branch-filter", key=key, what=what, certain=branch is not None))
    if event.startswith("pull_request") and "types" in trigger:
        missing = [name for name in NEEDED_TYPES if name not in trigger.texts("types")]
        if missing:
            what = f"`{event}` has `types: {', '.join(trigger.texts('types'))[:100]}` without {' and '.join(missing)}"
            found.append(Gap(rule="gate-event-types", key="types", what=what))
    return found


def passes(name: str, patterns: list[str]) -> bool:
    """Whether GitHub's filter lets a name through: the last pattern that matches decides, and `!` turns it round."""
    passed = False
    for pattern in patterns:
        if _matches(pattern.removeprefix("!"), name):
            passed = not pattern.startswith("!")
    return passed


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one character of a name may be, and how often: once, or where `skipped` not at all, or where `repeated` often."""

    allowed: str  # a regular expression of one character
    skipped: bool = False
    repeated: bool = False


def _parts(pattern: str) -> list[_Part]:
    """Return GitHub's filter pattern: `*` stops at a slash, `**` doesn't, `?` and `+` are about the character before."""
    parts: list[_Part] = []
    for sign in re.findall(r"\*\*/?|\*|\?|\+|\[[^\]]*\]|\\.|.", pattern):
        if sign == "?" and parts:
            parts[-1] = replace(parts[-1], skipped=True)
        elif sign == "+" and parts:
            parts.append(replace(parts[-1], skipped=True, repeated=True))
        elif sign.startswith("*"):
            parts.append(_Part(allowed="[^/]" if sign == "*" else ".", skipped=True, repeated=True))
            parts += [_Part(allowed="/", skipped=True)] * sign.endswith("/")
        else:
            parts.append(_Part(allowed=sign if sign.startswith("[") else re.escape(sign.removeprefix("\\"))))
    return parts


def _matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches all of a name. All ways are followed at once: a regular expression could take for ever."""
    parts = _parts(pattern)
    at = _reached(parts, {0})
    for character in name:
        following = set()
        for number in at - {len(parts)}:
            if _is(character, parts[number].allowed):
                following.add(number if parts[number].repeated else number + 1)
        at = _reached(parts, following)
    return len(parts) in at


def _reached(parts: list[_Part], at: set[int]) -> set[int]:
    """Return the places in a pattern that can be reached without another character."""
    reached = set(at)
    for number in range(min(at, default=len(parts)), len(parts)):
        if number in reached and parts[number].skipped:
            reached.add(number + 1)
    return reached


def _is(character: str, allowed: str) -> bool:
    try:
        return bool(re.fullmatch(allowed, character))
    except re.error:
        return False
