"""The verdict on GitHub: one check run, one comment, and the same verdict where neither may be written."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyhelpers.forge import github_api
from pyhelpers.gate.base import Event
from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.configuration import Configuration
from pyhelpers.gate.finding import Finding
from pyhelpers.gate.gate import Result
from pyhelpers.gate.history import Diff
from pyhelpers.gate.matching import Kind, Matched
from pyhelpers.gate.project import Seen
from pyhelpers.gate.publish import MOST_ANNOTATIONS, publish
from pyhelpers.gate.verdict import Verdict
from pyhelpers.gate.waivers import Waived
from pyhelpers.gate.weakening import Side
from pyhelpers.runner.environment import Runner
from tests.lab.github_checks_server import SHA, GitHubChecks
from tests.lab.github_server import REPOSITORY, TOKEN
from tests.lab.php_repository import make_repository

if TYPE_CHECKING:
    from github.Repository import Repository

NAME = "PHPStan gate"


@pytest.fixture
def repository(checks: GitHubChecks) -> Repository:
    return github_api.open_repository(TOKEN, REPOSITORY, api_url=checks.url, pause=0)


@pytest.fixture
def pull_request(checks: GitHubChecks) -> Event:
    number = checks.add_issue(title="a change", body="", pull_request={"url": "x"})["number"]
    return Event(name="pull_request", pull_request=int(number), head_sha=SHA, branch="main")


def found(number: int) -> Result:
    """Return a result with so many findings."""
    matched = [
        Matched(
            finding=Finding(path=f"src/{n % 40}.php", line=n, message=f"Error {n} | @x.", identifier="a.b"),
            kind=Kind.OLD if n % 2 else Kind.IN_DIFF,
        )
        for n in range(number)
    ]
    configuration = Configuration(files=["phpstan.neon"])
    side = Side(configuration=configuration, parameters={}, ignores=(), analysed=frozenset(), excludes=frozenset())
    return Result(
        verdict=Verdict.FINDINGS if number else Verdict.PASSED,
        base="b" * 40,
        seen=[Seen(name="", side=side)],
        matched=matched,
        bypasses=[],
        waived=Waived(),
        fixed=0,
        diff=Diff(),
        phpstan="2.1.0",
    )


def told(repository: Repository, result: Result, event: Event) -> tuple[bool, list[str]]:
    warnings: list[str] = []
    written = publish(repository, result, event, check=NAME, comment=True, page_url="", trend="", warn=warnings.append)
    return written, warnings


@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 1000, 10_000])
def test_every_finding_is_beside_the_code_in_one_check(
    number: int, checks: GitHubChecks, repository: Repository, pull_request: Event
) -> None:
    assert told(repository, found(number), pull_request) == (True, [])
    (run,) = checks.named(NAME)
    assert (run["status"], run["conclusion"]) == ("completed", "failure" if number else "success")
    shown = checks.annotations[run["id"]]
    assert len(shown) == min(number, MOST_ANNOTATIONS)
    assert {each["annotation_level"] for each in shown[: number // 2]} <= {"failure"}, "new ones come first"
    (comment,) = checks.comments[pull_request.pull_request]
    assert "PHPStan gate" in comment["body"]
    assert "@x" not in comment["body"]


def test_a_trait_is_shown_once_in_its_own_file(
    checks: GitHubChecks, repository: Repository, pull_request: Event
) -> None:
    finding = Finding(path="src/Priced.php", line=9, message="No such property.", identifier="a.b", context="A")
    result = found(0)
    result.matched = [
        Matched(finding=dataclasses.replace(finding, context=context), kind=Kind.IN_DIFF) for context in ("A", "B")
    ]
    result.verdict = Verdict.FINDINGS
    told(repository, result, pull_request)
    (shown,) = checks.annotations[checks.named(NAME)[0]["id"]]
    assert (shown["path"], shown["start_line"]) == ("src/Priced.php", 9)
    assert shown["raw_details"] == "https://phpstan.org/error-identifiers/a.b"


def test_a_file_outside_of_the_repository_is_in_the_report_alone(
    checks: GitHubChecks, repository: Repository, pull_request: Event
) -> None:
    """GitHub can't show it beside any code."""
    result = found(1)
    result.matched = [
        dataclasses.replace(each, finding=dataclasses.replace(each.finding, path="/elsewhere/a.php"))
        for each in result.matched
    ]
    told(repository, result, pull_request)
    assert checks.annotations[checks.named(NAME)[0]["id"]] == []


def test_a_hostile_name_does_not_act_in_the_page(
    checks: GitHubChecks, repository: Repository, pull_request: Event
) -> None:
    """P6: a file's or a service's name is the change's own."""
    result = found(0)
    result.verdict = Verdict.WEAKENED
    hostile = "<img src=x> @team/all [x](http://evil.example)\n::error::x |"
    result.bypasses = [Bypass(rule="service-changed", severity="refuse", place=hostile, what=hostile, remedy="")]
    told(repository, result, pull_request)
    for text in (checks.named(NAME)[0]["output"]["summary"], checks.comments[pull_request.pull_request][0]["body"]):
        assert "<img" not in text
        assert "@team" not in text
        assert "](http" not in text
        assert not [line for line in text.splitlines() if line.startswith("::error")]


def test_a_refusal_is_shown_where_it_stands(checks: GitHubChecks, repository: Repository, pull_request: Event) -> None:
    result = found(0)
    result.verdict = Verdict.WEAKENED
    result.bypasses = [
        Bypass(rule="suppression-added", severity="refuse", place="src/A.php:7", what="What.", remedy="Do."),
        Bypass(rule="configuration-gone", severity="refuse", place="phpstan.neon", what="Gone.", remedy="Back."),
    ]
    told(repository, result, pull_request)
    (run,) = checks.named(NAME)
    assert run["output"]["title"].startswith("Gate weakened: What")
    places = [(each["path"], each["start_line"]) for each in checks.annotations[run["id"]]]
    assert places == [("src/A.php", 7), ("phpstan.neon", 1)]


def test_a_token_that_may_not_write_changes_nothing_but_where_it_is_told(
    checks: GitHubChecks, repository: Repository, pull_request: Event
) -> None:
    """A fork's pull request: 403 for the check run and for the comment, each with the permission that is missing."""
    checks.permissions = {"checks:read"}
    written, warnings = told(repository, found(3), pull_request)
    assert not written
    assert ["checks: write" in warning for warning in warnings] == [True, False]
    assert "pull-requests: write" in warnings[1]


def test_two_runs_at_once_leave_one_check_and_one_comment(checks: GitHubChecks, pull_request: Event) -> None:
    """P8."""

    def one(_number: int) -> bool:
        repository = github_api.open_repository(TOKEN, REPOSITORY, api_url=checks.url, pause=0)
        return told(repository, found(120), pull_request)[0]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, range(2))) == [True, True]
    assert told(github_api.open_repository(TOKEN, REPOSITORY, api_url=checks.url, pause=0), found(120), pull_request)[0]
    assert len(checks.named(NAME)) == 1
    assert len(checks.annotations[checks.named(NAME)[0]["id"]]) == 120
    assert len(checks.comments[pull_request.pull_request]) == 1


def pull_request_run(tmp_path: Path, checks: GitHubChecks, event: Event, base: str) -> Runner:
    temp = tmp_path / "temp"
    temp.mkdir(exist_ok=True)
    payload = tmp_path / "event.json"
    pull = {"number": event.pull_request, "head": {"sha": SHA}, "base": {"sha": base, "ref": "main"}}
    payload.write_text(json.dumps({"pull_request": pull, "repository": {"default_branch": "main"}}))
    return Runner(
        on_github=True,
        output=temp / "output",
        summary=temp / "summary",
        temp=temp,
        event_name="pull_request",
        event_path=payload,
        repository=REPOSITORY,
        api_url=checks.url,
    )


def test_the_step_publishes_and_asks_for_the_rules(
    checks: GitHubChecks, pull_request: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the inputs to the check run; the check isn't required, and that is told."""
    app = make_repository(tmp_path)
    app.configure(includes=["baseline.neon"], replay="small-errors/json")
    monkeypatch.setenv("INPUT_TOKEN", TOKEN)
    ended = app.gate(runner=pull_request_run(tmp_path, checks, pull_request, app.git("rev-parse", "main")))
    assert ended.code == 1
    (run,) = checks.named(NAME)
    assert run["output"]["title"].startswith("Type errors: PHPStan reports 12 errors, 12 of them new")
    assert any(rule.startswith("required-") for rule in ended.reported)
    assert TOKEN not in ended.log.replace(f"::add-mask::{TOKEN}", "")
    assert ended.log.count("::error") == 1, "what the check run shows beside the code isn't shown twice"


def test_on_a_fork_the_step_says_the_same_by_itself(
    checks: GitHubChecks, pull_request: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks.permissions = {"checks:read"}
    app = make_repository(tmp_path)
    app.configure(includes=["baseline.neon"], replay="small-errors/json")
    monkeypatch.setenv("INPUT_TOKEN", TOKEN)
    ended = app.gate(runner=pull_request_run(tmp_path, checks, pull_request, app.git("rev-parse", "main")))
    assert ended.code == 1
    assert checks.named(NAME) == []
    shown = [line for line in ended.log.splitlines() if line.startswith("::error title=") and "file=src/" in line]
    assert len(shown) == 9
    assert ended.log.count("::warning title=Not published::") == 2
    assert "Errors: 12" in ended.summary
