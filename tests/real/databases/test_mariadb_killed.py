"""Restores that are killed at random moments, and servers that die under them: before or after, never a mixture."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY
from tests.lab.mariadb_trial import SEED, Trial
from tests.lab.sampling import every

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "2"))  # of two kills each, for each kind of account
SERVER_KILLS = int(os.environ.get("BELAY_SERVER_KILLS", "3"))  # for each kind of account


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.parametrize("kind", every(2, [OWN_DATABASE_ONLY, LIKE_ROOT]))
def test_a_killed_restore_is_finished_by_running_it_again(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P2, P8, P9: killed alone or with its children, at any moment, also while it is undone."""
    trial = Trial(server, tmp_path, kind)
    for number in range(ROUNDS):
        work = tmp_path / f"work{number}"
        told = f"seed {SEED}, round {number}: "
        told += trial.kill("restore", work)
        trial.finish("restore", work, trial.before, told)
        told += ", " + trial.kill("unrestore", work)
        trial.finish("unrestore", work, trial.damaged, told)
        trial.shop.facts("attic-drop", work)


@pytest.mark.parametrize("kind", every(2, [LIKE_ROOT, OWN_DATABASE_ONLY]))
def test_an_unrestore_after_a_killed_restore_brings_back_what_was_live(
    server: Mariadb, tmp_path: Path, kind: str
) -> None:
    """P2, P9: wherever the restore was cut, giving it up leaves the replaced state, triggers and all."""
    trial = Trial(server, tmp_path, kind)
    for number in range(ROUNDS):
        work = tmp_path / f"work{number}"
        told = f"seed {SEED}, round {number}: " + trial.kill("restore", work)
        trial.finish("unrestore", work, trial.damaged, told)
        trial.shop.facts("attic-drop", work)
        trial.finish("restore", tmp_path / f"fresh{number}", trial.before, told)
        trial.finish("unrestore", tmp_path / f"fresh{number}", trial.damaged, told)
        trial.shop.facts("attic-drop", tmp_path / f"fresh{number}")


@pytest.mark.parametrize("kind", every(2, [OWN_DATABASE_ONLY, LIKE_ROOT]))
def test_an_undo_cut_between_the_two_names_of_an_index_goes_on(server: Mariadb, tmp_path: Path, kind: str) -> None:
    """P8: an index gets a passing name before its foreign key comes, and its own again even if a kill lies between."""
    trial = Trial(server, tmp_path, kind)
    work = tmp_path / "work"
    trial.finish("restore", work, trial.before, "first")
    running = trial.shop.start("unrestore", work)
    while not (work / "unrestore/swapped").exists():
        assert running.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.001)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    trial.shop.wait_until_idle()
    lines = (work / "restore/saved/keys.tsv").read_text().splitlines()
    (number,) = [place for place, line in enumerate(lines, start=1) if "\tlong_key\t" in line]
    table = f"`{'long_' * 12}name`"
    with trial.shop.connect() as link, link.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DROP FOREIGN KEY IF EXISTS long_key")
        cursor.execute(f"ALTER TABLE {table} RENAME KEY long_key TO `_belay {number}`")
    trial.finish("unrestore", work, trial.damaged, "cut between two names")


@pytest.mark.parametrize("kind", every(2, [LIKE_ROOT, OWN_DATABASE_ONLY]))
def test_a_server_that_dies_during_a_restore_leaves_one_state(tmp_path: Path, kind: str) -> None:
    """P2, P7, P8: mariadbd killed with SIGKILL; after its recovery a rerun finds out how far it got.

    Without a partitioned table: seen once, MariaDB 10.11 came back from a kill with one that "doesn't exist in engine". Its
    RENAME is atomic for plain tables only (README, Limits).
    """
    with running_mariadb(tmp_path / "server") as server:
        trial = Trial(server, tmp_path, kind, changes=["ALTER TABLE parts REMOVE PARTITIONING"])
        for number in range(SERVER_KILLS):
            work = tmp_path / f"work{number}"
            running = trial.shop.start("restore", *trial.arguments("restore", work))
            told = f"seed {SEED}, round {number}: server killed at {trial.wait_for_a_moment('restore', work, running)}"
            server.kill()
            server.start()
            assert running.wait() in {0, 1, 6}, f"{told}: {(tmp_path / 'log').read_text()[-2000:]}"
            if running.returncode == 1:
                trial.shop.wait_until_idle()
                assert trial.read() == trial.damaged, told
            trial.finish("restore", work, trial.before, told)
            trial.finish("unrestore", work, trial.damaged, told)
            trial.shop.facts("attic-drop", work)


def test_a_server_that_stays_away_is_unknown_and_never_a_failure(tmp_path: Path) -> None:
    """P7: when nobody can say whether the tables moved, the script doesn't either."""
    with running_mariadb(tmp_path / "server") as server:
        trial = Trial(server, tmp_path, LIKE_ROOT)
        shop = replace(trial.shop, environment={"BELAY_SERVER_WAIT": "1"})
        work = tmp_path / "work"
        running = shop.start("restore", *trial.arguments("restore", work))
        while not (work / "restore" / "moves.tsv").exists():
            time.sleep(0.001)
        server.kill()
        assert running.wait() == 6, (tmp_path / "log").read_text()
        server.start()
        trial.finish("restore", work, trial.before, "after the server came back")
