"""Somebody cancels the job: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL, to the step's own process alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import CANCEL, Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak

CANCELLED = 130
PHASES = (
    at("begin", "local"),
    at("start", "release"),
    at("start", "down"),
    at("start", "backup"),
    at("start", "migrate", later=1),
    at("end", "migrate"),
    at("start", "switch"),
    at("phase", "health"),
    at("phase", "open"),
    at("precommit", "local"),
    at("end", "up"),
)
CHOSEN = (at("start", "migrate", later=1), at("phase", "prepare"), at("end", "up"), at("phase", "health"))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a cancelled deploy ended: the step's exit code and how many seconds after the first signal, and the site."""

    code: int
    seconds: float
    verdict: Verdict
    committed: bool
    told: bool  # whether the host was told, so that it did not have to wait for the lease to run out


def cancelled(stage: Stage, engine: str, kind: str, moment: Moment) -> Ended:
    """Cancel a deploy at a moment and judge the site."""
    expected = stage.undisturbed(engine, kind, "slow").database
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        nemesis.reached(site, run, moment)
        seconds = nemesis.cancel(run)
        verdict = checker.judge(site, before, run, expected=expected)
        events = [event["event"] for event in checker.journal(site)]
        return Ended(
            code=run.code,
            seconds=seconds,
            verdict=verdict,
            committed="precommit" in events,
            told=was_told(events),
        )


def was_told(events: list[str]) -> bool:
    """Return whether the runner spoke to the host after the signal: to abort, or (past the point of no return) to go on."""
    return "abort" in events or ("precommit" in events and "phase" in events[events.index("precommit") :])


@scenes(
    cancelled,
    *(("sqlite", "plain", moment) for moment in PHASES[::2]),
    ("mariadb", "laravel", CHOSEN[0]),
    ("postgresql", "laravel", CHOSEN[1]),
    *soak(*(("sqlite", "plain", moment) for moment in PHASES[1::2])),
    *soak(*(("mariadb", "laravel", moment) for moment in CHOSEN[1:])),
    *soak(*(("postgresql", "laravel", moment) for moment in CHOSEN[::2])),
)
def test_a_cancelled_deploy_hands_over_before_the_second_signal_and_needs_nobody(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: the host goes on alone; what visitors were given already stays."""
    found = played(scene)
    assert found.code == CANCELLED
    assert found.seconds < CANCEL[0][1], "it took until SIGTERM; GitHub allows that, but not much more"
    assert found.verdict.kind == (NEW if found.committed else AS_BEFORE)
    assert found.told


def test_a_job_that_is_cancelled_before_it_began_changed_nothing(stage: Stage) -> None:
    """P2: the host wasn't even asked."""
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="good")))
        time.sleep(0.05)
        nemesis.cancel(run)
        assert run.code in {CANCELLED, -2}  # -2: a bash that had not set its trap yet
        assert checker.judge(site, before).kind == AS_BEFORE
