"""`verify: loaded`: the backup is proven by loading it, and the copy is kept as the twin, so that a rollback only swaps.

That nothing is loaded a second time is shown by taking the payload away: from then on only a swap can put it back.
"""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from tests.chaos import checker, snapshot
from tests.lab.site import Run, Site

JOB = {"GITHUB_RUN_ID": "4242", "GITHUB_RUN_ATTEMPT": "1"}
MIGRATE = f"{sys.executable} migrate.py"
NO_PAYLOAD = f'rm -f "$BELAY_BASE"/.belay/backups/*/payload.sqlite.* && {MIGRATE}'


def manifests(site: Site) -> list[str]:
    """Return how far each backup on the host was proven."""
    return [json.loads(path.read_text())["verification"] for path in site.base.glob(".belay/backups/*/manifest.json")]


def shadows(site: Site) -> list[str]:
    """Return the deploys that keep a copy of the database beside the live one."""
    return sorted(path.parent.parent.name for path in site.base.glob(".belay/deploys/*/*/shadow.sqlite"))


def deployment(run: Run) -> str:
    """Return the id of a deploy that has ended."""
    return run.output.read_text().splitlines()[1]


def test_a_failing_migration_is_rolled_back_by_a_swap_and_nothing_is_loaded_again(site: Site) -> None:
    """P1, P2: the proof of the backup is the way back."""
    before = snapshot.facts(site)
    failing = site.release("failing", migration="failing")
    done = site.deploy(failing, verify="loaded", migrate_command=NO_PAYLOAD)
    assert done.code == 3, done.text
    assert snapshot.facts(site) == before
    assert "twin=taken" in (site.base / ".belay/deploys" / deployment(done) / "restore/out").read_text()
    assert shadows(site) == []


def test_a_person_who_decides_on_a_deploy_on_hold_gets_the_swap_as_well(site: Site) -> None:
    """P9: the copy waits for the decision."""
    before = snapshot.facts(site)
    source = site.release("failing", migration="failing")
    held = site.deploy(source, verify="loaded", migrate_command=NO_PAYLOAD, database_rollback="hold")
    assert held.code == 4, held.text
    assert shadows(site) == [deployment(held)]
    back = site.rollback(database="always", accept_loss="1000")
    assert back.code == 0, back.text
    assert snapshot.facts(site) == before
    assert shadows(site) == []


def test_without_a_twin_there_is_no_way_back_from_a_backup_whose_payload_is_gone(site: Site) -> None:
    """The test above shows something: with `verify: bytes` the same deploy is held."""
    done = site.deploy(site.release("failing", migration="failing"), migrate_command=NO_PAYLOAD)
    assert done.code == 4, done.text


def test_a_twin_that_somebody_dropped_is_loaded_again(site: Site) -> None:
    """P2: the backup itself is still there, and a full restore ends the same."""
    before = snapshot.facts(site)
    drop = f'rm -f "$BELAY_DEPLOY"/restore/shadow.sqlite && {MIGRATE}'
    done = site.deploy(site.release("failing", migration="failing"), verify="loaded", migrate_command=drop)
    assert done.code == 3, done.text
    assert checker.judge(site, before, done).kind == checker.AS_BEFORE
    assert shadows(site) == []


REFUSALS = {
    "refused": 'case $1 in load) echo "no room for a copy" >&2; exit 1 ;; esac',
    "silent": "case $1 in load) exit 0 ;; esac",
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_load_that_does_not_say_so_is_no_proof_and_nothing_goes_down(site: Site, refusal: str) -> None:
    """P1: an unproven backup stops the deploy; it leaves neither a copy nor a backup behind."""
    before = snapshot.facts(site)
    run = site.start(
        "deploy", source=str(site.release("next", migration="good")), verify="loaded", backup_window="live"
    )
    while run.running and not (found := list(site.base.glob(".belay/scripts-*/sqlite.sh"))):
        pass
    text = found[0].read_text()
    found[0].write_text(text.replace("set -eu\n", f"set -eu\n{refusal}\n", 1))
    run.wait()
    assert run.code == 1, run.text
    assert "Maintenance on" not in run.text
    assert snapshot.facts(site) == before
    assert manifests(site) == []
    assert checker.backups(site) == []


def test_the_twin_of_a_good_deploy_serves_its_rollback_and_goes_with_the_next_good_one(site: Site) -> None:
    """P3, P9: at most one twin is kept, and only as long as it is of use."""
    before = snapshot.facts(site)
    first = site.deploy(site.release("one", migration="good"), verify="loaded")
    assert first.code == 0, first.text
    assert "read back whole and loaded, every table's checksum equal" in first.text
    assert manifests(site) == ["loaded"]
    assert shadows(site) == [deployment(first)]
    failed = site.deploy(site.release("two", migration="good+failing"), verify="loaded")
    assert failed.code == 3, failed.text
    assert shadows(site) == [deployment(first)]
    for payload in site.base.glob(".belay/backups/*/payload.sqlite.*"):
        payload.unlink()
    back = site.rollback(deployment_id=deployment(first), database="always", accept_loss="1000")
    assert back.code == 0, back.text
    assert snapshot.facts(site) == before
    assert shadows(site) == []


def test_the_next_good_deploy_lets_the_twin_before_go(site: Site) -> None:
    """A disk isn't filled by twins."""
    assert site.deploy(site.release("one", migration="good"), verify="loaded").code == 0
    second = site.deploy(site.release("two", migration="good"), verify="loaded")
    assert second.code == 0, second.text
    assert shadows(site) == [deployment(second)]
    third = site.deploy(site.release("three"))
    assert third.code == 0, third.text
    assert shadows(site) == []


def test_a_backup_by_the_clock_lets_a_twin_go_that_nobody_came_back_for(site: Site) -> None:
    """A disk isn't filled where nobody deploys for months; and until its time is over the twin stays."""
    assert site.deploy(site.release("one", migration="good"), verify="loaded").code == 0
    assert site.run("backup", "create").code == 0
    assert len(shadows(site)) == 1
    marker = next(site.base.glob(".belay/deploys/*/restore/twin"))
    long_ago = time.time() - 16 * 24 * 3600
    os.utime(marker, (long_ago, long_ago))
    assert site.run("backup", "create").code == 0
    assert shadows(site) == []


def test_a_loaded_backup_by_itself_leaves_no_copy(site: Site) -> None:
    """P1: it is proven by loading, and the copy goes at once."""
    done = site.run("backup", "create", verify="loaded")
    assert done.code == 0, done.text
    assert manifests(site) == ["loaded"]
    assert "backup-verified" in done.output.read_text()
    assert "\nloaded\n" in done.output.read_text()
    assert shadows(site) == []
    assert not list(site.base.glob(".belay/deploys/*/load-*"))


def test_pieces_keep_the_twin_for_the_way_back(site: Site) -> None:
    """P2: the user's own step migrates, the job asks for a rollback, and that only swaps."""
    before = snapshot.facts(site)
    assert site.run("maintenance", "on", environment=JOB, secret=site.secret, lease="30").code == 0
    made = site.run("backup", "create", environment=JOB, verify="loaded")
    assert made.code == 0, made.text
    assert len(shadows(site)) == 1
    again = site.run("backup", "create", environment=JOB, verify="loaded")
    assert again.code == 0, again.text
    assert len(shadows(site)) == 1
    link = site.database.connect()
    link.execute("ALTER TABLE notes ADD COLUMN half TEXT")
    link.close()
    for payload in site.base.glob(".belay/backups/*/payload.sqlite.*"):
        payload.unlink()
    back = site.run("rollback", environment=JOB)
    assert back.code == 0, back.text
    assert snapshot.facts(site) == before
    assert shadows(site) == []
