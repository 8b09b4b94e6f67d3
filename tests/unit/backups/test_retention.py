from __future__ import annotations

import os
from random import Random
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from pyhelpers.backups.manifest import Manifest
from pyhelpers.backups.retention import expired

HISTORIES = int(os.environ.get("BELAY_HISTORIES", "2000"))


def manifest(number: int, level: str, rows: int = 100) -> Manifest:
    stamp = f"2026{number // 28 % 12 + 1:02d}{number % 28 + 1:02d}T{number // 336 % 24:02d}0000Z-{number:016x}"
    return Manifest(
        name=f"{stamp}.sqlite.zst",
        created="2026-01-01T00:00:00Z",
        engine="sqlite",
        payload="payload.sqlite.zst",
        bytes=1,
        sha256="0" * 64,
        verification=level,
        tables={"users": rows},
        counts_exact=True,
        schema_sha256="0" * 64,
        inventory={},
        server_version="3",
        client_version="3",
    )


levels = st.sampled_from(["none", "bytes", "loaded", "drilled"])
sizes = st.sampled_from([0, 1, 9, 100, 110, 5000])
histories = st.lists(st.tuples(levels, sizes), max_size=40).map(
    lambda found: [manifest(number, level, rows) for number, (level, rows) in enumerate(found)]
)


@settings(max_examples=HISTORIES, deadline=None)
@given(histories, st.integers(1, 10), st.randoms())
def test_the_last_proven_backup_is_never_let_go(history: list[Manifest], keep: int, chance: Random) -> None:
    """P4, whatever the order of the listing: the newest proven ones stay, `keep` of them if there are so many."""
    shuffled = list(history)
    chance.shuffle(shuffled)
    gone = set(expired(shuffled, keep=keep))
    proven = sorted((one.name for one in history if one.proven()), reverse=True)
    assert not gone & set(proven[:keep])


@settings(max_examples=HISTORIES, deadline=None)
@given(histories, st.integers(1, 10))
def test_nothing_goes_before_enough_newer_ones_are_proven_and_of_the_usual_size(
    history: list[Manifest], keep: int
) -> None:
    """P4: what is let go has `keep` newer backups, each of them proven, none of them tiny."""
    proven = sorted((one for one in history if one.proven()), key=lambda one: one.name, reverse=True)
    usual = median(one.rows for one in proven[: 2 * keep]) if proven else 0
    for name in expired(history, keep=keep):
        assert len([one for one in proven if one.name > name and one.rows >= usual / 10]) >= keep


@given(histories, st.integers(1, 10))
def test_failed_backups_push_nothing_out(history: list[Manifest], keep: int) -> None:
    """P4: a row of unproven backups after the last good one changes nothing about the proven ones."""
    flood = [*history, *(manifest(1000 + n, "none") for n in range(50))]
    proven = {one.name for one in history if one.proven()}
    assert set(expired(flood, keep=keep)) & proven == set(expired(history, keep=keep)) & proven


def test_a_flood_of_empty_backups_pushes_nothing_out_until_empty_is_usual() -> None:
    """P4: a wrong DB_DATABASE for a night doesn't cost the backups of the days before."""
    good = [manifest(number, "bytes", 1000) for number in range(3)]
    empty = [manifest(10 + number, "bytes", 0) for number in range(3)]
    assert expired([*good, *empty], keep=3) == []
    later = [manifest(20 + number, "bytes", 0) for number in range(4)]
    assert expired([*good, *empty, *later], keep=3) != []


@given(histories, st.integers(1, 10))
def test_the_best_proof_stays(history: list[Manifest], keep: int) -> None:
    """P4: the newest backup of the highest level is the one to trust most; it goes only when a newer equal is there."""
    gone = set(expired(history, keep=keep))
    for level in ("drilled", "loaded", "bytes"):
        found = [one.name for one in history if one.verification == level]
        if found:
            assert max(found) not in gone
            break


@given(histories)
def test_what_is_pinned_stays(history: list[Manifest]) -> None:
    names = frozenset(one.name for one in history)
    assert expired(history, keep=1, pinned=names) == []
