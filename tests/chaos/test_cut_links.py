"""The network cuts every connection to the host, in each phase; runner and host both live on."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak

PHASES = (
    at("armed", "reaper"),
    at("end", "release"),
    at("start", "down"),
    at("start", "backup"),
    at("start", "switch"),
    at("phase", "health"),
    at("precommit", "local"),
    at("end", "up"),
)


def cut(stage: Stage, engine: str, moment: Moment) -> tuple[Verdict, int]:
    """Cut all links at a moment; return what became of the site, and the deploy's exit code."""
    expected = stage.undisturbed(engine, "laravel", "slow").database
    with stage.lab.site(engine, own_sshd=True) as site:
        assert site.sshd is not None
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")))
        assert nemesis.reached(site, run, moment)
        assert site.sshd.cut_links() > 0
        run.wait()
        return checker.judge(site, before, run, expected=expected), run.code


@scenes(
    cut,
    *(("mariadb", moment) for moment in PHASES[1::4]),
    *soak(*(("mariadb", moment) for place, moment in enumerate(PHASES) if place % 4 != 1)),
)
def test_a_deploy_goes_on_over_a_new_link_or_ends_properly(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int]]
) -> None:
    """P2, P7: the exit code says what the site is, and what a lost link leaves unknown was asked again."""
    verdict, code = played(scene)
    assert (verdict.kind, code) in {(NEW, 0), (AS_BEFORE, 3), (AS_BEFORE, 1), (AS_BEFORE, 6), (NEW, 6)}


@scenes(
    cut,
    ("postgresql", at("start", "migrate", later=1)),
    *soak(("sqlite", at("start", "migrate", later=1)), ("mariadb", at("start", "migrate", later=1))),
)
def test_a_migration_survives_a_cut_link(scene: Scene, played: Callable[[Scene], tuple[Verdict, int]]) -> None:
    """P2: the migration runs in a session of its own; the runner finds it again and goes on."""
    verdict, code = played(scene)
    assert (verdict.kind, code) == (NEW, 0)
