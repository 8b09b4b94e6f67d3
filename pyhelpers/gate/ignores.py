"""What a configuration tells PHPStan to ignore: entries of baselines, and patterns without a limit."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyhelpers.gate.neon import NotNeon, read_neon

_ENTRY = r"""\t\t-\n\t\t\t(?:message|rawMessage): ('(?:[^'\n]|'')*')\n(?:\t\t\tidentifier: ([\w.]+)\n)?\t\t\tcount: (\d{1,9})\n\t\t\tpath: ([^\s'"\#%{}\[\](),]+)\n"""
_GENERATED = re.compile(rf"\n*{_ENTRY}")  # as PHPStan writes it; nine tenths of all lines of configuration
_HEAD = re.compile(r"\s*parameters:\n\tignoreErrors:\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignore:
    """One thing to ignore. `path` is from the repository's root, `""` for everywhere; `count` 0 means without limit.

    `message` is the pattern as written, `""` for every message; `identifier` `""` for every one.
    """

    message: str
    identifier: str
    path: str
    count: int

    @property
    def is_entry(self) -> bool:
        """Whether it is an entry of a baseline, which hides so many errors and no more."""
        return bool(self.count)

    @property
    def words(self) -> str:
        """The entry in one line, for people."""
        what = " ".join(part for part in (self.identifier, readable(self.message)) if part) or "everything"
        return f"{self.path or 'everywhere'}: {what}" + (f" ({self.count} ×)" if self.count > 1 else "")


def readable(pattern: str) -> str:
    r"""Return a message's pattern as the message: `#^Call to foo\(\)\.$#` is `Call to foo().`."""
    if len(pattern) > 4 and pattern[0] == pattern[-1] and pattern[1] == "^" and pattern[-2] == "$":  # noqa: PLR2004  # #^$#
        return re.sub(r"\\(.)", r"\1", pattern[2:-2])
    return pattern


def entries_of(text: str, folder: str) -> list[Ignore]:
    """Return what the `ignoreErrors` of a .neon file in `folder` (from the root) hold. Raises `NotNeon`."""
    head = _HEAD.match(text)
    if head:
        found, end = [], head.end()
        for match in _GENERATED.finditer(text, end):
            if match.start() != end:
                break
            end = match.end()
            found.append(
                Ignore(
                    message=plain(match[1][1:-1].replace("''", "'")),
                    identifier=match[2] or "",
                    path=_joined(folder, match[4]),
                    count=int(match[3]),
                )
            )
        if not text[end:].strip():
            return found
    document = read_neon(text)
    parameters = document.get("parameters") if isinstance(document, dict) else None
    return list(ignores_in(parameters, folder)) if isinstance(parameters, dict) else []


def ignores_in(parameters: Mapping[str, Any], folder: str) -> Iterator[Ignore]:
    """Give what `ignoreErrors` of these parameters hold, one for each path, message and identifier that an entry names.

    Raises `NotNeon` for an entry that PHPStan doesn't know.
    """
    for key in ("ignoreErrors", "ignoreErrors!"):
        listed = parameters.get(key) or []
        if not isinstance(listed, list | dict):
            raise NotNeon(f"ignoreErrors holds {listed!r:.40}")
        for entry in listed.values() if isinstance(listed, dict) else listed:
            yield from _ignores(entry, folder)


def _ignores(entry: object, folder: str) -> Iterator[Ignore]:
    if isinstance(entry, str):
        yield Ignore(message=plain(entry), identifier="", path="", count=0)
        return
    if not isinstance(entry, dict):
        raise NotNeon(f"ignoreErrors holds {entry!r:.40}")
    count = entry.get("count")
    for path in _all(entry, "path", "paths"):
        for message in _all(entry, "message", "messages", "rawMessage", "rawMessages"):
            for identifier in _all(entry, "identifier", "identifiers"):
                yield Ignore(
                    message=plain(message),
                    identifier=identifier,
                    path=_joined(folder, path) if path else "",
                    count=count if isinstance(count, int) else 0,
                )


def plain(text: str) -> str:
    """Return a text of a configuration as PHPStan has it: in NEON and in a .php file alike, `%%` stands for `%`."""
    return text.replace("%%", "%")


def _all(entry: Mapping[str, Any], *names: str) -> list[str]:
    found: list[str] = []
    for name in names:
        value = entry.get(name)
        if isinstance(value, list):
            found += [str(item) for item in value]
        elif value is not None:
            found.append(str(value))
    return found or [""]


def _joined(folder: str, path: str) -> str:
    """Return a path that a file in `folder` names, from the root; an absolute one stays."""
    return path if path.startswith("/") else posixpath.normpath(posixpath.join(folder, path))


def total(ignores: Iterable[Ignore]) -> int:
    """Return how many findings the entries hide: the size of a baseline."""
    return sum(ignore.count for ignore in ignores if ignore.is_entry)
