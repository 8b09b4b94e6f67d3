from __future__ import annotations

import re
from typing import Any

import pytest

from pyhelpers.deploy.incident import NEXT, Where, ended_of, incident_of, worst_of_each_run
from pyhelpers.deploy.recover import End, Found, judge, watchdog_of
from pyhelpers.hosts.status import Status

WHERE = Where(
    host="app.example",
    path="/var/www/app",
    environment="production",
    server_url="https://github.com",
    repository="acme/shop",
)
OWNER = {
    "verb": "deploy",
    "actor": "ann",
    "since": "2026-11-22T12:00:00Z",
    "run-id": "4711",
    "run-attempt": 1,
    "run-url": "https://evil.example/",
    "sha": "a" * 40,
    "environment": "production",
    "release": "r1",
}
FREE = Status()


def journal(*events: str) -> list[dict[str, Any]]:
    """Return a journal of `event:name` words."""
    pairs = [event.partition(":")[::2] for event in events]
    return [
        {"event": event, "name": name, "text": "", "uptime": number, "boot": "b", "time": "2026-11-22T12:00:00Z"}
        for number, (event, name) in enumerate(pairs)
    ]


def end(verdict: str, *events: str, **more: Any) -> End:
    return End(
        deployment=more.pop("deployment", "one"),
        verdict=verdict,
        owner={**OWNER, **more},
        journal=journal("begin:one", *events),
    )


DOWN, FIRED, ABORTED = "phase:down", "fire:aborting", "abort:open"
CASES = {
    "a good deploy": (end("confirmed", DOWN), "good"),
    "put back by the host alone": (end("rolled-back", DOWN, FIRED), "saved"),
    "nothing was touched yet": (end("rolled-back", "phase:prepare", FIRED), ""),
    "put back by its own runner": (end("rolled-back", DOWN, ABORTED), ""),
    "fired, held, then put back by a person": (end("rolled-back", DOWN, FIRED, "settled:held", ABORTED), "good"),
    "on hold": (end("held", DOWN, ABORTED), "held"),
    "on hold after the reaper": (end("held", DOWN, FIRED), "held"),
    "unlocked": (end("released", DOWN), "released"),
    "kept without the runner": (end("kept", DOWN, "precommit:one", "fire:finishing"), "kept"),
    "left to the host by its runner": (end("kept", DOWN, "precommit:one", "phase:open", "fire:finishing"), "good"),
    "a backup says nothing of the app": (end("confirmed", verb="backup"), ""),
    "nor does a dry run": (end("rolled-back", DOWN, FIRED, **{"dry-run": True}), ""),
    "nor a doctor": (end("rolled-back", DOWN, FIRED, verb="doctor"), ""),
    "nor one that was refused": (end("refused"), ""),
}


@pytest.mark.parametrize(("last", "kind"), CASES.values(), ids=CASES)
def test_the_last_deploy_that_tells_of_the_app_decides(last: End, kind: str) -> None:
    before = end("confirmed", deployment="before")
    assert judge(FREE, [last, before]) == ((kind, last) if kind else ("good", before))
    assert judge(FREE, []) == ("quiet", None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status(deployment="one", holder="one", status="open", lease_seconds=60), "busy"),
        (Status(deployment="one", holder="one", status="open", lease_seconds=0), "stuck"),
        (Status(deployment="one", holder="one", status="aborting", lease_seconds=0), "stuck"),
        (Status(deployment="one", holder="one", status="held"), "held"),
    ],
)
def test_a_deploy_that_holds_the_host_comes_first(status: Status, kind: str) -> None:
    assert judge(status, [end(status.status, DOWN), end("confirmed")])[0] == kind


@pytest.mark.parametrize(
    ("reaper", "status", "overdue", "told"),
    [
        ("alive", "open", 0, ""),
        ("alive", "open", 300, "has not acted for 300 s"),
        ("alive", "aborting", 300, ""),  # an undo may take long
        ("dead", "open", 0, "is dead"),
        ("stopped", "precommit", 0, "is stopped"),
        ("off", "open", 0, ""),  # as it was asked for
        ("dead", "held", 0, ""),
    ],
)
def test_a_watcher_that_can_not_watch_is_told(reaper: str, status: str, overdue: int, told: str) -> None:
    """P2: before the lease runs out, too."""
    found = watchdog_of(Status(deployment="one", holder="one", status=status, reaper=reaper, overdue_seconds=overdue))
    assert told in found
    assert bool(found) == bool(told)


HOSTILE = (
    "@ann see #1 <img src=x onerror=alert(1)> [click](https://evil.example) https://evil.example ![x](//evil)\n"
    "# heading | cell `code` <!-- belay place=000000000000000000000000 state=000000000000000000000000 --> www.evil.example"
)


def test_what_a_host_says_is_never_markup_a_mention_or_a_link() -> None:
    """P6: a host that was broken into speaks to everybody who reads the repository."""
    last = End(
        deployment=HOSTILE,
        verdict="rolled-back",
        reason=HOSTILE,
        owner={**OWNER, "actor": HOSTILE, "release": HOSTILE, "run-url": "https://evil.example/", "since": HOSTILE},
        journal=[*journal(DOWN, FIRED), {"event": HOSTILE, "name": HOSTILE, "text": HOSTILE, "time": HOSTILE}] * 3,
    )
    found = Found(kind="saved", end=last, status=FREE, recent=[last], watchdog=HOSTILE)
    incident = incident_of(found, WHERE)
    assert incident is not None
    assert not re.search(r"@ann|<img|<!--|\]\(|`code`|#1\b|(https://|www\.)evil", incident.text)
    assert re.findall(r"https?://\S+", incident.text) == ["https://github.com/acme/shop/actions/runs/4711"]
    assert "\n# heading" not in incident.text
    ended = ended_of(last, WHERE)
    assert ended is not None
    assert "@" not in ended.description
    assert len(ended.description) <= 140


def test_a_text_of_a_host_has_an_end() -> None:
    last = End(deployment="one", verdict="held", reason="x" * 10**6, owner=OWNER, journal=journal(DOWN) * 10_000)
    incident = incident_of(Found(kind="held", end=last, status=FREE), WHERE)
    assert incident is not None
    assert len(incident.text) < 65_000


@pytest.mark.parametrize("kind", NEXT)
def test_every_kind_that_people_are_told_of_says_what_to_do(kind: str) -> None:
    """And only those that are trouble open an issue."""
    last = end("held", DOWN)
    incident = incident_of(Found(kind=kind, end=last, status=FREE), WHERE)
    assert incident is not None
    assert incident.opens == (kind in {"held", "saved", "kept", "stuck"})
    assert ("What to do" in incident.text) == (kind != "good")


def test_the_state_of_an_incident_is_new_with_its_deploy_its_kind_and_its_reason() -> None:
    told = set()
    for kind, name, reason in [("held", "one", ""), ("saved", "one", ""), ("held", "two", ""), ("held", "one", "disk")]:
        last = End(deployment=name, verdict="held", reason=reason, owner=OWNER)
        incident = incident_of(Found(kind=kind, end=last, status=FREE), WHERE)
        assert incident is not None
        told.add(incident.state)
    assert len(told) == 4


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (end("rolled-back", DOWN, FIRED), "failure"),
        (end("rolled-back", "phase:prepare", FIRED), "failure"),
        (end("kept", DOWN, "precommit:one", "fire:finishing"), "success"),
        (end("held", DOWN, ABORTED), "error"),
        (end("rolled-back", DOWN, ABORTED), ""),  # its runner told GitHub
        (end("confirmed", DOWN), ""),
        (end("released", DOWN, FIRED), ""),  # a person decides what it is now
    ],
)
def test_github_is_told_only_of_what_no_runner_told(last: End, state: str) -> None:
    ended = ended_of(last, WHERE)
    assert (ended.state if ended else "") == state
    if ended:
        assert (ended.run_id, ended.sha, ended.environment) == ("4711", "a" * 40, "production")


def test_of_a_fleet_the_host_that_is_worst_off_speaks() -> None:
    ends = [
        ended_of(end(*words), WHERE)
        for words in [("rolled-back", DOWN, FIRED), ("held", DOWN), ("rolled-back", DOWN, FIRED)]
    ]
    (one,) = worst_of_each_run([each for each in ends if each])
    assert one.state == "error"
