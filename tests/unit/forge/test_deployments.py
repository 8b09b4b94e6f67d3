from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pyhelpers.forge import deployments, github_api
from pyhelpers.forge.deployments import Ended
from tests.lab.github_server import REPOSITORY, GitHub

if TYPE_CHECKING:
    from github.Repository import Repository

SHA = "a" * 40
ENDED = Ended(
    environment="production",
    sha=SHA,
    run_id="4711",
    begun=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    state="failure",
    description="rolled back",
    log_url=f"https://github.com/{REPOSITORY}/actions/runs/4711",
)
BEFORE, AFTER = "2026-11-22T11:59:00Z", "2026-11-22T13:00:00Z"


def mended(repository: Repository, ended: Ended = ENDED) -> str:
    return github_api.ask(partial(deployments.mend, repository, ended), pause=0.01)


def lost(github: GitHub, *, run_id: str = "4711", state: str = "in_progress", created_at: str = BEFORE) -> int:
    """Make the Deployment of a job whose runner was lost."""
    return github.add_deployment(sha=SHA, environment="production", run_id=run_id, state=state, created_at=created_at)


@pytest.mark.parametrize("state", ["in_progress", "queued", "pending", "success"])
def test_a_deploy_that_the_host_put_back_is_shown_as_failed(github: GitHub, repository: Repository, state: str) -> None:
    """P7, P8: with the way to the run's log; told once."""
    number = lost(github, state=state)
    assert [mended(repository), mended(repository)] == ["failure", ""]
    newest = github.statuses[number][0]
    assert (newest["state"], newest["target_url"], newest["description"]) == ("failure", ENDED.log_url, "rolled back")


@pytest.mark.parametrize("state", ["in_progress", "failure", "error"])
def test_a_release_that_the_host_kept_is_shown_as_live(github: GitHub, repository: Repository, state: str) -> None:
    """GitHub ends a lost runner's Deployment as failed, whatever became of the app; the one before gives way."""
    before = github.add_deployment(sha="b" * 40, environment="production", run_id="1", state="success")
    number = lost(github, state=state)
    assert mended(repository, replace(ENDED, state="success")) == "success"
    assert (github.state(number), github.state(before)) == ("success", "inactive")


def test_an_older_deploy_never_takes_a_newer_ones_place(github: GitHub, repository: Repository) -> None:
    number = lost(github)
    newer = github.add_deployment(sha="c" * 40, environment="production", run_id="5000", state="success")
    elsewhere = github.add_deployment(sha="c" * 40, environment="staging", run_id="5000", state="success")
    assert mended(repository, replace(ENDED, state="success")) == "inactive"
    assert [github.state(each) for each in (number, newer, elsewhere)] == ["inactive", "success", "success"]
    assert mended(repository) == "", "what was replaced stays as it is"
    other = lost(github)
    github.add_deployment(sha="d" * 40, environment="production", run_id="6000", state="success")
    assert mended(repository) == "failure"
    assert github.state(other) == "failure"


def test_the_other_attempts_of_a_run_are_not_ours(github: GitHub, repository: Repository) -> None:
    """A run that was started again has one Deployment for each attempt, of one commit and one number."""
    ours, second = lost(github), lost(github, created_at=AFTER, state="success")
    assert mended(repository) == "failure"
    assert (github.state(ours), github.state(second)) == ("failure", "success")


@pytest.mark.parametrize(
    "change", [{"run_id": "47"}, {"run_id": "x"}, {"run_id": ""}, {"sha": ""}, {"environment": "staging"}]
)
def test_what_is_not_surely_the_deploys_own_is_left_alone(
    github: GitHub, repository: Repository, change: dict[str, str]
) -> None:
    number = lost(github)
    assert mended(repository, replace(ENDED, **change)) == ""  # type: ignore[arg-type]  # the names are fields of Ended
    assert github.state(number) == "in_progress"


def test_a_deployment_of_ones_own_making_is_known_by_its_payload(github: GitHub, repository: Repository) -> None:
    number = github.add_deployment(
        sha=SHA, environment="production", payload={"run-id": 4711}, created_at=BEFORE, state="in_progress"
    )
    assert mended(repository) == "failure"
    assert github.state(number) == "failure"


def test_red_stays_as_it_was_told(github: GitHub, repository: Repository) -> None:
    lost(github, state="error")
    assert mended(repository) == ""


def test_a_lost_answer_is_made_good(github: GitHub, repository: Repository) -> None:
    """P8."""
    number = lost(github)
    github.faults = [("POST", "/statuses", 0, {})]
    assert mended(repository) in {"", "failure"}
    assert [status["state"] for status in github.statuses[number]] == ["failure", "in_progress"]
