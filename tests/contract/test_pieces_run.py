"""The small actions, run for real: around a deploy of the user's own, by hand, and each by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.contract.consumer import BYPASS, TOP, Consumer, errors
from tests.contract.interpreter import Job, Step
from tests.contract.json_schema import problems
from tests.lab.plain_app import BROKEN_MIGRATION, BROKEN_PAGE, GOOD_MIGRATION, SLOW_MIGRATION, running_plain_app
from tests.lab.sshd import Sshd
from tests.lab.tls import running_tls_page


def piecewise(consumer: Consumer, **more: str) -> tuple[Job, str]:
    job = consumer.job(**more)
    return job, consumer.run(job, consumer.example("piecewise.yml"))


def test_in_pieces_the_user_deploys_and_belay_holds_the_rope(served: Consumer) -> None:
    before = served.app.state()
    job, conclusion = piecewise(served, migration=GOOD_MIGRATION)
    assert conclusion == "success", job.steps
    assert served.app.answer()[0] == 200
    assert "colour" in "".join(served.app.state())
    assert job.steps["down"].outputs["bypass-path"] == f"/{BYPASS}"
    assert job.steps["backup"].outputs["backup-verified"] == "bytes"
    schema = json.loads((TOP / "pyhelpers/backups/manifest.schema.json").read_text())
    assert list(problems(json.loads(str(job.steps["backup"].outputs["manifest"])), schema, schema)) == []
    assert job.steps["rollback"].outcome == "skipped"
    history = (served.app.base / ".belay/history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["id"] == job.steps["down"].outputs["deployment-id"]
    assert json.loads(history[-1])["verdict"] == "confirmed"
    # And afterwards by hand: back to the release that the user's own step had replaced.
    back = by_hand(served, accepted=1)  # the new line in the list of migrations
    assert back.outcome == "success", back.log
    assert served.app.state() == before


@pytest.mark.parametrize(
    "release", [{"migration": BROKEN_MIGRATION}, {"migration": GOOD_MIGRATION, "page": BROKEN_PAGE}]
)
def test_in_pieces_a_failure_puts_code_database_and_visitors_back(served: Consumer, release: dict[str, str]) -> None:
    """P2: the user's own step changed the schema, the rows and the link; all of it is as before."""
    before = served.app.state()
    job, conclusion = piecewise(served, **release)
    assert conclusion == "failure"
    assert served.app.state() == before
    assert served.app.answer()[0] == 200
    outputs = job.steps["rollback"].outputs
    assert job.steps["rollback"].outcome == "success"
    assert (outputs["rolled-back"], outputs["restored-database"], outputs["restored-release"]) == (
        "true",
        "true",
        before[0],
    )
    assert outputs["healthy"] == ("true" if "page" in release else "")  # only the health check says what to ask
    # The page is lifted last: no visitor meets the new code, or the old code on the new schema.
    (journal,) = served.app.base.glob(".belay/deploys/*/journal.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [event["name"] for event in events if event["event"] == "undo-end"][-1] == "down"


def test_in_pieces_a_cancel_puts_everything_back(served: Consumer) -> None:
    """P2: `failure()` is false after a cancel, `cancelled()` is true."""
    before = served.app.state()
    job, conclusion = piecewise(served, migration=SLOW_MIGRATION, cancel_at="migrating 0002_next")
    assert conclusion == "cancelled"
    assert job.steps["rollback"].outcome == "success"
    assert served.app.state() == before


def test_in_pieces_in_place_the_code_comes_back_too(consumer: Consumer, tmp_path: Path) -> None:
    """P2: the user's own step changed the only copy of the code, and failed."""
    base = tmp_path / "in-place"
    base.mkdir()
    (base / "index.php").write_text("old")
    (base / "gone.php").write_text("old")
    workflow = consumer.only("maintenance-mode", path=str(base), mode="on") + (
        f"      - run: cd {base} && echo new >index.php && echo new >added.php && rm gone.php && false\n"
        "      - id: back\n"
        "        if: ${{ failure() || cancelled() }}\n"
        "        uses: belay-deploy/belay/actions/auto-rollback@v1\n"
        f"        with: {{path: {base}}}\n"
    )
    job = consumer.job()
    assert consumer.run(job, workflow) == "failure"
    assert job.steps["back"].outputs["rolled-back"] == "true", job.steps["back"].log
    assert {path.name: path.read_text() for path in base.glob("*.*") if path.is_file()} == {
        "index.php": "old",
        "gone.php": "old",
    }


def test_a_job_that_is_locked_out_undoes_nothing_of_the_one_that_holds_the_host(served: Consumer) -> None:
    """P5: its `if: failure()` step names no deploy, because it has none."""
    holder = served.job()
    down = {"path": str(served.app.base), "mode": "on"}
    assert served.run(holder, served.only("maintenance-mode", **down)) == "success"
    before = served.app.state()
    job, conclusion = piecewise(served, migration=GOOD_MIGRATION)
    assert conclusion == "failure"
    assert "is held by deploy" in errors(job.steps["down"])[0]
    assert job.steps["rollback"].outcome == "success"
    assert job.steps["rollback"].outputs["rolled-back"] == "false"
    assert served.app.state() == before
    # Its own job still ends well.
    off = served.only("maintenance-mode", **down | {"mode": "off"})
    assert served.run(holder, off) == "success"


def test_a_job_that_fails_before_it_begins_does_not_undo_the_deploy_before_it(served: Consumer) -> None:
    """P2: a good deploy of yesterday is no business of a job that got nowhere today."""
    assert served.deploy().outcome == "success"
    before = served.app.state()
    job = served.job()
    broken = served.example("piecewise.yml").replace("mode: on", "mode: on\n          lease: forever")
    assert served.run(job, broken) == "failure"
    assert job.steps["rollback"].outputs["rolled-back"] == "false"
    assert served.app.state() == before


# --- by hand ------------------------------------------------------------------------------------------------------------


def by_hand(consumer: Consumer, *, accepted: int | None = None) -> Step:
    """Run the workflow "roll back": as it comes (a dry run), or with the database and as many rows as are `accepted`."""
    always = {"database": "always", "dry-run": False, "accept-loss": str(accepted)}
    job = consumer.job(inputs={} if accepted is None else always)
    consumer.run(job, consumer.example("rollback.yml"))
    return job.steps["rollback"]


def test_a_rollback_by_hand_counts_first_then_restores_what_was_accepted(served: Consumer) -> None:
    """P9: rows that it would discard are shown before; what it replaces stays in the attic. P8: twice is once."""
    served.deploy()
    first = served.app.state()
    served.deploy(migration=GOOD_MIGRATION)
    served.app.write_notes(7)
    second = served.app.state()

    looked = by_hand(served)  # the workflow's default is a dry run
    assert looked.outcome == "failure"  # the schema changed: a person has to choose
    assert served.app.state() == second
    assert looked.outputs["discarded-rows"] == "8"  # seven notes, and one line in the list of migrations
    assert "accept-loss: 8" in errors(looked)[0]

    refused = by_hand(served, accepted=7)
    assert refused.outcome == "failure"
    assert served.app.state() == second

    done = by_hand(served, accepted=8)
    assert done.outcome == "success", done.log
    assert served.app.state() == first
    assert Path(str(done.outputs["attic"])).exists()

    again = by_hand(served, accepted=8)
    assert again.outcome == "success"
    assert served.app.state() == first


# --- the pieces by themselves -------------------------------------------------------------------------------------------


def test_maintenance_mode_tells_how_the_app_is(served: Consumer) -> None:
    job = served.job()
    step = {"path": str(served.app.base)}
    for mode, state, changed in (
        ("status", "up", "false"),
        ("on", "down", "true"),
        ("on", "down", "false"),
        ("status", "down", "false"),
        ("off", "up", "true"),
        ("off", "up", "false"),
    ):
        assert served.run(job, served.only("maintenance-mode", **step, mode=mode)) == "success", job.steps["it"].log
        outputs = job.steps["it"].outputs
        assert (outputs["state"], outputs["changed"]) == (state, changed), mode
        assert served.app.answer()[0] == (503 if state == "down" else 200)
        since = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" if state == "down" else ""
        assert re.fullmatch(since, str(outputs["since"]))


def test_an_unhealthy_answer_is_a_failure_that_names_the_check(served: Consumer) -> None:
    job = served.job()
    asked = {"url": served.app.url, "attempts": "1", "expect_json": "status=excellent"}
    assert served.run(job, served.only("health-check", **asked)) == "failure"
    assert job.steps["it"].outputs["healthy"] == "false"
    assert job.steps["it"].outputs["failed-checks"] == '["health"]'
    assert "status is 'ok', not 'excellent'" in errors(job.steps["it"])[0]


def test_a_health_check_over_https_tells_how_long_the_certificate_is_valid(served: Consumer, tmp_path: Path) -> None:
    with running_tls_page(tmp_path, days=10) as page:
        job = served.job()
        workflow = served.only("health-check", url=page.url)
        workflow = workflow.replace("    steps:", f"    env:\n      SSL_CERT_FILE: {page.certificate}\n    steps:")
        assert served.run(job, workflow) == "success", job.steps["it"].log
    assert job.steps["it"].outputs["certificate-days"] in {"9", "10"}
    assert "::warning title=Certificate expires" in job.steps["it"].log


def test_the_example_as_it_is_over_ssh(sshd: Sshd, tool_cache: Path, tmp_path: Path, seen: dict[str, set[str]]) -> None:
    """P6: with real secrets, none of which reaches a log, an output or a summary (the interpreter looks)."""
    with running_plain_app(Path(sshd.base) / "app", owner=sshd.user) as app:
        consumer = Consumer(app=app, folder=tmp_path, tool_cache=tool_cache, seen=seen, sshd=sshd)
        step = consumer.deploy()
        assert step.outcome == "success", step.log
        assert app.answer()[1]["release"] == step.outputs["release"]
        before = app.state()
        job, conclusion = piecewise(consumer, migration=BROKEN_MIGRATION)
        # Its own step ran here as another user than the host's.
        assert (conclusion, job.steps["rollback"].outcome) == ("failure", "success")
        assert app.state() == before
