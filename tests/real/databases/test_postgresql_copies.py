"""The copies that `adopt` and `rehearse` load into: a killed run's is dropped by whoever comes next, a running one's never."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.postgresql_shop import Site, wait_for_leftovers

INTO = "rehearsed"
CONNECTED = "SELECT 1 FROM pg_stat_activity WHERE datname ~ '__belay_c_'"
HELD = f"{CONNECTED} AND application_name = 'belay-copy'"


def copies(site: Site) -> set[str]:
    """Return the databases beside the live one."""
    return site.server.databases() - {site.name}


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(params=["adopt", "rehearse"])
def words(request: pytest.FixtureRequest, creator: Site) -> list[str | Path]:
    """A verb that makes a copy, with its arguments."""
    if request.param == "rehearse":
        creator.dump()
        return ["rehearse", creator.folder, creator.payload, INTO]
    given = creator.root / "given"
    place = ("-h", str(creator.server.folder), "-p", str(creator.server.port), "-U", "postgres")
    name = creator.name.replace("\\", "\\\\").replace("'", "\\'")
    subprocess.run(["pg_dump", *place, "-Fc", "-f", given, "-d", f"dbname='{name}'"], check=True)
    return ["adopt", given, creator.root / "adopted"]


def test_what_a_killed_run_left_is_dropped_by_the_next_dump(creator: Site, words: list[str | Path]) -> None:
    """P8: nothing on the host remembers it; the copy's name and that nobody is in it say enough."""
    with creator.start(str(words[0]), *words[1:]) as process:
        wait_until(lambda: creator.server.query(CONNECTED))
        os.killpg(process.pid, signal.SIGKILL)
    wait_until(lambda: not creator.server.query(CONNECTED))
    wait_for_leftovers(creator.server)
    assert len(copies(creator)) == 1, "it was killed in the middle"
    live = creator.picture()
    creator.folder = creator.root / "another"
    creator.dump()
    assert copies(creator) == set()
    assert creator.picture() == live


def test_a_copy_that_is_worked_on_is_left_alone(creator: Site, words: list[str | Path]) -> None:
    """P9: also while its run stands still, and has no client of the server at work."""
    with creator.start(str(words[0]), *words[1:]) as process:
        wait_until(lambda: creator.server.query(HELD))
        os.killpg(process.pid, signal.SIGSTOP)
        there = copies(creator)
        others = CONNECTED.replace("1", "pg_terminate_backend(pid)")
        creator.server.query(f"{others} AND application_name <> 'belay-copy'")
        wait_until(lambda: len(creator.server.query(CONNECTED)) == 1)
        creator.folder = creator.root / "another"
        creator.dump()
        assert len(there) == 1
        assert copies(creator) == there
        os.killpg(process.pid, signal.SIGCONT)
        process.communicate(timeout=120)
    assert copies(creator) == ({INTO} if (words[0], process.returncode) == ("rehearse", 0) else set())
