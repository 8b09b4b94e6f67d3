"""Death at a chosen moment. The agent acts by small programs (cat, sync, mv …): before each of them it can be killed.

A folder in front of PATH holds a stand-in for each program. It counts the programs that a call has started; at the
chosen number it kills, either the call's whole process group (a power cut as the call sees it) or the agent's shell
alone (its children go on as orphans), and then becomes the real program. Counting up until a call runs to its end
visits every such moment.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.real.agent.bench import PATIENCE, Bench

PROGRAMS = """
    basename cat chmod cut date dd find flock grep head mkdir mv rm sed setsid sleep sort stat sync tail touch tr wc
"""
STAND_IN = """#!/bin/sh
# Only the group of the call under test counts: what it started in sessions of their own lives on.
if [ -n "${CRASH-}" ] && read -r leader <"$CRASH/leader" && read -r stat </proc/$$/stat; then
    rest=${stat##*) }
    rest=${rest#* * }
    if [ "${rest%% *}" = "$leader" ]; then
        echo "${0##*/}" >>"$CRASH/count"
        if [ "$(/usr/bin/wc -l <"$CRASH/count")" -ge "$CRASH_AT" ]; then
            if [ "$CRASH_KIND" = group ]; then kill -s KILL 0; fi
            kill -s KILL "$leader" 2>/dev/null
        fi
    fi
fi
exec "/usr/bin/${0##*/}" "$@"
"""


def stand_ins(folder: Path) -> Path:
    """Make the folder that goes in front of PATH."""
    folder.mkdir()
    for program in PROGRAMS.split():
        (folder / program).write_text(STAND_IN)
        (folder / program).chmod(0o755)
    return folder


def behind(bench: Bench, folder: Path) -> Bench:
    """The bench with the stand-ins in front of PATH; they do nothing of their own until a call is to be cut off."""
    return bench.with_(path=f"{folder}:{bench.path}")


def cut_off(bench: Bench, at: int, kind: str, words: tuple[str | int, ...], stdin: bytes) -> bool:
    """Make a call that is killed before it starts its `at`-th program; false when it ran to its end before that."""
    notes = bench.base.with_name(f"{bench.base.name}-crash")
    notes.mkdir()
    victim = bench.with_(
        prefix=("sh", "-c", f'echo $$ >"{notes}/leader"; exec "$@"', "sh"),
        environment={**bench.environment, "CRASH": str(notes), "CRASH_AT": str(at), "CRASH_KIND": kind},
    )
    return run(victim, words, stdin) == -9


def programs(bench: Bench, words: tuple[str | int, ...], stdin: bytes) -> int:
    """Return how many programs the call starts when it is left alone."""
    cut_off(bench, 1_000_000, "none", words, stdin)
    return bench.base.with_name(f"{bench.base.name}-crash").joinpath("count").read_text().count("\n")


def cut_off_in_kernel(bench: Bench, call: str, number: int, words: tuple[str | int, ...], stdin: bytes) -> bool:
    """Make a call in which each process is killed as it enters its `number`-th system call of that name, by strace.

    Return whether any of them was.
    """
    trace = bench.base.with_name(f"{bench.base.name}-trace")
    tracer = ["strace", "-f", "-qq", "-o", str(trace)]
    tracer += ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    run(bench.with_(prefix=tuple(tracer)), words, stdin)
    return "killed by SIGKILL" in trace.read_text()


def run(bench: Bench, words: tuple[str | int, ...], stdin: bytes) -> int:
    """Make a call whose output nobody reads, and return how its first process ended."""
    verb, *arguments = map(str, words)
    return subprocess.run(
        bench.words(verb, *arguments),
        input=stdin,
        env=bench.environ(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    ).returncode
