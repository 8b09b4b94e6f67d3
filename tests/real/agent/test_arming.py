"""The fire drill: where the reaper can't start, nothing begins."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real.agent.bench import REFUSED, Bench, namespace, tools, until


def test_an_armed_reaper_lives_apart_from_the_call_that_started_it(bench: Bench) -> None:
    """P2: in a session of its own, so that the end of the ssh session doesn't end it; and it has run a script."""
    bench.begin(watchdog=True)
    found = bench.status()
    assert (found["reaper"], found["status"]) == ("alive", "open")
    reaper = int(bench.read(".belay/deploys/one/armed").split()[0])
    session = int(Path(f"/proc/{reaper}/stat").read_text().rpartition(") ")[2].split()[3])
    assert session == reaper
    assert bench.read(".belay/deploys/one/drilled") == "drilled\n"
    assert bench.journal() == [("begin", "one"), ("drill-start", "drill"), ("drill-end", "drill"), ("armed", "reaper")]


def test_where_the_reaper_can_not_start_the_deploy_is_refused_and_nothing_is_held(bench: Bench, tmp_path: Path) -> None:
    """P2: fail closed.

    No setsid, one that starts nothing, one under which nothing can be written, one that makes no session; an sh that runs
    the agent, but not a script; and no `find`, by which an undo is found.
    """
    ways = {
        "missing": ("setsid", ""),
        "no-find": ("find", ""),
        "nothing": ("setsid", "exit 0"),
        "full": ("setsid", 'ulimit -f 0; exec /usr/bin/setsid "$@"'),
        "same-session": ("setsid", 'exec "$@"'),
        "no-script": ("sh", 'case $1 in */01-drill.sh) exit 0 ;; esac; exec /bin/sh "$@"'),
    }

    def refused(name: str) -> None:
        twin = bench.with_(base=tmp_path / name / "base")
        twin.base.mkdir(parents=True)
        program, text = ways[name]
        path = tools(tmp_path / name / "bin", without=(program,))
        if text:
            (path / program).write_text(f"#!/bin/sh\n{text}\n")
            (path / program).chmod(0o755)
        poor = twin.with_(path=str(path))
        answer = poor.try_begin(watchdog=True)
        assert answer.code == REFUSED, (name, answer)
        found = twin.status("one")
        assert (found["status"], found["active"]) == ("refused", None), name
        assert found["reason"].startswith("the reaper did not start"), name
        assert twin.history() == [("one", "refused")], name
        assert twin.begin("two", watchdog=True) == 2
        twin.must("unlock", "two", "force")

    with ThreadPoolExecutor(len(ways)) as pool:
        list(pool.map(refused, ways))


LOGIND = {
    "killed": ({"logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
    "spelled otherwise": ({"logind.conf": "[Login]\n  KillUserProcesses = TRUE\n"}, True),
    "commented out": ({"logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
    "an addition allows it": (
        {"logind.conf": "KillUserProcesses=yes\n", "logind.conf.d/9.conf": "KillUserProcesses=no"},
        False,
    ),
    "an addition forbids it": (
        {"logind.conf": "KillUserProcesses=no\n", "logind.conf.d/9.conf": "KillUserProcesses=1"},
        True,
    ),
    "the later addition wins": (
        {"logind.conf.d/10.conf": "KillUserProcesses=1\n", "logind.conf.d/9.conf": "KillUserProcesses=0\n"},
        False,
    ),
    "this user is excluded": ({"logind.conf": "KillUserProcesses=yes\nKillExcludeUsers=ann deploy\n"}, False),
    "another user is excluded": ({"logind.conf": "KillUserProcesses=yes\nKillExcludeUsers=ann deploy2\n"}, True),
    "only others are killed": ({"logind.conf": "KillUserProcesses=yes\nKillOnlyUsers=ann\n"}, False),
    "only this user is killed": ({"logind.conf": "KillOnlyUsers=ann deploy\n"}, True),
}


@pytest.mark.parametrize(("files", "killed"), LOGIND.values(), ids=LOGIND)
def test_a_logind_that_ends_the_reaper_at_logout_is_refused(
    bench: Bench,
    tmp_path: Path,
    files: dict[str, str],
    killed: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """P2: the reaper would go with the link, which is when it is needed.

    logind itself can't be had; its settings are real files at their real places, the user's name is a stand-in.
    """
    for name, content in files.items():
        (tmp_path / "systemd" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "systemd" / name).write_text(content)
    path = tools(tmp_path / "bin", without=("id",))
    (path / "id").write_text("#!/bin/sh\necho deploy\n")
    (path / "id").chmod(0o755)
    with namespace(f"mkdir -p /etc/systemd && mount --bind '{tmp_path}/systemd' /etc/systemd", bench.mark) as enter:
        session = bench.with_(prefix=enter, path=str(path), environment={"XDG_SESSION_ID": "7"})
        answer = session.try_begin(watchdog=True)
        assert answer.code == (REFUSED if killed else 0), answer
        if killed:
            assert "KillUserProcesses=no" in answer.err
            assert session.status("one")["status"] == "refused"
            assert session.begin("two", watchdog=False) == 2, "`watchdog: off` does without"
            session.must("unlock", "two", "force")
            # A service of the system (a runner on the app's own host, say) is in no session.
            assert bench.with_(prefix=enter, path=str(path)).begin("three", watchdog=True) == 3


def test_a_reaper_that_was_stopped_or_killed_is_told_and_so_is_what_it_missed(bench: Bench) -> None:
    """P2, P7: `status` says so at once; who acts in its place writes down how late it was."""
    bench.begin(watchdog=True)
    reaper = int(bench.read(".belay/deploys/one/armed").split()[0])
    bench.signal(reaper, signal.SIGSTOP)
    until(lambda: bench.status()["reaper"] == "stopped", "the stop")
    bench.expire()
    until(lambda: bench.status()["overdue"] >= 1, "the lease to be over")
    bench.signal(reaper)
    until(lambda: bench.status()["reaper"] == "dead", "the kill")
    assert (bench.status()["status"], bench.status()["lease"]) == ("open", 0)
    late = bench.state / "deploys/one/lease"
    boot, deadline = late.read_text().split()
    late.write_text(f"{boot} {int(deadline) - 100}\n")  # as if a minute and more had gone by
    bench.must("reap")
    assert ("late", "reaper") in bench.journal()
    assert bench.status("one")["status"] == "rolled-back"


@pytest.mark.parametrize("prepared", [False, True])
def test_a_read_only_disk_is_refused(bench: Bench, prepared: bool) -> None:  # noqa: FBT001 - a case of the table
    """P2: nothing is held, whether the state was there before or not."""
    if prepared:
        bench.begin("zero")
        bench.must("unlock", "zero", "force")
    mount = f"mount --bind '{bench.base}' '{bench.base}' && mount -o remount,bind,ro '{bench.base}'"
    with namespace(mount, bench.mark) as enter:
        read_only = bench.with_(prefix=enter)
        assert read_only.try_begin().code == REFUSED
        assert read_only.status()["active"] is None
    assert bench.begin() == (2 if prepared else 1)
