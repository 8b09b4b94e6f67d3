"""The root action, run for real as a user's workflow would run it, on a real app that is really served."""

from __future__ import annotations

import json

from tests.contract.consumer import Consumer, errors
from tests.lab.plain_app import BROKEN_MIGRATION, BROKEN_PAGE, GOOD_MIGRATION, SLOW_MIGRATION


def test_a_deploy_brings_the_release_to_the_visitors(consumer: Consumer) -> None:
    """P1: and its backup was proven before the migration."""
    step = consumer.deploy()
    assert step.outcome == "success", step.log
    status, content = consumer.app.answer()
    assert (status, content["release"]) == (200, step.outputs["release"])
    assert step.outputs["result"] == "deployed"
    assert step.outputs["healthy"] == "true"
    assert step.outputs["rolled-back"] == "false"
    assert float(str(step.outputs["downtime-seconds"])) > 0
    assert step.log.index("Read the backup back whole") < step.log.index("==> Migrate")
    assert "```mermaid" in step.summary


def test_a_failing_migration_leaves_everything_as_it_was(consumer: Consumer) -> None:
    """P2."""
    consumer.deploy()
    consumer.app.write_notes(100)
    before = consumer.app.state()
    step = consumer.deploy(migration=BROKEN_MIGRATION)
    assert step.outcome == "failure"
    assert consumer.app.state() == before
    assert consumer.app.answer()[0] == 200
    assert step.outputs["result"] == "rolled-back"
    assert step.outputs["rolled-back"] == "true"
    assert step.outputs["healthy"] == "true"  # the release before
    assert step.outputs["previous-release"] == before[0]
    assert float(str(step.outputs["downtime-seconds"])) > 0  # visitors did see the page
    assert len(errors(step)) == 1
    assert "Rolled back" in step.summary


def test_an_unhealthy_release_leaves_everything_as_it_was(consumer: Consumer) -> None:
    """P2."""
    consumer.deploy()
    before = consumer.app.state()
    step = consumer.deploy(migration=GOOD_MIGRATION, page=BROKEN_PAGE)
    assert step.outcome == "failure"
    assert consumer.app.state() == before
    assert step.outputs["result"] == "rolled-back"
    asked = json.loads(str(step.outputs["health-results"]))["checks"]
    assert [check["verdict"] for check in asked] == ["failing", "healthy"]


def test_a_dry_run_changes_nothing_and_claims_nothing(consumer: Consumer) -> None:
    consumer.deploy()
    before = consumer.app.state()
    job = consumer.job(migration=GOOD_MIGRATION)
    assert consumer.run(job, consumer.example("deploy.yml", **{"dry-run": "true"})) == "success"
    assert consumer.app.state() == before
    assert job.steps["deploy"].outputs["result"] == ""
    assert job.steps["deploy"].outputs["rolled-back"] == "false"


def test_a_bad_input_is_one_error_and_nothing_is_asked_of_the_host(consumer: Consumer) -> None:
    job = consumer.job()
    assert consumer.run(job, consumer.example("deploy.yml", **{"keep-releases": "many"})) == "failure"
    step = job.steps["deploy"]
    assert [error.partition("::keep-releases: ")[1] for error in errors(step)] == ["::keep-releases: "]
    assert step.inner["verdict"].outcome == "skipped"
    assert not (consumer.app.base / ".belay").exists()


def test_a_cancelled_deploy_is_put_back_and_the_verdict_says_so(consumer: Consumer) -> None:
    """P2, P7: the signals of a cancel reach Python, because every `run` is an `exec`."""
    consumer.deploy()
    consumer.app.write_notes(10)
    before = consumer.app.state()
    job = consumer.job(migration=SLOW_MIGRATION, cancel_at="migrating 0002_next")
    assert consumer.run(job, consumer.example("deploy.yml")) == "cancelled"
    step = job.steps["deploy"]
    assert step.inner["deploy"].outcome == "cancelled"
    assert step.inner["deploy"].outputs["result"] == "failed", "until the host has been asked"
    assert step.inner["verdict"].outcome == "success"
    assert step.outputs["result"] == "rolled-back"
    assert consumer.app.state() == before
