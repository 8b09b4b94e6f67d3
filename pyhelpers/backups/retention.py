"""Which backups may go: a pure function over the list, no clock, no host; and letting them go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import median

from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import Stepper
from pyhelpers.backups.manifest import LEVELS, Manifest

TINY = 10  # a backup with less than a tenth of the usual rows was made of something else than the app's full database


def counting(backups: Sequence[Manifest], *, keep: int) -> list[Manifest]:
    """Return the backups that count towards `keep`, newest first: proven ones that aren't tiny beside their neighbours.

    What is usual is the median of the newest 2 x `keep` proven ones, so that a database that really shrank counts again
    once most of its backups are small.
    """
    proven = [one for one in sorted(backups, key=lambda one: one.name, reverse=True) if one.proven()]
    usual = median(one.rows for one in proven[: 2 * max(keep, 1)]) if proven else 0
    return [one for one in proven if one.rows * TINY >= usual]


def expired(backups: Sequence[Manifest], *, keep: int, pinned: frozenset[str] = frozenset()) -> list[str]:
    """Return the names of the backups that may be deleted, newest first: what is older than the newest `keep` that count.

    Each database is looked at by itself, so that backups of one never push out those of another. Only those of `counting` count, so that a row of failed or empty ones can't push out a good one; fewer than `keep`
    of them, and nothing goes. The newest of the highest level of proof stays however old it is. The last proven one is
    never returned (P4). `backups` may come in any order.
    """
    databases = {(one.engine, one.database) for one in backups}
    gone = [
        name
        for database in databases
        for name in _expired([one for one in backups if (one.engine, one.database) == database], keep, pinned)
    ]
    return sorted(gone, reverse=True)


def _expired(backups: Sequence[Manifest], keep: int, pinned: frozenset[str]) -> list[str]:
    newest_first = sorted(backups, key=lambda one: one.name, reverse=True)
    kept = counting(newest_first, keep=keep)[: max(keep, 1)]
    if len(kept) < max(keep, 1):
        return []
    best = max(newest_first, key=lambda one: (LEVELS.index(one.verification), one.name))
    return [one.name for one in newest_first if one.name < kept[-1].name and one.name not in {best.name, *pinned}]


def prune(deploy: Stepper, catalogue: Catalogue, keep: int, *, deployments: Collection[str] = ()) -> list[str]:
    """Delete the backups that may go, and return their names; one that can't be deleted is told and stays.

    Backups made by `deployments` are pinned: those of the release that is live and of the one before it are the way back.
    The manifest goes first: a backup that is half deleted must not look like one.
    """
    gone: list[str] = []
    every = catalogue.all()
    pinned = frozenset(one.name for one in every if one.deployment in deployments)
    for name in expired(every, keep=keep, pinned=pinned):
        folder = f"{catalogue.folder}/{name}"
        result = deploy.agent.ask(["sh", "-c", 'rm -f -- "$1/manifest.json" && rm -rf -- "$1"', "prune", folder])
        if result.ok:
            gone.append(name)
        else:
            deploy.story.warning(f"{name} can't be deleted: {result.error_text.strip()}", title="Old backup stays")
    return gone
