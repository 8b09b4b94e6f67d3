"""Does the change make PHPStan see less? The effective configuration of base and head, side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyhelpers.gate.bypass import Bypass, Severity
from pyhelpers.gate.configuration import Configuration
from pyhelpers.gate.history import Diff
from pyhelpers.gate.ignores import Ignore
from pyhelpers.gate.phpstan import DISCOVERED
from pyhelpers.runner.commands import shortened

HIGHEST_LEVEL = 10  # what `max` means in PHPStan 2
# Switches that make PHPStan see less when they are on; of all others named check… or report… the opposite is true.
_BETTER_OFF = frozenset({"checkThisOnly", "customRulesetUsed"})
_BETTER_ON = frozenset({"reportUnmatchedIgnoredErrors", "treatPhpDocTypesAsCertain", "bleedingEdge"})
# Lists that teach PHPStan to complain of less, or run code of the project's.
_LISTS = {
    "bootstrapFiles": "is run by PHPStan before it analyses, and may do anything",
    "stubFiles": "overrules the types in the code",
    "universalObjectCratesClasses": "may have any property from now on",
    "mixinExcludeClasses": "is left out of mixins",
    "earlyTerminatingMethodCalls": "is taken to end a function",
    "earlyTerminatingFunctionCalls": "is taken to end a function",
    "dynamicConstantNames": "is taken to have any value",
}
# What other rules compare, what tells of the machine, and what changes nothing but speed and looks.
_COMPARED_ELSEWHERE = frozenset(
    [
        "level",
        "usedLevel",
        "paths",
        "analysedPathsFromConfig",
        "excludePaths",
        "ignoreErrors",
        "fileExtensions",
        "allConfigFiles",
        "rootDir",
        "additionalConfigFiles",
        "currentWorkingDirectory",
        "tmpDir",
        "sysGetTempDir",
        "resultCachePath",
        "composerAutoloaderProjectPaths",
        "dnsServers",
        "jobSize",
        "processTimeout",
        "maximumNumberOfProcesses",
        "minimumNumberOfJobsPerProcess",
        "buffer",
        "nodesByStringCountMax",
        "editorUrl",
        "editorUrlTitle",
        "errorFormat",
    ]
)
SHOWN = 20  # files that are named; the report counts them all


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of the comparison: the files' configuration, PHPStan's own parameters, and which files it analyses.

    All paths are from the repository's root. `parameters` is None where PHPStan could not tell them.
    """

    configuration: Configuration
    parameters: Mapping[str, Any] | None
    ignores: tuple[Ignore, ...]  # of the files, and those that only PHPStan knows: of packages, of code
    analysed: frozenset[str]
    excludes: frozenset[str]


def audit_configuration(base: Side, head: Side, diff: Diff, *, suppressions: Severity | None) -> Iterator[Bypass]:
    """Give what the head's configuration lets through that the base's doesn't.

    `suppressions` is the severity of new patterns to ignore and new paths to exclude; None says nothing about them.
    """
    for bypass in _complaints(base, head, diff, suppressions):
        yield bypass if bypass.place else replace(bypass, place=head.configuration.chosen)


def _complaints(base: Side, head: Side, diff: Diff, suppressions: Severity | None) -> Iterator[Bypass]:
    yield from _shadowed(base, head, diff)
    yield from _unread(base, head, diff)
    if base.parameters is not None and head.parameters is not None:
        yield from _level(base.parameters.get("usedLevel"), head.parameters.get("usedLevel"))
        yield from _switches(base.parameters, head.parameters, "")
        yield from _lists(base.parameters, head.parameters, diff)
    else:  # PHPStan could not tell; what the files say is less, and cut from the same cloth
        old, new = base.configuration.parameters, head.configuration.parameters
        yield from _level(old.get("level"), new.get("level"))
        yield from _switches({name: name not in _BETTER_OFF for name in new} | old, new, "")
    yield from _left(base, head, diff)
    yield from _parts(base, head)
    if suppressions is not None:
        yield from _patterns(base, head, diff, suppressions)


def _refuse(rule: str, place: str, what: str, remedy: str) -> Bypass:
    return Bypass(rule=rule, severity="refuse", place=place, what=what, remedy=remedy)


def _report(rule: str, place: str, what: str, remedy: str) -> Bypass:
    return Bypass(rule=rule, severity="report", place=place, what=what, remedy=remedy)


def _shadowed(base: Side, head: Side, diff: Diff) -> Iterator[Bypass]:
    """A new configuration file that PHPStan takes before the one that it took, which is still there."""
    old, new = base.configuration.chosen, head.configuration.chosen
    if old and new and diff.now(old) != new and old not in head.configuration.files:
        gone = any(change.old == old and change.new != old for change in diff.changes)
        if not gone:
            yield _refuse(
                "configuration-shadowed",
                new,
                f"PHPStan takes {new} now, and {old} no longer counts.",
                f"Change {old} itself, or let {new} include it; PHPStan's order is {', '.join(DISCOVERED)}.",
            )
    if old and not new:
        yield _refuse("configuration-gone", old, f"The configuration {old} is gone.", "Put it back.")


def _unread(base: Side, head: Side, diff: Diff) -> Iterator[Bypass]:
    for file, reason in head.configuration.unread.items():
        if file in base.configuration.unread and file not in diff.touched:
            continue
        if file.endswith(".php"):
            what = f"{file} is PHP that PHPStan runs, and more than a baseline: {reason}."
            yield _refuse("configuration-is-code", file, what, "Write it as NEON, or as PHPStan generates a baseline.")
        else:
            what = f"{file} can't be read, so nobody can tell what it ignores: {reason}."
            yield _refuse("configuration-unreadable", file, what, "Write it in plain NEON.")


def _level(base: object, head: object) -> Iterator[Bypass]:
    old, new = _number(base), _number(head)
    if old is not None and (new is None or new < old):
        now = "no level" if new is None else f"level {new}"
        yield _refuse("level-lowered", "", f"The level was {old} and is {now}.", f"Go back to level {old}.")


def _number(level: object) -> int | None:
    text = str(level)
    return HIGHEST_LEVEL if text == "max" else int(text) if re.fullmatch("[0-9]{1,4}", text) else None


def _switches(base: Mapping[str, Any], head: Mapping[str, Any], prefix: str) -> Iterator[Bypass]:
    for name in sorted(base.keys() & head.keys()):
        old, new = base[name], head[name]
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _switches(old, new, f"{prefix}{name}.")
        elif isinstance(old, bool) and isinstance(new, bool):
            if old is not new:
                yield from _switched(name, f"{prefix}{name}", new=new)
        elif old != new and name not in _COMPARED_ELSEWHERE and name not in _LISTS:
            text = f"{prefix}{name} differs: {_short(old)} became {_short(new)}."
            yield _report("parameter-changed", "", text, "Look whether PHPStan sees less that way.")


def _short(value: object) -> str:
    return shortened(json.dumps(value, ensure_ascii=False), 100)


def _switched(name: str, whole: str, *, new: bool) -> Iterator[Bypass]:
    state = f"{whole} is {str(new).lower()} now."
    if new is (name in _BETTER_OFF):
        if name in _BETTER_OFF | _BETTER_ON or name.startswith(("check", "report")) or whole.startswith("strictRules."):
            yield _refuse("check-switched-off", "", state, f"Set {whole} back; PHPStan sees less that way.")
        else:
            yield _report("parameter-changed", "", state, "Look whether PHPStan sees less that way.")


def _lists(base: Mapping[str, Any], head: Mapping[str, Any], diff: Diff) -> Iterator[Bypass]:
    for name, why in _LISTS.items():
        before = {diff.now(str(item)) for item in _items(base.get(name))}
        for item in _items(head.get(name)):
            if str(item) not in before or str(item) in diff.touched:
                state = "" if str(item) not in before else "differs, and "
                yield _report("parameter-widened", "", f"{name}: {item} {state}{why}.", "Look at it before you merge.")


def _items(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _left(base: Side, head: Side, diff: Diff) -> Iterator[Bypass]:
    """Files that were analysed, are still there, and are analysed no longer."""
    deleted = {change.old for change in diff.changes if change.old and change.new is None}
    lost = sorted({diff.now(file) for file in base.analysed - deleted} - head.analysed)
    if lost:
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        yield _refuse(
            "files-not-analysed",
            lost[0],
            f"{len(lost)} files that were analysed no longer are: {', '.join(lost[:SHOWN])}{more}.",
            "Look at `paths`, `excludePaths` and `fileExtensions`, and at files that were given another ending.",
        )


def _parts(base: Side, head: Side) -> Iterator[Bypass]:
    old, new = base.configuration, head.configuration
    for name in sorted(old.outside - new.outside):
        yield _refuse("extension-dropped", "", f"{name} is no longer included.", "Include it again.")
    for name in sorted(old.rules - new.rules):
        yield _refuse("rule-dropped", "", f"The rule {name} is no longer registered.", "Register it again.")
    for name, what in new.services.items():
        if old.services.get(name) == what:
            continue
        if name.startswith("errorFormatter."):
            text = f"The service {name} is replaced, so PHPStan's answer would be the project's own."
            yield _refuse("formatter-replaced", new.chosen, text, "Remove the service, or give it another name.")
        else:
            yield _report("service-changed", new.chosen, f"A service is new or differs: {name:.200}.", "Look at it.")
    for name in sorted(old.services.keys() - new.services.keys()):
        if "phpstan.rules.rule" in old.services[name]:
            yield _refuse("rule-dropped", "", f"The rule {name:.200} is no longer registered.", "Register it again.")
    for name in sorted(old.tags.keys() | new.tags.keys()):
        if old.tags.get(name) != new.tags.get(name):
            yield _report("service-changed", new.chosen, f"conditionalTags of {name} differ.", "Look at them.")


def _patterns(base: Side, head: Side, diff: Diff, severity: Severity) -> Iterator[Bypass]:
    known = {(diff.now(each.path), each.identifier, each.message) for each in _unlimited(base)}
    for ignore in _unlimited(head):
        if (ignore.path, ignore.identifier, ignore.message) not in known:
            yield Bypass(
                rule="ignore-pattern-added",
                severity=severity,
                place=head.configuration.place(ignore),
                what=f"ignoreErrors hides, without a limit: {ignore.words}.",
                remedy="Mend the errors, or give the entry a `path` and a `count` where the ratchet allows it.",
            )
    excluded = base.excludes
    if base.parameters is None and _excluded_by_files(base) == _excluded_by_files(head):
        excluded = head.excludes  # the base's PHPStan could not tell, and its files say the same
    for path in sorted(head.excludes - {diff.now(path) for path in excluded}):
        yield Bypass(
            rule="path-excluded",
            severity=severity,
            place=head.configuration.chosen,
            what=f"excludePaths has a new entry: {path}.",
            remedy="Leave the files in the analysis; what they break elsewhere counts too.",
        )


def _excluded_by_files(side: Side) -> object:
    return side.configuration.parameters.get("excludePaths")


def _unlimited(side: Side) -> list[Ignore]:
    return [ignore for ignore in side.ignores if not ignore.is_entry]
