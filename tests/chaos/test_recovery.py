"""How long it takes from a death to a healthy app: measured, told as a distribution, never asserted by the clock."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW
from tests.chaos.matrix import Trials
from tests.chaos.nemesis import at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.chaos.test_killed_live_backup import may_make_a_second
from tests.lab.site import Site

ROUNDS = int(os.environ.get("BELAY_RECOVERIES") or 5)
# The page is up, and the schema half changed: the longest way back.
DOWN = (at("start", "backup"), at("start", "migrate", later=1), at("end", "migrate"), at("end", "switch"))
TWIN = {"verify": "loaded"}


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What the site is after it, and the seconds until visitors got the app again, and until the host was settled."""

    kind: str
    healthy: float
    settled: float


def healthy_again(site: Site, before: snapshot.Facts, begun: float) -> Recovered:
    """Wait until visitors get the app again and the host is settled; seconds from `begun` (of the monotonic clock)."""
    healthy = 0.0
    while not healthy:
        if snapshot.get(f"{site.url}/health")[0] == 200:
            healthy = time.monotonic() - begun
        elif checker.held(site):
            break
        time.sleep(0.2)
    checker.settle(site, seconds=300)
    settled = time.monotonic() - begun
    return Recovered(kind=checker.judge(site, before).kind, healthy=healthy, settled=settled)


def killed(stage: Stage, engine: str, kind: str, lease: int, seed: int) -> Recovered:
    """Kill the runner while the app is down; somewhere between two heartbeats."""
    chance = random.Random(seed)
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease=str(lease))
        assert nemesis.reached(site, run, DOWN[seed % len(DOWN)]), run.text
        time.sleep(chance.uniform(0, 0.5))
        begun = time.monotonic()
        nemesis.kill(run)
        return healthy_again(site, before, begun)


@scenes(
    killed,
    *soak(*(("sqlite", "plain", lease, seed) for lease in (30, 120) for seed in range(2 * ROUNDS))),
    *soak(
        *(
            (e, "laravel", lease, seed)
            for e in ("mariadb", "postgresql")
            for lease in (30, 120)
            for seed in range(ROUNDS)
        )
    ),
)
@pytest.mark.soak
def test_a_site_whose_runner_was_killed_is_healthy_again(
    scene: Scene, played: Callable[[Scene], Recovered], trials: Trials
) -> None:
    """P2: from SIGKILL to a healthy app, by nobody's hand."""
    found = played(scene)
    engine, kind, lease, _ = scene.name.split("-")
    trials.seconds(f"SIGKILL of the runner to a healthy app, lease {lease} s, {engine} {kind}", [found.healthy])
    assert found.kind in {AS_BEFORE, NEW}


def aborted(stage: Stage, engine: str, proof: str, seed: int) -> Recovered:
    """Cancel the job while the app is down and the migration has run halfway."""
    with stage.lab.site(engine) as site:
        may_make_a_second(site)
        before = snapshot.facts(site)
        inputs = TWIN if proof == "twin" else {}
        source = str(site.release("next", migration="slow"))
        run = site.start("deploy", environment=None, source=source, **inputs)
        assert nemesis.reached(site, run, at("start", "migrate", later=1.0 + seed / 10)), run.text
        begun = time.monotonic()
        nemesis.cancel(run)
        return healthy_again(site, before, begun)


@scenes(
    aborted,
    *soak(
        *((e, p, s) for e in ("mariadb", "postgresql", "sqlite") for p in ("twin", "no-twin") for s in range(ROUNDS))
    ),
)
@pytest.mark.soak
def test_a_site_whose_deploy_was_aborted_is_healthy_again(
    scene: Scene, played: Callable[[Scene], Recovered], trials: Trials
) -> None:
    """P2: from abort to a healthy app: with a twin there is nothing to load."""
    found = played(scene)
    engine, proof = scene.name.split("-", 1)[0], "without" if "no-twin" in scene.name else "with"
    trials.seconds(f"abort to a healthy app, {engine} Laravel, {proof} a twin", [found.healthy])
    assert found.kind == AS_BEFORE
