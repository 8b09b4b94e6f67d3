"""An unprivileged user of the same host: he reads, calls, plants links, and gets nothing by it."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import NEW, Verdict
from tests.chaos.matrix import Trials
from tests.chaos.nemesis import at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.site import Site

NEIGHBOUR = "nobody"
PYTHON = "/usr/bin/python3"  # one that he may run; that of the tests lies in a folder of their own
WORLD_WRITABLE = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/lock/")
CALLS = (
    ("confirm", "ID", "EPOCH"),
    ("abort", "ID", "EPOCH", "because I can"),
    ("precommit", "ID", "EPOCH"),
    ("hold", "ID", "EPOCH", "x"),
    ("renew", "ID", "EPOCH"),
    ("phase", "ID", "EPOCH", "open", "9999"),
    ("unlock", "ID", "force"),
    ("reap",),
    ("unwind", "ID"),
    ("status",),
    ("journal", "ID"),
    ("step", "ID", "EPOCH", "mine", "0", "0"),
    ("begin", "mine", "100", "off"),
)
READ = """
import json, os, sys
found = []
for top in sys.argv[1:]:
    for folder, folders, files in os.walk(top, onerror=lambda error: None):
        for name in folders + files:
            path = os.path.join(folder, name)
            for what, mode in (("read", os.R_OK), ("write", os.W_OK)):
                if os.access(path, mode) and not (what == "read" and os.path.isdir(path)):
                    found.append([what, path])
    for what, mode in (("list", os.R_OK), ("enter", os.X_OK), ("write", os.W_OK)):
        if os.access(top, mode):
            found.append([what, top])
print(json.dumps(found))
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path(PYTHON).exists(), reason="only root can act as another user, and he needs a Python"
)


def as_neighbour(words: list[str], stdin: bytes = b"{}") -> subprocess.CompletedProcess[bytes]:
    """Run a program as somebody who has no right to anything here."""
    account = pwd.getpwnam(NEIGHBOUR)
    return subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        check=False,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        timeout=120,
    )


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What he got: things that he could reach, calls that did something, and what became of the site."""

    reached: tuple[str, ...]
    obeyed: tuple[str, ...]
    verdict: Verdict
    ways: int


def tries(stage: Stage, engine: str) -> Tried:
    """In the middle of a deploy and after it, try everything as the neighbour."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), secret=site.secret, lease="30")
        assert nemesis.reached(site, run, at("start", "migrate", later=1)), run.text
        reached, obeyed = look(site), call(site)
        run.wait()
        verdict = checker.judge(site, before, run)
        reached += look(site)
        ways = len(CALLS) + 2 * len(list(site.base.rglob(".belay/**/*")))
        return Tried(reached=tuple(reached), obeyed=tuple(obeyed), verdict=verdict, ways=ways)


def look(site: Site) -> list[str]:
    """Return what of the state, the backups and the secrets he can read, write or list."""
    private = [str(site.base / ".belay"), str(site.shared / ".env")]
    done = as_neighbour([PYTHON, "-c", READ, *private])
    found: list[list[str]] = json.loads(done.stdout)
    return [f"{what} {path}" for what, path in found]


def call(site: Site) -> list[str]:
    """Return which of the agent's verbs did something for him: with the right id and epoch, and the agent's own file."""
    deploy = checker.holder(site)
    assert deploy is not None
    agent = site.sources / "agent.sh"
    agent.write_bytes((site.lab.tree / "pyhelpers/hosts/agent.sh").read_bytes())
    site.sources.chmod(0o755)
    agent.chmod(0o755)
    named = {"ID": deploy.name, "EPOCH": (deploy / "epoch").read_text().strip()}
    obeyed = []
    for words in CALLS:
        status = checker.status(deploy)
        done = as_neighbour(["sh", str(agent), str(site.base), *(named.get(word, word) for word in words)])
        if done.returncode == 0 or checker.status(deploy) != status:
            obeyed.append(" ".join(words))
    return obeyed


@scenes(tries, ("mariadb",), *soak(("postgresql",), ("sqlite",)))
def test_a_neighbour_reads_nothing_and_is_not_obeyed(
    scene: Scene, played: Callable[[Scene], Tried], trials: Trials
) -> None:
    """P5, P6: state, backups, journal and secrets are closed to him; confirm, abort and all else is refused."""
    found = played(scene)
    trials.add(found.ways)
    assert found.reached == ()
    assert found.obeyed == ()
    assert found.verdict.kind == NEW


OPENED = re.compile(r'(?:openat|open)\((?:AT_FDCWD, )?"([^"]+)", ([A-Z_|]+)')
MADE = re.compile(r'(?:symlink|link|rename|chmod|chown|truncate)[a-z0-9]*\(.*"((?:/tmp|/var/tmp|/dev/shm)/[^"]+)"')


# mkdir follows no link, and nobody else writes in such a folder.
PRIVATE = re.compile(r'mkdir\("([^"]+)", 0700\) = 0')


def where_everybody_writes(stage: Stage, engine: str, migration: str) -> tuple[list[str], Verdict]:
    """See every file that the host opens in a world-writable folder while a deploy runs, and how."""
    with stage.lab.site(engine, own_sshd=True) as site:
        assert site.sshd is not None
        before = snapshot.facts(site)
        trace = site.sources / "files.trace"
        calls = "trace=openat,open,creat,mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat,renameat2,chmod,fchmodat,truncate"
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-s", "4096", "-e", calls, "-o", str(trace), "-p", str(site.sshd.pid)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            nemesis.until(
                lambda: (
                    "TracerPid:\t0\n" not in Path(f"/proc/{site.sshd.pid}/status").read_text() if site.sshd else True
                ),
                "strace to attach",
            )
            run = site.deploy(site.release("next", migration=migration), secret=site.secret)
            verdict = checker.judge(site, before, run)
        finally:
            tracer.terminate()
            tracer.communicate()
        seen = trace.read_text(errors="replace")
        assert "/.belay/" in seen, "strace saw nothing"
        return unsafe(seen, site), verdict


def unsafe(trace: str, site: Site) -> list[str]:
    """Return what was made or written in a folder where everybody may plant a link first, without refusing links."""
    ours = (str(site.base), str(site.sources), str(site.lab.folder), *PRIVATE.findall(trace))
    wrong = []
    for line in trace.splitlines():
        opened, made = OPENED.search(line), MADE.search(line)
        path, flags = (opened[1], opened[2]) if opened else (made[1], "") if made else ("", "")
        if not path.startswith(WORLD_WRITABLE) or path.startswith(ours):
            continue
        if opened and not {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"} & set(flags.split("|")):
            continue
        if {"O_EXCL", "O_NOFOLLOW", "O_TMPFILE"} & set(flags.split("|")):
            continue
        wrong.append(line)
    return wrong


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@scenes(where_everybody_writes, ("mariadb", "failing"), *soak(("postgresql", "failing"), ("sqlite", "good")))
def test_no_file_is_written_where_everybody_could_have_planted_a_link(
    scene: Scene, played: Callable[[Scene], tuple[list[str], Verdict]]
) -> None:
    """P5, P6: nothing in /tmp and its like is opened for writing unless the kernel refuses a link there."""
    wrong, _ = played(scene)
    assert wrong == []
