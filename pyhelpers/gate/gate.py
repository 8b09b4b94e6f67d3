"""The gate: analyse the whole project, compare it with its base, and say one verdict."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyhelpers.errors import BadInput
from pyhelpers.gate.bypass import Bypass, Severity
from pyhelpers.gate.child import Start
from pyhelpers.gate.finding import Finding
from pyhelpers.gate.history import Diff, Repository
from pyhelpers.gate.ignores import total
from pyhelpers.gate.matching import Kind, Matched, match
from pyhelpers.gate.phpstan import Settings, version
from pyhelpers.gate.project import (
    Seen,
    Tree,
    audit_packages,
    audit_program,
    audit_project,
    findings_of,
    look,
    look_at_side,
)
from pyhelpers.gate.suppressions import audit_source
from pyhelpers.gate.verdict import Verdict, decide
from pyhelpers.gate.waivers import FILE, Waived, Waiver, apply, read_waivers

HIDES = frozenset({"suppression-added", "ignore-pattern-added", "path-excluded"})
Report = Callable[[str], object]
BaseFindings = Callable[[str, str], Sequence[Finding] | None]  # of a commit and a project: from a saved report


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the gate; the meaning of each is that of the input of its name."""

    projects: tuple[str, ...] = ("",)
    settings: Settings = field(default_factory=Settings)
    baseline: str = "shrink"
    suppressions: str = "deny"

    @property
    def severity(self) -> Severity | None:
        """The severity of what newly hides errors."""
        severities: dict[str, Severity] = {"deny": "refuse", "report": "report"}
        return severities.get(self.suppressions)


@dataclass(kw_only=True)
class Result:
    """How it ended."""

    verdict: Verdict
    base: str | None
    seen: list[Seen]
    matched: list[Matched]
    bypasses: list[Bypass]
    waived: Waived
    fixed: int
    diff: Diff
    phpstan: str

    @property
    def stale(self) -> list[str]:
        """PHPStan's texts about entries that are no longer needed, and that name no file of the analysis."""
        return [text for seen in self.seen for text in seen.stale]

    @property
    def new(self) -> list[Matched]:
        """The findings that the base doesn't have; without a base, all."""
        return [matched for matched in self.matched if matched.kind is not Kind.OLD]

    @property
    def errors(self) -> int:
        """How many errors PHPStan reports, entries that are no longer needed among them."""
        return len(self.matched) + len(self.stale)

    @property
    def suppressions(self) -> int:
        """In how many places the change newly hides errors."""
        return sum(bypass.rule in HIDES for bypass in self.bypasses)

    @property
    def refused(self) -> list[Bypass]:
        """What the gate refuses beside PHPStan's findings."""
        return [bypass for bypass in self.bypasses if bypass.severity == "refuse"]

    @property
    def baseline_size(self) -> int:
        """How many findings the baselines hide."""
        return sum(total(seen.side.configuration.all_ignores) for seen in self.seen)

    @property
    def files(self) -> int:
        """How many files are analysed."""
        return len(frozenset().union(*(seen.side.analysed for seen in self.seen)))


def run_gate(
    request: Request,
    repository: Repository,
    *,
    base: str | None,
    starter: Callable[[Path | None], Start],
    temp: Path,
    today: dt.date,
    saved: BaseFindings = lambda _commit, _project: None,
    audits: Sequence[Callable[[], list[Bypass]]] = (),
    report: Report = lambda _text: None,
) -> Result:
    """Run the gate over the checkout as it lies there; nothing in it is changed.

    `starter` gives the way to start a child, with a folder of its own for temporary files where one is named; `saved`
    may know the base's findings; `audits` are complaints that come from elsewhere (workflows, GitHub's rules). Raises
    `BadInput`, for inputs and for a broken waiver file.
    """
    head = Tree(root=repository.root, tracked=repository.tracked(), start=starter(None), temp=temp)
    diff = repository.diff(base) if base else Diff()
    waivers = _waivers(repository, base, today)
    seen = []
    for name in request.projects:
        report(f"PHPStan analyses {name or 'the project'}")
        seen.append(look(head, name, request.settings))
    bypasses = [bypass for audit in audits for bypass in audit()]
    matched: list[Matched] = []
    fixed = 0
    if base is None:
        matched = [each for one in seen for each in match(one.findings, None, diff)[0]]
    else:
        with _exported(repository, base, request, starter) as old:
            report(f"The base {base[:12]} is compared")
            bypasses += dict.fromkeys(_audit(request, old, head, seen, diff))  # projects share folders, and complaints
            for one in seen:
                kinds, mended = match(one.findings, _base_findings(one, old, base, request, saved), diff)
                matched += kinds
                fixed += mended
    phpstan = version(head.root / request.projects[0], request.settings, start=head.start)
    return _judged(seen, apply(waivers, matched, bypasses, today), base=base, fixed=fixed, diff=diff, phpstan=phpstan)


def _judged(seen: list[Seen], waived: Waived, *, base: str | None, fixed: int, diff: Diff, phpstan: str) -> Result:
    """Return the result with its verdict, from what the waivers left."""
    return Result(
        verdict=decide(
            failures=[failure for one in seen for failure in one.failures],
            bypasses=waived.bypasses,
            findings=waived.findings,
            stale=[text for one in seen for text in one.stale],
        ),
        base=base,
        seen=seen,
        matched=waived.findings,
        bypasses=waived.bypasses,
        waived=waived,
        fixed=fixed,
        diff=diff,
        phpstan=phpstan,
    )


def check_projects(repository: Repository, folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the projects from the repository's root. Raises `BadInput` for a folder that isn't there, or outside."""
    found = []
    for name in names or ["."]:
        place = (folder / name).resolve()
        if not place.is_relative_to(repository.root) or not place.is_dir():
            raise BadInput(
                "working-directory", f"there is no folder {name} in the checkout", remedy="Name it from the top."
            )
        found.append("" if place == repository.root else place.relative_to(repository.root).as_posix())
    return tuple(dict.fromkeys(found))


def _audit(request: Request, old: Tree, head: Tree, seen: Sequence[Seen], diff: Diff) -> Iterator[Bypass]:
    def before(path: str) -> str | None:
        return _text(old.root, path)

    def after(path: str) -> str | None:
        return _text(head.root, path)

    analysed: set[str] = set()
    for one in seen:
        side, _ = look_at_side(old, one.name, request.settings)
        analysed |= side.analysed | one.side.analysed
        if not one.failures:
            yield from audit_project(
                side,
                one,
                diff,
                settings=request.settings,
                baseline=request.baseline,
                suppressions=request.severity,
            )
        yield from audit_packages(one.name, before=before, after=after)
        yield from audit_program(head, one.name, request.settings, diff, one)
    yield from audit_source(diff, analysed=frozenset(analysed), before=before, after=after, severity=request.severity)
    yield from _reviewed_files(diff)


def _reviewed_files(diff: Diff) -> Iterator[Bypass]:
    """Say that the change touches what decides about the gate, so that nobody merges it unseen."""
    for path in sorted(diff.touched):
        if path == FILE:
            what = "This change touches the waivers; they count from the next change on."
            yield Bypass(rule="waivers-changed", severity="report", place=path, what=what, remedy="Review them.")
        elif path.startswith(".github/workflows/"):
            what = "This change touches a workflow, and GitHub runs it as the change has it."
            yield Bypass(rule="workflow-changed", severity="report", place=path, what=what, remedy="Review it.")


def _base_findings(one: Seen, old: Tree, base: str, request: Request, saved: BaseFindings) -> Sequence[Finding] | None:
    """Return what the base's PHPStan finds; it is asked only where there is something to compare with."""
    known = saved(base, one.name)
    if known is not None:
        return known
    if one.failures:
        return None
    if not one.findings or not (old.root / one.name).is_dir():
        return ()
    return findings_of(old, one.name, request.settings)


def _waivers(repository: Repository, base: str | None, today: dt.date) -> list[Waiver]:
    """Return the waivers of the base; those of the checkout are only looked at, whether they can be read."""
    own = _text(repository.root, FILE)
    now = read_waivers(own, today) if own is not None else []
    if base is None:
        return now
    reviewed = repository.show(base, FILE)
    return read_waivers(reviewed, today) if reviewed is not None else []


@contextmanager
def _exported(
    repository: Repository, base: str, request: Request, starter: Callable[[Path | None], Start]
) -> Iterator[Tree]:
    """Give the base's files in a folder of their own, with the checkout's packages, for a `with` block."""
    place = Path(tempfile.mkdtemp(prefix="belay-base-")).resolve()
    try:
        root, temp = place / "base", place / "temp"
        temp.mkdir()
        repository.export(base, root)
        for name in {"", *request.projects}:
            packages, link = repository.root / name / "vendor", root / name / "vendor"
            if packages.is_dir() and link.parent.is_dir() and not link.exists():
                link.symlink_to(packages)
        yield Tree(root=root, tracked=None, start=starter(temp), temp=temp)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _text(root: Path, path: str) -> str | None:
    try:
        return (root / path).read_text("utf-8", "replace")
    except (OSError, ValueError):
        return None
