"""A name that isn't there is answered with those that look most like it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.backups.catalogue import nearest_to

NAMES = [f"2026013{day}T000000Z-{day * 16}.sqlite.zst" for day in "0123"]


def test_a_slip_of_the_finger_finds_the_one_that_was_meant() -> None:
    for meant in NAMES:
        assert nearest_to(meant[:12] + meant[13:], NAMES)[0] == meant


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=60), unique=True), st.integers(1, 9))
def test_only_names_that_are_there_come_and_no_more_than_asked_for(name: str, names: list[str], count: int) -> None:
    found = nearest_to(name, names, count=count)
    assert len(found) == min(count, len(names))
    assert set(found) <= set(names)
    if name in names:
        assert found[0] == name
