"""What a restore would throw away, told before it happens (P9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pyhelpers.databases.engine import Database
from pyhelpers.errors import NothingChanged

NEWEST_SHOWN = 5  # tables; enough to see whether anybody was at work
BLIND_SHOWN = 5  # tables


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a restore would throw away, table by table: rows then and now, of those that differ.

    It is the least that can be known from outside. Changed rows can't be counted. In `added` are the rows whose key is
    above the highest one of then; a table that isn't in it has no key that is counted up, or the backup noted none: there, rows that were
    removed and as many that were added make no difference (`blind`). `newest` is when tables were last written, by their
    own columns: where it is later than the backup, rows may be lost that no count shows.
    """

    tables: dict[str, tuple[int, int]]
    newest: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, int] = field(default_factory=dict)
    blind: tuple[str, ...] = ()

    def written_to(self, table: str) -> int:
        """Rows of one table that are there now and weren't then."""
        then, now = self.tables[table]
        return max(now - then, self.added.get(table, 0), 0)

    @property
    def written(self) -> int:
        """Rows that are there now and weren't then."""
        return sum(map(self.written_to, self.tables))

    @property
    def removed(self) -> int:
        """Rows that were there then and aren't now: a restore brings them back, which somebody may not want."""
        return sum(self.written_to(table) - (now - then) for table, (then, now) in self.tables.items())

    @property
    def rows(self) -> int:
        """Both together: what has to be accepted."""
        return self.written + self.removed

    def __str__(self) -> str:
        """Return it in words."""
        if not self.rows:
            return "discard no row that can be counted"
        back = f" and bring back {self.removed} that {were(self.removed)} removed" if self.removed else ""
        return f"discard {rows(self.written)} that {were(self.written)} written since{back}"

    @property
    def unknown(self) -> str:
        """What can't be counted, in words: it is never nothing."""
        if not self.blind:
            return "changed rows can't be counted"
        names = ", ".join(self.blind[:BLIND_SHOWN]) + (", …" if len(self.blind) > BLIND_SHOWN else "")
        return (
            "changed rows can't be counted; nor rows that were removed where as many were added, in tables whose keys "
            f"don't tell ({names})"
        )

    def lines(self) -> list[str]:
        """Return one line per table that differs, and one with those that were written last."""
        lines = [
            f"{name}: {then} rows then, {now} now"
            + (f", {self.added[name]} of them added since" if name in self.added else "")
            for name, (then, now) in sorted(self.tables.items())
        ]
        latest = sorted(self.newest.items(), key=lambda pair: pair[1], reverse=True)[:NEWEST_SHOWN]
        return lines + ([f"last written: {', '.join(f'{table} {time}' for table, time in latest)}"] if latest else [])


def rows(count: int) -> str:
    """Return `1 row`, `2 rows`."""
    return f"{count} row{'' if count == 1 else 's'}"


def were(count: int) -> str:
    """Return the verb that fits."""
    return "was" if count == 1 else "were"


class Story(Protocol):
    """Where it is told."""

    def detail(self, text: str) -> None:
        """Say it."""


def measure(database: Database, then: Mapping[str, int], tops: str) -> Loss:
    """Return what would be lost now by going back to where each table had as many rows as `then`.

    `tops` is the file on the host with the highest keys of then; where it is missing, only rows are compared.
    """
    return loss_since(then, database.counts(), database.newest(), database.since(tops))


def loss_since(
    then: Mapping[str, int],
    now: Mapping[str, int],
    newest: Mapping[str, str] | None = None,
    added: Mapping[str, int] | None = None,
) -> Loss:
    """Return what would be lost by going back from `now` to `then`, both as rows of each table; pure."""
    added = added or {}
    pairs = {name: (then.get(name, 0), now.get(name, 0)) for name in {*then, *now}}
    # A table that was empty then, or is now, hides nothing.
    blind = sorted(name for name, pair in pairs.items() if all(pair) and name not in added)
    differ = {name: pair for name, pair in pairs.items() if pair[0] != pair[1] or added.get(name)}
    return Loss(
        tables=differ,
        newest=newest or {},
        added={name: added[name] for name in differ if name in added},
        blind=tuple(blind),
    )


def tell(story: Story, loss: Loss, name: str) -> None:
    """Say what restoring `name` would discard, before it happens (P9)."""
    story.detail(f"restoring {name} would {loss}; {loss.unknown}")
    for line in loss.lines():
        story.detail(line)


def accepted(loss: Loss, backup: str, *, rows: int) -> int:
    """Return the rows that will be thrown away; raises `NothingChanged` when that is more than the `rows` accepted."""
    if loss.rows > rows:
        raise NothingChanged(
            f"restoring {backup} would {loss}, and accept-loss is {rows}",
            remedy=f"Give `accept-loss: {loss.rows}` if that is what you want. The state of now stays in the attic.",
            details="\n".join([*loss.lines(), loss.unknown]),
        )
    return loss.rows
