"""The environment: built by one process, whole or not at all, again when it was damaged."""

from __future__ import annotations

import shutil
import signal
import venv
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.launcher import Machine, base_python, one_error
from tests.lab.package_index import lock
from tests.lab.private_mounts import private_mounts

with_pip = pytest.mark.parametrize("machine", ["pip"], indirect=True)
either_installer = pytest.mark.parametrize("machine", ["uv"], indirect=True)


def test_of_many_starts_at_once_one_installs_and_all_succeed(machine: Machine) -> None:
    """P8: two jobs on one self-hosted runner share the tool cache."""
    starts = [machine.popen("exit", "5") for _ in range(6)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in starts]
    assert [status for _, status in ends] == [5] * 6, ends
    assert machine.index.downloads == ["click"]
    assert len(machine.homes()) == 1
    assert machine.left_behind() == []


@either_installer
@pytest.mark.parametrize("damage", ["no mark", "no python", "python gone"])
def test_a_damaged_environment_is_built_again(machine: Machine, damage: str) -> None:
    """P8."""
    home = Path(machine.facts("health")["python"])
    if damage == "no mark":
        (home / ".complete").unlink()
    else:
        (home / "bin/python").unlink()
    if damage == "python gone":  # as after an upgrade of the system's Python
        (home / "bin/python").symlink_to("/no/such/python")
    (home / "trace").touch()
    assert machine.facts("health")["python"] == str(home)
    assert not (home / "trace").exists(), "all of it is new"
    assert machine.left_behind() == []


def test_a_builder_that_was_killed_leaves_nothing_that_is_used(machine: Machine) -> None:
    """P8: what was half installed is never taken for an environment, and is swept up by the next start."""
    machine.index.open.clear()
    process = machine.popen("health")
    assert machine.index.asked.wait(timeout=60)
    process.kill()
    process.communicate()
    assert machine.homes() == []
    assert machine.left_behind()
    machine.index.open.set()
    machine.facts("health")
    assert machine.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_installation_ends_at_once_and_leaves_nothing(machine: Machine, number: signal.Signals) -> None:
    """GitHub cancels with SIGINT to this process alone: the installer, its child, must go too."""
    machine.index.open.clear()
    process = machine.popen("deploy", GITHUB_ACTIONS="true")
    assert machine.index.asked.wait(timeout=60)
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "::error title=Cancelled::" in errors
    assert errors.count("::group::") == errors.count("::endgroup::") == 1
    assert machine.left_behind() == []
    assert not [name for name in command_lines() if str(machine.cache) in name], "pip's own child is gone as well"
    machine.index.open.set()
    assert machine.facts("health")


def command_lines() -> list[str]:
    """The words of every process on this machine that isn't dead."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            lines.append(file.read_text(errors="replace"))
    return lines


@with_pip
@pytest.mark.parametrize("ensurepip", [True, False])
def test_a_python_without_pip_gets_one_or_says_what_to_install(
    machine: Machine, tmp_path: Path, *, ensurepip: bool
) -> None:
    """Debian's python3 comes without pip, and without ensurepip as long as python3-venv isn't installed."""
    venv.create(tmp_path / "bare", symlinks=True)
    if not ensurepip:  # None in sys.modules is how Python notes that there is no such module
        (packages,) = (tmp_path / "bare/lib").glob("python3*/site-packages")
        (packages / "debian.pth").write_text("import sys; sys.modules['ensurepip'] = None\n")
    done = machine.start("exit", "5", BELAY_PYTHON=str(tmp_path / "bare/bin/python3"))
    if ensurepip:
        assert done.returncode == 5, done.stderr
        assert machine.index.downloads == ["click"]
    else:
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("error: No pip: ")
        assert "python3-venv" in done.stderr


@either_installer
def test_an_environment_outlives_the_virtualenv_it_was_built_from(machine: Machine, tmp_path: Path) -> None:
    """A user's own virtualenv is active while we start: ours stands on the Python below it."""
    venv.create(tmp_path / "theirs", symlinks=True)
    facts = machine.facts("health", BELAY_PYTHON=str(tmp_path / "theirs/bin/python3"))
    shutil.rmtree(tmp_path / "theirs")
    assert machine.facts("health", BELAY_PYTHON=base_python())["python"] == facts["python"]


@either_installer
def test_a_tool_cache_that_cannot_be_written_is_passed_over(machine: Machine, tmp_path: Path) -> None:
    """A file stands in its place, which stops root too."""
    (tmp_path / "tool cache").write_text("")
    place = Path(machine.facts("health", RUNNER_TEMP=str(tmp_path / "temp"))["python"])
    assert place.parent == tmp_path / "temp/pyhelpers"
    machine.index.downloads.clear()
    machine.facts("health", RUNNER_TEMP=str(tmp_path / "temp"))
    assert machine.index.downloads == [], "the next start finds it there"


@either_installer
def test_no_place_at_all_is_said(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "tool cache").write_text("")
    done = machine.start("health")
    assert done.returncode == 1
    assert done.stderr.startswith("error: No place for packages: ")
    assert "BELAY_HOME" in done.stderr


@pytest.mark.parametrize("room", ["20k", "200k"])
def test_a_full_disk_is_said(machine: Machine, tmp_path: Path, room: str) -> None:
    """The disk is full before pip or uv comes to it, or while they unpack."""
    (full := tmp_path / "full").mkdir()
    (machine.checkout / "requirements/core.txt").write_text(lock("big"))
    machine.wrapper = private_mounts(f"mount -t tmpfs -o size={room} none '{full}'")
    done = machine.start("health", BELAY_HOME=str(full), GITHUB_ACTIONS="true")
    assert done.returncode == 1
    assert one_error(done).startswith("::error title=Disk full::")
    assert "BELAY_HOME" in one_error(done)


@either_installer
def test_a_checkout_that_cannot_be_written_is_no_trouble(machine: Machine) -> None:
    machine.wrapper = private_mounts(
        f"mount --bind '{machine.checkout}' '{machine.checkout}' && mount -o remount,ro,bind '{machine.checkout}'"
    )
    assert machine.facts("health")
    assert not list(machine.checkout.rglob("__pycache__")), "the mount was really read-only"
