"""Undoing beside a step that still runs would be a race: all of the step is gone before the first undo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.real.agent.bench import Bench, chatters, says, until

# The undo itself looks: it names each process of the step that still lives (a zombie doesn't).
LOOK = """
for pid in $(cat "$BELAY_BASE"/pids); do
    if read -r line <"/proc/$pid/stat"; then
        case ${line##*) } in Z*) ;; *) echo "alive-$pid" >>"$BELAY_BASE/log" ;; esac
    fi
done 2>/dev/null
echo undo >>"$BELAY_BASE/log"
"""
HERE = 'echo $$ >>"$BELAY_BASE/pids"\n'  # a process of the step tells its number
ON = says("went-on")
# What a step does, and how many of its processes tell their number.
STEPS = {
    "one that talks": (HERE + chatters("do", 2000), 1),
    "a silent one": (f"{HERE}sleep 60\n{ON}", 1),
    "children in the background": (
        f"{HERE}for n in 1 2 3; do (sh -c '{HERE}exec sleep 60'; {ON}) & done; wait; {ON}",
        4,
    ),
    "a group of its own": (f"{HERE}timeout 60 sh -c '{HERE}sleep 60; {ON}'; {ON}", 2),
    "a group in a group": (f"{HERE}timeout 50 timeout 60 sh -c '{HERE}sleep 60; {ON}'; {ON}", 2),
    "left behind by a step that ended": (f"{HERE}sh -c '{HERE}sleep 60; {ON}' & sleep 0.1", 2),
    "a stopped process": (f"{HERE}sh -c '{HERE}kill -s STOP $$; {ON}'", 2),
    "one that ignores TERM": (HERE + chatters("do", 2000, ignore="TERM HUP INT"), 1),
    "a child that ignores TERM": (f"{HERE}timeout 60 sh -c '{HERE}trap \"\" TERM; sleep 60; {ON}; sleep 60'", 2),
}


def test_all_of_a_step_is_gone_before_the_first_undo(bench: Bench, tmp_path: Path) -> None:
    """P2, P5: the lab once saw a database restored while its migration still ran."""

    def stop(kind: str) -> list[str]:
        twin = bench.with_(base=tmp_path / kind)
        twin.base.mkdir()
        twin.begin()
        command, processes = STEPS[kind]
        twin.step("a", command, undo=LOOK)
        until(lambda: len(twin.read("pids").split()) == processes, f"the processes of {kind}")
        if kind == "left behind by a step that ended":
            assert twin.wait_step("a")[:2] == ("ended", 0)
        twin.must("abort", "one", 1, "stop")
        assert twin.ended()["status"] == "rolled-back", kind
        return twin.log()

    with ThreadPoolExecutor(len(STEPS)) as pool:  # the last three take ten seconds each: TERM, then KILL
        logs = dict(zip(STEPS, pool.map(stop, STEPS), strict=True))
    for kind, log in logs.items():
        assert ([line for line in log if line != "do"], log[-1:]) == (["undo"], ["undo"]), kind
    until(lambda: not bench.processes(), "the end of all")
    for kind, log in logs.items():
        assert bench.with_(base=tmp_path / kind).log() == log, kind


def test_a_process_number_that_was_given_anew_is_not_killed(bench: Bench) -> None:
    """P5: the step is long gone, and its number belongs to another session's leader, with another start."""
    bench.begin()
    bench.step("a", "sleep 61", undo=says("undo"))
    pid = bench.state / "deploys/one/ops/a/pid"
    number, start, boot = pid.read_text().split()
    pid.write_text(f"{number} {int(start) - 1} {boot}\n")
    bench.must("abort", "one", 1, "x")
    assert (bench.ended()["status"], bench.log()) == ("rolled-back", ["undo"])
    assert int(number) in bench.processes()


def test_what_an_unlocked_deploy_left_in_the_background_goes_on(bench: Bench) -> None:
    """P2: unlocking gives the host back as it is; only a step that still runs is stopped."""
    bench.begin()
    bench.finished_step("daemon", "sleep 61 &")
    bench.step("hanging", "sleep 62")
    until(lambda: "sleep 62 " in bench.processes().values(), "the hanging step")
    bench.must("unlock", "one", "force")
    assert [line for line in bench.processes().values() if line.startswith("sleep ")] == ["sleep 61 "]
    assert bench.status("one")["status"] == "released"
    assert bench.begin("two") == 2
