"""`make bench`: what a deploy to many hosts costs, as ratios to one host in the same run.

Every host is an sshd and a web server of its own on a loopback address, all on this machine, which therefore does the
work of all hosts besides the runner's: the wall time grows with that. What belongs to the runner alone is its memory and
its open files. BELAY_FLEETS="1 10 50 100" chooses the sizes.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from pyhelpers.hosts.fleet import AT_ONCE
from tests.lab.fleet import running_fleet
from tests.lab.site import Lab, Run

SIZES = [int(word) for word in os.environ.get("BELAY_FLEETS", "1 10 50").split()]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One deploy: seconds from the command to its end, and the most that its process had at any moment."""

    hosts: int
    seconds: float
    mebibytes: float
    files: int
    threads: int

    @property
    def batches(self) -> int:
        """How many times as many hosts as are worked on at once."""
        return math.ceil(self.hosts / AT_ONCE)


def deploy(lab: Lab, size: int) -> Cost:
    """Deploy a release with a migration to `size` hosts."""
    with running_fleet(lab, "mariadb", size, f"fleet{size}") as fleet:
        source = fleet.release("next", migration="good")
        begun = time.perf_counter()
        run = fleet.leader.start("deploy", source=str(source), lease="600")
        most = {"VmHWM": 0, "files": 0, "Threads": 0}
        watcher = threading.Thread(target=watch, args=(run, most))
        watcher.start()
        code = run.wait(3600)
        seconds = time.perf_counter() - begun
        watcher.join()
        if code != 0:
            raise SystemExit(f"the deploy to {size} hosts ended with {code}\n{run.text}")
        return Cost(
            hosts=size,
            seconds=seconds,
            mebibytes=most["VmHWM"] / 1024,
            files=most["files"],
            threads=most["Threads"],
        )


def watch(run: Run, most: dict[str, int]) -> None:
    """Keep the most that a process ever had."""
    folder = Path(f"/proc/{run.pid}")
    while run.running:
        try:
            most["files"] = max(most["files"], len(os.listdir(folder / "fd")))  # noqa: PTH208  # as short as can be
            for line in (folder / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in most:
                    most[name] = max(most[name], int(value.split()[0]))
        except OSError:
            return
        time.sleep(0.05)


def main() -> None:
    """Measure every size and print the table."""
    with Lab.opened() as lab:
        costs = [deploy(lab, size) for size in SIZES]
    first = costs[0]
    print("\n### A deploy with a migration, to many hosts on this one machine\n")
    print(
        f"| hosts | seconds | to {first.hosts} | per batch of {AT_ONCE} | MiB | to {first.hosts} | open files | threads |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for cost in costs:
        print(
            f"| {cost.hosts} | {cost.seconds:.1f} | {cost.seconds / first.seconds:.2f} | "
            f"{cost.seconds / cost.batches:.1f} | {cost.mebibytes:.0f} | {cost.mebibytes / first.mebibytes:.2f} | "
            f"{cost.files} | {cost.threads} |"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
