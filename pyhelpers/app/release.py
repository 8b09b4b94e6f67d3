"""A release: its name, and how it stands on the host."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyhelpers.errors import BadInput

FIELDS = 3  # name, state, and what `releases.sh list` adds for people
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # as releases.sh


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release on the host; `state` is current, good, failed or unfinished."""

    name: str
    state: str


def check_release(name: str) -> None:
    """Raise `BadInput` for what can't be a release's name (names reach paths on the host)."""
    if not _RELEASE.fullmatch(name):
        raise BadInput("release", f"`{name[:80]}` is no release's name", remedy="e.g. `20260131T235959Z-0123abc`.")


def releases_in(text: str) -> list[Release]:
    """Return the releases in what `releases.sh list` printed, in its order; lines that are none are left out."""
    lines = (line.split("\t") for line in text.split("\n"))
    return [Release(name=words[0], state=words[1]) for words in lines if len(words) == FIELDS]
