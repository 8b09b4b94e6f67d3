"""What a restore would throw away, counted from the rows of each table then and now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.deploy.loss import accepted, loss_since, rows, were
from pyhelpers.errors import NothingChanged

tables = st.dictionaries(st.sampled_from(["users", "orders", "new\\table", "übergang"]), st.integers(0, 10**12))


@given(tables)
def test_nothing_is_lost_where_nothing_changed(now: dict[str, int]) -> None:
    assert loss_since(now, now).rows == 0


@given(tables, tables)
def test_written_and_removed_rows_both_count_table_by_table(then: dict[str, int], now: dict[str, int]) -> None:
    """P9: rows that were deleted since would come back, which somebody may not want."""
    loss = loss_since(then, now)
    assert loss.rows == sum(abs(then.get(name, 0) - now.get(name, 0)) for name in {*then, *now})
    assert len(loss.lines()) == sum(then.get(name, 0) != now.get(name, 0) for name in {*then, *now})


@given(tables, tables)
def test_no_row_more_than_accepted_is_thrown_away(then: dict[str, int], now: dict[str, int]) -> None:
    """P9."""
    loss = loss_since(then, now)
    assert accepted(loss, "x", rows=loss.rows) == loss.rows
    if loss.rows:
        with pytest.raises(NothingChanged) as refused:
            accepted(loss, "x", rows=loss.rows - 1)
        assert f"accept-loss: {loss.rows}" in refused.value.remedy


def test_what_comes_back_is_no_loss_and_has_to_be_accepted_all_the_same() -> None:
    loss = loss_since({"users": 5, "orders": 2}, {"users": 0, "orders": 3})
    assert (loss.written, loss.removed, loss.rows) == (1, 5, 6)
    assert str(loss) == "discard 1 row that was written since and bring back 5 that were removed"


def test_the_tables_that_were_written_last_are_named_the_newest_first() -> None:
    """P9: a row that changed is in no count; its time may show it."""
    newest = {f"table{number}": f"2026-01-0{number} 00:00:00" for number in range(1, 8)}
    line = loss_since({"users": 1}, {"users": 1}, newest).lines()[-1]
    assert line.startswith("last written: table7 2026-01-07 00:00:00, table6")
    assert line.count("2026") == 5


def test_rows_that_came_for_others_count_though_the_table_has_as_many() -> None:
    """P9: ten deleted and ten added are twenty, where the keys tell; where they don't, that is said."""
    loss = loss_since(
        {"orders": 10, "words": 3, "empty": 0}, {"orders": 10, "words": 3, "empty": 0}, added={"orders": 10}
    )
    assert (loss.written, loss.removed) == (10, 10)
    assert loss.lines() == ["orders: 10 rows then, 10 now, 10 of them added since"]
    assert "in tables whose keys don't tell (words)" in loss.unknown
    with pytest.raises(NothingChanged) as refused:
        accepted(loss, "x", rows=0)
    assert "accept-loss: 20" in refused.value.remedy
    assert loss.unknown in refused.value.details


def test_what_can_not_be_counted_is_never_called_nothing() -> None:
    """P9, P7: rows that were changed leave the same number."""
    loss = loss_since({"users": 5}, {"users": 5}, added={"users": 0})
    assert (loss.rows, str(loss)) == (0, "discard no row that can be counted")
    assert loss.unknown == "changed rows can't be counted"


@given(tables, tables, tables)
def test_the_keys_never_make_a_loss_smaller(then: dict[str, int], now: dict[str, int], added: dict[str, int]) -> None:
    """P9: they tell of rows that the sums hide, and of no fewer."""
    known = {name: min(rows, now.get(name, 0)) for name, rows in added.items() if name in then}
    loss = loss_since(then, now, added=known)
    assert loss.rows >= loss_since(then, now).rows
    assert loss.written >= sum(known.values())
    assert loss.removed >= 0


def test_one_row_is_one_row() -> None:
    assert [f"{rows(count)} {were(count)}" for count in (0, 1, 2)] == ["0 rows were", "1 row was", "2 rows were"]
