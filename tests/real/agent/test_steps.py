"""Steps: the undo is on disk first, a step starts once, and none runs beside its own undo."""

from __future__ import annotations

import random
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real.agent.bench import BROKEN, FENCED, WRONG, Bench, chatters, request, says, until


def test_the_undo_is_on_disk_before_the_command_starts(bench: Bench, tmp_path: Path) -> None:
    """P2: content, name and folder entry are flushed before the step's shell is executed, as the kernel saw it."""
    bench.begin()
    trace = tmp_path / "trace"
    calls = "trace=fsync,rename,renameat,renameat2,execve"
    traced = bench.with_(prefix=("strace", "-f", "-qq", "-y", "-s", "400", "-o", str(trace), "-e", calls))
    traced.step("a", says("a"), undo=says("undo a"))
    text = trace.read_text()
    undo = re.escape(str(bench.state / "deploys/one/undo"))
    order = [
        rf"fsync\(\d+<{undo}/01-a\.sh\.new\.\d+>\)",
        rf'rename\w*\(.*"{undo}/01-a\.sh\.new\.\d+".*"{undo}/01-a\.sh"',
        rf"fsync\(\d+<{undo}>\)",
        r'execve\(.*"[^"]*/ops/a/cmd"\]',
    ]
    places = [match.start() if (match := re.search(pattern, text)) else -1 for pattern in order]
    assert places == sorted(places), (places, text)
    assert -1 not in places, (places, text)


def test_a_step_called_again_does_not_run_again(bench: Bench) -> None:
    """P8: one after the other, and four at once."""
    bench.begin()
    bench.finished_step("a", says("a"), undo=says("undo a"))
    bench.finished_step("a", says("other"), undo=says("other undo"))
    with ThreadPoolExecutor(4) as pool:
        for name in "bcdef":
            codes = [call.result().code for call in [pool.submit(bench.try_step, name, says(name)) for _ in range(4)]]
            assert codes == [0] * 4
            assert bench.wait_step(name)[:2] == ("ended", 0)
    assert sorted(bench.log()) == list("abcdef")
    bench.must("abort", "one", 1, "done")
    bench.ended()
    assert bench.log()[6:] == ["undo a"]


def test_an_undo_alone_is_a_step_too(bench: Bench) -> None:
    """P2: what is done elsewhere leaves its undo as well."""
    bench.begin()
    bench.finished_step("a", undo=says("undo a"))
    bench.must("abort", "one", 1, "done")
    assert (bench.ended()["status"], bench.log()) == ("rolled-back", ["undo a"])


def test_a_step_that_arrives_in_part_is_refused(bench: Bench) -> None:
    """P7, P8: a link that dies ends standard input like a whole script; half a command must never run."""
    bench.begin()
    whole, lines = request(f"{says('one')}\nrm -rf {bench.base}/keep-this", says("undone"))
    for length in range(0, len(whole), 9):
        answer = bench.call("step", "one", 1, "a", lines, len(whole), stdin=whole[:length])
        assert (answer.code, "ended before" in answer.err) == (WRONG, True), length
    answer = bench.call("register", "one", 1, "a", len(whole), stdin=whole[:-1])
    assert answer.code == WRONG
    assert bench.call("begin", "two", 100, "off", stdin=b'{"actor": "an').code == WRONG
    assert (bench.log(), bench.must("wait", "one", "a", 0, 0).out[:10]) == ([], "state=none")
    assert [path for path in bench.files() if "/undo/" in path or "/finish/" in path or "request" in path] == []
    bench.finished_step("a", says("one"), undo=says("undone"))
    assert bench.log() == ["one"]


@pytest.mark.parametrize("verb", ["step", "register", "begin"])
def test_a_client_that_hangs_while_it_sends_holds_up_nobody(bench: Bench, verb: str) -> None:
    """P2: a half-open link keeps standard input open for hours; the lease has to run out all the same."""
    bench.begin(watchdog=True)
    bench.finished_step("a", says("a"), undo=says("undo a"))
    arguments = {"step": ("one", 1, "b", 0, 9), "register": ("one", 1, "b", 9), "begin": ("two", 9, "off")}[verb]
    hanging = bench.start(verb, *arguments)
    time.sleep(0.3)  # it has reached its standard input by now, or else the test only proves less
    bench.expire()
    assert bench.ended()["status"] == "rolled-back"
    out, err = hanging.communicate(b"echo late" if verb != "begin" else b'{"a":1}')
    assert hanging.returncode == (FENCED if verb != "begin" else 0), (out, err)
    assert bench.log() == ["a", "undo a"]


def test_after_an_abort_no_step_is_taken(bench: Bench) -> None:
    """P5: neither while undoing nor after it."""
    bench.begin()
    bench.finished_step("a", undo="sleep 0.5")
    bench.must("abort", "one", 1, "done")
    assert bench.try_step("b", says("b"), undo=says("undo b")).code == FENCED
    bench.ended()
    assert bench.try_step("b", says("b"), undo=says("undo b")).code == FENCED
    assert bench.log() == []


def test_a_step_never_runs_once_its_undo_has_started(bench: Bench, tmp_path: Path) -> None:
    """P2, P5: 30 races of a step's start with an abort. A command may be cut off; it is never seen after its undo."""
    bench.begin()
    seeds = random.Random(2026)
    script, lines = request(chatters("do"), says("undo"))

    def race(number: int, delay: float) -> list[str]:
        twin = bench.copy(tmp_path / f"race-{number}")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        step = twin.start("step", "one", 1, "a", lines, len(script), **quiet)
        assert step.stdin is not None
        step.stdin.write(script)
        step.stdin.close()
        time.sleep(delay)
        twin.must("abort", "one", 1, "race")
        assert twin.ended()["status"] == "rolled-back"
        step.wait()
        log = twin.log()
        until(lambda: not [line for line in twin.processes().values() if str(twin.base) in line], "the end of all")
        assert twin.log() == log, "something went on after the deploy had been rolled back"
        # A step that was refused left no undo; one that was taken is undone after its last word.
        assert log.count("undo") == len([event for event in twin.journal() if event == ("undo", "a")])
        return log

    with ThreadPoolExecutor(5) as pool:
        logs = list(pool.map(race, range(30), [seeds.uniform(0, 0.15) for _ in range(30)]))
    assert [log for log in logs if log and (log[-1] != "undo" or log.count("undo") != 1)] == []


def test_output_is_followed_from_any_byte_and_in_pieces(bench: Bench) -> None:
    """P7: what a client sees again after a lost link is the same, to the byte."""
    bench.begin()
    bench.step("a", "head -c 600000 /dev/zero | tr '\\0' x; echo end; exit 3")
    state, code, output = bench.wait_step("a")
    assert (state, code, output) == ("ended", 3, "x" * 600000 + "end\n")
    head, _, body = bench.must("wait", "one", "a", 600000, 1).out.partition("\n")
    assert (head, body) == ("state=ended rc=3 offset=600004 status=open", "end\n")


def test_a_step_whose_shell_was_killed_is_lost_and_holds_up_the_end_while_it_lives(bench: Bench) -> None:
    """P7: no exit status is made up; and nothing is confirmed while what it started still works."""
    bench.begin()
    bench.step("a", "sleep 30")
    leader = int(until(lambda: bench.read(".belay/deploys/one/ops/a/pid"), "the step's pid").split()[0])
    bench.must("wait", "one", "a", 0, 0)
    sleeper = until(lambda: [pid for pid, line in bench.processes().items() if line == "sleep 30 "], "the child")[0]
    bench.signal(leader)
    assert bench.wait_step("a")[:2] == ("lost", -1)
    assert bench.call("precommit", "one", 1).code == FENCED
    bench.signal(sleeper)
    until(lambda: sleeper not in bench.processes(), "the child's end")
    bench.must("precommit", "one", 1)


def test_a_step_that_never_started_is_not_called_running(bench: Bench) -> None:
    """P7: the client that was killed between recording and starting a step finds that nothing runs."""
    bench.begin()
    (bench.state / "deploys/one/ops/a").mkdir()
    (bench.state / "deploys/one/ops/a/cmd").write_text(says("a"))
    assert bench.must("wait", "one", "a", 0, 0).out.startswith("state=none ")
    bench.finished_step("a", says("not this"))
    assert bench.log() == ["a"]


def test_the_hundredth_undo_is_refused_before_its_command_runs(bench: Bench) -> None:
    """P2: an undo whose number would not be found when undoing must not be taken."""
    bench.begin()
    for number in range(1, 100):
        undo = bench.state / f"deploys/one/undo/{number:02}-s{number}.sh"
        undo.write_text(says(f"undo {number}"))
        if number % 20:
            Path(f"{undo}.done").touch()  # only to save time: four are left to do
    assert bench.try_step("late", says("late"), undo=says("undo late")).code == BROKEN
    bench.must("abort", "one", 1, "done")
    assert bench.ended()["status"] == "rolled-back"
    assert bench.log() == [f"undo {number}" for number in (80, 60, 40, 20)]
