from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pyhelpers.errors import BadInput, ForgeFailed
from pyhelpers.forge import github_api, incidents
from pyhelpers.forge.incidents import LABEL, LONGEST, Incident, place_of, state_of
from tests.lab.github_server import REPOSITORY, TOKEN, GitHub

if TYPE_CHECKING:
    from github.Repository import Repository

HELD = Incident(
    place=place_of("app.example", "/var/www/app", "production"),
    state=state_of("held", "one", "the disk is full"),
    title="Belay: production on app.example is on hold",
    text="**It is on hold.**",
    since=datetime.now(UTC) - timedelta(days=1),
)
WORSE = replace(HELD, state=state_of("held", "two", "again"), text="**Again.**")
WELL = replace(HELD, state=state_of("good", "three"), text="**It is well again.**", opens=False)
STRANGER = {"login": "mallory", "id": 7, "type": "User"}


def told(repository: Repository, incident: Incident) -> int | None:
    return github_api.ask(partial(incidents.report, repository, incident), pause=0.01)


def closed(repository: Repository, incident: Incident) -> list[int]:
    return github_api.ask(partial(incidents.resolve, repository, incident), pause=0.01)


def test_one_incident_is_one_issue_however_often_it_is_told(github: GitHub, repository: Repository) -> None:
    """P8."""
    assert [told(repository, HELD) for _ in range(3)] == [1, 1, 1]
    (issue,) = github.issues
    assert (issue["title"], [label["name"] for label in issue["labels"]]) == (HELD.title, [LABEL])
    assert issue["body"].startswith(HELD.text)
    assert github.comments[1] == []


def test_what_changes_is_a_comment_once_and_recovery_closes_it(github: GitHub, repository: Repository) -> None:
    """P8: and notes that people put into the issue's text stay."""
    told(repository, HELD)
    github.issues[0]["body"] += "\nann: I am looking at it"
    for _ in range(2):
        assert told(repository, WORSE) == 1
    for _ in range(2):
        closed(repository, WELL)
    assert [comment["body"].partition("\n")[0] for comment in github.comments[1]] == [WORSE.text, WELL.text]
    assert (github.issues[0]["state"], github.issues[0]["state_reason"]) == ("closed", "completed")
    assert "ann: I am looking at it" in github.issues[0]["body"]
    assert told(repository, replace(HELD, state=state_of("held", "four"))) == 2, "the next incident is another one"


def test_other_places_have_issues_of_their_own(github: GitHub, repository: Repository) -> None:
    others = [
        place_of("app.example", "/var/www/app", "staging"),
        place_of("app2.example", "/var/www/app", "production"),
    ]
    assert [told(repository, replace(HELD, place=place)) for place in (HELD.place, *others)] == [1, 2, 3]
    closed(repository, WELL)
    assert [issue["number"] for issue in github.open_issues()] == [2, 3]


def test_without_labels_it_is_found_again_all_the_same(github: GitHub, repository: Repository) -> None:
    """A token that may open issues and not push: GitHub drops the labels without a word."""
    github.labels_allowed = False
    assert [told(repository, incident) for incident in (HELD, HELD, WORSE)] == [1, 1, 1]
    assert closed(repository, WELL) == [1]


def test_where_the_label_is_refused_the_issue_is_opened_without(github: GitHub, repository: Repository) -> None:
    github.faults = [("POST", "/issues", 422, {"message": "Validation Failed"})]
    assert told(repository, HELD) == 1
    assert github.issues[0]["labels"] == []


@pytest.mark.parametrize("lost", [("POST", "/issues"), ("POST", "/comments"), ("PATCH", "/issues/1")])
@pytest.mark.parametrize("status", [0, 502])
def test_an_answer_that_is_lost_makes_nothing_twice(
    github: GitHub, repository: Repository, lost: tuple[str, str], status: int
) -> None:
    """P7, P8: GitHub did it (or not, with 502), and nobody heard; PyGithub's own repetition would do it twice."""
    if lost != ("POST", "/issues"):
        told(repository, HELD)
    github.faults = [(*lost, status, {"message": "Server Error"})]
    told(repository, WORSE)
    assert github.faults == []
    assert len(github.issues) == 1
    assert len(github.comments[1]) == (0 if lost == ("POST", "/issues") else 1)


def test_two_that_open_one_at_once_leave_one(github: GitHub, repository: Repository) -> None:
    told(repository, HELD)
    github.add_issue(title="the other janitor's", body=github.issues[0]["body"], labels=[{"name": LABEL}])
    assert told(repository, HELD) == 1
    assert [issue["number"] for issue in github.open_issues()] == [1]
    assert "#1" in github.comments[2][0]["body"]


def test_an_issue_that_a_person_closed_stays_closed_until_there_is_news(github: GitHub, repository: Repository) -> None:
    told(repository, HELD)
    github.issues[0]["state"] = "closed"
    assert told(repository, HELD) is None
    assert told(repository, WORSE) == 2


def test_a_strangers_issue_or_comment_or_a_pull_request_is_not_ours(github: GitHub, repository: Repository) -> None:
    """Else anybody could hide an alarm in a public repository by opening its issue first."""
    mark = f"<!-- belay place={HELD.place} state={HELD.state} -->"
    github.add_issue(title="hidden", body=mark, user=STRANGER)
    github.add_issue(title="a change", body=mark, pull_request={"url": "x"})
    github.add_issue(title="an app's, of somebody who left", body=mark, user=None)
    github.issues[2]["user"] = None
    assert told(repository, HELD) == 4
    github.comments[4].append(
        {"id": 9, "user": STRANGER, "author_association": "NONE", "body": mark.replace(HELD.state, WORSE.state)}
    )
    told(repository, WORSE)
    assert [comment["user"]["login"] for comment in github.comments[4]] == ["mallory", "github-actions[bot]"]
    github.add_issue(
        title="a member's", body=mark, user=STRANGER, author_association="MEMBER", labels=[{"name": LABEL}]
    )
    assert closed(repository, WELL) == [4, 5]


def test_it_is_found_on_any_page(github: GitHub, repository: Repository) -> None:
    github.page = 3
    github.labels_allowed = False
    told(repository, HELD)
    for number in range(10):
        github.add_issue(title=f"{number}", body="")
    assert told(repository, HELD) == 1


def test_a_recovery_or_a_decision_of_a_person_opens_nothing(github: GitHub, repository: Repository) -> None:
    assert told(repository, WELL) is None
    assert closed(repository, WELL) == []
    assert github.writes() == []


def test_a_text_without_end_is_cut_and_still_known_again(github: GitHub, repository: Repository) -> None:
    long = replace(HELD, text="a line\n" * LONGEST)
    assert [told(repository, long), told(repository, long)] == [1, 1]
    assert "cut here" in github.issues[0]["body"]


@pytest.mark.parametrize(
    ("status", "message", "remedy"),
    [
        (401, "Bad credentials", "github.token"),
        (403, "Resource not accessible by integration", "issues: write"),
        (403, "API rate limit exceeded for installation ID 1.", "next run"),
        (404, "Not Found", "repository"),
        (410, "Issues are disabled for this repo", "alert: none"),
        (500, "", "next run"),
    ],
)
def test_each_refusal_has_its_remedy_and_never_shows_the_token(
    github: GitHub, repository: Repository, status: int, message: str, remedy: str
) -> None:
    """P6."""
    github.fault_headers = {"X-RateLimit-Reset": "99999999999"}
    github.faults = [("GET", "/issues", status, {"message": message})] * 20
    with pytest.raises(ForgeFailed) as raised:
        told(repository, HELD)
    assert remedy in f"{raised.value.message} {raised.value.remedy}"
    assert TOKEN not in f"{raised.value!r} {raised.value.remedy} {raised.value.__cause__}"


def test_a_wrong_token_is_told_as_such(github: GitHub) -> None:
    with pytest.raises(ForgeFailed, match="401"):
        told(github_api.open_repository("ghs_wrong", REPOSITORY, api_url=github.url), HELD)


def test_a_read_that_failed_is_repeated(github: GitHub, repository: Repository) -> None:
    github.faults = [("GET", "/issues", 502, {}), ("GET", "/issues", 0, {})]
    assert told(repository, HELD) == 1


def test_an_answer_that_never_ends_is_given_up(github: GitHub, repository: Repository) -> None:
    """P7: PyGithub's time limit is between two bytes; this one is for all of it."""
    told(repository, HELD)
    github.drip = True
    with pytest.raises(ForgeFailed, match=r"within 0\.5 s"):
        github_api.ask(partial(incidents.report, repository, HELD), seconds=0.5)


@pytest.mark.parametrize("body", ["null", "[[]]", '{"a"', "<html>", '[{"number": "x", "user": 5, "body": []}]'])
def test_an_answer_that_is_no_answer_is_an_error_of_ours(body: str) -> None:
    def garbled() -> None:
        raise ValueError(body)

    with pytest.raises(ForgeFailed, match="can't be read"):
        github_api.ask(garbled)


@pytest.mark.parametrize(
    "url", ["http://github.example/api/v3", "ftp://127.0.0.1", "file:///etc/passwd", "", "http://"]
)
def test_the_token_never_travels_in_the_clear(url: str) -> None:
    """P6."""
    with pytest.raises(BadInput, match="in the clear"):
        github_api.open_repository(TOKEN, REPOSITORY, api_url=url)


@pytest.mark.parametrize("name", ["", "shop", "/", "a/b/c"])
def test_a_token_without_a_repository_is_a_bad_input(name: str) -> None:
    with pytest.raises(BadInput, match="GITHUB_REPOSITORY"):
        github_api.open_repository(TOKEN, name, api_url="https://api.github.com")
