"""Histories of several verbs: what one of them left on the host is what the next one goes by."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.chaos import snapshot
from tests.lab.site import Run, Site

ANY = "1000"  # rows; nobody counts here


def last_id(site: Site) -> str:
    """Return the id of what ended last on the host."""
    return str(json.loads((site.base / ".belay/history.jsonl").read_text().splitlines()[-1])["id"])


def live(site: Site) -> str:
    """Return the release that serves."""
    return (site.base / "current").resolve().name


def deployed(site: Site, name: str, *, migration: str = "", **inputs: str) -> str:
    """Deploy a release that has to end well; return its name."""
    run = site.deploy(site.release(name, migration=migration), **inputs)
    assert run.code == 0, run.text
    return live(site)


def went_back(site: Site, **inputs: str) -> str:
    """Roll back, database as well; return the id of that rollback."""
    run = site.rollback(**{"database": "always", "accept_loss": ANY} | inputs)
    assert run.code == 0, run.text
    return last_id(site)


def refused(run: Run, told: str) -> None:
    """See that a verb refused in one sentence that says why."""
    assert run.code in {1, 2}, run.text
    assert told in run.text, run.text


@contextmanager
def no_switch(site: Site) -> Iterator[None]:
    """Let nobody exchange `current`."""
    (site.base / ".current.belay/in the way").mkdir(parents=True)
    yield
    shutil.rmtree(site.base / ".current.belay")


def test_an_undo_is_undone_any_number_of_times(site: Site) -> None:
    """P2, P9: code and database go forth and back together, never one of them alone."""
    deployed(site, "good", migration="good")
    first, state = last_id(site), []
    for _ in range(3):
        state.append(snapshot.facts(site))
        undone = last_id(site)
        refused(site.rollback(deployment_id=undone), "rows were written or removed since")
        assert snapshot.facts(site) == state[-1]
        went_back(site, deployment_id=undone)
    assert state[0] == state[2] != state[1] == snapshot.facts(site)
    again = site.rollback(deployment_id=first)
    assert again.code == 0, again.text
    assert "was rolled back already" in again.text


def test_an_undo_that_failed_behind_its_swap_finds_the_attic_again(site: Site) -> None:
    """P7, P8, P9: an engine swaps an attic back once; asked a second time it must not do nothing and call that done."""
    deployed(site, "good", migration="good")
    state = snapshot.facts(site)
    undone = went_back(site)
    before = snapshot.facts(site)
    for _ in range(2):
        with no_switch(site):
            assert site.rollback(deployment_id=undone, database="always", accept_loss=ANY).code == 4
        assert site.rollback().code == 0
        assert snapshot.facts(site) == before
    went_back(site, deployment_id=undone)
    assert snapshot.facts(site) == state


def test_what_was_swapped_back_already_is_not_called_done(site: Site) -> None:
    """P7: the rollback stands again, because the undo of its undo came after; its own attic is used up."""
    deployed(site, "good", migration="good")
    first = went_back(site)
    second = went_back(site, deployment_id=first)
    went_back(site, deployment_id=second)
    before = snapshot.facts(site)
    run = site.rollback(deployment_id=first, database="always", accept_loss=ANY)
    refused(run, "was swapped back already")
    assert snapshot.facts(site) == before


@pytest.mark.parametrize("inputs", [{}, {"database": "always", "accept-loss": ANY}], ids=["auto", "always"])
def test_a_release_further_back_goes_with_the_backup_of_its_own_time(site: Site, inputs: dict[str, str]) -> None:
    """P2: the last deploy migrated nothing and made no backup; the one before it did both."""
    first = snapshot.facts(site)
    deployed(site, "two", migration="good")
    deployed(site, "three", migration="good", migrate="never")
    now = snapshot.facts(site)
    run = site.rollback(release="1", **inputs)
    if inputs:
        assert run.code == 0, run.text
        assert snapshot.facts(site) == first
    else:
        refused(run, "the schema or the list of migrations changed since")
        assert snapshot.facts(site) == now


def test_a_release_is_named_after_a_rollback(site: Site) -> None:
    """P7: `rolled back already` is no answer to who names a release that doesn't serve."""
    two = deployed(site, "two")
    deployed(site, "three")
    assert site.rollback().code == 0
    assert live(site) == two
    assert site.rollback(release="1").code == 0
    assert live(site) == "1"
    again = site.rollback(release="1")
    assert again.code == 0, again.text
    assert site.rollback(release=two).code == 0, "and forth again"
    assert live(site) == two


def test_fifty_backups_later_the_way_back_is_known_still(site: Site) -> None:
    """P2: what the host noted of a deploy tells that it migrated, and which release was before."""
    deployed(site, "two", migration="good")
    deploy = site.base / ".belay/deploys" / last_id(site)
    now = snapshot.facts(site)
    for number in range(55):
        folder = deploy.with_name(f"local-1-{number:016x}")
        folder.mkdir()
        os.utime(folder, (2e9, 2e9))
    assert site.run("backup", "create").code == 0
    assert deploy.exists()
    assert len(list(deploy.parent.iterdir())) < 55
    refused(site.rollback(), "the schema or the list of migrations changed since")
    shutil.rmtree(deploy)
    refused(site.rollback(), "its folder is gone")
    refused(site.rollback(release="1"), "can't be told")
    assert snapshot.facts(site) == now


def test_an_undo_of_a_rollback_needs_no_backup_of_the_deploy(site: Site) -> None:
    """P2, P9: the attic is the way back; the backup that led the other way was let go of since."""
    deployed(site, "two", migration="good")
    state = snapshot.facts(site)
    undone = went_back(site)
    back = snapshot.facts(site)
    for _ in range(2):
        assert site.run("backup", "create", keep="1").code == 0
    refused(site.rollback(deployment_id=undone), "rows were written or removed since")
    assert snapshot.facts(site) == back
    went_back(site, deployment_id=undone)
    assert snapshot.facts(site) == state


def test_an_undo_of_a_rollback_of_the_code_leaves_the_database_alone(site: Site) -> None:
    """P2: the database never went back, so that it fits the code that comes back."""
    deployed(site, "two", migration="good")
    now = snapshot.facts(site)
    assert site.rollback(database="never").code == 0
    undone = last_id(site)
    refused(site.rollback(deployment_id=undone, database="always", accept_loss=ANY), "what is undone")
    assert site.rollback(deployment_id=undone).code == 0
    assert snapshot.facts(site) == now


def test_what_is_no_deploy_is_not_rolled_back(site: Site) -> None:
    """P2: a backup replaced no release; that of before is not its undo."""
    deployed(site, "two")
    assert site.run("backup", "create").code == 0
    now = snapshot.facts(site)
    refused(site.rollback(deployment_id=last_id(site)), "which is no deploy but a `backup`")
    assert snapshot.facts(site) == now


def test_a_link_that_a_person_wrote_in_another_way_names_the_same_release(site: Site) -> None:
    """P2: the release before is the one that was live, not the one that was made before."""
    deployed(site, "two")
    assert site.rollback().code == 0
    (site.base / "current").unlink()
    (site.base / "current").symlink_to(site.base / "releases" / "1")
    deployed(site, "three")
    assert site.rollback().code == 0
    assert live(site) == "1"


def test_a_release_before_that_is_gone_is_not_taken_for_another_one(site: Site) -> None:
    """P2: a database goes back to one release only."""
    two = deployed(site, "two", migration="good")
    deployed(site, "three", migrate="never")
    shutil.rmtree(site.base / "releases" / two)
    refused(site.rollback(), f"{two}, which served before")


def test_rows_that_a_failed_migration_deleted_are_seen_without_any_change_of_the_schema(site: Site) -> None:
    """P2, P7: `database-rollback: hold` never says that nothing has to be restored where rows are gone."""
    bad = site.release("bad")
    (bad / "migrations/0002_bad.sql").write_text(
        "DELETE FROM notes WHERE id > 5;\nALTER TABLE none ADD COLUMN x TEXT;\n"
    )
    before = snapshot.facts(site)
    assert site.deploy(bad, database_rollback="hold").code == 4
    assert site.rollback(database="always", accept_loss=ANY).code == 0
    assert snapshot.facts(site) == before


def test_a_migration_of_rows_alone_is_no_reason_to_go_back_with_the_code_alone(site: Site) -> None:
    """P2: the list of migrations tells what the schema doesn't."""
    rows = site.release("rows")
    (rows / "migrations/0002_rows.sql").write_text("UPDATE notes SET body = body || '!';\n")
    assert site.deploy(rows).code == 0
    now = snapshot.facts(site)
    refused(site.rollback(), "the schema or the list of migrations changed since")
    assert snapshot.facts(site) == now


@pytest.mark.parametrize("database", ["auto", "always"])
def test_an_app_that_lost_its_settings_is_not_rolled_back_by_halves(site: Site, database: str) -> None:
    """P7: what can't be restored is not called rolled back."""
    deployed(site, "two", migration="good")
    now = snapshot.facts(site)
    settings = site.shared / ".env"
    text = settings.read_text()
    settings.write_text("APP_ENV=production\n")
    refused(site.rollback(database=database, accept_loss=ANY), "the app's settings name none now")
    settings.write_text(text)
    assert snapshot.facts(site) == now


def test_on_hold_visitors_are_kept_out_even_where_the_command_itself_let_them_in(site: Site) -> None:
    """P2: a command that ends with `up`, as many people's do, leaves nobody on half a migration."""
    up = f"rm -f {site.flag}"
    held = site.deploy(
        site.release("bad", migration="failing"), migrate_command=f"{up}; {site.inputs['migrate-command']}"
    )
    assert held.code == 4, held.text
    assert "maintenance mode was lifted by someone" in held.text
    assert site.flag.exists()
    assert site.rollback(database="always", accept_loss=ANY).code == 0
    assert not site.flag.exists()


@pytest.mark.parametrize("how", ["two backups", "elsewhere"])
def test_a_job_in_pieces_migrated_and_is_not_taken_back_with_the_code_alone(site: Site, how: str) -> None:
    """P2: a backup made behind the migration is no way back; one that lies elsewhere is not none."""
    job = {"GITHUB_RUN_ID": "4242", "GITHUB_RUN_ATTEMPT": "1"}
    elsewhere = {} if how == "two backups" else {"directory": str(site.base / "elsewhere")}
    assert site.run("maintenance", "on", environment=job, lease="900").code == 0
    assert site.run("backup", "create", environment=job, **elsewhere).code == 0
    with closing(site.database.connect()) as link:
        link.execute("ALTER TABLE notes ADD COLUMN half TEXT")
    if how == "two backups":
        assert site.run("backup", "create", environment=job).code == 0
    off = site.run("maintenance", "off", environment=job, lease="900")
    assert off.code == 0, off.text
    now = snapshot.facts(site)
    refused(site.rollback(), "list of migrations changed since" if how == "two backups" else "its backup is gone")
    assert snapshot.facts(site) == now
