"""A person took the app down before the deploy; only a person lifts it again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab import laravel
from tests.lab.site import Site


def take_down(site: Site) -> bytes:
    """Take the app down by hand, as the host's user; return the flag's content."""
    assert site.sshd is not None
    words = ["php", "artisan", "down", "--secret=a-persons-own", "--retry=7"]
    subprocess.run(
        words,
        cwd=site.base / "current",
        env=laravel.environment(),
        user=site.sshd.user,
        check=True,
        capture_output=True,
    )
    return site.flag.read_bytes()


def deployed(stage: Stage, engine: str, migration: str, health: str) -> tuple[Verdict, bool]:
    """Deploy to an app that is down; return the verdict, and whether the person's flag is there to the last byte."""
    with stage.lab.site(engine) as site:
        flag = take_down(site)
        before = snapshot.facts(site)
        run = site.deploy(site.release("next", migration=migration, health=health))
        return checker.judge(site, before, run), site.flag.exists() and site.flag.read_bytes() == flag


@scenes(
    deployed,
    ("postgresql", "good", "good"),
    ("mariadb", "", "good"),
    *soak(("sqlite", "good", "good"), ("mariadb", "good", "good")),
)
def test_what_a_person_put_down_stays_down_after_a_good_deploy(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, bool]]
) -> None:
    """P2: the new release is there, behind the person's own page with the person's own secret."""
    verdict, flag = played(scene)
    assert (verdict.kind, flag) == (NEW, True)


@scenes(
    deployed,
    ("mariadb", "failing", "good"),
    *soak(("sqlite", "good", "broken"), ("postgresql", "", "broken")),
)
def test_what_a_person_put_down_stays_down_after_a_rollback(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, bool]]
) -> None:
    """P2: everything is as before, the maintenance too."""
    verdict, flag = played(scene)
    assert (verdict.kind, flag) == (AS_BEFORE, True)


def killed(stage: Stage) -> tuple[Verdict, bool]:
    """Kill the runner while the app is down by both."""
    with stage.lab.site("mariadb") as site:
        flag = take_down(site)
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, at("start", "migrate", later=1))
        nemesis.kill(run)
        return checker.judge(site, before, run), site.flag.exists() and site.flag.read_bytes() == flag


@scenes(killed)
def test_what_a_person_put_down_stays_down_when_the_runner_dies(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, bool]]
) -> None:
    """P2: the reaper knows whose flag it is."""
    verdict, flag = played(scene)
    assert (verdict.kind, flag) == (AS_BEFORE, True)
