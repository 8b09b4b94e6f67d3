"""The ratchet: a baseline may shrink, and nothing else."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.ignores import Ignore

_NAME = re.compile(r"\w+")
SHOWN = 50  # entries that are named one by one; the report holds all


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How two baselines differ: entries (with the count by which they grew) that are new, and that are gone."""

    added: tuple[Ignore, ...]
    removed: tuple[Ignore, ...]


def growth(base: Iterable[Ignore], head: Iterable[Ignore], renames: Mapping[str, str]) -> Growth:
    """Return what the head's entries add to the base's and take away, counted per file, identifier and message.

    Files are followed by git's renames; where one moved, the names of its class and namespace in a message are, too.
    """
    before = _counted(replace(entry, path=renames.get(entry.path, entry.path)) for entry in base if entry.is_entry)
    after = _counted(entry for entry in head if entry.is_entry)
    added, removed = after - before, before - after
    if renames and added and removed:
        _pair_renamed(added, removed, _renamed_words(renames))
    return Growth(added=_listed(added), removed=_listed(removed))


def audit_baseline(grown: Growth, *, mode: str, place: Callable[[Ignore], str]) -> list[Bypass]:
    """Return the complaints about a baseline: under `shrink` each entry that was added, under `frozen` each that differs.

    `free` reports what was added and refuses nothing. `place` says where an entry stands.
    """
    found = [
        Bypass(
            rule="baseline-grew",
            severity="report" if mode == "free" else "refuse",
            place=place(entry),
            what=f"The baseline hides more than before: {entry.words}.",
            remedy="Mend the error; a baseline may only shrink.",
        )
        for entry in grown.added
    ]
    if mode == "frozen":
        found += [
            Bypass(
                rule="baseline-changed",
                severity="refuse",
                place="",
                what=f"The baseline is frozen, and an entry is gone: {entry.words}.",
                remedy="Leave the baseline as it is, or set `baseline: shrink`.",
            )
            for entry in grown.removed
        ]
    return found


def _counted(entries: Iterable[Ignore]) -> Counter[tuple[str, str, str]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for entry in entries:
        counts[entry.path, entry.identifier, entry.message] += entry.count
    return counts


def _listed(counts: Counter[tuple[str, str, str]]) -> tuple[Ignore, ...]:
    return tuple(
        Ignore(path=path, identifier=identifier, message=message, count=count)
        for (path, identifier, message), count in sorted(counts.items())
    )


def _renamed_words(renames: Mapping[str, str]) -> dict[str, set[str]]:
    """Return by which words a class or a namespace may have been replaced, from the names of files and folders."""
    words: dict[str, set[str]] = {}
    for old, new in renames.items():
        before, after = (posixpath.splitext(path)[0].split("/") for path in (old, new))
        for one, other in zip(reversed(before), reversed(after), strict=False):
            if one != other:
                words.setdefault(one, set()).add(other)
    return words


def _pair_renamed(
    added: Counter[tuple[str, str, str]], removed: Counter[tuple[str, str, str]], words: Mapping[str, set[str]]
) -> None:
    """Take away what is the same entry under a renamed class: the messages differ in nothing but the renamed words."""
    gone: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for key in removed:
        gone.setdefault((key[0], key[1], _NAME.sub("", key[2])), []).append(key)
    for key in list(added):
        for old in gone.get((key[0], key[1], _NAME.sub("", key[2])), ()):
            same = min(added[key], removed[old])
            if same and _same_but_for(old[2], key[2], words):
                added[key] -= same
                removed[old] -= same
    for counts in (added, removed):
        for key in [key for key, count in counts.items() if count <= 0]:
            del counts[key]


def _same_but_for(old: str, new: str, words: Mapping[str, set[str]]) -> bool:
    return all(
        one == other or other in words.get(one, ())
        for one, other in zip(_NAME.findall(old), _NAME.findall(new), strict=True)
    )
