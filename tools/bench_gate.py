"""`make bench`, the merge gate: what it costs over PHPStan's own run, in time and in memory.

PHPStan itself is left out: what it would print is prepared, for base and head, and everything else is real: git, reading
configuration and baselines, matching, the audits, the report's files, the summary. Each case runs in a process of its own,
so that its peak of memory is its own. Seconds are of processor time, since the machine may be busy; those of the children
(git) count. Ratios are to the smallest case of the table; linear growth keeps the cost of one finding the same.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from pyhelpers.gate.gate import Request, run_gate
from pyhelpers.gate.history import Repository
from pyhelpers.gate.output import Completed
from pyhelpers.gate.page import SUMMARY_ROWS, page
from pyhelpers.gate.phpstan import Settings
from pyhelpers.gate.report import write_reports
from pyhelpers.gate.workflows import audit_workflows
from pyhelpers.runner.summary import LIMIT, fitted

ROUNDS = int(os.environ.get("ROUNDS", "5"))
FINDINGS = (100, 1_000, 10_000)
ENTRIES = (100, 1_000, 10_000, 50_000)
FILES = 200


def main() -> None:
    """Print both tables, or run one case and print its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", nargs=2, metavar=("FOLDER", "FINDINGS"))
    given = parser.parse_args().case
    if given:
        print(json.dumps(case(Path(given[0]), int(given[1]))))
        return
    print(f"## make bench, the gate: {ROUNDS} rounds, Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    table("Findings, against a base that has half of them", "findings", [(number, 100) for number in FINDINGS])
    table("Entries of a baseline, one of them new", "entries", [(100, number) for number in ENTRIES])


def table(title: str, what: str, cases: Sequence[tuple[int, int]]) -> None:
    """Measure the cases in interleaved rounds and print the medians."""
    seen: dict[tuple[int, int], list[dict[str, float]]] = {each: [] for each in cases}
    for number in range(ROUNDS + 1):
        for findings, entries in cases:
            with tempfile.TemporaryDirectory(prefix="belay-bench-") as name:
                prepare(Path(name) / "shop", entries)
                words = [sys.executable, "-P", __file__, "--case", f"{name}/shop", str(findings)]
                done = subprocess.run(words, check=True, capture_output=True, text=True)
            if number:
                seen[findings, entries].append(json.loads(done.stdout))
    print(
        f"\n### {title}\n\n| {what} | seconds | of each | ratio | peak of memory |\n| ---: | ---: | ---: | ---: | ---: |"
    )
    first: float | None = None
    for (findings, entries), measured in seen.items():
        count = findings if what == "findings" else entries
        seconds = statistics.median(each["seconds"] for each in measured)
        most = statistics.median(each["peak"] for each in measured)
        first = first or seconds
        row = [
            f"{count:,}",
            f"{seconds:.2f} s",
            f"{seconds / count * 1e6:.0f} µs",
            f"{seconds / first:.1f}",
            f"{most / 2**20:.0f} MiB",
        ]
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def prepare(root: Path, entries: int) -> None:
    """Make a repository whose baseline has one entry more than its base's."""
    for number in range(FILES):
        file = root / "src" / f"File{number}.php"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<?php\n" + "f();\n" * 100)
    write_baseline(root, entries - 1, "base")
    (root / "phpstan.neon").write_text("includes:\n\t- baseline.neon\nparameters:\n\tlevel: 9\n\tpaths: [src]\n")
    who = ["-c", "user.name=dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)
    write_baseline(root, entries, "head")


def write_baseline(root: Path, entries: int, side: str) -> None:
    """Write a baseline as PHPStan generates it, and beside the repository what `dump-parameters` says then."""
    listed = "\n".join(
        f"\t\t-\n\t\t\tmessage: '#^Method Shop\\\\File{number % FILES}\\:\\:m{number}\\(\\) has no return type specified\\.$#'\n"
        f"\t\t\tidentifier: missingType.return\n\t\t\tcount: 1\n\t\t\tpath: src/File{number % FILES}.php\n"
        for number in range(entries)
    )
    (root / "baseline.neon").write_text(f"parameters:\n\tignoreErrors:\n{listed}")
    ignored = [
        {
            "message": f"#^Method Shop\\\\File{number % FILES}\\:\\:m{number}\\(\\) has no return type specified\\.$#",
            "identifier": "missingType.return",
            "count": 1,
            "path": f"/app/src/File{number % FILES}.php",
        }
        for number in range(entries)
    ]
    told = {"usedLevel": "9", "paths": ["/app/src"], "ignoreErrors": ignored}
    root.with_name(f"{side}.json").write_text(json.dumps(told, indent=4))


def case(root: Path, findings: int) -> dict[str, float]:
    """Run the gate once over prepared answers and return its seconds of processor time and its peak of memory."""
    begun = spent()
    repository = Repository.around(root)
    base = repository.commit("HEAD")
    result = run_gate(
        Request(settings=Settings(phpstan=sys.executable)),  # never started
        repository,
        base=base,
        starter=lambda _temp: Prepared(root, findings),
        temp=root.parent,
        today=dt.datetime.now(dt.UTC).date(),
        audits=[lambda: audit_workflows(root, action="phpstan-gate", check_name="PHPStan gate")],
    )
    if (len(result.matched), [bypass.rule for bypass in result.refused]) != (findings, ["baseline-grew"]):
        raise SystemExit(f"the gate said something else: {len(result.matched)} findings, {result.refused}")
    write_reports(result, root.parent / "report", commit=base or "", sarif=None)
    fitted(page(result, rows=SUMMARY_ROWS), LIMIT)
    return {"seconds": spent() - begun, "peak": peak()}


@dataclass(frozen=True)
class Prepared:
    """PHPStan's answers, made beforehand; its own time is no part of what is measured (but that of making them is)."""

    root: Path
    findings: int

    def __call__(self, argv: Sequence[str], folder: Path) -> Completed:
        """Answer as PHPStan would: `dump-parameters`, or `analyse` with the canary's finding."""
        if "dump-parameters" in argv:
            told = self.root.with_name("base.json" if folder != self.root else "head.json").read_text()
            return Completed(exit_code=0, stdout=told.replace("/app/", f"{folder}/"), stderr="")
        if "--version" in argv:
            return Completed(exit_code=0, stdout="PHPStan 2.1.0", stderr="")
        config = next(word.partition("=")[2] for word in argv if word.startswith("--configuration="))
        canary = Path(config).with_name("canary.php")
        nonce = canary.read_text().partition("belay_canary_")[2].partition("(")[0]
        head = folder == self.root
        files: dict[str, list[dict[str, Any]]] = {f"{folder}/src/File{n}.php": [] for n in range(FILES)}
        for n in range(self.findings if head else self.findings // 2):
            message = f"Parameter #1 $value of method Shop\\File{n % FILES}::m{n}() expects string, int|null given."
            entry = {"message": message, "line": n % 90 + 2, "ignorable": True, "identifier": "argument.type"}
            files[f"{folder}/src/File{n % FILES}.php"].append(entry)
        files[str(canary)] = [{"message": f"Function belay_canary_{nonce} not found.", "line": 4, "ignorable": True}]
        document = {
            "totals": {"errors": 0, "file_errors": sum(map(len, files.values()))},
            "files": {name: {"errors": len(found), "messages": found} for name, found in files.items()},
            "errors": [],
        }
        return Completed(exit_code=1, stdout=json.dumps(document), stderr="")


def peak() -> float:
    """Return the peak of this process's memory in bytes; `ru_maxrss` would be its parent's, if that was larger."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024.0


def spent() -> float:
    """Return the processor time of this process and of the children that ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
