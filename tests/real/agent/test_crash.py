"""SIGKILL at any moment of any call: the next contact converges, and nothing that can be read is torn.

The whole enumeration is for the soak; the usual run visits some of those moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.real.agent.bench import FENCED, LOCKED, Bench, lines_of, request, says, tools, until
from tests.real.agent.crash import behind, cut_off, cut_off_in_kernel, programs, stand_ins

SCRIPT, LINES = request(says("ran"), says("undo a"))
STRIDE = 7


def slow(name: str) -> str:
    """A script that takes a moment and writes its name when it starts and when it ends."""
    return f"{says('start ' + name)}; /bin/sleep 0.03; {says('end ' + name)}"


@dataclass(frozen=True)
class Case:
    """A call to be cut off: what comes before it, its words, and what must be true after the next contact."""

    before: Callable[[Bench], object]
    words: tuple[str | int, ...]
    after: Callable[[Bench], None]
    stdin: bytes = b""


# --- what comes before -----------------------------------------------------------------------------------------------


def untouched(_: Bench) -> None:
    """Nothing was there before."""


def steps(bench: Bench) -> None:
    bench.begin()
    for name in "ab":
        bench.finished_step(name, undo=slow(name))


def expired(bench: Bench) -> None:
    steps(bench)
    bench.expire()
    until(lambda: bench.status()["lease"] == 0, "the deadline")


def aborting(bench: Bench) -> None:
    """Aborted, but nobody undoes: the process that would do it could not be started."""
    steps(bench)
    poor = tools(bench.base.with_name("poor"), without=("setsid",))
    bench.with_(path=str(poor)).must("abort", "one", 1, "x")
    assert bench.status()["status"] == "aborting"


def precommitted(bench: Bench) -> None:
    steps(bench)
    for name in "cd":
        bench.register(name, slow(name))
    bench.must("precommit", "one", 1)


def kept(bench: Bench) -> None:
    precommitted(bench)
    bench.expire()
    until(lambda: bench.status()["lease"] == 0, "the deadline")


def unstarted(bench: Bench) -> None:
    """A step that was recorded, with its undo, and whose process is about to start."""
    steps(bench)
    (bench.state / "deploys/one/ops/new").mkdir()
    (bench.state / "deploys/one/ops/new/cmd").write_text(says("ran"))


# --- what must be true after the next contact --------------------------------------------------------------------------


def began(bench: Bench) -> None:
    again = bench.try_begin()
    assert again.code == 0 or (again.code, again.err.strip()) == (LOCKED, "one"), again
    found = bench.status()
    assert (found["active"], found["status"], found["owner"] != {}) == ("one", "open", True)
    bench.finished_step("a", says("ran"), epoch=found["epoch"])
    bench.must("unlock", "one", "force")
    assert bench.begin("two") > found["epoch"]


def ran_once(name: str) -> Callable[[Bench], None]:
    def check(bench: Bench) -> None:
        assert bench.try_step(name, says("ran"), undo=says("undo a")).code == 0
        state, code, _ = bench.wait_step(name)
        assert ((state, code), bench.log().count("ran")) in {(("ended", 0), 1), (("lost", -1), 0), (("lost", -1), 1)}
        bench.must("abort", "one", 1, "x")
        assert bench.ended()["status"] == "rolled-back"
        if name == "a":
            assert (bench.log().count("undo a"), bench.log()[-1]) == (1, "undo a")

    return check


def registered(bench: Bench) -> None:
    bench.register("a", SCRIPT.decode())
    (script,) = (bench.state / "deploys/one/finish").glob("*.sh")
    assert (script.name, script.read_bytes()) == ("01-a.sh", SCRIPT)


def in_phase(bench: Bench) -> None:
    bench.must("phase", "one", 1, "health", 60)
    assert bench.status()["phase"] == "health"


def renewed(bench: Bench) -> None:
    bench.must("renew", "one", 1)
    assert bench.status()["lease"] > 90


def reached(status: str, verb: str, *more: str) -> Callable[[Bench], None]:
    """The same call again is accepted, or refused because the status was reached."""

    def check(bench: Bench) -> None:
        again = bench.call(verb, "one", 1, *more)
        assert again.code in {0, FENCED}, again
        assert bench.status("one")["status"] == status
        if status == "confirmed":
            assert bench.begin("two") == 2
            assert bench.history() == [("one", status)]

    return check


def released(bench: Bench) -> None:
    assert bench.call("unlock", "one", "force").code in {0, FENCED}
    assert (bench.status("one")["status"], bench.begin("two")) == ("released", 2)
    assert bench.history() == [("one", "released")]


def aborted(bench: Bench) -> None:
    assert bench.call("abort", "one", 1, "x").code in {0, FENCED}
    undone(bench)


def undone(bench: Bench) -> None:
    completed(bench, "undo", ["b", "a"], "rolled-back")


def finished(bench: Bench) -> None:
    completed(bench, "finish", ["c", "d"], "kept")


def completed(bench: Bench, kind: str, names: list[str], verdict: str) -> None:
    """Each script has ended well, none before the one that it has to follow, and that is told once."""
    bench.must("reap")
    assert bench.ended()["status"] == verdict
    ends = [name for event, name in bench.journal() if event == f"{kind}-end"]
    log = bench.log()
    for first, second in pairwise(names):
        assert log.index(f"start {second}") > log.index(f"end {first}"), log
        assert max(place for place, line in enumerate(log) if line.endswith(first)) < log.index(f"start {second}"), log
    assert set(ends) <= set(names)
    # Each has ended, and that was enough: a mark that could not be written (its process died) only costs a second run.
    assert {f"end {name}" for name in names} <= set(log)
    assert bench.history() == [("one", verdict)]
    assert bench.begin("two") == 2


CASES = {
    "begin": Case(untouched, ("begin", "one", 100, "off"), began, b'{"actor":"ann"}'),
    "begin with a reaper": Case(untouched, ("begin", "one", 100, "on"), began, b'{"actor":"ann"}'),
    "step": Case(Bench.begin, ("step", "one", 1, "a", LINES, len(SCRIPT)), ran_once("a"), SCRIPT),
    "a step's process": Case(unstarted, ("op", "one", 1, "new"), ran_once("new")),
    "register": Case(Bench.begin, ("register", "one", 1, "a", len(SCRIPT)), registered, SCRIPT),
    "phase": Case(Bench.begin, ("phase", "one", 1, "health", 60), in_phase),
    "renew": Case(Bench.begin, ("renew", "one", 1), renewed),
    "precommit": Case(steps, ("precommit", "one", 1), reached("precommit", "precommit")),
    "confirm": Case(precommitted, ("confirm", "one", 1), reached("confirmed", "confirm")),
    "hold": Case(steps, ("hold", "one", 1, "x"), reached("held", "hold", "x")),
    "abort": Case(steps, ("abort", "one", 1, "x"), aborted),
    "unlock": Case(steps, ("unlock", "one", "force"), released),
    "unwind": Case(aborting, ("unwind", "one"), undone),
    "reap": Case(expired, ("reap",), undone),
    "reap after precommit": Case(kept, ("reap",), finished),
}


def visit(bench: Bench, case: Case, cut: Callable[[Bench, int], bool], moments: Iterable[int]) -> int:
    """Cut the call off at each of these moments, in twins of one preparation; return how many were cut off."""

    def trial(moment: int) -> bool:
        twin = bench.copy(bench.base.with_name(f"{bench.base.name}-{moment}"))
        try:
            died = cut(twin, moment)
            assert isinstance(twin.status(), dict)
            orphans = [pid for pid, line in twin.processes().items() if " reaper " not in line]
            until(lambda: not set(orphans) & set(twin.processes()), "the orphans' end")
            case.after(twin)
            journal = twin.read(".belay/deploys/one/journal.jsonl")
            assert len(lines_of(journal)) == journal.count("\n")
        except AssertionError as error:
            raise AssertionError(f"cut off at {moment}: {error}") from error
        finally:
            twin.sweep()
        return died

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(trial, moments))


def every(stride: int, bench: Bench, folder: Path, name: str, kinds: tuple[str, ...]) -> int:
    """Kill the call before every `stride`-th program that it starts, and one that it doesn't; return how many died."""
    case = CASES[name]
    guarded = behind(bench, stand_ins(folder))
    case.before(guarded)
    count = programs(guarded.copy(bench.base.with_name("whole")), case.words, case.stdin)
    moments = range(min(1 + len(name) % stride, count), count + 2, stride)

    def cut(twin: Bench, moment: int) -> bool:
        return cut_off(twin, moment, kinds[moment // stride % len(kinds)], case.words, case.stdin)

    return visit(guarded, case, cut, moments)


@pytest.mark.parametrize("name", CASES)
def test_a_call_that_is_killed_half_way_converges(bench: Bench, tmp_path: Path, name: str) -> None:
    """P2, P5, P8: before some of the programs that the call starts; with its children, or only its own shell."""
    assert every(STRIDE, bench, tmp_path / "bin", name, ("group", "shell")) > 0


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["group", "shell"])
@pytest.mark.parametrize("name", CASES)
def test_a_call_that_is_killed_anywhere_converges(bench: Bench, tmp_path: Path, name: str, kind: str) -> None:
    """P2, P5, P8: before each program that the call starts."""
    assert every(1, bench, tmp_path / "bin", name, (kind,)) > 0


@pytest.mark.soak
@pytest.mark.parametrize("call", ["write", "rename,renameat,renameat2", "fsync", "openat"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "begin with a reaper"])  # strace would wait for it
def test_processes_that_are_killed_in_a_system_call_do_no_harm(bench: Bench, name: str, call: str) -> None:
    """P2, P5, P8: each process of the call dies at its own n-th write, rename, fsync, openat, until none does any more."""
    case = CASES[name]
    case.before(bench)

    def cut(twin: Bench, number: int) -> bool:
        return cut_off_in_kernel(twin, call, number, case.words, case.stdin)

    number = 1
    while visit(bench, case, cut, range(number, number + 4)) == 4:
        number += 4
