"""One deploy holds the host, and only that one: lock, epoch, fence."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.agent.bench import ABSENT, FENCED, LOCKED, Bench, request, says

SCRIPT, LINES = request(says("ran"), says("undone"))
CALLS: dict[str, tuple[tuple[str | int, ...], bytes]] = {
    "step": (("new", LINES, len(SCRIPT)), SCRIPT),
    "register": (("new", len(SCRIPT)), SCRIPT),
    "renew": ((), b""),
    "phase": (("health", 60), b""),
    "precommit": ((), b""),
    "confirm": ((), b""),
    "abort": (("a reason",), b""),
    "hold": (("a reason",), b""),
}


def test_of_sixteen_that_begin_at_once_one_wins_and_the_epochs_rise(bench: Bench) -> None:
    """P5: the lock has one winner, and each loser is told the winner's name."""
    with ThreadPoolExecutor(16) as pool:
        for epoch in (1, 2, 3):
            names = [f"deploy-{epoch}-{number}" for number in range(16)]
            answers = dict(zip(names, pool.map(bench.try_begin, names), strict=True))
            (winner,) = (name for name, answer in answers.items() if answer.code == 0)
            assert answers[winner].out == f"epoch={epoch}\n"
            losers = [answer for name, answer in answers.items() if name != winner]
            assert {(answer.code, answer.err.strip()) for answer in losers} == {(LOCKED, winner)}
            bench.must("unlock", winner, "force")


def test_a_second_begin_is_refused_by_the_name_of_the_holder(bench: Bench) -> None:
    """P5, also while the holder is at precommit or on hold."""
    bench.begin("one")
    for verb in ("precommit", "hold"):
        assert (bench.try_begin("two").code, bench.try_begin("two").err.strip()) == (LOCKED, "one")
        bench.must(verb, "one", 1, *(["for a reason"] if verb == "hold" else []))
    assert (bench.try_begin("two").code, bench.try_begin("two").err.strip()) == (LOCKED, "one")
    assert bench.status("one")["owner"] == {"actor": "ann"}
    assert bench.call("status", "two").code == ABSENT


def test_beginning_again_under_the_same_name_names_itself(bench: Bench) -> None:
    """P7, P8: a client that lost the answer asks again and learns that it is the holder."""
    bench.begin("one")
    again = bench.try_begin("one")
    assert (again.code, again.err.strip()) == (LOCKED, "one")
    assert bench.status()["epoch"] == 1


@pytest.mark.parametrize("verb", CALLS)
def test_a_stale_or_foreign_caller_is_refused_by_every_verb(bench: Bench, verb: str) -> None:
    """P5: an old epoch, another deploy's epoch, an ended deploy and an unknown one; and nothing is changed by trying."""
    arguments, stdin = CALLS[verb]
    bench.begin("zero")
    bench.must("precommit", "zero", 1)
    bench.must("confirm", "zero", 1)
    bench.begin("one")
    if verb == "confirm":
        bench.must("precommit", "one", 2)
    before = bench.files()
    for name, epoch, code in (("one", 1, FENCED), ("one", 3, FENCED), ("zero", 1, FENCED), ("zero", 2, FENCED)):
        assert bench.call(verb, name, epoch, *arguments, stdin=stdin).code == code, (name, epoch)
    assert bench.call(verb, "nobody", 2, *arguments, stdin=stdin).code == ABSENT
    assert bench.files() == before
    assert bench.call(verb, "one", 2, *arguments, stdin=stdin).code == 0


def test_a_deploy_whose_hold_was_taken_by_hand_changes_nothing_any_more(bench: Bench) -> None:
    """P5: a person removed `active`; what the deploy's own files say doesn't count then."""
    bench.begin()
    (bench.state / "active").unlink()
    for verb, (arguments, stdin) in CALLS.items():
        assert bench.call(verb, "one", 1, *arguments, stdin=stdin).code == FENCED, verb
    assert bench.call("unlock", "one", "force").code == FENCED
    assert bench.begin("two") == 2


def test_a_deploy_that_ended_can_not_be_unlocked_again(bench: Bench) -> None:
    """P5, P8: unlock takes the host from its holder; force doesn't rewrite how an older deploy ended."""
    bench.begin("zero")
    bench.must("precommit", "zero", 1)
    bench.must("confirm", "zero", 1)
    bench.begin("one")
    assert bench.call("unlock", "zero", "force").code == FENCED
    assert bench.call("unlock", "one").code == FENCED  # open, and nobody said force
    assert (bench.status("zero")["status"], bench.status()["active"]) == ("confirmed", "one")


def test_the_status_can_be_read_at_any_time_of_a_life(bench: Bench) -> None:
    """P7: whatever happens at that moment, the answer is whole JSON and names a known state."""
    over = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not over.is_set():
            found = bench.status()
            seen.add(found.get("status", "nothing"))
            assert found["id"] is None or found["owner"] == {"actor": "ann"}

    with ThreadPoolExecutor(2) as pool:
        lookers = [pool.submit(look) for _ in range(2)]
        try:
            for number in range(4):
                name, epoch = f"deploy-{number}", number + 1
                bench.begin(name)
                bench.finished_step("a", says("a"), undo="sleep 0.1", deploy=name, epoch=epoch)
                if number % 2:
                    bench.must("precommit", name, epoch)
                    bench.must("confirm", name, epoch)
                else:
                    bench.must("abort", name, epoch, "on purpose")
                    bench.ended(name)
        finally:
            over.set()
        for looker in lookers:
            looker.result()
    known = {"nothing", "open", "precommit", "aborting", "confirmed", "rolled-back"}
    assert {"open", "rolled-back"} <= seen <= known


def test_an_end_is_told_once_in_the_history(bench: Bench) -> None:
    """P8: whoever asks without an id after the end gets the last deploy."""
    bench.begin("one")
    bench.must("abort", "one", 1, "first")
    bench.ended("one")
    bench.begin("two")
    bench.must("precommit", "two", 2)
    bench.must("confirm", "two", 2)
    assert bench.call("confirm", "two", 2).code == FENCED
    assert bench.history() == [("one", "rolled-back"), ("two", "confirmed")]
    assert (bench.status()["id"], bench.status()["active"]) == ("two", None)
