"""Undoing: what an undo may answer, and what a person can do then."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.real.agent.bench import FENCED, LOCKED, Bench, says, until

HOLD = "echo progress; echo 'Half a migration was applied. Backup: x.'; exit 10"


def three(bench: Bench, middle: str) -> None:
    """Three steps that are done; the undo of the second is `middle`, with its own line in the log first."""
    bench.begin()
    for name in "abc":
        bench.finished_step(name, undo=says(f"undo {name}") + (f"\n{middle}" if name == "b" else ""))


def test_an_undo_may_hold_and_its_last_line_is_the_reason(bench: Bench) -> None:
    """P2: down with a stated reason, the lock kept, and what would come after it isn't undone."""
    three(bench, HOLD)
    bench.must("abort", "one", 1, "the health check failed")
    found = bench.ended()
    assert (found["status"], found["active"], found["lease"] > 0) == ("held", "one", True)
    assert found["reason"].strip() == "Half a migration was applied. Backup: x."
    assert bench.log() == ["undo c", "undo b"]
    assert (bench.try_begin("two").code, bench.call("unlock", "one", "force").code) == (LOCKED, 0)


def test_a_hold_without_words_still_gives_a_reason(bench: Bench) -> None:
    """P2: never without a stated reason, and never with an older one."""
    three(bench, "exit 10")
    bench.must("abort", "one", 1, "the health check failed")
    assert bench.ended()["reason"].strip() == "no reason was given by the undo of b"


def test_an_undo_that_fails_three_times_holds(bench: Bench) -> None:
    """P2: a passing failure is tried again; a lasting one is told."""
    three(bench, "echo 'no route to the database'; exit 1")
    bench.must("abort", "one", 1, "x")
    found = bench.ended()
    assert found["reason"].strip() == "undo of b failed 3 times: no route to the database"
    assert (found["status"], bench.log()) == ("held", ["undo c", "undo b", "undo b", "undo b"])


def test_an_undo_that_fails_once_is_done_the_second_time(bench: Bench) -> None:
    """P8: undo scripts are made to be run again."""
    three(bench, '[ "$(grep -c "undo b" "$BELAY_BASE/log")" -ge 2 ]')
    bench.must("abort", "one", 1, "x")
    assert bench.ended()["status"] == "rolled-back"
    assert bench.log() == ["undo c", "undo b", "undo b", "undo a"]


def test_aborting_a_held_deploy_tries_again_from_where_it_stopped(bench: Bench) -> None:
    """P8: what is undone stays undone; the one that held is asked again."""
    three(bench, f'[ -f "$BELAY_BASE/repaired" ] || {{ {HOLD}; }}')
    for _ in range(2):
        bench.must("abort", "one", 1, "x")
        assert bench.ended()["status"] == "held"
        until(lambda: not bench.processes(), "the end of the unwinding")
    (bench.base / "repaired").touch()
    bench.must("abort", "one", 1, "a person repaired it")
    found = bench.ended()
    assert (found["status"], found["reason"].strip()) == ("rolled-back", "a person repaired it")
    assert bench.log() == ["undo c", "undo b", "undo b", "undo b", "undo a"]
    assert bench.call("abort", "one", 1, "again").code == FENCED
    assert bench.history() == [("one", "rolled-back")]


def test_aborting_twice_is_aborting_once(bench: Bench) -> None:
    """P8: rolling back twice is the same as once, also while it is under way."""
    three(bench, "sleep 0.5")
    for _ in range(4):
        bench.must("abort", "one", 1, "x")
    assert bench.ended()["status"] == "rolled-back"
    until(lambda: not bench.processes(), "the end of all unwinders")
    assert bench.log() == ["undo c", "undo b", "undo a"]
    assert bench.history() == [("one", "rolled-back")]


def test_unlock_gives_back_a_held_host_as_it_is(bench: Bench) -> None:
    """P2: a person decided; nothing more is undone."""
    three(bench, HOLD)
    bench.must("abort", "one", 1, "x")
    bench.ended()
    bench.must("unlock", "one")
    assert (bench.status("one")["status"], bench.begin("two")) == ("released", 2)
    assert bench.log() == ["undo c", "undo b"]


def test_the_host_is_not_given_away_under_a_running_undo(bench: Bench) -> None:
    """P5: not even by force; the next deploy would run beside it."""
    three(bench, "sleep 61")
    bench.must("abort", "one", 1, "x")
    until(lambda: "sleep 61 " in bench.processes().values(), "the slow undo")
    assert bench.call("unlock", "one", "force").code == LOCKED
    assert (bench.status()["status"], bench.try_begin("two").code) == ("aborting", 77)


def test_an_undo_that_outlives_its_unwinder_is_waited_for(bench: Bench) -> None:
    """P5, P8: the unwinder alone is killed; its undo goes on, and no second one starts beside it."""
    three(bench, f'until [ -f "$BELAY_BASE/go" ]; do sleep 0.1; done; {says("end b")}')
    bench.must("abort", "one", 1, "x")
    until(lambda: bench.log()[-1:] == ["undo b"], "the slow undo")
    bench.signal(bench.pid("unwind"))
    waiting = bench.start("reap")
    time.sleep(1)  # a second undo would have started long since
    assert bench.log() == ["undo c", "undo b"]
    (bench.base / "go").touch()
    waiting.communicate()
    assert (waiting.returncode, bench.status("one")["status"]) == (0, "rolled-back")
    assert bench.log() == ["undo c", "undo b", "end b", "undo b", "end b", "undo a"]


def test_cron_does_not_wait_for_an_undo_that_is_running(bench: Bench) -> None:
    """P2: every minute one more process that waits would fill the host; any other contact waits for the end."""
    three(bench, '[ -f "$BELAY_BASE/go" ] || sleep 61')
    bench.must("abort", "one", 1, "x")
    sleeper = until(lambda: [pid for pid, line in bench.processes().items() if line == "sleep 61 "], "the slow undo")
    bench.must("reap", "cron")
    assert bench.status()["status"] == "aborting"
    waiting = bench.start("reap")
    (bench.base / "go").touch()
    bench.signal(sleeper[0])
    waiting.communicate()
    assert (waiting.returncode, bench.status("one")["status"]) == (0, "rolled-back")


def test_hold_keeps_everything_as_it_is(bench: Bench) -> None:
    """P2: the runner itself may hold; the lock stays, nothing is undone, the reaper rests."""
    bench.begin(watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.must("hold", "one", 1, "A person has to look.")
    until(lambda: not bench.processes(), "the reaper's rest")
    found = bench.status()
    assert (found["status"], found["reason"].strip(), found["active"]) == ("held", "A person has to look.", "one")
    bench.must("reap")
    assert bench.log() == ["a"]


def test_a_finish_script_that_fails_holds(bench: Bench) -> None:
    """P2: the release is kept, but that it isn't complete is said."""
    bench.begin(watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.register("lift", says("lift"))
    bench.register("prune", "echo 'disk is broken'; exit 10")
    bench.register("tell", says("tell"))
    bench.must("precommit", "one", 1)
    bench.expire()
    found = bench.ended()
    assert (found["status"], found["reason"].strip()) == ("held", "disk is broken")
    assert bench.log() == ["a", "lift"]


@pytest.mark.parametrize("how", ["abort", "reaper", "reap"])
def test_an_undo_can_end_its_own_children(bench: Bench, how: str) -> None:
    """P2: signals that are ignored are inherited; an undo whose `kill` does nothing would hang for ever."""
    bench.begin(watchdog=how == "reaper")
    undo = f"sleep 61 & child=$!; sleep 0.1; kill $child; wait $child || {says('ended')}; timeout 0.2 sleep 62 || {says('cut')}"
    bench.finished_step("a", undo=undo)
    if how == "abort":
        bench.must("abort", "one", 1, "x")
    else:
        bench.expire()
    if how == "reap":
        until(lambda: bench.status()["lease"] == 0, "the deadline")
        bench.must("reap")
    assert bench.ended()["status"] == "rolled-back"
    assert bench.log() == ["ended", "cut"]


def test_the_unwinder_survives_the_signals_of_a_session_that_ends(bench: Bench) -> None:
    """P2: HUP, INT and TERM to the process that undoes don't stop it half way."""
    bench.begin()
    for name in "ab":
        bench.finished_step(name, undo=f"{says('begun ' + name)}; sleep 2; {says('undo ' + name)}")
    bench.must("abort", "one", 1, "x")
    unwinder = bench.pid("unwind")
    # Before it is at work a signal may still end it, which is the reaper's business.
    until(bench.log, "the first undo")
    for number in (1, 2, 15):
        bench.signal(unwinder, number)
    assert bench.ended()["status"] == "rolled-back"
    assert bench.log() == ["begun b", "undo b", "begun a", "undo a"]


def test_an_undo_finds_the_programs_that_the_steps_found(bench: Bench, tmp_path: Path) -> None:
    """P2: cron's PATH is /usr/bin:/bin; the client tools may be elsewhere."""
    folder = tmp_path / "opt"
    folder.mkdir()
    (folder / "special").write_text(f"#!/bin/sh\n{says('special')}\n")
    (folder / "special").chmod(0o755)
    rich = bench.with_(path=f"{folder}:{bench.path}")
    rich.begin()
    rich.finished_step("a", undo="special")
    rich.expire()
    until(lambda: bench.status()["lease"] == 0, "the deadline")
    bench.with_(path="/usr/bin:/bin").must("reap", "cron")
    assert (bench.status()["status"], bench.log()) == ("rolled-back", ["special"])


def test_scripts_know_the_base_and_their_deploy_and_nothing_else(bench: Bench) -> None:
    """P6: the documented environment, standard input empty, the base as the working folder, a session of their own."""
    bench.begin()
    look = 'pwd; echo "$BELAY_BASE|$BELAY_DEPLOY|$(cat)"; ls -l /proc/$$/fd | grep -c "\\.belay/lock" || :; tty || :'
    bench.step("a", look, undo=f'{{ {look}; }} >>"$BELAY_BASE/log" 2>&1')
    assert bench.wait_step("a")[:2] == ("ended", 0)
    printed = bench.wait_step("a")[2].splitlines()
    bench.must("abort", "one", 1, "x")
    bench.ended()
    base = str(bench.base)
    expected = [base, f"{base}|{base}/.belay/deploys/one|", "0", "not a tty"]
    assert (printed, bench.log()) == (expected, expected)
