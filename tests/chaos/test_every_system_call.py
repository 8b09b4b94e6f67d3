"""The agent at each single call that changes a file: killed before and after it, with all or alone; or the call fails.

The calls of a verb are counted over all the programs that it starts, so this is every write, rename, flush and removal
that there is. `make test` visits some, `make soak` all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.matrix import Trials
from tests.lab import one_system_call
from tests.real.agent.bench import AGENT, ENDED, Bench, lines_of, tools, until
from tests.real.agent.test_crash import CASES, Case

PROGRAM = Path(one_system_call.__file__)
KILLS = ("all", "before", "after")
ERRORS = ("ENOSPC", "ENOSPC+", "EIO", "EDQUOT")
AT_ONCE = int(os.environ.get("BELAY_CHAOS_AT_ONCE", "0")) or os.cpu_count() or 2
# What may be lost with the power: after it every lease is over, and what a step did is undone, not continued.
MAY_BE_LOST = ("/lease", "/ops", "/drill.sh", "/armed", "/crontab")

pytestmark = pytest.mark.skipif(not one_system_call.possible(), reason="needs Linux on x86_64")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH without crontab: the tests must not touch the table of who runs them."""
    return str(tools(tmp_path_factory.mktemp("tools") / "bin"))


@pytest.fixture
def bench(tmp_path: Path, path: str) -> Iterable[Bench]:
    """An empty base folder with the agent in front of it."""
    base, agent = tmp_path / "base", tmp_path / "agent"
    base.mkdir()
    agent.write_bytes(AGENT.read_bytes())
    made = Bench(base=base, agent=agent, path=path)
    yield made
    made.sweep()


@dataclass(frozen=True, kw_only=True)
class Harmed:
    """How a call ended that was harmed: its exit code, whether the harm came, and which system call it hit."""

    code: int
    count: int
    hit: str
    names: tuple[str, ...]


def harmed(bench: Bench, case: Case, number: int, harm: str) -> Harmed:
    """Make a call of the agent with harm at its `number`-th change."""
    report = bench.base.with_name(f"{bench.base.name}.report")
    tracer = (sys.executable, "-S", str(PROGRAM), str(bench.base), str(number), harm, str(report))
    verb, *arguments = map(str, case.words)
    done = subprocess.run(
        bench.with_(prefix=tracer).words(verb, *arguments),
        input=case.stdin,
        env=bench.environ(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    told: dict[str, Any] = json.loads(report.read_text())
    return Harmed(code=done.returncode, count=told["count"], hit=told["hit"], names=tuple(told["names"]))


def prepared(bench: Bench, name: str) -> tuple[Case, int]:
    """Do what comes before the call; return it, and how many changes it makes when it is left alone.

    Left alone, each file has to be on disk before its rename, the rename before the call is over, and each added line.
    """
    case = CASES[name]
    case.before(bench)
    whole = bench.copy(bench.base.with_name("whole"))
    found = harmed(whole, case, 0, "none")
    whole.sweep()
    assert found.count > 0
    assert unflushed(found.names) == [], "it would not outlive a power cut"
    return case, found.count


def unflushed(names: tuple[str, ...]) -> list[str]:
    """Return which changes of a call weren't on disk in time."""
    wrong: list[str] = []
    calls = [call.split(" ", 1) for call in names]
    for place, (call, path) in enumerate(calls):
        if any(word in path for word in MAY_BE_LOST):
            continue
        later = [other for kind, other in calls[place + 1 :] if kind == "fsync"]
        if call.startswith("rename"):
            source, target = path.split(" -> ")
            earlier = [kind for kind, other in calls[:place] if other == source]
            if earlier and earlier[-1] != "fsync":
                wrong.append(f"{target} was renamed before it was flushed")
            if str(Path(target).parent) not in later:
                wrong.append(f"{target} was renamed, and its folder not flushed")
        elif call == "write" and path.endswith(".jsonl") and path not in later:
            wrong.append(f"a line of {path} was not flushed")
    return wrong


def visited(bench: Bench, case: Case, moments: Iterable[tuple[int, str]], then: Callable[[Bench, Harmed], None]) -> int:
    """Harm the call at each of these moments, in twins of one preparation; return in how many the harm came."""

    def trial(moment: tuple[int, str]) -> bool:
        number, harm = moment
        twin = bench.copy(bench.base.with_name(f"{bench.base.name}-{number}-{harm}"))
        found = None
        try:
            found = harmed(twin, case, number, harm)
            if harm in ERRORS and found.hit.endswith("/log"):
                return False  # what a test's own script tells of itself was lost, and nothing of the agent's
            assert isinstance(twin.status(), dict)
            orphans = {pid: line for pid, line in twin.processes().items() if " reaper " not in line}
            until(lambda: not set(orphans) & set(twin.processes()), f"the end of {orphans}", patience=240)
            then(twin, found)
            case.after(twin)
            journal = twin.read(".belay/deploys/one/journal.jsonl")
            assert len(lines_of(journal)) == journal.count("\n")
        except AssertionError as error:
            raise AssertionError(f"{harm} at {number} ({found}): {error}") from error
        finally:
            twin.sweep()
        return bool(found.hit)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(trial, moments))


def nothing_more(_bench: Bench, _found: Harmed) -> None:
    """What follows says it all."""


def told_the_truth(case: Case) -> Callable[[Bench, Harmed], None]:
    """A call whose write failed may fail; if it says that it succeeded, it did (P7)."""
    goals = {"precommit": {"precommit"}, "confirm": {"confirmed"}, "hold": {"held"}, "unlock": {"released"}}
    goals |= {"begin": {"open"}, "abort": {"aborting", *ENDED}}

    def check(bench: Bench, found: Harmed) -> None:
        goal = goals.get(str(case.words[0]))
        if goal is not None and found.code == 0:
            assert bench.status("one")["status"] in goal, "it said that it had done it"

    return check


def some(count: int, name: str) -> list[tuple[int, str]]:
    """Return one of the moments, with a kill or with an error, another one for each verb."""
    place = len(name)
    return [(1 + place * 7 % count, (*KILLS, *ERRORS)[place % 7])]


@pytest.mark.parametrize("name", CASES)
def test_a_call_that_dies_or_fails_at_some_of_its_changes_converges(bench: Bench, trials: Trials, name: str) -> None:
    """P2, P5, P7, P8: the next contact finds a state that the promises allow, and goes on from it; success was success."""
    case, count = prepared(bench, name)
    trials.add(visited(bench, case, some(count, name), told_the_truth(case)))


@pytest.mark.soak
@pytest.mark.parametrize("harm", KILLS)
@pytest.mark.parametrize("name", CASES)
def test_a_call_that_dies_at_any_of_its_changes_converges(bench: Bench, trials: Trials, name: str, harm: str) -> None:
    """P2, P5, P8: all of them; with every process of the call, or one alone, before the change or after it."""
    case, count = prepared(bench, name)
    trials.add(visited(bench, case, [(number, harm) for number in range(1, count + 1)], nothing_more))


@pytest.mark.soak
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", CASES)
def test_a_call_with_a_disk_that_fails_anywhere_tells_the_truth_and_converges(
    bench: Bench, trials: Trials, name: str, error: str
) -> None:
    """P2, P7, P8: each of its changes fails, it alone or with all that follow."""
    case, count = prepared(bench, name)
    trials.add(visited(bench, case, [(number, error) for number in range(1, count + 1)], told_the_truth(case)))
