"""Restores that are killed at random moments, and servers that die under them: before or after, never a mixture."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.lab.postgresql import ADDRESS, Postgresql, running_postgresql
from tests.lab.postgresql_shop import (
    DAMAGE,
    made_of,
    picture,
    tables,
    wait_for_leftovers,
)

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "4"))  # kills at random moments, for each kind of account


def without_sequences(seen: dict[str, Any]) -> dict[str, Any]:
    """Return a picture without sequences: a crashed server skips up to 32 of their values, which loses nothing."""
    return {name: rows for name, rows in seen.items() if not name.endswith(("_seq", "_numbers"))}


def after_a_crash(seen: dict[str, Any]) -> dict[str, Any]:
    """Return a picture without what a crash takes by PostgreSQL's own rules: values of sequences, unlogged rows."""
    return {name: rows for name, rows in without_sequences(seen).items() if name != "public.scratch"}


def test_what_a_killed_run_left_behind_is_waited_for_and_ended(server: Postgresql, tmp_path: Path) -> None:
    """P8: on this machine by the lock that children inherit, in the server by the name of the session."""
    site = made_of("creator", server, tmp_path)
    site.dump()
    site.work.mkdir()
    (site.work / "tag").write_text("0123abcd\n")
    left_over = psycopg.connect(
        host=ADDRESS,
        port=server.port,
        dbname="postgres",
        user=site.user,
        password=site.password,
        application_name="belay-0123abcd",
    )
    left_over.execute("SELECT 1")
    with (site.work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with site.start("restore", site.folder, site.payload, site.work) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            left_over.execute("SELECT 1")
            fcntl.flock(lock, fcntl.LOCK_UN)
            process.communicate(timeout=60)
    assert process.returncode == 0
    with pytest.raises(psycopg.OperationalError):
        left_over.execute("SELECT 1")
    left_over.close()
    site.drop()


@pytest.mark.parametrize("kind", ["creator", "guest"])
def test_a_restore_killed_at_any_moment_leaves_one_side_and_a_rerun_completes_it(
    server: Postgresql, tmp_path: Path, kind: str
) -> None:
    """P2, P8, P9: SIGKILL of the script's process group, or of the script alone (its children live on)."""
    site = made_of(kind, server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    damaged = site.picture()
    site.work = tmp_path / "timing"
    started = time.monotonic()
    site.restore()
    duration = time.monotonic() - started
    site.facts("unrestore", site.work)
    site.facts("attic-drop", site.work)
    draw = random.Random(f"{kind} {ROUNDS}")
    for number in range(ROUNDS):
        site.work = tmp_path / f"work{number}"
        with site.start("restore", site.folder, site.payload, site.work) as process:
            time.sleep(draw.uniform(0, duration))
            (os.killpg if number % 3 else os.kill)(process.pid, signal.SIGKILL)
        if number % 3:
            wait_for_leftovers(server)
            now = site.picture()
            side = "before" if now == before else "damaged" if now == damaged else "empty"
            assert side != "empty" or (kind == "guest" and not tables(now)), "a mixture"
        restored = site.restore()
        assert site.picture() == before
        if kind == "creator":
            assert picture(server, restored["attic"]) == damaged
        site.facts("unrestore", site.work)
        assert site.picture() == damaged
        site.facts("attic-drop", site.work)
    assert server.databases() == {site.name}
    site.drop()


@pytest.mark.parametrize("kind", ["creator", "guest"])
def test_an_undo_killed_at_any_moment_is_completed_by_a_rerun(server: Postgresql, tmp_path: Path, kind: str) -> None:
    """P8, P9."""
    site = made_of(kind, server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    damaged = site.picture()
    draw = random.Random(kind)
    for number in range(max(2, ROUNDS // 3)):
        site.work = tmp_path / f"work{number}"
        site.restore()
        with site.start("unrestore", site.work) as process:
            time.sleep(draw.uniform(0, 0.5))
            os.killpg(process.pid, signal.SIGKILL)
        wait_for_leftovers(server)
        assert site.picture() in (before, damaged)
        site.facts("unrestore", site.work)
        assert site.picture() == damaged
        site.facts("attic-drop", site.work)
    site.drop()


@pytest.mark.parametrize("kind", ["creator", "guest"])
def test_a_server_killed_in_the_middle_of_a_restore_is_found_out_by_the_next_run(tmp_path: Path, kind: str) -> None:
    """P2, P7, P8: the script never says that it is done; a run after the server is back completes it."""
    with running_postgresql(tmp_path / "server") as server:
        site = made_of(kind, server, tmp_path)
        before = without_sequences(site.picture())
        site.dump()
        site.execute(DAMAGE)
        damaged = without_sequences(site.picture())
        draw = random.Random(kind)
        for number in range(max(2, ROUNDS // 3)):
            site.work = tmp_path / f"work{number}"
            with site.start("restore", site.folder, site.payload, site.work) as process:
                if number % 2:
                    time.sleep(draw.uniform(0.1, 1.5))
                else:  # the copy is whole, and not yet live
                    while process.poll() is None and not (site.work / "shadow.ready").exists():
                        time.sleep(0.001)
                server.kill()
                process.communicate(timeout=120)
            finished = (site.work / "restored").exists()
            assert (process.returncode == 0) == finished
            server.start()
            now = after_a_crash(site.picture())
            assert now in (after_a_crash(before), after_a_crash(damaged)) or not tables(now)
            site.restore()
            restored = without_sequences(site.picture())
            assert after_a_crash(restored) == after_a_crash(before)
            # What was loaded before the crash, and not yet live, is loaded again.
            assert restored == before or now != after_a_crash(damaged)
            site.facts("unrestore", site.work)
            site.facts("attic-drop", site.work)
            assert after_a_crash(site.picture()) == after_a_crash(damaged)
