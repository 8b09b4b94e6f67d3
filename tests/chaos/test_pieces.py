"""A deploy made of pieces: the job dies between two of them, and nobody sends another step."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos import checker, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab import laravel
from tests.lab.site import Run, Site

LEASE = "30"  # seconds; the smallest that `maintenance on` takes
JOB = {"GITHUB_RUN_ID": "4242", "GITHUB_RUN_ATTEMPT": "1"}
RELEASE = "20260101"


def piece(site: Site, *verb: str, lease: str = LEASE, **inputs: str) -> Run:
    """Run one piece as a step of the job; it has to end well."""
    run = site.run(*verb, environment=JOB, lease=lease, **inputs)
    assert run.code == 0, run.text
    return run


def maintenance_on(site: Site) -> None:
    """Take the app down."""
    piece(site, "maintenance", "on", secret=site.secret)


def maintenance_on_for_long(site: Site) -> None:
    """Take the app down with a lease that outlives every piece, on a machine that is busy too."""
    piece(site, "maintenance", "on", secret=site.secret, lease="900")


def back_up(site: Site) -> None:
    """Make a proven backup."""
    piece(site, "backup", "create")


def own_upload(site: Site) -> None:
    """The user's own step, first part: the new code comes to the host."""
    assert site.sshd is not None
    laravel.add_release(site.base, RELEASE, migrations={"2024_06_01_000000_good": "good"})
    laravel.give_to(site.base / "releases" / RELEASE, site.sshd.user)


def own_migrate(site: Site) -> None:
    """The user's own step, second part: it migrates."""
    assert site.sshd is not None
    folder = site.base / "releases" / RELEASE
    words = ["php", "artisan", "migrate", "--force"]
    subprocess.run(words, cwd=folder, env=laravel.environment(), user=site.sshd.user, check=True, capture_output=True)


def own_switch(site: Site) -> None:
    """The user's own step, last part: it switches."""
    link = site.base / "current.new"
    link.symlink_to(f"releases/{RELEASE}")
    link.replace(site.base / "current")


def check_health(site: Site) -> None:
    """Ask the app behind the maintenance page."""
    piece(site, "health", url=f"{site.url}/health", bypass_secret=site.secret)


def maintenance_off(site: Site) -> None:
    """Let visitors in, which ends the transaction."""
    piece(site, "maintenance", "off")


PIECES: tuple[Callable[[Site], None], ...] = (
    maintenance_on,
    back_up,
    own_upload,
    own_migrate,
    own_switch,
    check_health,
)


@dataclass(frozen=True, kw_only=True)
class After:
    """The site after the pieces, and how the last verb ended."""

    verdict: Verdict
    code: int = 0


def play(site: Site, pieces: Sequence[Callable[[Site], None]]) -> None:
    """Do the pieces, one after the other."""
    for one in pieces:
        one(site)


def abandoned(stage: Stage, engine: str, count: int) -> After:
    """Let the job die after so many pieces."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        play(site, PIECES[:count])
        return After(verdict=checker.judge(site, before))


@scenes(
    abandoned,
    *(("mariadb", count) for count in (1, 2, 4, 6)),
    ("postgresql", 5),
    *soak(("mariadb", 3), ("mariadb", 5), *(("postgresql", count) for count in (1, 2, 3, 4, 6))),
)
def test_a_job_that_dies_between_two_pieces_is_undone_by_the_host(
    scene: Scene, played: Callable[[Scene], After]
) -> None:
    """P2: code, schema and rows are as before when the lease is over; nobody did anything."""
    assert played(scene).verdict.kind == AS_BEFORE


def completed(stage: Stage, engine: str) -> After:
    """Let the job end well."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        play(site, (maintenance_on_for_long, *PIECES[1:], maintenance_off))
        return After(verdict=checker.judge(site, before))


@scenes(completed, ("mariadb",), *soak(("sqlite",), ("postgresql",)))
def test_a_job_whose_pieces_all_end_well_keeps_its_release(scene: Scene, played: Callable[[Scene], After]) -> None:
    """P2: the last piece ended the transaction; the reaper has nothing to do any more."""
    assert played(scene).verdict.kind == NEW


def rolled_back(stage: Stage, engine: str) -> After:
    """Let the job's last step, which runs on failure, roll back."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        play(site, (maintenance_on_for_long, *PIECES[1:]))
        run = site.run("rollback", environment=JOB)
        again = site.run("rollback", environment=JOB)
        return After(verdict=checker.judge(site, before), code=run.code or again.code)


@scenes(rolled_back, ("postgresql",), *soak(("sqlite",), ("mariadb",)))
def test_the_step_that_runs_on_failure_puts_all_back_and_may_run_twice(
    scene: Scene, played: Callable[[Scene], After]
) -> None:
    """P2, P8: the database that the user's own step migrated is as before."""
    after = played(scene)
    assert (after.verdict.kind, after.code) == (AS_BEFORE, 0)
