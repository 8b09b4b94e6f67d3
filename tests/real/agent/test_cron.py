"""The second trigger: a line in the user's crontab, while a deploy is under way.

Debian's own cron runs here, in a mount namespace where the crontabs are the test's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.agent.bench import Bench, namespace, says, until

# The machine's own jobs are hidden: they must not run from here a second time.
MOUNTS = """
    mount -t tmpfs tmpfs /run &&
    if [ -d /etc/cron.d ]; then mount -t tmpfs tmpfs /etc/cron.d; fi &&
    if [ -f /etc/crontab ]; then mount --bind /dev/null /etc/crontab; fi &&
    mount -t tmpfs tmpfs /var/spool/cron &&
    mkdir /var/spool/cron/crontabs &&
    chgrp crontab /var/spool/cron/crontabs &&
    chmod 1730 /var/spool/cron/crontabs
"""


LISTINGS = {
    "not allowed": "echo 'you are not allowed to use this program' >&2; exit 1",
    "broken": "echo '# half of it'; exit 1",
    "changing": 'n=$(cat "$0.n" 2>/dev/null); echo x >>"$0.n"; echo "$n"',
}


@pytest.fixture
def cron(bench: Bench) -> Iterator[Bench]:
    """The bench on a machine whose cron daemon runs, with an empty crontab."""
    if not shutil.which("cron") or not shutil.which("crontab"):
        pytest.skip("cron isn't installed")
    with namespace(f"{MOUNTS.strip()} && mount -t tmpfs -o size=3m tmpfs '{bench.base}'", bench.mark) as enter:
        here = bench.with_(prefix=enter, path=os.environ["PATH"])
        # Without our mark: what cron starts has cron's own environment anyway.
        daemon = subprocess.Popen([*enter, "cron", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: "cron" in here.inside("cat /proc/[0-9]*/comm 2>/dev/null").splitlines(), "cron to run")
            yield here
        finally:
            daemon.kill()
            daemon.wait()


def table(bench: Bench) -> str:
    """The user's crontab."""
    return bench.inside("crontab -l 2>/dev/null")


def users_lines(bench: Bench) -> str:
    """Lines that have to survive, some of them much like ours."""
    return (
        '# jobs of ours\nMAILTO=""\n\n0 3 * * *\techo "50\\% done"  \n'
        f"* * * * * sh /other/agent '{bench.base}2' reap cron >/dev/null 2>&1 # belay '{bench.base}2'\n"
        f"5 5 * * * true # belay {bench.base}\n   \n# é\n"
    )


def install(bench: Bench, text: str) -> None:
    """Give the user this crontab."""
    (bench.base.parent / "table").write_text(text)
    bench.inside(f"crontab '{bench.base.parent}/table'")
    assert table(bench) == text


@pytest.mark.parametrize("end", ["confirm", "abort", "unlock", "expire"])
def test_the_line_is_there_while_a_deploy_is_under_way_and_gone_after_it(cron: Bench, end: str) -> None:
    """P2, P8: and the other lines of the crontab survive byte for byte, also the one of a folder with a longer name."""
    before = users_lines(cron)
    install(cron, before)
    cron.begin(watchdog=True)
    (line,) = set(table(cron).splitlines()) - set(before.splitlines())
    assert line == f"* * * * * sh '{cron.agent}' '{cron.base}' reap cron >/dev/null 2>&1 # belay '{cron.base}'"
    assert table(cron) == before + line + "\n"
    assert cron.status()["reboot"] == "cron"
    if end == "confirm":
        cron.must("precommit", "one", 1)
        cron.must("confirm", "one", 1)
    elif end == "abort":
        cron.must("abort", "one", 1, "x")
    elif end == "unlock":
        cron.must("unlock", "one", "force")
    else:
        cron.expire()
    cron.ended()
    assert table(cron) == before


def test_apps_that_begin_and_end_at_once_lose_no_line_of_each_other(cron: Bench, tmp_path: Path) -> None:
    """P2: they share one table. This `crontab` is the real one, slow to answer, so that the others come in between."""
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "crontab"
    slow.write_text(f'#!/bin/sh\n{shutil.which("crontab")} "$@"\ncode=$?\nsleep 0.2\nexit "$code"\n')
    slow.chmod(0o755)
    cron.inside(f"mkdir '{cron.base}/a' '{cron.base}/b'")
    apps = [cron.with_(base=cron.base / name, path=f"{slow.parent}:{cron.path}") for name in "ab"]
    for verb, words, lines in (("begin", ("one", 100, "on"), 2), ("unlock", ("one", "force"), 0)):
        calls = [app.start(verb, *words) for app in apps]
        for call in calls:
            assert call.stdin is not None
            call.stdin.write(b"{}")
            call.stdin.close()
        assert [call.wait() for call in calls] == [0, 0]
        for call in calls:
            call.stdin = None
            call.communicate()
        assert table(cron).count("\n") == lines


def test_the_line_names_the_agent_by_its_whole_path(cron: Bench) -> None:
    """P2: cron works in another folder than the call that left the line."""
    cron.begin()
    cron.must("unlock", "one", "force")
    call = f"sh ./{cron.agent.name} '{cron.base}' begin two 100 on"
    cron.inside(f"cd '{cron.agent.parent}' && echo '{{}}' | {call}")
    assert f" sh '{cron.agent.parent}/./{cron.agent.name}' " in table(cron)
    cron.must("unlock", "two", "force")


def test_a_user_without_a_crontab_has_an_empty_one_after_it(cron: Bench) -> None:
    """P2: having no crontab is no reason to go without the trigger."""
    cron.begin(watchdog=True)
    assert table(cron).count("\n") == 1
    cron.must("unlock", "one", "force")
    assert table(cron) == ""


def test_a_held_deploy_keeps_its_line(cron: Bench) -> None:
    """P2: it isn't over yet: aborting it again has to end also after a reboot."""
    cron.begin(watchdog=True)
    cron.must("hold", "one", 1, "x")
    assert table(cron).count("\n") == 1
    cron.must("unlock", "one")
    assert table(cron) == ""


def test_a_crontab_that_can_not_be_copied_whole_is_left_alone(cron: Bench) -> None:
    """P2: the disk is full when the deploy ends; the user's lines are worth more than the tidiness of ours."""
    before = "".join(f"# {number:06} {'x' * 100}\n" for number in range(7000))
    install(cron, before)
    cron.begin(watchdog=True)
    cron.must("precommit", "one", 1)
    cron.inside(f"cd '{cron.base}' && dd if=/dev/zero of=fat bs=4096 2>/dev/null")
    cron.must("confirm", "one", 1)
    assert table(cron).startswith(before)
    assert (table(cron).count("\n"), cron.status()["active"]) == (7001, None)
    cron.inside(f"rm '{cron.base}/fat'")
    cron.must("reap")  # as the line itself does every minute
    assert table(cron) == before


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_a_crontab_that_can_not_be_read_is_left_alone(cron: Bench, tmp_path: Path, listing: str) -> None:
    """P2: not allowed, broken, or changing while it is read (a stand-in for `crontab` says so): the reaper is armed without it."""
    (tmp_path / "bin").mkdir()
    written = tmp_path / "written"
    script = f'#!/bin/sh\ncase $1 in -l) {listing} ;; *) echo "$@" >>"{written}" ;; esac\n'
    (tmp_path / "bin/crontab").write_text(script)
    (tmp_path / "bin/crontab").chmod(0o755)
    poor = cron.with_(path=f"{tmp_path}/bin:{cron.path}")
    poor.begin(watchdog=True)
    found = poor.status()
    assert (found["reaper"], found["reboot"], written.exists()) == ("alive", "none", False)


def test_without_a_cron_daemon_no_line_is_added(cron: Bench) -> None:
    """P7: cron being installed doesn't mean that it runs; `status` must not promise what won't happen."""
    alone = cron.with_(prefix=(*cron.prefix, "unshare", "--pid", "--fork", "--mount-proc"))
    assert alone.begin() == 1
    script = f"""
        sh '{cron.agent}' '{cron.base}' unlock one force
        echo '{{}}' | sh '{cron.agent}' '{cron.base}' begin two 100 on
        sh '{cron.agent}' '{cron.base}' status
    """
    assert '"reaper":"alive","reboot":"none"' in alone.inside(script)
    assert table(cron) == ""


@pytest.mark.soak
def test_cron_acts_when_the_reaper_was_killed(cron: Bench) -> None:
    """P2: about a minute after the lease ran out, the deploy is undone and the line is gone."""
    cron.begin(watchdog=True)
    cron.finished_step("a", says("a"), undo=says("undo a"))
    cron.signal(int(cron.read(".belay/deploys/one/armed").split()[0]))
    cron.expire()
    until(lambda: cron.status("one")["status"] == "rolled-back", "cron", patience=200)
    until(lambda: table(cron) == "", "the line to be removed")
    assert cron.log() == ["a", "undo a"]
