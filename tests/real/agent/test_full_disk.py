"""A disk that fills up: what can't be written is refused, and what was changed is undone all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.agent.bench import Bench, namespace, says, until

FAT = {
    "bytes": "dd if=/dev/zero of=fat bs=4096 2>/dev/null",
    "files": "mkdir -p fat.d; n=0; while ( : >fat.d/$n ) 2>/dev/null; do n=$((n + 1)); done",
}


@pytest.fixture
def small(bench: Bench) -> Iterator[Bench]:
    """The bench with its base on a disk of two megabytes and a hundred files."""
    with namespace(f"mount -t tmpfs -o size=2m,nr_inodes=100 tmpfs '{bench.base}'", bench.mark) as enter:
        yield bench.with_(prefix=enter)


def fill(bench: Bench, what: str = "bytes") -> None:
    """Leave not a byte of the disk, or not a file."""
    bench.inside(f"cd '{bench.base}' && {FAT[what]}")


def test_on_a_full_disk_nothing_begins_and_nothing_is_held(small: Bench) -> None:
    """P2, P8: refused, and as soon as there is room the same call succeeds."""
    small.inside(f"mkdir -p '{small.state}/deploys'")
    fill(small)
    assert small.try_begin().code != 0
    assert small.status()["active"] is None
    small.inside(f"rm -f '{small.base}/fat'")
    assert small.begin() == 1


def test_on_a_full_disk_no_step_starts_without_its_undo(small: Bench) -> None:
    """P2, P8: nothing is run; with room again the same call runs it."""
    small.begin()
    fill(small)
    assert small.try_step("a", says("a"), undo=says("undo a")).code != 0
    assert small.call("precommit", "one", 1).code != 0
    assert small.call("renew", "one", 1).code != 0
    found = small.status()
    assert (found["status"], found["lease"] > 0, small.log()) == ("open", True, [])
    small.inside(f"rm -f '{small.base}/fat'")
    small.finished_step("a", says("a"), undo=says("undo a"))
    small.must("precommit", "one", 1)
    assert small.log() == ["a"]


@pytest.mark.parametrize("what", FAT)
def test_the_reserve_lets_a_rollback_be_told_on_a_full_disk(small: Bench, tmp_path: Path, what: str) -> None:
    """P2: undone, told in journal and history, and the host is free, with no room from outside."""
    outside = tmp_path / "log"
    small.begin(watchdog=True)
    for name in "ab":
        small.finished_step(name, says(name), undo=f"echo 'undo {name}' >>'{outside}'")
    small.must("phase", "one", 1, "migrate", 2)
    fill(small, what)
    assert small.ended()["status"] == "rolled-back"
    assert outside.read_text().splitlines() == ["undo b", "undo a"]
    assert small.history() == [("one", "rolled-back")]
    assert ("settled", "rolled-back") in small.journal()


@pytest.mark.parametrize("what", FAT)
def test_a_disk_that_fills_up_while_undoing_is_undone_too(small: Bench, tmp_path: Path, what: str) -> None:
    """P2, P7: the undos run though not a word about them can be kept; the end is told when there is room again."""
    outside = tmp_path / "log"
    small.begin(watchdog=True)
    for name in "ab":
        small.finished_step(name, undo=f"echo 'undo {name}' >>'{outside}'")
    small.finished_step("c", undo=f"[ -f '{outside}.once' ] || {{ touch '{outside}.once'; {FAT[what]}; }}; :")
    small.must("abort", "one", 1, "x")
    until(lambda: outside.is_file() and "undo a" in outside.read_text(), "the last undo")
    assert small.status()["status"] == "aborting"
    small.inside(f"rm -rf '{small.base}/fat' '{small.base}/fat.d'")
    assert small.ended()["status"] == "rolled-back"
    undone = outside.read_text().splitlines()
    assert (undone[0], set(undone)) == ("undo b", {"undo a", "undo b"})


def test_a_deploy_can_be_confirmed_on_a_full_disk(small: Bench) -> None:
    """P2: a healthy release isn't lost for a line in a log."""
    small.begin()
    small.must("precommit", "one", 1)
    fill(small)
    small.must("confirm", "one", 1)
    assert (small.status()["status"], small.history()) == ("confirmed", [("one", "confirmed")])
