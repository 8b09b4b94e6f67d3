"""Seeded histories: random workflows, random harm at random moments, the judge after each. `make soak N=… SEED=…`.

A history that fails is shrunk, and named by its seed and as JSON: `make soak N=1 SEED=<number>` plays the whole of it again,
`BELAY_STORY='<JSON>' make soak N=0` what is left of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.chaos import history
from tests.chaos.checker import AS_BEFORE, NEW
from tests.chaos.conftest import AT_ONCE
from tests.chaos.history import Act, Story
from tests.chaos.nemesis import Moment
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.chaos.test_killed_runner import killed

HISTORIES = int(os.environ.get("BELAY_SOAK_HISTORIES") or 10)
SEED = int(os.environ.get("BELAY_SOAK_SEED") or 1)
STORY = os.environ.get("BELAY_STORY", "")
SHRINKS = int(os.environ.get("BELAY_SHRINKS") or 8)  # times that a story is played again to make it shorter


def random_history(stage: Stage, seed: int) -> list[str]:
    """Play one history; return what happened."""
    story = history.written(seed)

    def fails(story: Story) -> bool:
        try:
            history.play(stage, story)
        except AssertionError:
            return True
        return False

    try:
        return history.play(stage, story)
    except AssertionError as error:
        less = history.shrunk(story, fails, tries=SHRINKS)
        raise AssertionError(f"history {seed}: {error}\n--- shrunk ---\nBELAY_STORY='{less}'") from error


@scenes(random_history, *soak(*((seed,) for seed in range(SEED, SEED + HISTORIES))))
def test_a_random_history_never_leaves_a_site_that_is_neither_old_nor_new(
    scene: Scene, played: Callable[[Scene], list[str]]
) -> None:
    """P1 to P9 (P1, P2, P3, P5, P7, P8, P9), whatever happens when."""
    assert len(played(scene)) > 1


@pytest.mark.soak
@pytest.mark.skipif(not STORY, reason="no story is given in BELAY_STORY")
def test_a_story_that_failed_once(stage: Stage) -> None:
    """P2: what was mended stays mended."""
    history.play(stage, history.read(STORY))


def test_a_story_is_its_seeds_and_can_be_written_down() -> None:
    """P2: what failed can be played again."""
    for seed in range(50):
        story = history.written(seed)
        assert story == history.written(seed) == history.read(str(story))
    assert {act.verb for seed in range(50) for act in history.written(seed).acts} == set(history.VERBS)


def test_a_story_is_shrunk_to_what_it_needs_to_fail() -> None:
    """P2: the reader of a failure gets two acts, not five."""
    acts = tuple(Act(verb=verb, harm="kill") for verb in ("deploy", "backup", "two", "restore", "rollback"))
    story = Story(engine="sqlite", kind="plain", acts=acts)

    def fails(story: Story) -> bool:
        verbs = [act.verb for act in story.acts]
        return "two" in verbs and any(act.verb == "rollback" and act.harm == "kill" for act in story.acts)

    left = history.shrunk(story, fails, tries=20)
    assert left.acts == (replace(acts[2], harm="nothing"), acts[4])


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["mariadb", "postgresql", "sqlite"])
def test_a_runner_that_dies_at_any_moment_of_a_laravel_deploy_leaves_one_pair(stage: Stage, engine: str) -> None:
    """P2: every line of the journal, over ssh, with workers."""
    moments = stage.undisturbed(engine, "laravel", "slow").moments

    def one(moment: Moment) -> str:
        found = killed(stage, engine, "laravel", moment)
        right = found.verdict.kind == (NEW if found.committed else AS_BEFORE)
        return "" if right else f"{moment}: {found.verdict}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert [wrong for wrong in pool.map(one, moments) if wrong] == []
