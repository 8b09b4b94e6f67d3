"""Canary secrets, looked for in the words and the environments of every process, as often as the machine lets us look.

`test_secrets.py` sees each program's words by strace, and searches logs, outputs and files; this sees what processes become
after their start, and their environments. Two environments hold secrets by somebody else's doing: that of the runner's step
and what it starts there (GitHub tells a step its inputs so), and that of what the app's own PHP starts (Laravel puts
its `.env` there). Nothing else may, and no process at all among its words.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import Verdict
from tests.chaos.matrix import Trials
from tests.chaos.nemesis import at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.chaos.test_secrets import forms

YOUNG_SECONDS = 0.2  # as long as that a process is read again in each round: it may become another program
PLACES = ("cmdline", "environ")


@dataclass
class Sampler:
    """Reads /proc in rounds; `found` are the sightings, `rounds` how many looks there were."""

    canaries: dict[str, tuple[bytes, ...]]
    step: bytes  # what the environments of the runner's step have, and no other
    rounds: int = 0
    processes: int = 0
    found: set[str] = field(default_factory=set)
    seconds: float = 0.0
    _born: dict[int, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until it is over."""
        begun = time.monotonic()
        while not self._over.is_set():
            self.round()
        self.seconds = time.monotonic() - begun

    def round(self) -> None:
        """Look at every process that is new, or young; at all of them once in a hundred rounds."""
        now = time.monotonic()
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - thousands of times faster
        self.processes += len(pids - self._born.keys())
        self._born = {pid: self._born.get(pid, now) for pid in pids}
        everybody = self.rounds % 100 == 0
        for pid, born in self._born.items():
            if everybody or now - born < YOUNG_SECONDS:
                self._look(pid)
        self.rounds += 1

    def _look(self, pid: int) -> None:
        for place in PLACES:
            try:
                with Path(f"/proc/{pid}/{place}").open("rb", buffering=0) as file:
                    text = file.read()
            except OSError:
                return
            if place == "environ" and (self.step in text or self._of_php(pid)):
                continue
            for name, canaries in self.canaries.items():
                if any(canary in text for canary in canaries):
                    self.found.add(f"{name} is in the {place} of {called(pid)}, a child of {called(parent(pid))}")

    def _of_php(self, pid: int) -> bool:
        """Whether the app's own PHP started it, or what did; what has lost its parents since isn't taken for one."""
        while pid := parent(pid):
            if called(pid).startswith("php"):
                return True
        return False

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def called(pid: int) -> str:
    """Return a process's name; a question mark when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def parent(pid: int) -> int:
    """Return the id of a process's parent; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What was seen, how often was looked, and at how many processes."""

    verdict: Verdict
    found: tuple[str, ...]
    rounds: int
    processes: int
    per_second: float


def sampled(stage: Stage, engine: str, migration: str, end: str) -> Sampled:
    """Deploy, and let it end by itself, or kill the runner in the migration; look at all processes all the time."""
    with stage.lab.site(engine, own_sshd=True) as site:  # with a key of its own: others play at the same time
        assert site.sshd is not None
        before = snapshot.facts(site)
        key = "".join(site.sshd.key.splitlines()[1:-1])[60:120]
        canaries = {
            "the bypass secret": site.secret,
            "the ssh key": key,
            "the database's password": site.database.password,
        }
        run = site.start(
            "deploy", source=str(site.release("next", migration=migration)), secret=site.secret, lease="10"
        )
        looked_for = {
            name: tuple(form.encode() for form in forms(canary)) for name, canary in canaries.items() if canary
        }
        sampler = Sampler(canaries=looked_for, step=f"GITHUB_OUTPUT={run.output}\0".encode())
        with sampler.looking():
            if end == "killed":
                assert nemesis.reached(site, run, at("start", "migrate", later=1))
                nemesis.kill(run)
            run.wait()
            verdict = checker.judge(site, before, run)
        return Sampled(
            verdict=verdict,
            found=tuple(sorted(sampler.found)),
            rounds=sampler.rounds,
            processes=sampler.processes,
            per_second=sampler.rounds / sampler.seconds,
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees every process's environment")
@scenes(
    sampled,
    ("postgresql", "failing", "by-itself"),
    *soak(("mariadb", "good", "by-itself"), ("mariadb", "slow", "killed"), ("postgresql", "slow", "killed")),
)
def test_no_process_ever_has_a_secret_among_its_words_or_in_its_environment(
    scene: Scene, played: Callable[[Scene], Sampled], trials: Trials
) -> None:
    """P6: neither what the runner starts nor anything on the host."""
    found = played(scene)
    trials.measured["looks at all processes per second, for secrets"] = [round(found.per_second)]
    trials.measured["processes looked at in one deploy, for secrets"] = [found.processes]
    assert found.found == ()


def test_the_sampler_sees_a_secret_in_words_and_in_an_environment() -> None:
    """P6: it would be found."""
    sampler = Sampler(canaries={"it": (os.environb.get(b"PATH", b"?"),)}, step=b"none")
    sampler.round()
    assert any("environ" in sighting for sighting in sampler.found)
