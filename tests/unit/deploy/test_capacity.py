"""Room and time, told before a deploy needs them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyhelpers.backups.manifest import Manifest
from pyhelpers.deploy.capacity import GIB, estimates, need_of, room, size

BACKUP = Manifest(
    name="20260101T000000Z-0000000000000001.mariadb.sql.zst",
    created="2026-01-01T00:00:00Z",
    engine="mariadb",
    payload="payload.sql.zst",
    bytes=GIB // 10,
    sha256="0" * 64,
    verification="bytes",
    tables={"users": 1000},
    counts_exact=True,
    schema_sha256="0" * 64,
    inventory={},
    server_version="11",
    client_version="11",
    seconds=12.5,
)


def test_a_dump_that_was_never_made_is_taken_for_half_of_the_data() -> None:
    assert need_of(GIB, []).dump == GIB // 2


def test_the_last_proven_dump_is_like_the_next_one() -> None:
    unproven = replace(BACKUP, name=BACKUP.name.replace("2026", "2027"), bytes=1, verification="none")
    assert need_of(GIB, [unproven, BACKUP]).dump == GIB // 10


def test_a_server_on_the_same_disk_needs_its_copy_there_too() -> None:
    need = need_of(GIB, [BACKUP])
    assert room(need, GIB, together=False)[0]
    assert not room(need, GIB, together=True)[0]
    assert "can't be seen from here" in room(need, GIB, together=False)[1]


def test_times_are_told_where_they_were_measured_and_said_to_be_unknown_elsewhere() -> None:
    assert list(estimates([BACKUP], [3.25])) == [
        "the last backup, dumped and proven, took 12.5 s for 1,000 rows",
        "the last restore took 3.2 s",
    ]
    assert all("never measured" in text for text in estimates([], []))


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "less than 1 MiB"), (14 << 20, "14 MiB"), (GIB, "1.0 GiB"), (63 * GIB + GIB // 2, "63.5 GiB")],
)
def test_room_is_told_in_a_unit_that_shows_it(count: int, told: str) -> None:
    """A disk that is nearly full has no "0.0 GiB" free."""
    assert size(count) == told
