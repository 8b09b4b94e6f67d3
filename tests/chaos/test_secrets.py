"""No secret is seen anywhere: not in a list of processes, not in a log, an output, a summary, a journal (P6).

Every program that is started while a deploy runs, by the runner and on the host, is seen by strace with all its words:
nothing can slip through between two looks at /proc.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import Verdict
from tests.chaos.nemesis import at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.site import Run, Site

TRACED = ("strace", "-f", "-qq", "-e", "trace=execve", "-s", "1000000")

# Files on the host that have to hold a secret, each in reach of its owner alone: the clients are told by them what the
# app has in its .env, and the maintenance script what goes into the flag. (The flag itself is for the web server too.)
HOLDERS = (".belay/deploys/*/database/*", ".belay/deploys/*/secret", ".belay/deploys/*/maintenance/*")


@contextmanager
def programs_seen(pid: int, file: Path) -> Iterator[None]:
    """Write every program that `pid` and what it starts execute, with all words, into `file`."""
    tracer = subprocess.Popen(
        [*TRACED, "-o", str(file), "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        nemesis.until(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(), "strace to attach")
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that could be read while and after a deploy ran: where, and the text."""

    verdict: Verdict
    code: int
    secrets: dict[str, str]
    places: dict[str, str] = field(default_factory=dict)
    open_files: tuple[str, ...] = ()  # files that hold a secret and are readable by more than their owner

    def leaks(self) -> list[str]:
        """Return each place that shows a secret, in any of its usual disguises."""
        return [
            f"{name} is in {where}"
            for name, secret in self.secrets.items()
            for where, text in self.places.items()
            if any(form in text for form in forms(secret))
        ]


def forms(secret: str) -> set[str]:
    """Return a secret as it is, as strace and shells quote it, and as URLs and headers carry it."""
    escaped = secret.replace("\\", "\\\\").replace("'", "'\\''")
    doubled = base64.b64encode(secret.encode()).decode()
    return {secret, escaped, secret.replace('"', '\\"'), quote(secret, safe=""), doubled, secret.encode().hex()}


def private(path: Path, base: Path) -> bool:
    """Whether only its owner can reach a file: by its own mode, or by that of a folder above it."""
    return any(part.stat().st_mode & 0o077 == 0 for part in (path, *path.parents) if base in part.parents)


def look(site: Site, run: Run, verdict: Verdict, traces: Sequence[Path], before: set[Path]) -> Seen:
    """Read all that is there to be read."""
    assert site.sshd is not None
    key = "".join(site.sshd.key.splitlines()[1:-1])[60:120]  # the part of the key that is the secret
    secrets = {"the bypass secret": site.secret, "the ssh key": key}
    if site.database.password:
        secrets["the database's password"] = site.database.password
    places = {"the log": run.text, "the outputs": run.output.read_text()}
    places |= {f"the programs of {trace.name}": trace.read_text(errors="replace") for trace in traces}
    summary = run.output.with_suffix(".summary")
    places["the summary"] = summary.read_text() if summary.exists() else ""
    own = {path for pattern in HOLDERS for path in site.base.glob(pattern)} | {site.shared / ".env", site.flag}
    wide: list[str] = []
    for path in sorted(site.base.rglob("*")):
        if not path.is_file() or path.is_symlink() or path in before:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        if path in own:
            holds = any(secret in text for secret in secrets.values())
            wide += [str(path)] if holds and not private(path, site.base) and path != site.flag else []
        else:
            places[str(path.relative_to(site.base))] = text
    return Seen(verdict=verdict, code=run.code, secrets=secrets, places=places, open_files=tuple(wide))


def deployed(stage: Stage, engine: str, migration: str) -> Seen:
    """Deploy under strace: runner and host."""
    with stage.lab.site(engine, own_sshd=True) as site:
        assert site.sshd is not None
        before = {path for path in site.base.rglob("*") if path.is_file()}
        facts = snapshot.facts(site)
        runner, host = site.sources / "runner.trace", site.sources / "host.trace"
        with programs_seen(site.sshd.pid, host):
            run = site.start(
                "deploy",
                prefix=[*TRACED, "-o", str(runner)],
                environment={"GITHUB_STEP_SUMMARY": str(site.sources / "1.summary")},
                source=str(site.release("next", migration=migration)),
                secret=site.secret,
            )
            run.wait()
            verdict = checker.judge(site, facts, run)
        for trace, word in ((runner, "pyhelpers"), (host, "maintenance.sh")):
            assert word in trace.read_text(errors="replace"), f"{trace.name} saw nothing"
        return look(site, run, verdict, (runner, host), before)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@scenes(
    deployed,
    ("postgresql", "failing"),
    *soak(("mariadb", "good"), ("mariadb", "failing"), ("postgresql", "good"), ("sqlite", "failing")),
)
def test_no_secret_is_seen_while_a_deploy_runs_or_afterwards(scene: Scene, played: Callable[[Scene], Seen]) -> None:
    """P6: the database's password, the ssh key and the bypass secret; as they are, quoted, encoded."""
    seen = played(scene)
    assert seen.leaks() == []
    assert seen.open_files == ()


def killed(stage: Stage) -> Seen:
    """Kill the runner in a migration, and see what the reaper starts."""
    with stage.lab.site("mariadb", own_sshd=True) as site:
        assert site.sshd is not None
        before = {path for path in site.base.rglob("*") if path.is_file()}
        facts = snapshot.facts(site)
        host = site.sources / "host.trace"
        with programs_seen(site.sshd.pid, host):
            run = site.start(
                "deploy", source=str(site.release("next", migration="slow")), secret=site.secret, lease="10"
            )
            assert nemesis.reached(site, run, at("start", "migrate", later=1))
            nemesis.kill(run)
            verdict = checker.judge(site, facts, run)
        assert "rollback.sh" in host.read_text(errors="replace")
        return look(site, run, verdict, (host,), before)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@scenes(killed)
def test_no_secret_is_seen_while_the_host_saves_itself(scene: Scene, played: Callable[[Scene], Seen]) -> None:
    """P6: the undo scripts get their credentials by files as well."""
    seen = played(scene)
    assert seen.leaks() == []
    assert seen.open_files == ()


def test_a_leak_would_be_seen() -> None:
    """P6: the search above finds a secret in each of its disguises."""
    secret = "pw x#z%'\"\\"
    places = {"plain": f"a {secret} b", "url": quote(secret, safe=""), "64": base64.b64encode(secret.encode()).decode()}
    verdict = Verdict(kind=checker.NEW)
    seen = Seen(verdict=verdict, code=0, secrets={"it": secret}, places=places)
    assert len(seen.leaks()) == len(places)
