"""The lease: it runs out when nobody renews it, and then the host acts by itself, once."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.real.agent.bench import FENCED, WRONG, Bench, says, until


def test_a_lease_that_runs_out_undoes_in_reverse_order_and_once(bench: Bench) -> None:
    """P2: the runner is gone; its steps go back, the last one first."""
    bench.begin(watchdog=True)
    for name in "abc":
        bench.finished_step(name, says(name), undo=says(f"undo {name}"))
    bench.expire()
    found = bench.ended()
    assert found["status"] == "rolled-back"
    assert found["reason"].strip() == "the lease ran out (nobody renewed it)"
    until(lambda: not bench.processes(), "the reaper's own end")
    assert bench.log() == ["a", "b", "c", "undo c", "undo b", "undo a"]
    assert bench.history() == [("one", "rolled-back")]
    assert bench.try_begin("two").code == 0


def test_renewing_keeps_the_lease_and_stopping_ends_it(bench: Bench) -> None:
    """P2: what counts is the client's sign of life."""
    bench.begin(ttl=4, watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    for _ in range(9):  # longer than the lease
        bench.must("renew", "one", 1)
        time.sleep(0.5)
    assert (bench.status()["status"], bench.log()) == ("open", ["a"])
    bench.expire()
    assert (bench.ended()["status"], bench.log()) == ("rolled-back", ["a", "undo a"])


def test_a_runner_that_hangs_with_a_beating_heart_trips_on_the_limit_of_its_phase(bench: Bench) -> None:
    """P2: heartbeats alone don't keep a phase alive beyond its limit."""
    bench.begin(ttl=100, watchdog=True)
    bench.finished_step("a", undo=says("undo a"))
    bench.must("phase", "one", 1, "health", 2)
    until(lambda: bench.call("renew", "one", 1).code == FENCED, "the refusal of a renewal")
    found = bench.ended()
    assert (found["status"], found["phase"], bench.log()) == ("rolled-back", "health", ["undo a"])


def test_a_new_phase_has_a_limit_of_its_own(bench: Bench) -> None:
    """P2: the next phase isn't cut short by the one before."""
    bench.begin(ttl=50)
    bench.must("phase", "one", 1, "backup", 3)
    assert bench.status()["lease"] <= 3
    bench.must("phase", "one", 1, "migrate", 40)
    assert 3 < bench.status()["lease"] <= 40


def test_after_precommit_the_lease_keeps_the_new_release(bench: Bench) -> None:
    """P2: all hosts were healthy; the runner's death must not take the release back."""
    bench.begin(watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    for name in ("lift", "prune", "tell"):
        bench.register(name, says(name))
    bench.must("precommit", "one", 1)
    bench.expire()
    assert bench.ended()["status"] == "kept"
    until(lambda: not bench.processes(), "the reaper's own end")
    assert bench.log() == ["a", "lift", "prune", "tell"]
    assert bench.history() == [("one", "kept")]


def test_either_confirm_or_the_reaper_wins_never_both(bench: Bench, tmp_path: Path) -> None:
    """P5: 30 confirms around the deadline."""
    seeds = random.Random(2026)

    def race(number: int, delay: float) -> tuple[int, str, int]:
        twin = bench.with_(base=tmp_path / f"race-{number}")
        twin.base.mkdir()
        twin.begin(watchdog=True)
        twin.register("finish", says("finish"))
        twin.must("precommit", "one", 1)
        twin.expire()
        time.sleep(delay)
        code = twin.call("confirm", "one", 1).code
        found = twin.ended()
        until(lambda: twin.status()["active"] is None, "the host to be free")
        assert len(twin.history()) == 1
        return code, str(found["status"]), len(twin.log())

    with ThreadPoolExecutor(6) as pool:
        ends = Counter(pool.map(race, range(30), [seeds.uniform(0, 1.8) for _ in range(30)]))
    assert set(ends) <= {(0, "confirmed", 0), (FENCED, "kept", 1)}, ends


def test_a_client_that_slept_and_wakes_up_is_refused(bench: Bench) -> None:
    """P5: a real process, stopped, whose heartbeat comes after the host gave its deploy up."""
    bench.begin(watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    loop = 'while "$@"; do sleep 0.2; done; echo $?'
    words = ["sh", "-c", loop, "client", *bench.words("renew", "one", 1)]
    with subprocess.Popen(words, env=bench.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        time.sleep(0.5)
        client.send_signal(signal.SIGSTOP)
        bench.expire()
        assert bench.ended()["status"] == "rolled-back"
        assert bench.begin("two") == 2
        client.send_signal(signal.SIGCONT)
        _, err = client.communicate()
    assert b"does not hold the host any more (it is rolled-back)" in err
    assert bench.try_step("b", says("b")).code == FENCED
    assert (bench.status()["id"], bench.log()) == ("two", ["a", "undo a"])


def test_a_dead_reaper_leaves_a_lease_that_the_next_contact_settles(bench: Bench) -> None:
    """P2, P8: begin says that the lease is over, reap undoes, and reaping again does nothing."""
    bench.begin(watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    reaper = int(bench.read(".belay/deploys/one/armed").split()[0])
    bench.signal(reaper)
    bench.expire()
    until(lambda: bench.status()["lease"] == 0, "the deadline")
    found = bench.status()
    assert (found["reaper"], found["status"], bench.try_begin("two").code) == ("dead", "open", 77)
    bench.must("reap")
    bench.must("reap")
    assert (bench.status("one")["status"], bench.log()) == ("rolled-back", ["a", "undo a"])
    assert bench.begin("two") == 2


def test_reaping_a_living_deploy_does_nothing(bench: Bench) -> None:
    """P5: cron and other clients come by at any time."""
    bench.begin()
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.must("reap")
    bench.must("precommit", "one", 1)
    bench.must("reap", "cron")
    assert (bench.status()["status"], bench.log()) == ("precommit", ["a"])


def test_the_reaper_completes_an_end_that_was_cut_off(bench: Bench) -> None:
    """P2, P8: whoever confirmed died right after the word was written; nobody else comes by."""
    bench.begin(watchdog=True)
    bench.must("precommit", "one", 1)
    (bench.state / "deploys/one/status").write_text("confirmed\n")
    until(lambda: not bench.processes(), "the reaper's own end")
    assert (bench.read(".belay/active"), bench.history()) == ("", [("one", "confirmed")])


def test_an_empty_lease_file_counts_as_over(bench: Bench) -> None:
    """P2: renewals aren't flushed, so a power cut may leave nothing in the file; the deploy has to end all the same."""
    for content, number in (("", 1), ("\n", 2), ("garbage", 3)):
        bench.begin(f"deploy-{number}")
        bench.finished_step("a", undo=says(f"undo {number}"), deploy=f"deploy-{number}", epoch=number)
        (bench.state / f"deploys/deploy-{number}/lease").write_text(content)
        assert bench.call("renew", f"deploy-{number}", number).code == 77
        assert bench.try_begin("other").code == 77
        bench.must("reap")
        assert bench.status()["status"] == "rolled-back"
    assert bench.log() == ["undo 1", "undo 2", "undo 3"]


def test_clocks_that_jump_change_nothing(bench: Bench, tmp_path: Path) -> None:
    """P2: a lease is uptime and boot id. The clock is a `date` of the test's own, ten years ahead or behind."""
    clock = tmp_path / "bin"
    clock.mkdir()
    (clock / "date").write_text(f'#!/bin/sh\nread -r years <{tmp_path}/years\nexec /bin/date -d "$years years" "$@"\n')
    (clock / "date").chmod(0o755)
    (tmp_path / "years").write_text("+10\n")
    bench = bench.with_(path=f"{clock}:{bench.path}")
    bench.begin(ttl=20, watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    for years in ("-10", "+20"):
        (tmp_path / "years").write_text(f"{years}\n")
        assert 0 < bench.status()["lease"] <= 20
        time.sleep(1.5)  # the reaper looks once a second
        bench.must("renew", "one", 1)
    assert (bench.status()["status"], bench.log()) == ("open", ["a"])
    (tmp_path / "years").write_text("-30\n")
    bench.expire()
    assert (bench.ended()["status"], bench.log()) == ("rolled-back", ["a", "undo a"])


def test_the_watchdog_is_on_or_off_and_nothing_else(bench: Bench) -> None:
    """P2: a typing error must not leave a deploy without its reaper."""
    assert bench.call("begin", "one", 9, "On", stdin=b"{}").code == WRONG
    bench.begin("two")
    assert bench.status()["reaper"] == "off"
