"""Prints docs/reliability.md: the table of faults, made from what the tests themselves wrote down (`tests/chaos/matrix.py`)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.chaos.matrix import ROWS, row_of

ENGINES = ("mariadb", "postgresql", "sqlite")
HEAD = """# Reliability, in figures

What was done to Belay to break one of its promises, how often, and how often one broke. Made by

    make soak                                        # or the parts of it that are named below
    tools/reliability docs/reliability.jsonl >docs/reliability.md

from `docs/reliability.jsonl`, where each test that ran wrote one line. Nothing in the tables is written by hand.

**How to read it.** A trial is one deploy, one call of the agent, one process looked at, with the fault brought in once. With 0
violations in *n* independent trials the true rate is below 3/*n* with 95 % confidence; that is the *bound*. Trials at the same
place aren't wholly independent, so it is a best case. A violation is a test that failed, whatever the reason, in the last run
of it; it counts for every promise that the test watches. *Planned* is what the design asks for; where fewer were made,
the number says so. A row with 0 trials wasn't tried.
"""
PROMISES = """
| | promise |
|---|---|
| P1 | No migration starts without a backup that was read back whole. |
| P2 | After any failure the app is up on one pair of code and schema, or down with a stated reason; never stuck, never half. |
| P3 | Every backup that is listed restores to the same content. |
| P4 | The last verified backup is never deleted. |
| P5 | One actor changes a host at a time; one that comes back too late is refused. |
| P6 | No secret in the words of a process, a log, an output, a journal. |
| P7 | What isn't known is never told as success. |
| P8 | The same call again converges. |
| P9 | A restore destroys nothing: what it replaces is kept, and rows that would be lost are told before. |
"""
FOUND = """
## What it found

Broken promises that these tests met, each mended, with the test that would meet it again:

- A step whose process something on the host killed (a full disk at the wrong moment, memory that ran out) left the app down for
  as long as the runner's heartbeat went on: the runner waited for the host, the host for the runner. Now the runner asks
  for the undoing at once (`test_killed_parts.py`; first met by `test_full_disk.py`, where one write failed).
- A link that was torn while something was looked at, a small file written, or the release uploaded ended the deploy, although
  nothing was wrong. All that may be repeated is repeated now, over new links, for a minute (`test_bad_links.py`).
- A link that was torn in the moment of hanging up raised an error of its own: it ended deploys as if they were cancelled, and
  stopped the heartbeat of others, which were rolled back then (`test_bad_links.py`). Of 41 healthy deploys over a link that
  stalls and breaks, 5 were lost before these two were mended, none after.
"""
MACHINE = """
**Where.** {machine}. Real sshd, MariaDB, PostgreSQL, SQLite, Laravel behind nginx and php-fpm, all on this one machine, which
had other work to do at the same time.
"""


@dataclass
class Tally:
    """What was counted for one row."""

    trials: int = 0
    engines: Counter[str] = field(default_factory=Counter)
    promises: set[str] = field(default_factory=set)
    violations: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def main(files: list[str]) -> str:
    """Return the page."""
    lines = [json.loads(line) for file in files for line in Path(file).read_text().splitlines() if line]
    machine = (
        "; ".join(sorted({line["machine"] for line in lines if "machine" in line})) or "A machine that wasn't named"
    )
    tests = latest(line for line in lines if "test" in line)
    parts = [HEAD, PROMISES, MACHINE.format(machine=machine), faults(tests), times(tests), FOUND, lacking(tests)]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def latest(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last run of each test; a scene with other arguments is another test."""
    return list({line["test"]: line for line in lines}.values())


def tallies(tests: list[dict[str, Any]]) -> list[Tally]:
    """Return what was counted for each row, in their order."""
    found = [Tally() for _ in ROWS]
    for line in tests:
        row = row_of(line["test"])
        if row is None:
            continue
        tally = found[ROWS.index(row)]
        tally.trials += line["trials"]
        tally.promises |= set(line["promises"])
        for engine in ENGINES:
            tally.engines[engine] += line["trials"] if engine in line["test"] else 0
        if not line["passed"]:
            tally.violations.update(line["promises"] or ["?"])
            tally.failed.append(line["test"])
    return found


def faults(tests: list[dict[str, Any]]) -> str:
    """Return the table of faults."""
    out = [
        "## Faults",
        "",
        "| # | fault | where | planned | trials | of them MariaDB, PostgreSQL, SQLite | promises watched | violations | bound |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, tally in zip(ROWS, tallies(tests), strict=True):
        engines = ", ".join(f"{tally.engines[engine]:,}" for engine in ENGINES) if sum(tally.engines.values()) else ""
        broken = ", ".join(f"{promise}: {count}" for promise, count in sorted(tally.violations.items()))
        share = 100 * 3 / max(tally.trials, 3)
        bound = f"{share:.{0 if share >= 1 else 2}f} %" if tally.trials > 3 and not broken else ""
        watched = " ".join(sorted(tally.promises))
        cells = [row.number, row.fault, row.where, row.planned, f"{tally.trials:,}", engines, watched]
        out.append("| " + " | ".join(map(str, [*cells, broken or ("0" if tally.trials else ""), bound])) + " |")
    failed = [name for tally in tallies(tests) for name in tally.failed]
    if failed:
        out += ["", "What failed:", "", *(f"- `{name}`" for name in failed)]
    return "\n".join(out)


def times(tests: list[dict[str, Any]]) -> str:
    """Return the table of what was measured."""
    measured: dict[str, list[float]] = {}
    for line in tests:
        for name, values in line.get("measured", {}).items():
            measured.setdefault(name, []).extend(values)
    out = ["## Times", "", "Seconds, unless the name says otherwise.", ""]
    out += ["| what | how often | least | median | 90 % below | most |", "|---|---|---|---|---|---|"]
    for name, values in sorted(measured.items()):
        ordered = sorted(values)
        picked = [ordered[0], quantile(ordered, 0.5), quantile(ordered, 0.9), ordered[-1]]
        out.append(
            f"| {name} | {len(ordered)} | "
            + " | ".join(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in picked)
            + " |"
        )
    return "\n".join(out) if measured else "## Times\n\nNone were measured.\n"


def quantile(ordered: list[float], part: float) -> float:
    """Return the value below which that part of them lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, max(0, round(part * len(ordered) + 0.5) - 1))]


def lacking(tests: list[dict[str, Any]]) -> str:
    """Return what wasn't tried."""
    out = ["## What is not real here, or wasn't tried", ""]
    for row, tally in zip(ROWS, tallies(tests), strict=True):
        if not tally.trials:
            why = f"not in these results ({', '.join(row.tests)})" if row.tests else "there is no test of it here yet"
            out.append(f"- {row.fault} ({row.where}): {why}.")
    out += [f"- {row.fault}: {row.lacking}." for row in ROWS if row.lacking]
    out += [
        "- The loss of power: nothing here takes unflushed writes away. That each file is flushed before its rename, and the",
        "  rename before the call is over, is seen in the agent's system calls.",
        "- MySQL: not in these results; all of them are of MariaDB.",
    ]
    return "\n".join(out)


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
