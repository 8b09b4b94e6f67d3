"""The host's disk fills up in mid-deploy, or a single write fails, in any program that a deploy starts there."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, HELD, NEW, Verdict
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab import one_system_call
from tests.lab.private_mounts import private_mounts

ROUNDS = int(os.environ.get("BELAY_DISK_ROUNDS") or 10)  # for each engine in make soak
DISK = "size=64m,mode=755"
NEEDED = {
    "plain": 1_200_000,
    "laravel": 6_000_000,
}  # bytes; a deploy of the sample app with its backup takes about as much
CHANGES = 900  # that a deploy of the plain app makes, by this machine's count; a number beyond them does no harm
ERRORS = ("ENOSPC", "ENOSPC", "EIO", "EDQUOT")
ENDS = {(AS_BEFORE, 3), (AS_BEFORE, 1), (AS_BEFORE, 6), (NEW, 0), (NEW, 6), (HELD, 4)}

Played = Callable[[Scene], tuple[Verdict, int]]


def may_mount() -> bool:
    """Whether this user may mount a disk where everybody sees it."""
    if os.geteuid() != 0:
        return False
    words = private_mounts("true")
    return subprocess.run([*words, "true"], check=False).returncode == 0


def full(stage: Stage, engine: str, kind: str, seed: int) -> tuple[Verdict, int]:
    """Let the disk be full after a random number of bytes; when there is room again, the next deploy has to go out."""
    chance = random.Random(f"{engine}-{seed}")
    with stage.lab.site(engine, kind=kind, disk=DISK) as site:
        before = snapshot.facts(site)
        source = site.release("next", migration=chance.choice(["good", "failing"]))
        ballast = nemesis.fill_disk(site, chance.randrange(0, NEEDED[kind]))
        run = site.start("deploy", source=str(source), lease="10")
        run.wait()
        ballast.unlink()
        verdict = checker.judge(site, before, run)
        if verdict.kind != HELD:
            now = snapshot.facts(site)
            again = site.deploy(site.release("again", migration="good"))
            assert checker.judge(site, now, again).kind == NEW
        return verdict, run.code


@pytest.mark.skipif(not may_mount(), reason="only root may mount a small disk")
@scenes(
    full,
    ("sqlite", "plain", 1),
    ("sqlite", "plain", 2),
    *soak(*(("sqlite", "plain", seed) for seed in range(3, ROUNDS))),
    *soak(*((engine, "laravel", seed) for engine in ("mariadb", "postgresql") for seed in range(ROUNDS))),
)
def test_a_disk_that_is_full_leaves_one_pair_and_the_next_deploy_goes_out(scene: Scene, played: Played) -> None:
    """P1, P2, P7, P8: whatever could not be written."""
    verdict, code = played(scene)
    assert (verdict.kind, code) in ENDS


def one_write(stage: Stage, seed: int) -> tuple[Verdict, int]:
    """Let one change of a file, anywhere below the app's folder and by whatever program, fail."""
    chance = random.Random(seed)
    number, error = chance.randrange(1, CHANGES), chance.choice(ERRORS)
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        report = site.sources / "report"
        program = str(Path(one_system_call.__file__))
        tracer = [sys.executable, "-S", program, str(site.base), str(number), f"follow,{error}", str(report)]
        source = site.release("next", migration=chance.choice(["good", "failing"]))
        run = site.start("deploy", prefix=tracer, source=str(source), lease="10")
        run.wait()
        try:
            verdict = checker.judge(site, before, run)
            now = snapshot.facts(site)
            if verdict.kind != HELD:
                again = site.deploy(site.release("again", migration="good"))
                assert checker.judge(site, now, again).kind == NEW
        except AssertionError as failure:
            told = json.loads(report.read_text())
            raise AssertionError(f"{error} at {number} of {told['count']}: {told['hit']}\n{failure}") from failure
        return verdict, run.code


@pytest.mark.skipif(not (one_system_call.possible() and shutil.which("setsid")), reason="needs Linux on x86_64")
@scenes(one_write, (1,), *soak(*((seed,) for seed in range(2, 4 + 3 * ROUNDS))))
def test_a_single_write_that_fails_leaves_one_pair_and_the_next_deploy_goes_out(scene: Scene, played: Played) -> None:
    """P1, P2, P7, P8: in the agent, a script, a client of the database, or the app's own migration."""
    verdict, code = played(scene)
    assert (verdict.kind, code) in ENDS
