"""What a restore would throw away, told before it happens (P9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pyhelpers.backups.manifest import Manifest
from pyhelpers.errors import NothingChanged

NEWEST_SHOWN = 5  # tables; enough to see whether anybody was at work


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a restore would throw away, table by table: rows then and now. Changed rows can't be counted from outside.

    `newest` is when tables were last written, by their own columns: where it is later than the backup, rows may be lost
    that no count shows.
    """

    tables: dict[str, tuple[int, int]]
    newest: Mapping[str, str] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """Rows that are there now and weren't then."""
        return sum(max(now - then, 0) for then, now in self.tables.values())

    @property
    def removed(self) -> int:
        """Rows that were there then and aren't now: a restore brings them back, which somebody may not want."""
        return sum(max(then - now, 0) for then, now in self.tables.values())

    @property
    def rows(self) -> int:
        """Both together: what has to be accepted."""
        return self.written + self.removed

    def __str__(self) -> str:
        """Return it in words."""
        back = f" and bring back {self.removed} that were removed" if self.removed else ""
        return f"discard {self.written} rows that were written since{back}"

    def lines(self) -> list[str]:
        """Return one line per table that differs, and one with those that were written last."""
        lines = [f"{name}: {then} rows then, {now} now" for name, (then, now) in sorted(self.tables.items())]
        latest = sorted(self.newest.items(), key=lambda pair: pair[1], reverse=True)[:NEWEST_SHOWN]
        return lines + ([f"last written: {', '.join(f'{table} {time}' for table, time in latest)}"] if latest else [])


class Story(Protocol):
    """Where it is told."""

    def detail(self, text: str) -> None:
        """Say it."""


def loss_between(backup: Manifest, now: dict[str, int], newest: Mapping[str, str] | None = None) -> Loss:
    """Return what would be lost by going back from `now` to the backup."""
    return loss_since(backup.tables, now, newest)


def loss_since(then: Mapping[str, int], now: Mapping[str, int], newest: Mapping[str, str] | None = None) -> Loss:
    """Return what would be lost by going back to where each table had as many rows as `then`."""
    pairs = {name: (then.get(name, 0), now.get(name, 0)) for name in {*then, *now}}
    return Loss(tables={name: pair for name, pair in pairs.items() if pair[0] != pair[1]}, newest=newest or {})


def tell(story: Story, loss: Loss, name: str) -> None:
    """Say what restoring `name` would discard, before it happens (P9)."""
    story.detail(f"restoring {name} would {loss}; changed rows can't be counted")
    for line in loss.lines():
        story.detail(line)


def accepted(loss: Loss, backup: str, *, rows: int) -> int:
    """Return the rows that will be thrown away; raises `NothingChanged` when that is more than the `rows` accepted."""
    if loss.rows > rows:
        raise NothingChanged(
            f"restoring {backup} would {loss}, and accept-loss is {rows}",
            remedy=f"Give `accept-loss: {loss.rows}` if that is what you want. The state of now stays in the attic.",
            details="\n".join(loss.lines()),
        )
    return loss.rows
