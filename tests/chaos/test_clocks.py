"""The host's wall clock is 400 days off, or jumps by as much in mid-deploy: it is told to people, and decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak

DAYS = 400
ENGINES = ("mariadb", "postgresql", "sqlite")
MOMENTS = (
    at("armed", "reaper"),
    at("start", "backup"),
    at("start", "migrate", later=1),
    at("end", "switch"),
    at("precommit", "local"),
)

pytestmark = pytest.mark.skipif(not nemesis.FAKETIME, reason="libfaketime is not installed")


def every() -> Iterator[tuple[str, Moment, int]]:
    """Return each engine with each moment and each way to jump."""
    return itertools.product(ENGINES, MOMENTS, (DAYS, -DAYS))


def jumped(stage: Stage, engine: str, moment: Moment, days: int, end: str) -> tuple[Verdict, int, bool]:
    """Let the host's clock jump at a moment; then the runner goes on, or is killed."""
    expected = stage.undisturbed(engine, "laravel", "slow").database
    clock = nemesis.clock(stage.lab.folder)
    with stage.lab.site(engine, sshd_settings=clock.settings) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, moment), run.text
        clock.set(days)
        if end == "killed":
            nemesis.kill(run)
        run.wait()
        verdict = checker.judge(site, before, run, expected=expected)
        return verdict, run.code, any(event["event"] == "precommit" for event in checker.journal(site))


@scenes(
    jumped,
    ("sqlite", MOMENTS[2], DAYS, "goes-on"),
    *soak(
        *(
            (e, moment, days, "goes-on")
            for e, moment, days in every()
            if (e, moment, days) != ("sqlite", MOMENTS[2], DAYS)
        )
    ),
)
def test_a_clock_that_jumps_does_not_end_a_lease(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int, bool]]
) -> None:
    """P2: leases run on uptime; the deploy goes out."""
    verdict, code, _ = played(scene)
    assert (verdict.kind, code) == (NEW, 0)


@scenes(
    jumped,
    ("mariadb", MOMENTS[3], -DAYS, "killed"),
    *soak(
        *(
            (e, moment, days, "killed")
            for e, moment, days in every()
            if (e, moment, days) != ("mariadb", MOMENTS[3], -DAYS)
        )
    ),
)
def test_a_clock_that_jumps_does_not_keep_a_dead_runners_lease(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int, bool]]
) -> None:
    """P2: the reaper acts as if nothing had happened to the clock."""
    verdict, _, committed = played(scene)
    assert verdict.kind == (NEW if committed else AS_BEFORE)


def wrong_from_the_start(stage: Stage, engine: str, days: int) -> tuple[list[str], int]:
    """Deploy twice to a host whose clock is off, a third time when it is right, and go back by hand."""
    clock = nemesis.clock(stage.lab.folder, days)
    with stage.lab.site(engine, sshd_settings=clock.settings) as site:
        told, before = [], snapshot.facts(site)
        for name, off in (("first", days), ("second", days), ("third", 0)):
            clock.set(off)
            before = snapshot.facts(site)
            run = site.deploy(site.release(name, migration="good"))
            told.append(checker.judge(site, before, run).kind)
        run = site.rollback(deployment_id="last")
        checker.settle(site)
        assert checker.difference(before, snapshot.facts(site)) == ""
        return told, run.code


@scenes(
    wrong_from_the_start,
    ("sqlite", DAYS),
    *soak(*((e, days) for e in ENGINES for days in (DAYS, -DAYS) if (e, days) != ("sqlite", DAYS))),
)
def test_a_clock_that_is_wrong_from_the_start_changes_nothing(
    scene: Scene, played: Callable[[Scene], tuple[list[str], int]]
) -> None:
    """P2, P4: deploys go out, the last one's backup and release are there, whatever their names say of the time."""
    told, code = played(scene)
    assert (told, code) == ([NEW] * 3, 0)
