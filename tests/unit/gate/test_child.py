"""The child that runs the code under review: without secrets, bounded, with an end for all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyhelpers.errors import BadInput
from pyhelpers.gate.canary import plant
from pyhelpers.gate.child import run_child

TOP = Path(__file__).resolve().parents[3]


def test_it_sees_no_token_and_none_of_the_runners_files(tmp_path: Path) -> None:
    """P6: PHPStan runs code of the pull request."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/me",
        "INPUT_TOKEN": "ghs_hunter2",
        "GITHUB_TOKEN": "ghs_hunter2",
        "GITHUB_OUTPUT": "/output-hunter2",
        "ACTIONS_RUNTIME_TOKEN": "hunter2",
        "COMPOSER_AUTH": "hunter2",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "DATABASE_URL": "hunter2",
    }
    done = run_child(["env"], tmp_path, environment=given, seconds=30)
    assert done.exit_code == 0
    assert "HOME=/home/me" in done.stdout
    assert "hunter2" not in done.stdout


def test_it_is_ended_when_it_takes_too_long_and_so_are_its_children(tmp_path: Path) -> None:
    """P7: and what it had printed is there, with the reason."""
    script = "echo begun; sleep 600 & echo $! >child; wait"
    done = run_child(["sh", "-c", script], tmp_path, environment=os.environ, seconds=0.5)
    assert done.exit_code < 0
    assert done.stdout == "begun\n"
    assert "timed out after 0.5 seconds" in done.stderr
    assert _is_gone(int((tmp_path / "child").read_text()))


def test_what_it_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """A worker that holds the output open would otherwise keep the gate waiting."""
    done = run_child(["sh", "-c", "sleep 600 & echo $! >child"], tmp_path, environment=os.environ, seconds=60)
    assert done.exit_code == 0
    assert _is_gone(int((tmp_path / "child").read_text()))


def test_a_cancelled_gate_ends_what_it_started(tmp_path: Path) -> None:
    """GitHub interrupts the step's own process alone."""
    program = (
        "import os, sys; from pathlib import Path; from pyhelpers.gate.child import run_child\n"
        "run_child(['sh', '-c', 'echo $$ >child; exec sleep 600'], Path(sys.argv[1]), environment=os.environ, seconds=60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=TOP, stderr=subprocess.DEVNULL) as gate:
        child = tmp_path / "child"
        while not (child.exists() and child.read_text().strip()):
            assert gate.poll() is None
            time.sleep(0.02)
        gate.send_signal(signal.SIGINT)
        gate.wait(60)
    assert _is_gone(int(child.read_text()))


def _is_gone(pid: int) -> bool:
    for _ in range(600):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_program_that_can_not_be_started_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "phpstan").write_text("")
    with pytest.raises(BadInput, match="phpstan: "):
        run_child([str(tmp_path / "phpstan")], tmp_path, environment={}, seconds=1)


def test_the_canary_lies_in_the_same_place_each_time_under_another_name(tmp_path: Path) -> None:
    """PHPStan's result cache is bound to the paths; the names must not be known beforehand."""
    one = plant(tmp_path / "project", tmp_path / "project/phpstan.neon", temp=tmp_path / "temp")
    source = one.file.read_text()
    other = plant(tmp_path / "project", None, temp=tmp_path / "temp")
    assert one.file == other.file
    assert one.nonce != other.nonce
    assert one.nonce in source
    assert source != other.file.read_text()
    assert "includes" not in other.config.read_text()


def test_the_canary_is_not_put_into_a_folder_that_others_may_write(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    (temp / "belay-gate").mkdir(parents=True)
    (temp / "belay-gate").chmod(0o777)
    assert temp not in plant(tmp_path, None, temp=temp).file.parents
