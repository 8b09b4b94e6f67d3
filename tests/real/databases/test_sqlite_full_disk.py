"""SQLite on a disk that fills up in the middle: one sentence says so, nothing is lost, and with room again the same call ends well."""

from __future__ import annotations

import pytest

from tests.lab.sqlite_shop import Site, execute, picture

BULK = "CREATE TABLE bulk AS WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200) SELECT randomblob(5000) AS b FROM c"
SMALL = 400  # KiB; the database has 1000


@pytest.fixture
def large(site: Site) -> Site:
    """The shop with a megabyte that can't be compressed."""
    execute(site.live, BULK)
    return site


def fails(site: Site, *words: object, small: int = SMALL) -> None:
    """Expect a failure that names the disk, and an untouched live database; then room again."""
    before = picture(site.live)
    site.largest_file = small
    status, output, errors = site.call(*map(str, words))
    site.largest_file = None
    assert (status, output) == (1, ""), output
    assert "disk is full" in errors.splitlines()[-1] or "is the disk full?" in errors.splitlines()[-1], errors
    assert picture(site.live) == before


def test_a_dump_leaves_nothing_behind_and_is_made_when_there_is_room(large: Site) -> None:
    """P1, P2."""
    fails(large, "dump", large.folder)
    assert list(large.folder.iterdir()) == []
    dumped = large.dump()
    fails(large, "prove", large.folder, dumped["payload"], dumped["sha256"])
    assert large.facts("prove", large.folder, dumped["payload"], dumped["sha256"])["verified"] == "bytes"


def test_a_load_and_both_halves_of_a_restore_go_on_when_there_is_room(large: Site) -> None:
    """P2, P8: no room for the copy; none for what is replaced; none in the live file itself."""
    before = picture(large.live)
    payload = large.dump()["payload"]
    fails(large, "load", large.folder, payload, large.work)
    large.facts("load", large.folder, payload, large.work)
    execute(large.live, "UPDATE users SET name = 'changed'")
    fails(large, "restore", large.folder, payload, large.work)
    execute(large.live, "DROP TABLE bulk")
    execute(large.live, "VACUUM")
    damaged = picture(large.live)
    fails(large, "restore", large.folder, payload, large.work)
    large.restore(payload)
    assert picture(large.live) == before
    large.facts("unrestore", large.work)
    assert picture(large.live) == damaged
