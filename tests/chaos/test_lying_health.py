"""The health page hangs, trickles, flaps, breaks off, or answers for somebody else, after the switch."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import checker, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.lying_health import MANNERS, lying_health

GOOD = ("truly", "wakes-up")
BAD = tuple(manner for manner in MANNERS if manner not in GOOD)
CHOSEN = ("flaps", "of-another-release", "endless")


def asked(stage: Stage, engine: str, kind: str, migration: str, manner: str) -> tuple[Verdict, int]:
    """Deploy a good release whose health is asked by a page that can't be trusted."""
    with stage.lab.site(engine, kind=kind) as site, lying_health(manner, f"{site.url}/health") as url:
        before = snapshot.facts(site)
        run = site.deploy(site.release("next", migration=migration), health_url=url)
        return checker.judge(site, before, run), run.code


@scenes(
    asked,
    *(("sqlite", "plain", "good", manner) for manner in CHOSEN),
    *soak(*(("sqlite", "plain", "good", manner) for manner in BAD if manner not in CHOSEN)),
    *soak(*((engine, "laravel", "good", manner) for engine in ("mariadb", "postgresql") for manner in BAD)),
)
def test_a_release_whose_health_can_not_be_told_goes_back(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int]]
) -> None:
    """P2, P7: unknown is not healthy; behind the page nobody wrote, so the schema goes back too."""
    verdict, code = played(scene)
    assert (verdict.kind, code) == (AS_BEFORE, 3)


@scenes(
    asked,
    ("sqlite", "plain", "good", "wakes-up"),
    *soak(*((engine, "laravel", "good", manner) for engine in ("mariadb", "postgresql") for manner in GOOD)),
)
def test_a_release_that_needs_a_few_tries_to_wake_up_stays(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int]]
) -> None:
    """P2: a web server that restarts is no reason to go back."""
    verdict, code = played(scene)
    assert (verdict.kind, code) == (NEW, 0)
