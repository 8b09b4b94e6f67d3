"""The runner is killed (SIGKILL, nothing can catch it) at every moment of a deploy; nobody does anything then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak

LEASE = "10"  # seconds; the smallest that there is

# Every line of the journal of a deploy of the plain app that brings a migration, in order. The test below sees to it
# that none is missing here.
MOMENTS = (
    at("begin", "local"),
    at("drill-start", "drill"),
    at("drill-end", "drill"),
    at("armed", "reaper"),
    at("phase", "prepare"),
    at("undo", "release"),
    at("start", "release"),
    at("end", "release"),
    at("start", "link"),
    at("end", "link"),
    at("phase", "down"),
    at("undo", "down"),
    at("start", "down"),
    at("end", "down"),
    at("phase", "backup"),
    at("undo", "backup"),
    at("start", "backup"),
    at("end", "backup"),
    at("start", "prove"),
    at("end", "prove"),
    at("phase", "migrate"),
    at("undo", "migrate"),
    at("start", "migrate"),
    at("end", "migrate"),
    at("phase", "switch"),
    at("undo", "switch"),
    at("start", "switch"),
    at("end", "switch"),
    at("phase", "health"),
    at("finish", "up"),
    at("phase", "open"),
    at("precommit", "local"),
    at("undo", "up"),
    at("start", "up"),
    at("end", "up"),
    at("start", "prune"),
    at("end", "prune"),
    at("start", "tidy"),
    at("end", "tidy"),
    at("settled", "confirmed"),
)
HALFWAY = at("start", "migrate", later=1.5)
CHOSEN = (
    HALFWAY,
    at("start", "backup"),
    at("end", "switch"),
    at("end", "migrate"),
    at("precommit", "local"),
    at("end", "up"),
)


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What came of a deploy whose runner was killed: the site, and whether it had passed the point of no return."""

    verdict: Verdict
    committed: bool


def killed(stage: Stage, engine: str, kind: str, moment: Moment) -> Killed:
    """Kill the runner at a moment, wait for the host to save itself, judge the site."""
    expected = stage.undisturbed(engine, kind, "slow").database
    with stage.lab.site(engine, kind=kind, workers=kind == "laravel") as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease=LEASE)
        nemesis.reached(site, run, moment)
        nemesis.kill(run)
        verdict = checker.judge(site, before, run, expected=expected)
        return Killed(verdict=verdict, committed=any(event["event"] == "precommit" for event in checker.journal(site)))


@scenes(
    killed,
    *(("sqlite", "plain", moment) for moment in (*MOMENTS[::5], HALFWAY)),
    *soak(*(("sqlite", "plain", moment) for place, moment in enumerate(MOMENTS) if place % 5 != 0)),
)
def test_a_runner_that_dies_leaves_the_old_pair_until_all_is_healthy_and_the_new_one_after(
    scene: Scene, played: Callable[[Scene], Killed]
) -> None:
    """P2: code and schema are one pair, by nobody's hand; from `precommit` on it is the new one."""
    found = played(scene)
    assert found.verdict.kind == (NEW if found.committed else AS_BEFORE)


@scenes(
    killed,
    *(("mariadb", "laravel", moment) for moment in CHOSEN[::3]),
    *(("postgresql", "laravel", moment) for moment in CHOSEN[1::3]),
    *soak(*(("mariadb", "laravel", moment) for place, moment in enumerate(CHOSEN) if place % 3 != 0)),
    *soak(*(("postgresql", "laravel", moment) for place, moment in enumerate(CHOSEN) if place % 3 != 1)),
)
def test_a_runner_that_dies_while_it_deploys_laravel_leaves_one_pair(
    scene: Scene, played: Callable[[Scene], Killed]
) -> None:
    """P2: the same over ssh, with real database servers and workers."""
    found = played(scene)
    assert found.verdict.kind == (NEW if found.committed else AS_BEFORE)


def test_every_moment_of_a_deploy_is_tried(stage: Stage) -> None:
    """P2: a step that somebody adds to the deploy is added here too."""
    assert stage.undisturbed("sqlite", "plain", "slow").moments == MOMENTS
