"""At most one deploy changes a host at a time, and one that lost its turn changes nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.chaos.snapshot import Facts


@dataclass(frozen=True, kw_only=True)
class Two:
    """How the first and the second deploy ended, what the second printed, and what the site is."""

    first: int
    second: int
    text: str
    verdict: Verdict


def race(stage: Stage, engine: str, kind: str) -> Two:
    """Start a deploy while another migrates."""
    expected = stage.undisturbed(engine, kind, "slow").database
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        ann = {"GITHUB_ACTOR": "ann"}
        first = site.start("deploy", environment=ann, source=str(site.release("first", migration="slow")))
        assert nemesis.reached(site, first, at("start", "migrate"))
        second = site.run("deploy", environment={"GITHUB_ACTOR": "bob"}, source=str(site.release("second")))
        first.wait()
        verdict = checker.judge(site, before, first, expected=expected)
        return Two(first=first.code, second=second.code, text=second.text, verdict=verdict)


@scenes(race, ("sqlite", "plain"), ("postgresql", "laravel"), *soak(("mariadb", "laravel")))
def test_of_two_deploys_one_wins_and_the_other_names_it(scene: Scene, played: Callable[[Scene], Two]) -> None:
    """P5: the loser exits 5, changes nothing, and says who holds the host since when."""
    found = played(scene)
    assert (found.first, found.second, found.verdict.kind) == (0, 5, NEW)
    (told,) = (line for line in found.text.splitlines() if "error: Locked" in line)
    assert " of ann since 20" in told


def start_at_once(stage: Stage) -> list[int]:
    """Start three deploys in the same moment, before any of them holds the host."""
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        source = str(site.release("next", migration="slow"))
        runs = [site.start("deploy", source=source) for _ in range(3)]
        codes = sorted(run.wait() for run in runs)
        checker.judge(site, before)
        return codes


@scenes(start_at_once)
def test_of_deploys_that_start_in_the_same_moment_one_wins(scene: Scene, played: Callable[[Scene], list[int]]) -> None:
    """P5: nobody has to come first."""
    assert played(scene) == [0, 5, 5]


def frozen(stage: Stage, engine: str, kind: str, moment: Moment) -> tuple[Verdict, int, Facts, Facts]:
    """Stop the runner until its lease is over and the host settled; then let it go on."""
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, moment)
        nemesis.freeze(run)
        verdict = checker.judge(site, before)
        settled = snapshot.facts(site)
        nemesis.thaw(run)
        run.wait()
        checker.judge(site, before, run)
        return verdict, run.code, settled, snapshot.facts(site)


@scenes(
    frozen,
    *(
        ("sqlite", "plain", moment)
        for moment in (at("start", "release"), at("start", "migrate", later=1), at("end", "switch"))
    ),
    ("mariadb", "laravel", at("start", "migrate", later=1)),
    *soak(("postgresql", "laravel", at("end", "migrate"))),
)
def test_a_runner_that_wakes_up_after_its_lease_is_refused_and_changes_nothing(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int, Facts, Facts]]
) -> None:
    """P5: the host decided meanwhile; the runner says what it decided (1: before anything was to be seen)."""
    verdict, code, settled, after = played(scene)
    assert verdict.kind == AS_BEFORE
    assert code in ({1} if "start-release" in scene.name else {3, 6})
    assert after == settled


def overtaken(stage: Stage, moment: Moment) -> tuple[int, int, Facts, Facts]:
    """Stop the runner until its lease is over, let another deploy go out, then let the first go on."""
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        first = site.start("deploy", source=str(site.release("first", migration="slow")), lease="10")
        assert nemesis.reached(site, first, moment)
        nemesis.freeze(first)
        assert checker.judge(site, before).kind == AS_BEFORE
        second = site.deploy(site.release("second", migration="good"))
        assert checker.judge(site, before, second).kind == NEW
        live = snapshot.facts(site)
        nemesis.thaw(first)
        first.wait()
        checker.settle(site)
        return first.code, second.code, live, snapshot.facts(site)


@scenes(overtaken, (at("start", "migrate", later=1),), (at("end", "switch"),))
def test_a_runner_that_wakes_up_in_another_ones_time_changes_nothing(
    scene: Scene, played: Callable[[Scene], tuple[int, int, Facts, Facts]]
) -> None:
    """P5: fencing; the newer release stays, to the last row."""
    first, second, live, after = played(scene)
    assert second == 0
    assert first in {3, 6}
    assert after == live


def frozen_committed(stage: Stage) -> tuple[Verdict, int]:
    """Stop the runner after the point of no return; the host completes the deploy, then the runner goes on."""
    expected = stage.undisturbed("sqlite", "plain", "slow").database
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, at("precommit", "local"))
        nemesis.freeze(run)
        checker.judge(site, before, expected=expected)
        nemesis.thaw(run)
        run.wait()
        return checker.judge(site, before, run, expected=expected), run.code


@scenes(frozen_committed)
def test_a_runner_that_wakes_up_after_the_host_completed_its_deploy_says_so(
    scene: Scene, played: Callable[[Scene], tuple[Verdict, int]]
) -> None:
    """P7: the host was asked, and the new release is live."""
    verdict, code = played(scene)
    assert (verdict.kind, code) == (NEW, 0)
