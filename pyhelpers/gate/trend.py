"""How the baseline changed over time, from git's history alone: a picture that GitHub draws."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyhelpers.gate.history import Repository
from pyhelpers.runner.summary import Markdown

COMMITS = 12  # points of the line; more would not be read
_LAST = 253_402_300_799  # the last second of the year 9999; git takes any time for that of a commit
_COUNT = re.compile(r"^\s*(?:count: |'count' => )([0-9]{1,9}),?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Point:
    """The size of the baselines at a moment (Unix seconds)."""

    moment: int
    size: int


def history_of(repository: Repository, base: str, baselines: Sequence[str], *, limit: int = COMMITS) -> list[Point]:
    """Return the sizes of the baselines after each of the last commits up to `base` that changed them, oldest first."""
    points = []
    for commit, moment in repository.commits_touching(baselines, limit, upto=base):
        texts = [repository.show(commit, file) or "" for file in baselines]
        points.append(Point(moment=moment, size=sum(int(count) for text in texts for count in _COUNT.findall(text))))
    return points[::-1]


def picture(points: Sequence[Point], now: int) -> Markdown:
    """Return a Mermaid line chart of the sizes, the head's `now` at its end; empty without a history."""
    if not points:
        return Markdown("")
    days = [dt.datetime.fromtimestamp(min(point.moment, _LAST), dt.UTC).strftime("%d %b") for point in points]
    sizes = [*(point.size for point in points), now]
    # Mermaid draws points of one name as one, so each has its number.
    names = ", ".join(f'"{number}. {day}"' for number, day in enumerate(days, start=1))
    return Markdown(
        "```mermaid\nxychart-beta\n"
        '  title "Errors in the baseline"\n'
        f'  x-axis [{names}, "now"]\n'
        f"  y-axis 0 --> {max(*sizes, 1)}\n"
        f"  line [{', '.join(map(str, sizes))}]\n```\n"
    )
