"""A scene of a chaos test: a function that is given the stage, and plays with others at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.chaos import checker, snapshot
from tests.chaos.nemesis import Moment, plain
from tests.chaos.snapshot import Facts
from tests.lab.site import Lab


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A deploy that nothing disturbed: the database after it, and the moments it went through."""

    database: Facts
    moments: tuple[Moment, ...]


@dataclass(kw_only=True)
class Stage:
    """The lab, and how deploys go when nothing disturbs them."""

    lab: Lab
    _undisturbed: dict[tuple[object, ...], Undisturbed] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def undisturbed(self, engine: str, kind: str, migration: str, **inputs: str) -> Undisturbed:
        """Return how a deploy with this migration and these inputs goes; it is done once and remembered."""
        key = (engine, kind, migration, *sorted(inputs.items()))
        with self._lock:
            if key not in self._undisturbed:
                self._undisturbed[key] = self._deploy(engine, kind, migration, inputs)
            return self._undisturbed[key]

    def _deploy(self, engine: str, kind: str, migration: str, inputs: Mapping[str, str]) -> Undisturbed:
        with self.lab.site(engine, kind=kind) as site:
            before = snapshot.facts(site)
            done = site.deploy(site.release("undisturbed", migration=migration), **inputs)
            assert checker.judge(site, before, done).kind == checker.NEW
            seen: list[Moment] = []
            for event in checker.journal(site):
                same = [one for one in seen if (one.event, one.name) == (event["event"], plain(event["name"]))]
                seen.append(Moment(event=event["event"], name=plain(event["name"]), number=len(same)))
            return Undisturbed(database=checker.database_part(snapshot.facts(site)), moments=tuple(seen))


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene by its name."""

    name: str
    play: Callable[[Stage], Any]


@dataclass(frozen=True)
class Soak:
    """The arguments of a scene that is played by `make soak` only."""

    arguments: tuple[Any, ...]


def soak(*arguments: tuple[Any, ...]) -> list[Soak]:
    """Leave these scenes to `make soak`."""
    return [Soak(each) for each in arguments]


def scenes(play: Callable[..., Any], *arguments: tuple[Any, ...] | Soak) -> pytest.MarkDecorator:
    """Return the mark that plays `play(stage, *arguments)` once for each of `arguments`."""
    parameters = []
    for each in arguments or ((),):
        words = each.arguments if isinstance(each, Soak) else each
        name = "-".join(map(str, words)) or play.__name__
        scene = Scene(name=name, play=partial(_play, play, words))
        marks = [pytest.mark.soak] if isinstance(each, Soak) else []
        parameters.append(pytest.param(scene, id=name, marks=marks))
    return pytest.mark.parametrize("scene", parameters)


def _play(play: Callable[..., Any], arguments: tuple[Any, ...], stage: Stage) -> Any:
    return play(stage, *arguments)
