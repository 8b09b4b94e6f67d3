"""The gate as a step of a workflow, or by hand: inputs in, result, files and words out."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyhelpers.errors import BadInput
from pyhelpers.gate.base import Event, base_commit, event_of
from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.child import Start, run_child
from pyhelpers.gate.gate import Request, Result, check_projects, run_gate
from pyhelpers.gate.history import Repository as Checkout
from pyhelpers.gate.output import Completed
from pyhelpers.gate.own_settings import FILE as SETTINGS
from pyhelpers.gate.own_settings import audit_own_settings
from pyhelpers.gate.page import SUMMARY_ROWS, headline, page
from pyhelpers.gate.phpstan import Settings, program
from pyhelpers.gate.publish import marks, publish
from pyhelpers.gate.report import saved_findings, write_reports
from pyhelpers.gate.required import audit_required, has_merge_queue
from pyhelpers.gate.stale import patch, stale_entries
from pyhelpers.gate.tell import refusal, tell
from pyhelpers.gate.trend import history_of, picture
from pyhelpers.gate.verdict import Verdict
from pyhelpers.gate.workflows import audit_workflows
from pyhelpers.runner import summary
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log

if TYPE_CHECKING:
    from github.Repository import Repository

ACTION = "phpstan-gate"
DEFAULT_CHECK = "PHPStan gate"  # as in cli/gate.py
NO_CHECK = "none"
LONGEST_SECONDS = 6 * 3600.0  # GitHub ends a job after six hours; by hand nobody waits longer either
PATCH = "stale-baseline.patch"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked, checked: nothing is started before."""

    request: Request
    checkout: Checkout
    event: Event
    base: str | None
    reviewed: str | None  # the base that the event itself names, whatever `base-ref` says
    settings: str  # the file that gives inputs their defaults, from the checkout's root; "": it lies elsewhere
    repository: Repository | None
    check: str
    comment: bool
    sarif: Path | None


def asked(values: Mapping[str, Any], folder: Path, runner: Runner) -> Asked:
    """Return what the inputs ask for. Raises `BadInput`, naming the input that can't be right."""
    settings = Settings(
        config=values["config"],
        level=values["level"],
        paths=tuple(_lines(values["paths"])),
        memory_limit=values["memory_limit"],
        php=values["php"],
        phpstan=values["phpstan"],
    )
    names = _lines(values["working_directory"]) or ["."]
    repository = _repository(values["token"], runner)
    _check_files(folder, names, settings)
    sarif = _sarif(values["sarif"], folder)
    checkout = Checkout.around(folder)
    request = Request(
        projects=check_projects(checkout, folder, names),
        settings=settings,
        baseline=values["baseline"],
        suppressions=values["suppressions"],
    )
    event = event_of(runner)
    base = base_commit(checkout, event, values["base_ref"])
    return Asked(
        request=request,
        checkout=checkout,
        event=event,
        base=base,
        reviewed=_reviewed(checkout, event) if values["base_ref"] else base,
        settings=_settings_file(checkout, folder, runner),
        repository=repository,
        check="" if values["check_run"] == NO_CHECK else values["check_run"],
        comment=values["comment"],
        sarif=sarif,
    )


def run(asked: Asked, runner: Runner, log: Log) -> Result:
    """Run the gate and tell its steps; raises `BadInput`."""
    environment = dict(os.environ)

    def starter(temp: Path | None) -> Start:
        given = environment if temp is None else environment | {"TMPDIR": str(temp)}

        def start(argv: Sequence[str], folder: Path) -> Completed:
            return run_child(argv, folder, environment=given, seconds=LONGEST_SECONDS)

        return start

    if asked.base is None:
        log.warning(
            "There is no commit to compare with: nothing is said about what is new, and no baseline is held.",
            title="Not compared",
        )
    return run_gate(
        asked.request,
        asked.checkout,
        base=asked.base,
        starter=starter,
        temp=runner.temp if runner.on_github else _cache(environment),
        today=dt.datetime.now(dt.UTC).date(),
        saved=saved_findings(runner.base_report),
        audits=[lambda: _workflows(asked), lambda: _own_settings(asked)],
        report=log.step,
    )


def write(asked: Asked, result: Result, runner: Runner) -> Path:
    """Write the report's files and return their folder; raises `NothingChanged` when that fails."""
    folder = Path(tempfile.mkdtemp(prefix="belay-gate-report-", dir=runner.temp if runner.temp.is_dir() else None))
    write_reports(result, folder, commit=asked.checkout.commit("HEAD") or "", sarif=asked.sarif)
    if text := _patch(asked, result):
        (folder / PATCH).write_text(text, "utf-8")
    return folder


def show(asked: Asked, result: Result, runner: Runner, log: Log) -> None:
    """Show the result where people look; raises `NotPassed` when the gate is closed."""
    trend = _trend(asked, result)
    beside = list(marks(result))
    published = asked.repository is not None and publish(
        asked.repository,
        result,
        asked.event,
        check=asked.check,
        comment=asked.comment,
        page_url=runner.run_url,
        trend=trend,
        warn=lambda text: log.warning(text, title="Not published"),
    )
    tell(log, result, [] if published or not runner.on_github else beside)
    summary.append(page(result, rows=SUMMARY_ROWS, trend=trend, stale_patch=_patch(asked, result)), runner)
    if result.verdict is not Verdict.PASSED:
        raise refusal(result, headline(result))
    log.done(f"{headline(result)}.")


def _cache(environment: Mapping[str, str]) -> Path:
    """Return the place for the canary off GitHub: not below /tmp, which a pattern of `excludePaths` may well name."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "belay"


def _reviewed(checkout: Checkout, event: Event) -> str | None:
    """Return the base as it would be without `base-ref`, None where there is none: that input may stand in the change."""
    try:
        return base_commit(checkout, event, "")
    except BadInput:
        return None


def _settings_file(checkout: Checkout, folder: Path, runner: Runner) -> str:
    # Where a link leads is no part of its name: one to a softer file would be compared with that file itself.
    place = Path(os.path.normpath(folder.resolve() / (runner.config or SETTINGS)))
    return place.relative_to(checkout.root).as_posix() if place.is_relative_to(checkout.root) else ""


def _own_settings(asked: Asked) -> list[Bypass]:
    """Return what the change does to the gate's own settings."""
    place, checkout = asked.settings, asked.checkout
    if not place or asked.base is None:
        return []
    file = checkout.root / place
    head = file.read_text("utf-8", "replace") if file.is_file() else None
    return list(audit_own_settings(checkout.show(asked.reviewed or asked.base, place), head, place=place))


def _workflows(asked: Asked) -> list[Bypass]:
    """Return what the workflows let through, and what GitHub's rules for the branch don't ask for."""
    branch, check = asked.event.branch, asked.check or DEFAULT_CHECK
    rules: list[Bypass] = []
    queue = False
    if asked.repository is not None and branch:
        rules = audit_required(asked.repository, branch=branch, check_name=check)
        queue = has_merge_queue(asked.repository, branch=branch)
    found = audit_workflows(
        asked.checkout.root, action=ACTION, check_name=check, branch=branch or None, merge_queue=queue
    )
    return [*found, *rules]


def _repository(token: str, runner: Runner) -> Repository | None:
    if not token:
        return None
    from pyhelpers.forge.github_api import open_repository  # noqa: PLC0415  # only with a token

    return open_repository(token, runner.repository, api_url=runner.api_url)


def _check_files(folder: Path, names: Sequence[str], settings: Settings) -> None:
    for name in names:
        place = folder / name
        if not place.is_dir():
            raise BadInput("working-directory", f"there is no folder {name}", remedy="Name it from the top.")
        if settings.config and not (place / settings.config).is_file():
            raise BadInput("config", f"there is no file {settings.config} in {name}", remedy="Is the name right?")
        for path in settings.paths:
            if not (place / path).exists():
                raise BadInput("paths", f"there is no {path} in {name}", remedy="Is the name right?")
        program(place, settings)
    if settings.php and shutil.which(settings.php) is None:
        raise BadInput("php", f"there is no program {settings.php}", remedy="Install it before this step.")


def _sarif(name: str, folder: Path) -> Path | None:
    if not name:
        return None
    place = folder / name
    if place.is_dir() or not place.parent.is_dir():
        raise BadInput("sarif", f"no file can be written at {name}", remedy="Name a file in a folder that is there.")
    return place


def _trend(asked: Asked, result: Result) -> str:
    baselines = sorted({file for seen in result.seen for file in seen.side.configuration.baselines})
    if asked.base is None or not baselines:
        return ""
    return picture(history_of(asked.checkout, asked.base, baselines), result.baseline_size)


def _patch(asked: Asked, result: Result) -> str:
    root = asked.checkout.root
    stale = [
        entry
        for seen in result.seen
        for entry in stale_entries(seen.side.configuration.ignores, seen.findings, seen.stale, root)
    ]
    return patch(stale, lambda file: (root / file).read_text("utf-8", "replace"))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
