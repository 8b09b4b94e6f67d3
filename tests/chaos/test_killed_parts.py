"""A part of the host dies in mid-deploy: the agent's step, a client of the database, the database server itself."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, HELD, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.site import Run, Site

ROUNDS = int(os.environ.get("BELAY_PART_KILLS") or 4)  # random moments for each engine in make soak
BACK = {"database": "always", "accept_loss": "1000"}
STEPS = (
    at("start", "release"),
    at("start", "down"),
    at("start", "backup"),
    at("start", "migrate", later=1),
    at("start", "switch"),
)
CLIENTS = {
    "mariadb": ("mariadb-dump", "mysqldump", "mariadb", "mysql"),
    "postgresql": ("pg_dump", "pg_restore", "psql"),
    "sqlite": ("php", "python3", "sqlite3"),
}
BUSY = (at("start", "backup"), at("start", "prove"), at("start", "migrate"), at("end", "migrate"), at("end", "switch"))


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What became of the site, the exit code, and the program that was killed (empty when none was there in time)."""

    verdict: Verdict
    code: int
    killed: str


def step_killed(stage: Stage, engine: str, kind: str, moment: Moment) -> Hit:
    """Kill the agent's own process of the step that runs, on the host; the runner lives."""
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        assert nemesis.reached(site, run, moment), run.text
        killed = nemesis.kill_one(site, ("op",), seconds=1.0)
        run.wait(150)
        return Hit(verdict=checker.judge(site, before, run), code=run.code, killed=killed)


@scenes(
    step_killed,
    ("sqlite", "plain", STEPS[3]),
    *soak(*(("sqlite", "plain", moment) for moment in (*STEPS[:3], STEPS[4]))),
    *soak(*((engine, "laravel", moment) for engine in ("mariadb", "postgresql") for moment in STEPS)),
)
def test_a_step_whose_process_is_killed_fails_and_is_undone(scene: Scene, played: Callable[[Scene], Hit]) -> None:
    """P2, P7: what is left of it is stopped before anything is undone; lost is not ended well."""
    found = played(scene)
    if found.killed:
        assert (found.verdict.kind, found.code) in {(AS_BEFORE, 3), (AS_BEFORE, 1)}
    else:
        assert found.verdict.kind in {AS_BEFORE, NEW}


def client_killed(stage: Stage, engine: str, kind: str, moment: Moment, seed: int = 0) -> Hit:
    """Kill a client of the database: while it dumps, reads back, migrates, or restores (the runner dies first then)."""
    chance = random.Random(seed)
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, moment), run.text
        if moment in BUSY[3:]:
            nemesis.kill(run)
            nemesis.let_the_lease_run_out(site)
            nemesis.until(lambda: any(e["event"] == "undo-start" for e in checker.journal(site)), "the first undo")
        time.sleep(chance.uniform(0, 1.0) if seed else 0)
        killed = nemesis.kill_one(site, CLIENTS[engine], seconds=3.0)
        run.wait()
        return Hit(verdict=checker.judge(site, before, run), code=run.code, killed=killed)


@scenes(
    client_killed,
    ("mariadb", "laravel", BUSY[3]),
    ("postgresql", "laravel", BUSY[0]),
    *soak(*((engine, "laravel", moment) for engine in CLIENTS for moment in BUSY)),
    *soak(*((engine, "laravel", moment, seed) for engine in CLIENTS for moment in BUSY for seed in range(1, ROUNDS))),
)
def test_a_database_client_that_is_killed_is_a_failure_and_a_restore_is_done_again(
    scene: Scene, played: Callable[[Scene], Hit]
) -> None:
    """P1, P2: half a dump is no backup; half a restore is none either, and the host tries it again."""
    assert played(scene).verdict.kind in {AS_BEFORE, NEW}


def server_killed(stage: Stage, engine: str, moment: Moment, away: float, seed: int = 0) -> Hit:
    """Kill the database server, and start it again `away` seconds later; a site that is held is then rolled back by hand."""
    chance = random.Random(seed)
    with stage.lab.apart() as lab, lab.site(engine) as site:
        server = lab.mariadb if engine == "mariadb" else lab.postgresql
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        assert nemesis.reached(site, run, moment), run.text
        time.sleep(chance.uniform(0, 1.5) if seed else 0)
        server.kill()
        time.sleep(away)
        server.start()
        run.wait()
        checker.settle(site)
        verdict = checker.judge(site, before, run)
        if verdict.kind == HELD:
            tried_again(site, before)
        return Hit(verdict=verdict, code=run.code, killed=engine)


def tried_again(site: Site, before: snapshot.Facts) -> Run:
    """Let a person roll back the deploy that is held: everything has to be as before then."""
    deploy = checker.holder(site)
    assert deploy is not None
    run = site.rollback(deployment_id=deploy.name, **BACK)
    checker.settle(site)
    after = snapshot.facts(site)
    assert (checker.held(site), checker.difference(before, after)) == (False, ""), run.text
    return run


@scenes(
    server_killed,
    ("mariadb", at("start", "migrate", later=1), 1.0),
    *soak(*(("mariadb", moment, away) for moment in BUSY for away in (0.5, 15.0))),
    *soak(*(("postgresql", moment, away) for moment in BUSY for away in (0.5, 15.0))),
    *soak(*((engine, BUSY[seed % 4], 1.0, seed) for engine in ("mariadb", "postgresql") for seed in range(1, ROUNDS))),
)
def test_a_database_server_that_dies_leaves_the_old_pair_or_a_site_that_waits_for_it(
    scene: Scene, played: Callable[[Scene], Hit]
) -> None:
    """P2: back as soon as the server is; where it was away for too long, held, and put back by one command."""
    found = played(scene)
    assert found.verdict.kind in {AS_BEFORE, HELD, NEW}
