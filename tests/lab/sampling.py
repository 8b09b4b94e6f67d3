"""Long lists of cases: `make test` plays a fixed part of them, `make soak` all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

Case = TypeVar("Case")


def every(step: int, cases: Iterable[Case]) -> list[Case | ParameterSet]:
    """Return the cases for `parametrize`: of each `step` in a row the first is for `make test`, the rest for `make soak`."""
    return [
        case if number % step == 0 else pytest.param(*_words(case), marks=pytest.mark.soak)
        for number, case in enumerate(cases)
    ]


def _words(case: object) -> tuple[object, ...]:
    return case if isinstance(case, tuple) else (case,)
