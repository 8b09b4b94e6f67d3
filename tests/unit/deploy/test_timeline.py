from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.deploy.timeline import backup_made, downtime, spans


def event(kind: str, name: str, uptime: float, text: str = "", boot: str = "one") -> dict[str, Any]:
    return {"event": kind, "name": name, "text": text, "uptime": uptime, "boot": boot, "time": "2026-01-01T00:00:00Z"}


def test_downtime_is_from_the_end_of_down_to_the_end_of_up() -> None:
    journal = [
        event("begin", "d", 100.0),
        event("start", "down", 101.0),
        event("end", "down", 102.0, "0"),
        event("start", "migrate", 102.5),
        event("end", "migrate", 110.0, "0"),
        event("start", "up", 111.0),
        event("end", "up", 112.5, "0"),
    ]
    assert downtime(journal) == 10.5


def test_downtime_ends_with_the_undo_that_lifted_the_page() -> None:
    journal = [
        event("start", "down", 101.0),
        event("end", "down", 102.0, "0"),
        event("start", "migrate", 103.0),
        event("stop", "migrate", 120.0),
        event("undo-start", "migrate", 120.0),
        event("undo-end", "migrate", 125.0, "0"),
        event("undo-start", "down", 125.0),
        event("undo-end", "down", 126.0, "0"),
    ]
    assert downtime(journal) == 24.0
    failed = [span.name for span in spans(journal) if span.failed]
    assert failed == ["migrate"]


def test_a_door_that_is_closed_again_counts_twice() -> None:
    journal = [
        event("start", "down", 0.0),
        event("end", "down", 1.0, "0"),
        event("start", "up", 5.0),
        event("end", "up", 6.0, "0"),
        event("undo-start", "up", 10.0),
        event("undo-end", "up", 11.0, "0"),
        event("undo-start", "down", 12.0),
        event("undo-end", "down", 13.0, "0"),
    ]
    assert downtime(journal) == 8.0


def test_after_a_reboot_spans_follow_each_other() -> None:
    journal = [
        event("start", "a", 1000.0),
        event("end", "a", 1001.0, "0"),
        event("start", "b", 5.0, boot="two"),
        event("end", "b", 6.0, "0", boot="two"),
    ]
    first, second = spans(journal)
    assert first.begin <= first.end <= second.begin <= second.end


def ran(*names: str) -> str:
    journal = [event(kind, name, at, "0") for at, name in enumerate(names) for kind in ("start", "end")]
    return backup_made(spans(journal))


def test_the_report_tells_when_the_backup_was_made_and_how_far_it_was_proven() -> None:
    assert ran("down", "up") == ""
    assert ran("down", "backup-1", "prove-1").startswith("made in maintenance, read back, ")
    assert ran("backup-1", "prove-1", "load-1", "down").startswith("made while the app served, loaded, ")
    assert ran("backup-1", "prove-1").startswith("made with no maintenance, read back, ")
    twice = ran("backup-1", "prove-1", "down", "discard-1", "backup-2", "prove-2", "load-2")
    assert twice.startswith("made in maintenance, after one made while the app served did not stand, loaded, ")


anything = st.one_of(st.none(), st.integers(), st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.dictionaries(st.sampled_from(["event", "name", "text", "uptime", "boot"]), anything), max_size=30))
def test_whatever_is_in_a_journal_it_is_read(journal: list[dict[str, Any]]) -> None:
    assert downtime(journal) >= 0 or spans(journal) is not None
