"""One project of the repository, from PHPStan's answer to the complaints about it; base and head side by side."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pyhelpers.errors import BadInput
from pyhelpers.gate.analysed import analysed_files, exclude_entries
from pyhelpers.gate.bypass import Bypass, Severity
from pyhelpers.gate.child import Start
from pyhelpers.gate.configuration import Configuration, read_configuration
from pyhelpers.gate.failure import Failure
from pyhelpers.gate.finding import Finding
from pyhelpers.gate.history import Diff
from pyhelpers.gate.ignores import Ignore, ignores_in
from pyhelpers.gate.lockfile import audit_lock, audit_manifest
from pyhelpers.gate.neon import NotNeon
from pyhelpers.gate.phpstan import Settings, analyse, chosen_config, parameters, program
from pyhelpers.gate.ratchet import audit_baseline, growth
from pyhelpers.gate.weakening import Side, audit_configuration

Text = TypeVar("Text", str, Any)
# PHPStan, its extensions, and the list by which Composer knows what is installed.
_PACKAGES = re.compile(r"(?:^|/)vendor/(?:phpstan/|larastan/|composer/installed\.)")


NOTHING = Failure(
    cause="PHPStan analyses no file of the project",
    words="",
    remedy="Name what to analyse by `paths`, here or in PHPStan's configuration, and look at its `excludePaths`.",
)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A checkout of the repository: the one under review, or the base's files; and how PHPStan is started in it.

    `tracked`: the files that git follows; None where nothing else lies there.
    """

    root: Path
    tracked: frozenset[str] | None
    start: Start
    temp: Path


@dataclass(kw_only=True)
class Seen:
    """What was seen of one project at the head."""

    name: str
    side: Side
    findings: tuple[Finding, ...] = ()
    stale: tuple[str, ...] = ()
    failures: list[Failure] = field(default_factory=list)
    parameters: Mapping[str, Any] = field(default_factory=dict)


def look(tree: Tree, name: str, settings: Settings) -> Seen:
    """Analyse a project of the checkout and read its configuration. Raises `BadInput`."""
    folder = tree.root / name
    answer = analyse(folder, settings, start=tree.start, temp=tree.temp)
    side, failure = look_at_side(tree, name, settings)
    failure = answer.failure or failure or (None if side.analysed else NOTHING)
    return Seen(
        name=name,
        side=side,
        findings=placed(answer.findings, tree.root),
        stale=answer.stale,
        failures=[failure] if failure else [],
        parameters=side.parameters or {},
    )


def findings_of(tree: Tree, name: str, settings: Settings) -> tuple[Finding, ...] | None:
    """Return what PHPStan finds in the base, or None when it can't be analysed (it then says nothing about the head)."""
    try:
        answer = analyse(tree.root / name, settings, start=tree.start, temp=tree.temp)
    except BadInput:  # no PHPStan of its own
        return None
    return None if answer.failure else placed(answer.findings, tree.root)


def look_at_side(tree: Tree, name: str, settings: Settings) -> tuple[Side, Failure | None]:
    """Return the project's configuration in this checkout, and why PHPStan couldn't tell its own view of it."""
    folder = tree.root / name
    try:
        told = parameters(folder, settings, start=tree.start)
    except BadInput as error:  # the base may have no PHPStan of its own; the head's was started before
        told = Failure(cause=error.message, words="", remedy=error.remedy)
    failure = told if isinstance(told, Failure) else None
    raw: Mapping[str, Any] = {} if isinstance(told, Failure) else told
    configuration = read_configuration(tree.root, chosen_config(folder, settings), tracked=tree.tracked)
    placed_parameters = relative(dict(raw), tree.root)
    try:
        ignores = _ignores(configuration, placed_parameters)
    except NotNeon as error:
        failure = Failure(cause=f"PHPStan's parameters can't be read: {error}", words="", remedy="Is it PHPStan?")
        ignores = tuple(configuration.all_ignores)
    side = Side(
        configuration=configuration,
        parameters=None if failure else placed_parameters,
        ignores=ignores,
        analysed=analysed_files(tree.root, folder, raw, settings.paths) if raw else frozenset(),
        excludes=frozenset(exclude_entries(raw, tree.root)),
    )
    return side, failure


def _ignores(configuration: Configuration, parameters: Mapping[str, Any]) -> tuple[Ignore, ...]:
    """Return what the files ignore, and what PHPStan's parameters ignore beyond it: packages and code can add to them."""
    own = configuration.all_ignores
    known = Counter(own)
    others = []
    for ignore in ignores_in(parameters, ""):
        if known[ignore]:
            known[ignore] -= 1
        else:
            others.append(ignore)
    return (*own, *others)


def audit_project(
    base: Side, head: Seen, diff: Diff, *, settings: Settings, baseline: str, suppressions: Severity | None
) -> Iterator[Bypass]:
    """Give the complaints about a project's configuration and baselines.

    Where the base had no configuration, and none was given from outside, there was no PHPStan: everything begins here.
    """
    if not (base.configuration.files or settings.level or settings.paths):
        yield Bypass(
            rule="phpstan-begun",
            severity="report",
            place=head.side.configuration.chosen,
            what="The base has no configuration of PHPStan's: what this change ignores is the beginning.",
            remedy="Look through the baseline; from the next change on it may only shrink.",
        )
        return
    grown = growth(base.ignores, head.side.ignores, diff.renames)
    yield from audit_baseline(grown, mode=baseline, place=head.side.configuration.place)
    if base.parameters is None:
        yield Bypass(
            rule="base-not-compared",
            severity="report",
            place=base.configuration.chosen,
            what="PHPStan could not tell the base's parameters, so only the files themselves were compared.",
            remedy="Is the base's configuration broken? Look at this change's own with more care.",
        )
    yield from audit_configuration(base, head.side, diff, suppressions=suppressions)


def audit_packages(
    name: str,
    *,
    before: Callable[[str], str | None],
    after: Callable[[str], str | None],
) -> Iterator[Bypass]:
    """Give the complaints about a project's packages, from composer.json and composer.lock on both sides.

    PHPStan may come from a folder above the project's, as in a monorepo with one vendor/ for all.
    """
    words = name.split("/") if name else []
    for folder in ("/".join(words[:count]) for count in range(len(words), -1, -1)):
        for file, audit in (("composer.lock", audit_lock), ("composer.json", audit_manifest)):
            place = f"{folder}/{file}".lstrip("/")
            yield from audit(before(place), after(place), place=place)


def audit_program(tree: Tree, name: str, settings: Settings, diff: Diff, seen: Seen) -> Iterator[Bypass]:
    """Give the complaints about PHPStan's own files in the repository: the program, and a result cache in git.

    The cache is PHP that PHPStan runs, and holds the errors of files that did not change (recorded:
    bypass-poisoned-cache).
    """
    tracked = tree.tracked or frozenset()
    place = os.path.normpath(relative(program(tree.root / name, settings)[-1], tree.root))
    # A folder on the way may be a link into the repository, and what it leads to counts as well.
    ways = [place, relative(os.path.realpath(tree.root / place), tree.root)]
    found = [each for way in ways for each in (way, *map(str, PurePath(way).parents)) if each in tracked & diff.touched]
    for replaced in found[:1] or sorted(_packages_begun(diff))[:1]:
        yield Bypass(
            rule="phpstan-replaced",
            severity="refuse",
            place=replaced,
            what=f"This change replaces PHPStan itself: {replaced}.",
            remedy="Change it by a change of its own that a person reviews, with a waiver for this rule.",
        )
    for changed in sorted(path for path in diff.touched if _PACKAGES.search(path) and not found)[:1]:
        yield Bypass(
            rule="packages-changed",
            severity="report",
            place=changed,
            what=f"PHPStan's own packages are in git, and differ: {changed}.",
            remedy="Compare them with what composer.lock names before you merge.",
        )
    cache = str(relative(str(seen.parameters.get("resultCachePath") or ""), tree.root))
    if cache in tracked:
        yield Bypass(
            rule="result-cache-committed",
            severity="refuse",
            place=cache,
            what=f"PHPStan's result cache is in git: {cache}; it decides what is analysed.",
            remedy="Remove it from git and ignore it.",
        )


def _packages_begun(diff: Diff) -> set[str]:
    """Return the files of PHPStan's packages that are new in git, where none of them was changed or removed."""
    packages = [change for change in diff.changes if _PACKAGES.search(change.new or change.old or "")]
    begun = {change.new for change in packages if change.old is None and change.new}
    return begun if len(begun) == len(packages) else set()


def placed(findings: Sequence[Finding], root: Path) -> tuple[Finding, ...]:
    """Return the findings with paths from the repository's root, where they lie in it."""
    return tuple(replace(finding, path=relative(finding.path, root)) for finding in findings)


def relative(value: Text, root: Path) -> Text:
    """Return a value of PHPStan's with the root taken off the paths in it."""
    if isinstance(value, str):
        return value.removeprefix(f"{root}/")
    if isinstance(value, dict):
        return {key: relative(item, root) for key, item in value.items()}
    return [relative(item, root) for item in value] if isinstance(value, list) else value
