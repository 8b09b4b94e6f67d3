"""All scenes of a run are played at once, as many as the machine bears; each test then reads what came of its own.

Most of a scene's time is waiting for a lease to run out, so this is what makes a hundred of them fit into minutes. A
test whose scene is played this way has a parameter `scene`; its `play` gets the lab and returns what the test asserts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.chaos.matrix import Trials
from tests.chaos.scene import Scene, Stage
from tests.lab.site import Lab

AT_ONCE = int(os.environ.get("BELAY_CHAOS_AT_ONCE", "0")) or 3 * (os.cpu_count() or 2)


@pytest.fixture
def trials() -> Trials:
    """Where a test tells how many trials it made, for the table of faults."""
    return Trials()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """The lab, and what is known of undisturbed deploys."""
    with Lab.opened() as lab:
        yield Stage(lab=lab)


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Callable[[Scene], Any]]:
    """Play every scene that was chosen for this run; gives the function that waits for one and returns its result."""
    chosen: list[Scene] = []
    for item in request.session.items:
        scene = getattr(getattr(item, "callspec", None), "params", {}).get("scene")
        if isinstance(scene, Scene) and scene not in chosen:
            chosen.append(scene)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scene") as pool:
        futures: dict[Scene, Future[Any]] = {scene: pool.submit(scene.play, stage) for scene in chosen}
        yield lambda scene: futures[scene].result()
        for future in futures.values():
            future.cancel()
