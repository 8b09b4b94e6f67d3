"""The verbs beside `deploy`, as a person at three in the morning uses them: doctor, status, recover, unlock."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from pyhelpers.cli.main import VERBS
from tests.chaos import snapshot
from tests.lab.site import ROOT, Site


def test_doctor_finds_nothing_wrong_and_changes_nothing(site: Site) -> None:
    before = snapshot.facts(site)
    run = site.run("doctor")
    assert run.code == 0, run.text
    for name in ("tools", "rights", "disk", "reaper", "reboot", "app", "database"):
        assert f" {name} " in run.text
    assert snapshot.facts(site) == before
    told = site.run("status")
    assert "(it only looked)" in told.text, "its end is no verdict on the app"
    assert "next: Nothing to do." in told.text


def test_doctor_names_what_a_deploy_would_stumble_over(site: Site) -> None:
    """The database that the settings name can't be opened, and a service's tool is missing."""
    (site.shared / ".env").write_text(
        "DB_CONNECTION=mysql\nDB_HOST=127.0.0.1\nDB_PORT=1\nDB_DATABASE=x\nDB_USERNAME=x\n"
    )
    run = site.run("doctor", services="pm2: worker")
    assert run.code == 1, run.text
    assert "failed   database" in run.text
    assert "pm2" in run.text


def test_a_dry_run_says_what_it_would_do_and_does_nothing(site: Site) -> None:
    before = snapshot.facts(site)
    run = site.deploy(site.release("next", migration="good"), dry_run="true")
    assert run.code == 0, run.text
    assert "backup" in run.text
    assert snapshot.facts(site) == before


def test_a_deploy_on_hold_says_why_keeps_others_out_and_is_unlocked(site: Site) -> None:
    """P2, P5: `database-rollback: hold` stays down with a reason; a person gives the host back."""
    held = site.deploy(site.release("bad", migration="failing"), database_rollback="hold")
    assert held.code == 4, held.text
    assert site.flag.exists()
    for verb in ("status", "recover"):
        told = site.run(verb)
        assert told.code == 4
        (error,) = re.findall("error.*On hold.*", told.text)
        assert "database-rollback is 'hold'" in error
        assert "rollback --database" in error, "and what a person can do"
    other = site.deploy(site.release("other"))
    assert other.code == 5, other.text
    assert "on hold" in other.text
    assert site.run("unlock").code == 0
    assert site.run("unlock").code == 2


def test_a_person_decides_that_the_backup_comes_back(site: Site) -> None:
    """P9: the same reason holds it again; what would be lost is counted first; then all is as before."""
    before = snapshot.facts(site)
    assert site.deploy(site.release("bad", migration="failing"), database_rollback="hold").code == 4
    assert site.rollback().code == 4
    asked = site.rollback(database="always")
    assert asked.code == 1, asked.text
    count = re.search(r"accept-loss: (\d+)", asked.text)
    assert count
    assert site.flag.exists()
    done = site.rollback(database="always", accept_loss=count[1])
    assert done.code == 0, done.text
    assert snapshot.facts(site) == before


def test_a_person_decides_that_the_database_stays_as_it_is(site: Site) -> None:
    """P9: half a migration stays, because somebody said so; the rest goes back and visitors come in."""
    assert site.deploy(site.release("bad", migration="failing"), database_rollback="hold").code == 4
    after = snapshot.database_facts(site.database)
    done = site.rollback(database="never")
    assert done.code == 0, done.text
    assert snapshot.database_facts(site.database) == after
    assert not site.flag.exists()


def test_a_rollback_after_one_that_put_itself_back_goes_no_further(site: Site) -> None:
    """P8: the failed deploy is back already; the good one before it stays."""
    assert site.deploy(site.release("good")).code == 0
    assert site.deploy(site.release("bad", migration="failing")).code == 3
    before = snapshot.facts(site)
    again = site.rollback()
    assert again.code == 0, again.text
    assert "was rolled back already" in again.text
    assert snapshot.facts(site) == before


def test_the_undo_is_undone_by_one_command(site: Site) -> None:
    """P9: code and rows that a rollback replaced come back from the attic."""
    assert site.deploy(site.release("good", migration="good")).code == 0
    deployed = snapshot.facts(site)
    assert site.rollback(database="always", accept_loss="1000").code == 0
    assert snapshot.facts(site) != deployed
    last = [path.name for path in sorted(site.base.glob(".belay/deploys/*"), key=lambda path: path.stat().st_ctime)][-1]
    back = site.rollback(deployment_id=last, database="always", accept_loss="1000")
    assert back.code == 0, back.text
    assert snapshot.facts(site) == deployed


def test_recover_waits_for_what_a_dead_runner_left(site: Site) -> None:
    """P2, P7: it tells how the host ended the deploy, not how it looked a moment ago."""
    before = snapshot.facts(site)
    run = site.start("deploy", source=str(site.release("slow", migration="slow")), lease="10")
    pattern = ".belay/deploys/*/ops/migrate/pid"
    while run.running and not list(site.base.glob(pattern)):
        os.sched_yield()
    run.signal(signal.SIGKILL)
    run.wait()
    while True:
        told = site.run("recover")
        if "rolled-back" in told.text:
            break
    assert snapshot.facts(site) == before


def test_every_verb_that_reaches_a_host_gets_what_ssh_needs() -> None:
    """The launcher chooses the lock by the verb; one that it forgets would fail at its first import."""
    text = (ROOT / "pyhelpers" / "run").read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("deploy |"))
    served = {word.strip(" )") for word in line.split("|")}
    assert set(VERBS) - {"health", "gate", "recover"} <= served, "and `recover` has a line of its own"


def test_the_agent_that_runs_is_the_one_in_the_repository(site: Site) -> None:
    """The public contract: `agent-<sha256>` in `.belay`, which nobody else may enter."""
    assert site.deploy(site.release("next")).code == 0
    state = site.base / ".belay"
    assert state.stat().st_mode & 0o777 == 0o700
    agents = [path for path in state.iterdir() if path.name.startswith("agent-")]
    assert [path.read_bytes() for path in agents] == [Path(ROOT, "pyhelpers/hosts/agent.sh").read_bytes()]


def test_the_backups_of_the_live_release_and_the_one_before_outlive_any_number_of_newer_ones(site: Site) -> None:
    """P4: they are the way back."""
    for name in ("first", "second"):
        assert site.deploy(site.release(name, migration="good" if name == "first" else "")).code == 0  # and a backup
    made = {path.parent.name for path in site.base.glob(".belay/backups/*/manifest.json")}
    assert len(made) == 2
    for _ in range(2):
        run = site.run("backup", "create", keep="1")
        assert run.code == 0, run.text
    left = {path.parent.name for path in site.base.glob(".belay/backups/*/manifest.json")}
    assert made < left
    assert len(left) == 3


def test_maintenance_is_lifted_for_the_deploy_that_is_named_and_no_other(site: Site) -> None:
    """P5: by hand, without a name, there is only one that can be meant."""
    assert site.run("maintenance", "on", lease="300").code == 0
    other = site.run("maintenance", "off", lease="300", deployment_id="local-1-0123456789abcdef")
    assert other.code == 2, other.text
    assert "local-1-0123456789abcdef, and the host is held by" in other.text
    assert site.flag.exists()
    assert site.run("maintenance", "off", lease="300").code == 0
    assert not site.flag.exists()
