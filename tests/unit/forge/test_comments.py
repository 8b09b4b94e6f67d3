from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyhelpers.errors import ForgeFailed
from pyhelpers.forge import github_api
from pyhelpers.forge.comments import LONGEST, keep_comment
from tests.lab.github_checks_server import GitHubChecks
from tests.lab.github_server import REPOSITORY, TOKEN

if TYPE_CHECKING:
    from github.Repository import Repository

MARKER = "phpstan-gate: api"
STRANGER = {"login": "mallory", "id": 7, "type": "User"}
FAULTS = {"the answer is lost": 0, "no answer in time": -1, "500": 500, "429": 429, "403 of a limit": 403}
LATER = {"message": "You have exceeded a secondary rate limit. Please retry your request again later."}


@pytest.fixture
def pull_request(checks: GitHubChecks) -> int:
    return int(checks.add_issue(title="a change", body="", pull_request={"url": "x"})["number"])


def kept(repository: Repository, number: int, body: str, **more: Any) -> str:
    return keep_comment(
        repository,
        pull_request=number,
        **{"marker": MARKER, "body": body, "pause": 0, "sleep": lambda _seconds: None, **more},
    )


def bodies(checks: GitHubChecks, number: int) -> list[str]:
    return [comment["body"].partition("\n")[0] for comment in checks.comments[number]]


def test_one_comment_is_kept_up_to_date(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    """P8."""
    told = [kept(gated, pull_request, body) for body in ("3 findings", "3 findings", "none", "none")]
    assert told == ["created", "unchanged", "updated", "unchanged"]
    assert bodies(checks, pull_request) == ["none"]
    assert [method for method, _path in checks.writes()] == ["POST", "PATCH"]


def test_each_marker_has_its_own(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    for marker in ("gate", "gate: api", "gate-2"):
        kept(gated, pull_request, marker, marker=marker)
    assert kept(gated, pull_request, "gate, again", marker="gate") == "updated"
    assert bodies(checks, pull_request) == ["gate, again", "gate: api", "gate-2"]


@pytest.mark.parametrize("status", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("before", ["", "old"])
def test_a_fault_at_any_request_says_it_once(
    checks: GitHubChecks, gated: Repository, pull_request: int, status: int, at: int, before: str
) -> None:
    """P7, P8: of look, write, look, each one fails once."""
    if before:
        kept(gated, pull_request, before)
    checks.faults_at = {len(checks.requests) + at: (status, LATER if status in {403, 429} else {})}
    checks.fault_headers = {"Retry-After": "0"}
    assert kept(gated, pull_request, "new") == ("updated" if before else "created")
    assert bodies(checks, pull_request) == ["new"]


def test_two_at_once_leave_one(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    for number in range(8):
        marker = f"round {number}"
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda word, marker=marker: kept(gated, pull_request, word, marker=marker), ["a", "b"]))
        assert len([1 for each in checks.comments[pull_request] if f"{marker} -->" in each["body"]]) == 1


@pytest.mark.parametrize("at", range(1, 4))
def test_another_run_between_any_two_requests_changes_nothing_of_that(
    checks: GitHubChecks, gated: Repository, pull_request: int, at: int
) -> None:
    from tests.unit.forge.test_checks import between

    kept(between(checks, at, lambda: kept(gated, pull_request, "theirs")), pull_request, "ours")
    assert len(checks.comments[pull_request]) == 1


def test_when_both_wrote_one_the_older_stays(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    kept(gated, pull_request, "old")
    checks.add_comment(pull_request, checks.comments[pull_request][0]["body"])
    assert kept(gated, pull_request, "new") == "updated"
    assert [comment["id"] for comment in checks.comments[pull_request]] == [2]
    assert ("DELETE", f"/repos/{REPOSITORY}/issues/comments/3") in checks.writes()


def test_a_duplicate_that_the_other_run_has_deleted_already_is_no_failure(
    checks: GitHubChecks, gated: Repository, pull_request: int
) -> None:
    kept(gated, pull_request, "old")
    checks.add_comment(pull_request, checks.comments[pull_request][0]["body"])
    checks.faults = [("DELETE", "/comments", 404, {"message": "Not Found"})]
    assert kept(gated, pull_request, "new") == "updated"


def test_what_others_wrote_is_never_touched(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    """Else a stranger could have our comment appear under his name, or ours be hidden in his."""
    kept(gated, pull_request, "ours")
    mine = checks.comments[pull_request][0]["body"]
    quotation = "\n".join(f"> {line}" for line in mine.splitlines()) + "\n\nWhat does this mean?"
    checks.comments[pull_request].clear()
    checks.add_comment(pull_request, mine, user=STRANGER)
    checks.add_comment(pull_request, quotation, user=STRANGER, association="MEMBER")
    checks.add_comment(pull_request, f"{mine} indeed", user=STRANGER, association="MEMBER")
    ghost = checks.add_comment(pull_request, mine)
    ghost["user"] = None  # an account that was deleted
    before = [comment["body"] for comment in checks.comments[pull_request]]
    assert kept(gated, pull_request, "again") == "created"
    assert [comment["body"] for comment in checks.comments[pull_request]][:-1] == before


def test_it_is_found_on_any_page(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    checks.page = 3
    for number in range(10):
        checks.add_comment(pull_request, f"comment {number}", user=STRANGER)
    assert [kept(gated, pull_request, "ours") for _ in range(2)] == ["created", "unchanged"]


@pytest.mark.parametrize("character", ["x", "é", "\N{ROCKET}", "\0", "\udc80", "line\n"])
def test_a_text_without_end_is_cut_and_still_known_again(
    checks: GitHubChecks, gated: Repository, pull_request: int, character: str
) -> None:
    told = [kept(gated, pull_request, character * LONGEST) for _ in range(2)]
    assert told == ["created", "unchanged"]
    (comment,) = checks.comments[pull_request]
    assert len(comment["body"].encode()) <= LONGEST
    assert "cut here" in comment["body"]


def test_other_line_ends_are_no_news(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    kept(gated, pull_request, "one\ntwo")
    comment = checks.comments[pull_request][0]
    comment["body"] = comment["body"].replace("\n", "\r\n") + "\r\n"
    assert kept(gated, pull_request, "one\ntwo") == "unchanged"


def test_a_missing_permission_is_named(checks: GitHubChecks, gated: Repository, pull_request: int) -> None:
    checks.permissions.discard("comments")
    with pytest.raises(ForgeFailed, match="403") as raised:
        kept(gated, pull_request, "x")
    assert "`pull-requests: write`" in raised.value.remedy
    assert "fork" in raised.value.remedy


@pytest.mark.parametrize("marker", ["", "-->", "a--b", "a\nb", " a", "<x>"])
def test_a_marker_that_would_end_the_comment_is_our_own_error(gated: Repository, marker: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        kept(gated, 1, "x", marker=marker)


def test_a_token_that_is_not_valid_any_more_is_told_as_such(checks: GitHubChecks, pull_request: int) -> None:
    with pytest.raises(ForgeFailed, match="401"):
        kept(github_api.open_repository(f"{TOKEN}x", REPOSITORY, api_url=checks.url, pause=0), pull_request, "x")
