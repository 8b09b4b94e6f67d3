"""PostgreSQL on a disk that fills up in the middle: one sentence says so, nothing is lost, and with room again the same call ends well.

A limit on the length of files stands for the disk, so that no rights are needed: of the script, and of the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import SAMPLE, Site, picture

# Stored as it is, so that a few rows are much on the disk.
BULK = """
    CREATE TABLE bulk (t text); ALTER TABLE bulk ALTER t SET STORAGE EXTERNAL;
    INSERT INTO bulk SELECT repeat(md5(n::text), 30000) FROM generate_series(1, {}) n;
"""
TOLD = ("is the disk full?", "File too large")


def fails(site: Site, *words: object, small: int | None = 100) -> None:
    """Expect a failure that names the cause, and an untouched live database with nothing beside it; then room again."""
    before = site.picture()
    site.largest_file = small
    status, output, errors = site.call(*map(str, words))
    site.largest_file = None
    assert (status, output) == (1, ""), errors
    assert any(told in errors for told in TOLD), errors
    assert site.picture() == before
    assert site.server.databases() == {site.name}


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_dump_leaves_nothing_behind_and_a_load_goes_on_when_there_is_room(creator: Site, compression: str) -> None:
    """P1, P2, P8: the folder of the backups is full, then the one of the restore."""
    creator.settings["BELAY_COMPRESSION"] = compression
    creator.execute("CREATE TABLE bulk AS SELECT sha512(n::text::bytea) AS b FROM generate_series(1, 9000) n")
    fails(creator, "dump", creator.folder)
    assert list(creator.folder.iterdir()) == []
    creator.dump()
    if compression == "zstd":  # which is unpacked for the load; the other is loaded as it is
        fails(creator, "load", creator.folder, creator.payload, creator.work)
    creator.facts("load", creator.folder, creator.payload, creator.work)


@contextmanager
def full(server: Postgresql, largest_file: int) -> Iterator[None]:
    """The server without room for tables of so many KiB."""
    for limit in (largest_file, None):
        server.stop()
        server.largest_file = limit
        server.start()
        if limit is not None:
            yield


@pytest.mark.parametrize("kind", ["creator", "guest"])
def test_a_restore_for_which_the_server_has_no_room_goes_on_when_there_is(
    mortal_server: Postgresql, tmp_path: Path, kind: str
) -> None:
    """P2, P3, P8: beside the live database and inside it; everything is put back."""
    site = Site(mortal_server, tmp_path, kind)
    site.execute(SAMPLE + BULK.format(24))
    before = site.picture()
    site.dump()
    site.execute("DELETE FROM users WHERE id = 2")
    damaged = site.picture()
    with full(mortal_server, 20_000):
        fails(site, "restore", site.folder, site.payload, site.work, small=None)
    restored = site.restore()
    assert site.picture() == before
    if kind == "creator":
        assert picture(mortal_server, restored["attic"]) == damaged
    site.facts("unrestore", site.work)
    assert site.picture() == damaged
    site.drop()
