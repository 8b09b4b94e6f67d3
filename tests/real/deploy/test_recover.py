"""`recover` as the janitor's workflow runs it: a real deploy whose runner was killed, and a stand-in for GitHub."""

from __future__ import annotations

import html
import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.chaos import snapshot
from tests.lab.github_server import REPOSITORY, TOKEN, GitHub, running_github
from tests.lab.site import Run, Site

SHA = "a" * 40


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running_github() as server:
        yield server
        assert server.complaints == []


def job(github: GitHub, run_id: str = "4711") -> dict[str, str]:
    """What GitHub's runner tells each step."""
    return {
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_RUN_ID": run_id,
        "GITHUB_SHA": SHA,
        "GITHUB_ACTOR": "ann",
    }


def recover(site: Site, github: GitHub, **inputs: str) -> Run:
    run = site.run("recover", environment=job(github, "9000"), token=TOKEN, **inputs)
    assert TOKEN not in run.text
    assert TOKEN not in run.output.read_text()
    return run


def kill_in_migration(site: Site, github: GitHub) -> None:
    """Deploy, and kill the runner in the middle of the migration."""
    run = site.start("deploy", environment=job(github), source=str(site.release("slow", migration="slow")), lease="10")
    while run.running and not list(site.base.glob(".belay/deploys/*/ops/migrate/pid")):
        os.sched_yield()
    run.signal(signal.SIGKILL)
    run.wait()


def settled(site: Site, github: GitHub) -> Run:
    """Recover until the lease ran out; before that nothing is told, because the runner may live."""
    while True:
        run = recover(site, github)
        if "rolled-back" in run.text:
            return run
        assert github.issues == []


def hosts(run: Run) -> list[dict[str, object]]:
    """The output `hosts`."""
    lines = run.output.read_text().splitlines()
    found: list[dict[str, object]] = json.loads(lines[[line.startswith("hosts<<") for line in lines].index(True) + 1])
    return found


def test_a_deploy_whose_runner_was_killed_is_told_mended_and_closed_by_the_next_good_one(
    site: Site, github: GitHub
) -> None:
    """P2, P7, P8: one issue, however often the janitor comes; the Deployment shows what the host says."""
    deployment = github.add_deployment(sha=SHA, environment="production", run_id="4711", state="in_progress")
    before = snapshot.facts(site)
    kill_in_migration(site, github)
    run = settled(site, github)
    assert run.code == 0, run.text
    assert snapshot.facts(site) == before
    (issue,) = github.open_issues()
    for words in ("put back by the host alone", str(site.base), "What to do", "Timeline", "actions/runs/4711"):
        assert words in html.unescape(issue["body"]), words
    assert github.state(deployment) == "failure"
    assert [(row["kind"], row["issue"]) for row in hosts(run)] == [("saved", 1)]
    writes = len(github.writes())
    assert recover(site, github).code == 0
    assert len(github.writes()) == writes, "the same is told once"
    assert site.deploy(site.release("good")).code == 0
    assert recover(site, github).code == 0
    assert github.open_issues() == []
    assert "is well again" in github.comments[1][-1]["body"]


def test_a_deploy_on_hold_is_an_issue_until_a_person_settled_it(site: Site, github: GitHub) -> None:
    """P2: nothing that waits for a person is touched; exit 4 says so to the workflow, too."""
    held = site.run(
        "deploy",
        environment=job(github),
        source=str(site.release("bad", migration="failing")),
        database_rollback="hold",
    )
    assert held.code == 4, held.text
    assert [recover(site, github).code for _ in range(2)] == [4, 4]
    assert site.flag.exists()
    (issue,) = github.open_issues()
    assert "on hold" in issue["title"]
    assert "database-rollback is &#39;hold&#39;" in issue["body"]
    assert site.rollback(database="never").code == 0
    assert recover(site, github).code == 0
    assert github.open_issues() == []


def test_maintenance_that_a_person_put_up_stays_up(site: Site, github: GitHub) -> None:
    """P5: its lease protects it, and there is nothing to tell."""
    put_up = site.run("maintenance", mode="on", lease="900")
    assert put_up.code == 0, put_up.text
    holder, flag = (site.base / ".belay/active").read_text(), site.flag.read_bytes()
    run = recover(site, github)
    assert run.code == 0, run.text
    assert ((site.base / ".belay/active").read_text(), site.flag.read_bytes()) == (holder, flag)
    assert github.issues == []
    assert [row["kind"] for row in hosts(run)] == ["busy"]


def test_without_a_token_or_with_alerts_off_github_is_told_nothing_or_less(site: Site, github: GitHub) -> None:
    deployment = github.add_deployment(sha=SHA, environment="production", run_id="4711", state="in_progress")
    held = site.run(
        "deploy",
        environment=job(github),
        source=str(site.release("bad", migration="failing")),
        database_rollback="hold",
    )
    assert held.code == 4, held.text
    assert site.run("recover", environment=job(github)).code == 4
    assert github.requests == []
    assert recover(site, github, alert="none").code == 4
    assert (github.issues, github.state(deployment)) == ([], "error")


def test_a_github_that_refuses_hides_nothing_of_the_host(site: Site, github: GitHub) -> None:
    """P7: the host's word is told first; an alarm that was not heard is no success."""
    kill_in_migration(site, github)
    github.faults = [("GET", "/issues", 403, {"message": "Resource not accessible by integration"})] * 50
    while True:
        run = recover(site, github)
        if "rolled-back" in run.text:
            break
    assert run.code == 1, run.text
    assert "issues: write" in run.text
    assert [row["kind"] for row in hosts(run)] == ["saved"]


def test_a_token_without_a_repository_is_refused_before_the_host_is_asked(site: Site) -> None:
    run = site.run("recover", token=TOKEN)
    assert run.code == 2, run.text
    assert "GITHUB_REPOSITORY" in run.text
