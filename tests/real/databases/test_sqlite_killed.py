"""Restores of SQLite beside readers and writers, and killed at random moments: before or after, never a mixture."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.sqlite_shop import DAMAGE, LARAVEL, Site, execute, picture

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "2"))  # kills at random moments, for each of four ways


def test_a_transaction_of_somebody_else_is_waited_for_and_never_broken(site: Site) -> None:
    """P2: locked for ever is a failure that changed nothing; locked for a moment is waited for."""
    dumped = site.dump()
    before = picture(site.live)
    execute(site.live, DAMAGE)
    with closing(sqlite3.connect(site.live, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM migrations")
        assert site.facts("busy") == {"busy": "1"}
        status, _, errors = site.call("restore", site.folder, dumped["payload"], site.work)
        assert status == 1
        assert "locked" in errors
        writer.execute("ROLLBACK")
        assert writer.execute("SELECT count(*) FROM migrations").fetchone() == (3,), "nothing was changed"
        assert site.facts("busy") == {"busy": "0"}
        site.settings["BELAY_SQLITE_WAIT_MS"] = "20000"
        writer.execute("BEGIN IMMEDIATE")
        letting_go = threading.Timer(1.0, lambda: writer.execute("ROLLBACK"))
        letting_go.start()
        site.restore(dumped["payload"])
        letting_go.join()
    assert picture(site.live) == before


def test_a_reader_sees_the_old_state_or_the_new_one_and_never_an_error(site: Site) -> None:
    """P2."""
    execute(site.live, "CREATE TABLE bulk (v BLOB);" + "INSERT INTO bulk VALUES (randomblob(900000));" * 8)
    dumped = site.dump()
    execute(site.live, "UPDATE bulk SET v = 1; CREATE TABLE marker (x)")
    seen: set[tuple[int, int]] = set()
    stop = threading.Event()
    ready = threading.Event()

    def read() -> None:
        with closing(sqlite3.connect(site.live, timeout=20)) as reader:
            while not stop.is_set():
                seen.add(
                    reader.execute(
                        "SELECT (SELECT count(*) FROM sqlite_master WHERE name = 'marker'),"
                        " (SELECT sum(length(v)) FROM bulk)"
                    ).fetchone()
                )
                ready.set()

    reading = threading.Thread(target=read)
    reading.start()
    ready.wait(20)
    site.settings["BELAY_SQLITE_WAIT_MS"] = "10000"
    site.restore(dumped["payload"])
    time.sleep(0.05)
    stop.set()
    reading.join()
    assert seen == {(1, 8), (0, 8 * 900000)}


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("killed", ["script", "group"])
def test_a_restore_killed_at_any_moment_leaves_one_side_and_a_rerun_completes_it(
    tmp_path: Path, journal: str, killed: str
) -> None:
    """P2, P8, P9: SIGKILL of the script alone (its children live on) or of its whole process group."""
    site = Site(tmp_path, settings={"BELAY_SQLITE_WAIT_MS": "10000"})
    execute(site.live, f"PRAGMA journal_mode={journal};" + LARAVEL)
    execute(site.live, "CREATE TABLE bulk (v BLOB);" + "INSERT INTO bulk VALUES (randomblob(900000));" * 8)
    before = picture(site.live)
    dumped = site.dump()
    execute(site.live, DAMAGE + "DELETE FROM bulk WHERE rowid > 4; UPDATE bulk SET v = randomblob(800000);")
    damaged = picture(site.live)
    site.work = tmp_path / "timing"
    started = time.monotonic()
    site.restore(dumped["payload"])
    duration = time.monotonic() - started
    site.facts("unrestore", site.work)
    assert picture(site.live) == damaged

    draw = random.Random(f"{journal} {killed}")
    sides = {before: 0, damaged: 0}
    for number in range(ROUNDS):
        site.work = tmp_path / f"work{number}"
        with site.start("restore", site.folder, dumped["payload"], site.work) as process:
            time.sleep(draw.uniform(0, duration))
            (os.killpg if killed == "group" else os.kill)(process.pid, signal.SIGKILL)
        if killed == "group":
            sides[picture(site.live)] += 1  # a KeyError here is a mixture
        restored = site.restore(dumped["payload"])
        assert picture(site.live) == before
        assert picture(Path(restored["attic"])) == damaged
        assert not list(site.work.glob("attic.*.sqlite")), "one attic, no second one of our own making"
        site.facts("unrestore", site.work)
        assert picture(site.live) == damaged
        site.facts("attic-drop", site.work)


def test_what_was_written_between_a_killed_run_and_the_next_is_kept_too(cli: Site) -> None:
    """P9: the rerun takes a second attic instead of overwriting the first."""
    dumped = cli.dump()
    execute(cli.live, DAMAGE)
    damaged = picture(cli.live)
    cli.restore(dumped["payload"])
    (cli.work / "restored").unlink()  # as if it had been killed just before it noted its success
    execute(cli.live, "INSERT INTO users (name) VALUES ('between')")
    between = picture(cli.live)
    restored = cli.restore(dumped["payload"])
    assert picture(Path(restored["attic"])) == between
    assert picture(cli.work / "attic.1.sqlite") == damaged
