"""Backups of several databases in one folder: each is kept, and found, by itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.backups.manifest import Manifest
from pyhelpers.backups.retention import expired
from tests.unit.backups.test_retention import manifest

mixed = st.lists(
    st.tuples(st.sampled_from(["shop", "reporting", ""]), st.sampled_from([0, 100, 5000])), max_size=30
).map(
    lambda found: [replace(manifest(number, "bytes", rows), database=name) for number, (name, rows) in enumerate(found)]
)


@given(mixed, st.integers(1, 5))
def test_backups_of_one_database_push_out_none_of_another(history: list[Manifest], keep: int) -> None:
    """P4: what goes is what would go if the others were not there."""
    gone = set(expired(history, keep=keep))
    for name in ("shop", "reporting", ""):
        own = [one for one in history if one.database == name]
        assert gone & {one.name for one in own} == set(expired(own, keep=keep))
        assert not own or {one.name for one in own} - gone
