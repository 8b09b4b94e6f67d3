"""`backup-window: live`: the backup is made while the app serves, and is taken only if nothing was written since."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.nemesis import at
from tests.lab.site import Run, Site


def steps(site: Site) -> list[str]:
    """Return the steps of the last deploy that ended, in order, without what is random in their names."""
    return [nemesis.plain(event["name"]) for event in checker.journal(site) if event["event"] == "end"]


def deploy(site: Site, meanwhile: Callable[[], None] | None = None, *, migration: str = "good", **inputs: str) -> Run:
    """Deploy with a live backup; `meanwhile` happens after the dump and before the door is closed."""
    source = str(site.release(f"next-{migration}", migration=migration))
    run = site.start("deploy", environment=None, source=source, backup_window="live", **inputs)
    if meanwhile is not None:
        nemesis.reached(site, run, at("end", "backup"))
        nemesis.freeze(run)
        meanwhile()
        nemesis.thaw(run)
    run.wait()
    return run


def write(
    site: Site, text: str = "INSERT INTO notes (body, made_at) VALUES ('a visitor', 'now')"
) -> Callable[[], None]:
    """Return what a visitor does."""

    def visit() -> None:
        link = site.database.connect()
        link.execute(text)
        link.close()

    return visit


def report(run: Run) -> dict[str, str]:
    """Return the output `report`."""
    line = next(line for line in run.output.read_text().splitlines() if line.startswith('{"deployment"'))
    found: dict[str, str] = json.loads(line)
    return found


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_where_nobody_wrote_the_backup_is_made_before_the_door_is_closed(site: Site, mode: str) -> None:
    """P1: one backup, proven before the migration, and no dump while visitors wait."""
    write(site, f"PRAGMA journal_mode={mode}")()
    done = deploy(site, verify="loaded")
    assert done.code == 0, done.text
    order = steps(site)
    assert order.count("backup") == 1
    assert order.index("load") < order.index("down") < order.index("live-stands") < order.index("migrate")
    assert (report(done)["backup-window"], report(done)["backup-verified"]) == ("live", "loaded")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_a_visitor_wrote_meanwhile_is_in_a_second_backup_and_survives_the_rollback(site: Site, mode: str) -> None:
    """P1, P9: the first backup is not the state that the migration started from, so it is not taken."""
    write(site, f"PRAGMA journal_mode={mode}")()
    done = deploy(site, write(site), migration="failing", verify="loaded")
    assert done.code == 3, done.text
    link = site.database.connect()
    assert link.execute("SELECT count(*) FROM notes WHERE body = 'a visitor'").fetchone() == (1,)
    assert link.execute("SELECT count(*) FROM notes").fetchone() == (31,)
    link.close()
    order = steps(site)
    assert order.count("backup") == order.count("prove") == order.count("load") == 2
    assert order.index("down") < order.index("discard") < order.index("migrate")
    assert "what the first backup lacks: notes 30 -> 31 rows" in done.text
    assert report(done)["backup-window"] == "live+maintenance"
    assert checker.backups(site) == []
    assert len(list(site.base.glob(".belay/backups/*"))) == 1


def test_a_change_that_no_count_shows_is_seen_as_well(site: Site) -> None:
    """P9: a row that was changed is a write like any other."""
    done = deploy(site, write(site, "UPDATE notes SET body = 'mended' WHERE id = 1"), migration="failing")
    assert done.code == 3, done.text
    link = site.database.connect()
    assert link.execute("SELECT body FROM notes WHERE id = 1").fetchone() == ("mended",)
    link.close()
    assert "no row count tells what" in done.text


@pytest.mark.parametrize("answer", ["echo mark=; exit 0", "echo 'no such verb' >&2; exit 1"], ids=["empty", "failed"])
def test_a_database_that_cannot_tell_is_backed_up_behind_the_door(site: Site, answer: str) -> None:
    """P7: what isn't known is never taken for nothing; a dump that could not stand is not even made."""
    run = site.start("deploy", source=str(site.release("next", migration="good")), backup_window="live")
    while run.running and not (found := list(site.base.glob(".belay/scripts-*/sqlite.sh"))):
        pass
    text = found[0].read_text()
    found[0].write_text(text.replace("set -eu\n", f'set -eu\n[ "$1" != mark ] || {{ {answer}; }}\n', 1))
    run.wait()
    assert run.code == 0, run.text
    assert steps(site).index("down") < steps(site).index("backup")
    assert "can't tell whether anything is written" in run.text


def test_a_failed_live_backup_puts_nobody_out(site: Site) -> None:
    """P2: the door was never closed."""
    before = snapshot.facts(site)
    folder = site.base / ".belay" / "backups"
    folder.mkdir(parents=True)
    folder.rmdir()
    folder.symlink_to("/proc/no-such-folder")
    done = deploy(site)
    assert done.code in {1, 2}, done.text
    assert "Maintenance on" not in done.text
    folder.unlink()
    assert snapshot.facts(site) == before
