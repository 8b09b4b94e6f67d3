"""What the step knows about its runner."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.runner.environment import Runner


def test_a_step_on_github_knows_its_run() -> None:
    runner = Runner.from_environment(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ID": "77",
            "GITHUB_RUN_ATTEMPT": "3",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_SHA": "abc",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_ACTOR": "ann",
            "GITHUB_WORKFLOW": "Deploy",
            "GITHUB_JOB": "deploy",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": "/w/event.json",
            "GITHUB_SERVER_URL": "https://git.acme.example/",
            "GITHUB_API_URL": "https://git.acme.example/api/v3",
            "GITHUB_OUTPUT": "/w/out put",
            "GITHUB_STEP_SUMMARY": "/w/summary",
            "RUNNER_TEMP": "/w/temp",
            "RUNNER_TOOL_CACHE": "/w/tools",
            "RUNNER_DEBUG": "1",
            "BELAY_CONFIG": "deploy/belay.toml",
        }
    )
    assert runner == Runner(
        on_github=True,
        run_id="77",
        run_attempt=3,
        repository="acme/shop",
        sha="abc",
        ref="refs/heads/main",
        actor="ann",
        workflow="Deploy",
        job="deploy",
        event_name="push",
        event_path=Path("/w/event.json"),
        server_url="https://git.acme.example",
        api_url="https://git.acme.example/api/v3",
        output=Path("/w/out put"),
        summary=Path("/w/summary"),
        temp=Path("/w/temp"),
        tool_cache=Path("/w/tools"),
        debug=True,
        colour=None,
        config=Path("deploy/belay.toml"),
    )
    assert runner.run_url == "https://git.acme.example/acme/shop/actions/runs/77/attempts/3"


def test_a_person_at_a_terminal_is_not_on_github() -> None:
    runner = Runner.from_environment({"TMPDIR": "/var/tmp", "GITHUB_OUTPUT": ""})
    assert runner == Runner(temp=Path("/var/tmp"))
    assert runner.run_url == ""


@pytest.mark.parametrize("attempt", ["", "x", "-1", "²", "1.5"])
def test_an_odd_attempt_counts_as_the_first(attempt: str) -> None:
    assert Runner.from_environment({"GITHUB_RUN_ATTEMPT": attempt}).run_attempt == 1


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_is_what_the_user_asked_for(environment: dict[str, str], colour: bool | None) -> None:  # noqa: FBT001
    assert Runner.from_environment(environment).colour is colour


@given(st.dictionaries(st.sampled_from(["GITHUB_ACTIONS", "GITHUB_RUN_ATTEMPT", "RUNNER_TEMP", "TERM"]), st.text()))
def test_no_environment_makes_it_fail(environment: dict[str, str]) -> None:
    Runner.from_environment(environment)


def test_nobody_can_change_it() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Runner().debug = True  # type: ignore[misc]
