"""The other shells that are `sh` somewhere: busybox' ash with its own small tools (Alpine), bash (Red Hat)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real.agent.bench import FENCED, LOCKED, Bench, says, until


@pytest.fixture(params=["busybox", "bash"])
def other(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> Bench:
    """The bench where `sh`, and all that busybox has, is the other one's; flock is util-linux', as always."""
    program = shutil.which(request.param)
    if not program:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    if request.param == "busybox":
        subprocess.run([program, "--install", "-s", str(folder)], check=True)
    else:
        (folder / "sh").symlink_to(program)
    return bench.with_(shell=("sh",), path=f"{folder}:{bench.path}")


def test_a_deploy_that_goes_well(other: Bench) -> None:
    """P5, P7: begun, armed, refused to others, followed, confirmed."""
    other.begin(watchdog=True)
    assert (other.status()["reaper"], other.try_begin("two").code) == ("alive", LOCKED)
    other.step("a", f"{says('a')}; echo out; exit 3", undo=says("undo a"))
    assert other.wait_step("a") == ("ended", 3, "out\n")
    other.must("phase", "one", 1, "health", 60)
    other.must("renew", "one", 1)
    assert other.call("renew", "one", 2).code == FENCED
    other.must("precommit", "one", 1)
    other.must("confirm", "one", 1)
    assert (other.status()["status"], other.history(), other.log()) == ("confirmed", [("one", "confirmed")], ["a"])
    assert other.begin("two") == 2


def test_a_lease_that_runs_out(other: Bench) -> None:
    """P2: the running step with its children is stopped, then all is undone in reverse order."""
    other.begin(watchdog=True)
    other.finished_step("a", says("a"), undo=says("undo a"))
    other.step("b", f"timeout 60 sh -c 'sleep 61; {says('went-on')}'; {says('went-on')}", undo=says("undo b"))
    other.expire()
    found = other.ended()
    assert (found["status"], found["reason"].strip()) == ("rolled-back", "the lease ran out (nobody renewed it)")
    until(lambda: not other.processes(), "the end of all")
    assert other.log() == ["a", "undo b", "undo a"]


def test_a_lease_that_runs_out_after_precommit(other: Bench) -> None:
    """P2: the release is kept."""
    other.begin(watchdog=True)
    for name in "ab":
        other.register(name, says(name))
    other.must("precommit", "one", 1)
    other.expire()
    assert (other.ended()["status"], other.log()) == ("kept", ["a", "b"])


def test_a_hold_that_is_tried_again(other: Bench) -> None:
    """P2, P8: with a reason that needs escaping, failing undos, and one that stops its own child."""
    other.begin()
    own = "sleep 60 & child=$!; sleep 0.1; kill $child; wait $child || "
    other.finished_step("a", undo=own + says("undo a"))
    hold = """[ -f "$BELAY_BASE/ok" ] || { printf '%s' 'say "x" \\ é'; exit 10; }; """
    other.finished_step("b", undo=hold + says("undo b"))
    other.finished_step("c", undo=f'{says("undo c")}; [ "$(grep -c "undo c" "$BELAY_BASE/log")" -ge 2 ]')
    other.must("abort", "one", 1, "x")
    assert other.ended()["reason"].strip() == 'say "x" \\ é'
    (other.base / "ok").touch()
    other.must("abort", "one", 1, "x")
    assert (other.ended()["status"], other.log()) == ("rolled-back", ["undo c", "undo c", "undo b", "undo a"])
