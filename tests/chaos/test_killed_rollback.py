"""A person rolls back a deploy that ended well, database and all, and the runner of that rollback is killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.site import Site

BACK = {"deployment_id": "last", "database": "always", "accept_loss": "1000"}
MOMENTS = (
    at("start", "down"),
    at("start", "restore"),
    at("end", "restore"),
    at("end", "switch"),
    at("precommit", "local"),
    at("end", "up"),
)


@dataclass(frozen=True, kw_only=True)
class Back:
    """Which of the two the site is, and whether the rollback had passed its own point of no return."""

    kind: str  # AS_BEFORE: the release that was rolled back is live still; NEW: it is gone
    committed: bool


def deployed(site: Site) -> tuple[snapshot.Facts, snapshot.Facts]:
    """Deploy a release with a migration; return the site before and after."""
    before = snapshot.facts(site)
    done = site.deploy(site.release("next", migration="good"))
    assert checker.judge(site, before, done).kind == NEW
    return before, snapshot.facts(site)


def killed(stage: Stage, engine: str, kind: str, moment: Moment) -> Back:
    """Kill a rollback's runner."""
    with stage.lab.site(engine, kind=kind) as site:
        before, after = deployed(site)
        first = checker.journal(site)[:1]
        run = site.start("rollback", environment=None, **BACK)
        nemesis.until(lambda: checker.journal(site)[:1] != first, "the rollback's own journal")
        nemesis.reached(site, run, moment)
        nemesis.kill(run)
        nemesis.let_the_lease_run_out(site)
        verdict = checker.judge(site, after, expected=checker.database_part(before))
        if verdict.kind == NEW:
            assert checker.difference(before, snapshot.facts(site)) == ""
        committed = any(event["event"] == "precommit" for event in checker.journal(site))
        return Back(kind=verdict.kind, committed=committed)


@scenes(
    killed,
    ("sqlite", "plain", MOMENTS[2]),
    *soak(*(("sqlite", "plain", moment) for moment in (*MOMENTS[:2], *MOMENTS[3:]))),
    *soak(*((engine, "laravel", moment) for engine in ("mariadb", "postgresql") for moment in MOMENTS)),
)
def test_a_rollback_whose_runner_dies_happened_or_did_not(scene: Scene, played: Callable[[Scene], Back]) -> None:
    """P2: a rollback is a deploy like any other; it is undone, or completed, by the host."""
    found = played(scene)
    assert found.kind == (NEW if found.committed else AS_BEFORE)


def twice(stage: Stage, engine: str, kind: str) -> tuple[int, int, str]:
    """Roll back, and roll back again; return both exit codes and what differs from before the deploy."""
    with stage.lab.site(engine, kind=kind) as site:
        before, _ = deployed(site)
        deployment = checker.journal(site)[0]["name"]
        once = site.rollback(**{**BACK, "deployment_id": deployment})
        again = site.rollback(**{**BACK, "deployment_id": deployment})
        checker.settle(site)
        return once.code, again.code, checker.difference(before, snapshot.facts(site))


@scenes(twice, ("sqlite", "plain"), *soak(("mariadb", "laravel"), ("postgresql", "laravel")))
def test_rolling_back_twice_is_the_same_as_once(scene: Scene, played: Callable[[Scene], tuple[int, int, str]]) -> None:
    """P8, P9: the database is as before the deploy, to the last row, and stays so."""
    assert played(scene) == (0, 0, "")
