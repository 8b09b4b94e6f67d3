"""The fault matrix: which faults there are, which tests bring them, and what each run of those tests found.

    BELAY_RESULTS=results.jsonl python -m pytest -p tests.chaos.matrix …

adds one line per test to the file: how many trials it made, whether they held, which promises it watches. As a plugin
this module only listens. `tools/reliability` makes the page from such a file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

COUNTS = (
    "ROUNDS",
    "SERVER_KILLS",
    "CORRUPTIONS",
    "HISTORIES",
)  # how tests of databases and retention name their number
PROMISE = re.compile(r"\bP([1-9])\b")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of fault: where it strikes, how many trials were planned, and the tests that make them.

    A test is named by how its id begins (`tests/chaos/` left out), then words that its id must contain, then after a
    `-` words that it must not.
    """

    number: int
    fault: str
    where: str
    planned: str
    tests: tuple[str, ...] = ()
    lacking: str = ""  # what of it isn't tried, said to the reader


ROWS = (
    Row(
        number=1,
        fault="the runner is killed (SIGKILL)",
        where="after each line of the journal of a deploy, a live backup, a rollback, a restore",
        planned="every event × 2 databases × 5",
        tests=(
            "test_killed_runner.py",
            "test_killed_live_backup.py",
            "test_killed_rollback.py test_a_rollback",
            "test_killed_restore.py",
            "test_soak.py any_moment",
            "test_recovery.py killed",
        ),
    ),
    Row(
        number=2,
        fault="the agent on the host is killed",
        where="before and after each write, rename, flush and removal of each of its verbs; and each of its programs",
        planned="every one, and 300 at random",
        tests=("test_every_system_call.py dies", "tests/real/agent/test_crash.py"),
    ),
    Row(
        number=2,
        fault="a step, a client or the database server is killed",
        where="in mid-deploy, at random moments of the dump, the migration, the restore",
        planned="300",
        tests=("test_killed_parts.py", "tests/real/databases killed"),
    ),
    Row(
        number=3,
        fault="the job is cancelled (INT, 7.5 s, TERM, 2.5 s, KILL)",
        where="in each phase",
        planned="10 per phase",
        tests=("test_cancelled_job.py", "test_recovery.py aborted"),
    ),
    Row(
        number=4,
        fault="the link is cut, half open, slow, stalls, or is made anew",
        where="between runner and host, in each phase",
        planned="300",
        tests=("test_cut_links.py", "test_bad_links.py -healthy"),
    ),
    Row(
        number=4,
        fault="none but a link that stalls for 2 s and breaks: a false alarm",
        where="a healthy deploy: is it rolled back?",
        planned="200",
        tests=("test_bad_links.py healthy",),
    ),
    Row(
        number=5,
        fault="the host is rebooted",
        where="in each phase",
        planned="10 per phase",
        tests=("test_rebooted_host.py", "tests/real/agent/test_reboot.py"),
        lacking="the reboot itself: all of the host's processes are killed, and the next contact sees another boot id",
    ),
    Row(
        number=6,
        fault="ENOSPC, EIO, EDQUOT",
        where="at each change that a verb of the agent makes; a disk that fills up in mid-deploy",
        planned="every write, sizes 0 to 100 %",
        tests=("test_every_system_call.py disk_that_fails", "test_full_disk.py", "tests/real/agent/test_full_disk.py"),
    ),
    Row(
        number=7,
        fault="the backup is cut, damaged or gone before it is read back",
        where="between dump and migration",
        planned="300 per database",
        tests=("test_guards.py read_back",),
    ),
    Row(
        number=8,
        fault="bits flipped, cut, added, swapped",
        where="payload and manifest of a stored backup",
        planned="3,000 per place",
        tests=("tests/real/databases corrupt",),
    ),
    Row(
        number=9,
        fault="5xx, 429, timeouts, short answers, a lost 200",
        where="off-site copies: upload, list, download",
        planned="300 per kind and store",
    ),
    Row(
        number=10, fault="permission denied, keys that expired", where="off-site copies: each call", planned="every one"
    ),
    Row(
        number=11,
        fault="random histories, clocks off by 400 days, lost and forged manifests",
        where="what retention keeps; a deploy whose clock jumps",
        planned="100,000 histories, 300 clocks",
        tests=("tests/unit/backups retention", "test_clocks.py"),
    ),
    Row(
        number=12,
        fault="two deploys at once, an owner that comes back too late",
        where="the host's lock",
        planned="1,000 × 16, 300 pauses",
        tests=("test_two_deploys.py", "tests/real/agent/test_lock.py"),
    ),
    Row(
        number=13,
        fault="the migration fails halfway",
        where="at a statement of it",
        planned="every statement × 2 databases",
        tests=("test_failures.py halfway", "test_guards.py without_maintenance"),
        lacking="every statement in turn: they fail at one place",
    ),
    Row(
        number=14,
        fault="the health check hangs, flaps, lies, answers for another release",
        where="after the switch, behind the page and in front of it",
        planned="300",
        tests=(
            "test_lying_health.py",
            "test_failures.py healthy",
            "test_failures.py broken",
            "test_guards.py old_release",
        ),
    ),
    Row(
        number=15,
        fault="hostile names, paths, texts, `.env` values",
        where="each input, each parser",
        planned="10,000 per parser",
        tests=("tests/real/agent/test_hostile.py", "tests/unit hostile"),
    ),
    Row(
        number=16,
        fault="a hostile dump",
        where="restore, adopted dumps",
        planned="payloads × clients",
        tests=("tests/real/databases hostile", "tests/real/databases refused"),
    ),
    Row(
        number=17,
        fault="another host key, an evil jump host",
        where="when the link is made",
        planned="every one",
        tests=("tests/real/hosts/test_pins.py", "tests/real/hosts/test_jump_host.py"),
    ),
    Row(
        number=18,
        fault="none: secrets are looked for",
        where="words and environments of all processes, logs, outputs, files",
        planned="every run",
        tests=("test_secrets.py", "test_canaries.py"),
        lacking="every moment of every process: strace sees each program's words, but environments are only looked at now and then"
        " (how often is told above)",
    ),
    Row(
        number=18,
        fault="an unprivileged user of the host tries to read, confirm, abort, plant links",
        where="the state folder, world-writable places",
        planned="every way known",
        tests=("test_neighbour.py",),
    ),
    Row(
        number=19,
        fault="a guard is removed from the code",
        where="each guard of `tests/chaos/mutations.py`",
        planned="every guard",
        tests=("test_mutations.py test_a_test_fails",),
    ),
    Row(
        number=20,
        fault="random workflows under random harm",
        where="deploys, backups, rollbacks, restores, two at once",
        planned="1,000 histories",
        tests=("test_soak.py random_history",),
    ),
)


def row_of(test: str) -> Row | None:
    """Return the row that a test belongs to."""
    for row in ROWS:
        for pattern in row.tests:
            place, _, words = pattern.partition(" ")
            start = place if place.startswith("tests/") else f"tests/chaos/{place}"
            fits = (word[1:] not in test if word[0] == "-" else word in test for word in words.split())
            if test.startswith(start) and all(fits):
                return row
    return None


@dataclass
class Trials:
    """What a test says of itself, if it made more than one trial, or measured something."""

    count: int = 0
    measured: dict[str, list[float]] = field(default_factory=dict)

    def add(self, count: int) -> None:
        """Count so many more."""
        self.count += count

    def seconds(self, name: str, values: list[float]) -> None:
        """Keep what was measured, in seconds."""
        self.measured.setdefault(name, []).extend(round(value, 2) for value in values)


def rounds(item: pytest.Item) -> int:
    """Return how many trials a test makes that says so by a constant of its module; 1 where it can't be told."""
    function, module = getattr(item, "function", None), getattr(item, "module", None)
    code = getattr(function, "__code__", None)
    named = [getattr(module, name) for name in COUNTS if code is not None and name in names_in(code)]
    return max(1, *named) if named else 1


def names_in(code: CodeType) -> set[str]:
    """Return the global names that a function uses, in its lambdas and comprehensions too."""
    inner = [names_in(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


# --- the plugin ---------------------------------------------------------------------------------------------------------


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add a line to the results for each test that ran."""
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    file = os.environ.get("BELAY_RESULTS", "")
    if not file or report.outcome == "skipped" or (report.when != "call" and report.passed):
        return
    told = getattr(item, "funcargs", {}).get("trials")
    trials = told if isinstance(told, Trials) else Trials()
    doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
    line = {
        "test": item.nodeid,
        "passed": report.passed,
        "trials": trials.count or rounds(item),
        "promises": sorted({f"P{number}" for number in PROMISE.findall(doc)}),
        **({"measured": trials.measured} if trials.measured else {}),
    }
    with Path(file).open("a") as results:
        results.write(json.dumps(line) + "\n")
