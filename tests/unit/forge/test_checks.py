from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyhelpers.errors import ForgeFailed
from pyhelpers.forge import checks as forge_checks
from pyhelpers.forge import github_api
from pyhelpers.forge.checks import SUPERSEDED, Annotation, publish_check
from tests.lab.github_checks_server import OTHER_APP, SHA, GitHubChecks
from tests.lab.github_server import REPOSITORY, TOKEN

if TYPE_CHECKING:
    from github.Repository import Repository

NAME = "PHPStan gate"
LATER: dict[str, Any] = {"message": "You have exceeded a secondary rate limit. Please retry your request again later."}


def findings(number: int) -> list[Annotation]:
    return [
        Annotation(
            path=f"src/File{index % 7}.php",
            start_line=index + 1,
            end_line=index + 1,
            level="failure",
            title="argument.type",
            message=f"Finding {index}.",
        )
        for index in range(number)
    ]


def published(repository: Repository, number: int = 0, **said: Any) -> int:
    usual: dict[str, Any] = {
        "head_sha": SHA,
        "name": NAME,
        "external_id": "belay/phpstan",
        "conclusion": "failure" if number else "success",
        "title": f"{number} findings",
        "summary": "What was found.",
        "annotations": findings(number),
        "pause": 0,
        "sleep": lambda _seconds: None,
    }
    return publish_check(repository, **{**usual, **said})


def complete(github: GitHubChecks, number: int) -> dict[str, Any]:
    """Return the one check of the name, which must show each finding once."""
    (run,) = github.named(NAME)
    assert (run["status"], run["conclusion"]) == ("completed", "failure" if number else "success")
    assert [each["message"] for each in github.annotations[run["id"]]] == [each.message for each in findings(number)]
    return run


@pytest.mark.parametrize(
    ("number", "writes"), [(0, 1), (1, 1), (49, 1), (50, 1), (51, 2), (100, 2), (1000, 20), (10_000, 200)]
)
def test_any_number_of_findings_is_one_check(checks: GitHubChecks, gated: Repository, number: int, writes: int) -> None:
    number_of_run = published(gated, number)
    assert complete(checks, number)["id"] == number_of_run
    assert len(checks.writes()) == writes
    assert len(checks.requests) == writes + 2, "one look before, one after"


@pytest.mark.parametrize("number", [0, 51])
def test_said_again_it_writes_nothing(checks: GitHubChecks, gated: Repository, number: int) -> None:
    """P8."""
    first = published(gated, number)
    before = len(checks.writes())
    assert published(gated, number) == first
    assert len(checks.writes()) == before


def test_it_is_never_green_before_all_is_said(checks: GitHubChecks, gated: Repository) -> None:
    """P7: whatever is cut off, a check that is open doesn't let a merge through."""
    checks.faults = [("PATCH", "/check-runs", 403, {"message": "Resource not accessible by integration"})]
    with pytest.raises(ForgeFailed):
        published(gated, 120, conclusion="success")
    (run,) = checks.named(NAME)
    assert (run["status"], run["conclusion"]) == ("in_progress", None)


FAULTS = {
    "the answer is lost, the work was done": 0,
    "no answer in time, the work was done": -1,
    "500": 500,
    "502": 502,
    "429 with Retry-After": 429,
    "403 with Retry-After": 403,
}


@pytest.mark.parametrize("status", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("at", range(5))
def test_a_fault_at_any_request_loses_nothing_and_doubles_nothing(
    checks: GitHubChecks, gated: Repository, status: int, at: int
) -> None:
    """P7, P8: of look, POST, PATCH, PATCH, look, each one fails once."""
    checks.faults_at = {at: (status, LATER if status in {403, 429} else {})}
    checks.fault_headers = {"Retry-After": "1"} if status in {403, 429} and at in {1, 2, 3} else {"Retry-After": "0"}
    published(gated, 120)
    complete(checks, 120)
    assert [run["name"] for run in checks.check_runs] == [NAME]


@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("status", [0, 500])
def test_two_faults_in_a_row_are_borne_and_a_third_ends_it(
    checks: GitHubChecks, gated: Repository, at: int, status: int
) -> None:
    # After a write that failed comes a look, then the write again: at, at + 2, at + 4.
    checks.faults_at = {at: (status, {}), at + 2: (status, {})}
    published(gated, 120)
    complete(checks, 120)


def test_a_server_that_is_down_is_given_up(checks: GitHubChecks, gated: Repository) -> None:
    checks.faults_at = dict.fromkeys(range(1, 100), (503, {"message": "Unavailable"}))
    with pytest.raises(ForgeFailed, match="GitHub"):
        published(gated, 120)
    assert all(run["conclusion"] is None for run in checks.check_runs)


def test_the_wait_is_as_long_as_github_asks_and_no_longer_than_ours(checks: GitHubChecks, gated: Repository) -> None:
    waits: list[float] = []
    checks.faults = [("POST", "/check-runs", 429, LATER)]
    checks.fault_headers = {"Retry-After": "7"}
    published(gated, 0, sleep=waits.append)
    assert waits == [7]
    checks.faults = [("POST", "/check-runs", 403, LATER)]
    checks.fault_headers = {"Retry-After": "3600"}
    with pytest.raises(ForgeFailed) as raised:
        published(gated, 1, sleep=waits.append)
    assert waits == [7]
    assert "next run" in raised.value.remedy


@pytest.mark.parametrize(
    ("status", "message", "remedy"),
    [
        (401, "Bad credentials", "github.token"),
        (403, "Resource not accessible by integration", "`checks: write`"),
        (403, "You must authenticate via a GitHub App.", "personal token"),
        (404, "Not Found", "`checks: write`"),
        (422, f"No commit found for SHA: {SHA}", "commit"),
        (429, "Too many requests", "fewer jobs"),
        (403, "You have exceeded a secondary rate limit", "fewer jobs"),
        (403, "API rate limit exceeded for installation ID 1.", "next run"),
    ],
)
@pytest.mark.parametrize("write", ["POST", "PATCH"])
def test_a_refusal_names_the_permission_that_is_missing(
    checks: GitHubChecks, gated: Repository, status: int, message: str, remedy: str, write: str
) -> None:
    checks.faults = [(write, "/check-runs", status, {"message": message})] * 9
    with pytest.raises(ForgeFailed) as raised:
        published(gated, 51)
    assert remedy in raised.value.remedy
    assert "issues: write" not in raised.value.remedy
    assert TOKEN not in f"{raised.value!r} {raised.value.remedy} {raised.value.__cause__}"


def test_two_at_once_leave_one_check(checks: GitHubChecks, gated: Repository) -> None:
    """P8: the rounds end differently each time; whatever they do, one check bears the name and says all of it once."""
    for number in (0, 1, 51, 120, 333):
        name = f"{NAME} {number}"
        with ThreadPoolExecutor(2) as both:
            results = [both.submit(published, gated, number, name=name, external_id="x") for _ in range(2)]
            numbers = {result.result() for result in results}
        (run,) = checks.named(name)
        assert run["id"] in numbers
        assert (run["status"], run["conclusion"]) == ("completed", "failure" if number else "success")
        assert len(checks.annotations[run["id"]]) == number


def test_of_two_that_both_began_the_newest_decides(checks: GitHubChecks, gated: Repository) -> None:
    """The other one begins after this one's look and ends before it: each request of the first is a place for it."""
    for at in range(1, 5):
        name = f"{NAME} {at}"
        interrupted = between(checks, at, partial(published, gated, 51, name=name, title="another"))
        published(interrupted, 120, name=name)
        (run,) = checks.named(name)
        newest = max(each["id"] for each in checks.check_runs if each["name"].startswith(name))
        assert run["id"] == newest
        assert run["status"] == "completed"
        others = [each for each in checks.check_runs if each["name"].startswith(f"{name} (")]
        assert {each["conclusion"] for each in others} <= {"neutral"}


def test_a_writer_never_takes_up_what_another_is_writing(checks: GitHubChecks, gated: Repository) -> None:
    """One whose first answer was lost looks for its own check run, and finds one of the same content that isn't."""

    def another() -> None:
        checks.faults = [("POST", "/check-runs", 500, {})]
        published(gated, 120)

    published(between(checks, 2, another), 120)
    complete(checks, 120)


def between(checks: GitHubChecks, at: int, work: Callable[[], object]) -> Repository:
    """Return a repository whose request number `at` is preceded by some work of another."""
    repository = github_api.open_repository(TOKEN, REPOSITORY, api_url=checks.url, pause=0)
    requester, count = repository.requester, iter(range(10_000))
    original = requester.requestJson

    def counted(*words: Any, **more: Any) -> Any:
        if next(count) == at:
            work()
        return original(*words, **more)

    requester.requestJson = counted  # type: ignore[method-assign]  # a moment between two requests can't be had otherwise
    return repository


def test_a_newer_result_takes_the_place_of_an_older_one(checks: GitHubChecks, gated: Repository) -> None:
    published(gated, 51)
    published(gated, 0)
    complete(checks, 0)
    (older,) = [run for run in checks.check_runs if run["name"] != NAME]
    assert older["name"] == f"{NAME} ({SUPERSEDED})"
    assert older["conclusion"] == "neutral"


def test_where_github_keeps_the_old_name_the_old_check_never_counts_as_passed(
    checks: GitHubChecks, gated: Repository
) -> None:
    """P7: neutral counts as passed, so a check that kept the name must not end as that."""
    checks.renames = False
    published(gated, 0)
    published(gated, 51)
    assert [run["conclusion"] for run in checks.check_runs] == ["cancelled", "failure"]


def test_the_same_name_of_another_project_or_app_is_left_alone(checks: GitHubChecks, gated: Repository) -> None:
    checks.add_check_run(app=OTHER_APP, name=NAME, external_id="theirs", status="completed", conclusion="success")
    checks.add_check_run(name=NAME, status="completed", conclusion="success")
    published(gated, 2, external_id="one-more")
    published(gated, 1, external_id="one")
    assert [run["name"] for run in checks.check_runs] == [NAME] * 4


def test_a_check_that_only_claims_to_say_it_is_not_believed(checks: GitHubChecks, gated: Repository) -> None:
    """Whatever runs in the repository may write check runs of any `external_id`."""
    published(gated, 51)
    checks.check_runs[0].update(conclusion="success")
    published(gated, 51)
    complete(checks, 51)
    checks.annotations[checks.named(NAME)[0]["id"]].pop()
    checks.named(NAME)[0]["output"]["annotations_count"] -= 1
    published(gated, 51)
    complete(checks, 51)


def test_it_is_found_on_any_page(checks: GitHubChecks, gated: Repository) -> None:
    checks.page = 2
    first = published(gated, 1)
    for number in range(5):
        checks.add_check_run(name=NAME, external_id=f"other{number}", status="completed", conclusion="success")
    assert published(gated, 1) == first


def test_texts_of_any_length_and_content_are_taken(checks: GitHubChecks, gated: Repository) -> None:
    """What is cut says so; nothing that GitHub refuses is sent (`complaints`)."""
    hostile = "é\0\x1b[31m\udc80::error::" * 20_000
    annotation = Annotation(
        path="src/\udcff.php",
        start_line=0,
        end_line=-1,
        level="warning",
        title=hostile,
        message=hostile,
        raw_details=hostile,
    )
    blank = Annotation(path="a.php", start_line=3, end_line=2, level="notice", title="", message="")
    published(gated, 1, title=hostile, summary=hostile, annotations=[annotation, blank])
    published(gated, 1, title="", summary="", external_id="blank", name="blank", details_url="https://ci.example/1")
    (run,) = checks.named(NAME)
    assert "cut here" in run["output"]["summary"]
    sent = checks.annotations[run["id"]][0]
    assert (sent["start_line"], sent["end_line"]) == (1, 1)
    assert "cut here" in sent["message"]
    assert "\0" not in sent["message"]


@pytest.mark.parametrize("wrong", ["stale", "passed"])
def test_a_conclusion_that_github_does_not_take_is_our_own_error(gated: Repository, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        published(gated, conclusion=wrong)


def test_an_unknown_level_is_our_own_error(gated: Repository) -> None:
    odd = Annotation(path="a", start_line=1, end_line=1, level="error", title="", message="x")
    with pytest.raises(ValueError, match="error"):
        published(gated, annotations=[odd])


@pytest.mark.parametrize("killed_after", [1, 2, 19])
def test_killed_in_mid_publication_and_run_again_it_is_whole(
    checks: GitHubChecks, gated: Repository, killed_after: int
) -> None:
    """P8: a real process, killed by SIGKILL when so many writes have arrived; until then the check is open."""
    program = (
        "import sys\n"
        "from tests.unit.forge import test_checks as here\n"
        "from pyhelpers.forge import github_api\n"
        "repository = github_api.open_repository(here.TOKEN, here.REPOSITORY, api_url=sys.argv[1], pause=0.02)\n"
        "here.published(repository, 1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, checks.url], cwd=Path.cwd()) as child:
        while len(checks.writes()) < killed_after and child.poll() is None:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    for run in checks.named(NAME):
        assert run["status"] == "in_progress"
    published(gated, 1000)
    complete(checks, 1000)
    again = len(checks.writes())
    published(gated, 1000)
    assert len(checks.writes()) == again


def test_the_deadline_grows_with_the_findings(gated: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 annotations are 200 requests, a second apart; the usual ninety seconds would not do."""
    seen: list[float] = []

    def ask(_work: object, *, seconds: float, **_more: object) -> int:
        seen.append(seconds)
        return 1

    monkeypatch.setattr(forge_checks, "ask", ask)
    published(gated, 0)
    published(gated, 10_000)
    assert seen == [90, 890]


def test_the_stand_in_refuses_what_github_refuses() -> None:
    from tests.lab.github_checks_server import wrong_run

    usual = {"name": "x", "head_sha": SHA, "output": {"title": "t", "summary": "s"}}
    line = {"path": "nowhere.php", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}

    def wrong(**more: Any) -> str:
        return wrong_run({**usual, **more}, {"name", "head_sha"}, {"title", "summary"})

    def annotated(*annotations: dict[str, Any]) -> str:
        return wrong(output={"title": "t", "summary": "s", "annotations": list(annotations)})

    assert not wrong()
    assert not annotated(*[line] * 50)
    assert "50" in annotated(*[line] * 51)
    assert all(
        (
            wrong(status="completed"),
            wrong(conclusion="success"),
            wrong(conclusion="stale", status="completed"),
            wrong(level="x"),
            wrong(output={"summary": "s"}),
            wrong(output={"title": "t", "summary": "s" * 65_536}),
            annotated({**line, "start_line": 0}),
            annotated({**line, "end_line": 0}),
            annotated({**line, "annotation_level": "error"}),
            annotated({**line, "message": "m" * 65_537}),
            annotated({**line, "title": "t" * 256}),
            annotated({**line, "column": 1}),
            annotated({**line, "start_line": True}),
        )
    )


def test_threads_of_a_given_up_publication_end_with_the_process() -> None:
    """`ask` leaves its thread behind when time is up: it must not keep the job alive."""
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "github")
