"""Entries of a baseline that nothing needs any more, and the patch that takes them out."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyhelpers.gate.finding import Finding
from pyhelpers.gate.ignores import Ignore, plain

# What PHPStan says of an entry (`… pattern #…# (identifier) in path … was not matched …`), and of one that hides too much.
_UNMATCHED = re.compile(r"^Ignored error pattern (?P<what>.*) was not matched in reported errors\.$", re.DOTALL)
_FEWER = re.compile(
    r"^Ignored error pattern (?P<what>.*) is expected to occur \d+ times?, but occurred only (?P<count>\d+) times?\.$",
    re.DOTALL,
)
_NEON = re.compile(
    r"^\t\t-\n\t\t\t(?:message|rawMessage): '(?P<message>(?:[^'\n]|'')*)'\n(?:\t\t\tidentifier: (?P<identifier>[\w.]+)\n)?"
    r"\t\t\tcount: (?P<count>\d+)\n\t\t\tpath: (?P<path>[^\n]+)\n\n?",
    re.MULTILINE,
)
_PHP = re.compile(
    r"^\$ignoreErrors\[\] = \[\n\t'(?:message|rawMessage)' => '(?P<message>(?:[^'\\]|\\.)*)',\n"
    r"(?:\t'identifier' => '(?P<identifier>[^'\n]*)',\n)?\t'count' => (?P<count>\d+),\n"
    r"\t'path' => __DIR__ \. '/?(?P<path>[^'\n]*)',\n\];\n",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Stale:
    """An entry of the baseline `file` that is no longer needed, or (`count` over 0) only that often."""

    file: str
    ignore: Ignore
    count: int = 0


def stale_entries(
    ignores: Mapping[str, Sequence[Ignore]], findings: Iterable[Finding], texts: Iterable[str], root: Path
) -> list[Stale]:
    """Return the entries that PHPStan calls stale, and those whose file is gone (for which a fresh PHPStan gives up)."""
    said = [*texts, *(finding.message for finding in findings if finding.stale)]
    unmatched = {match["what"] for text in said if (match := _UNMATCHED.match(text))}
    fewer = {match["what"]: int(match["count"]) for text in said if (match := _FEWER.match(text))}
    exists: dict[str, bool] = {}
    found: list[Stale] = []
    for file, listed in ignores.items():
        for ignore in listed:
            if ignore.path and ignore.path not in exists:
                exists[ignore.path] = any(char in ignore.path for char in "*?[") or os.path.exists(root / ignore.path)  # noqa: PTH110  # Path.exists raises for a name that is too long
            what = _as_phpstan_says(ignore, root)
            if what in unmatched or (ignore.path and not exists[ignore.path]):
                found.append(Stale(file=file, ignore=ignore))
            elif what in fewer and ignore.is_entry:
                found.append(Stale(file=file, ignore=ignore, count=fewer[what]))
    return found


def _as_phpstan_says(ignore: Ignore, root: Path) -> str:
    what = ignore.message or ignore.identifier
    if ignore.message and ignore.identifier:
        what += f" ({ignore.identifier})"
    return f"{what} in path {root / ignore.path}" if ignore.path else what


def patch(stale: Iterable[Stale], read: Callable[[str], str | None]) -> str:
    """Return the patch (for `git apply`) that takes the stale entries out of the baselines that PHPStan wrote.

    `read` gives a file's text. Entries that people wrote are left to people.
    """
    by_file: dict[str, list[Stale]] = {}
    for entry in stale:
        by_file.setdefault(entry.file, []).append(entry)
    return "".join(piece for file, listed in sorted(by_file.items()) for piece in _of_file(file, listed, read(file)))


def _of_file(file: str, listed: Sequence[Stale], text: str | None) -> Iterator[str]:
    if text is None:
        return
    php = file.endswith(".php")
    wanted = {(entry.ignore.message, entry.ignore.identifier, entry.ignore.path): entry.count for entry in listed}
    folder = file.rpartition("/")[0]

    def mended(match: re.Match[str]) -> str:
        message = re.sub(r"\\([\\'])", r"\1", match["message"]) if php else match["message"].replace("''", "'")
        message = plain(message)
        path = f"{folder}/{match['path']}" if folder else match["path"]
        count = wanted.get((message, match["identifier"] or "", path))
        if count is None:
            return match[0]
        if not count:
            return ""
        begin, end = match.start("count") - match.start(), match.end("count") - match.start()
        return f"{match[0][:begin]}{count}{match[0][end:]}"

    new = (_PHP if php else _NEON).sub(mended, text)
    if not php and not _NEON.search(new):
        new = re.sub(r"(\tignoreErrors:)\s*\Z", r"\1 []\n", new)
    if new != text:
        yield from difflib.unified_diff(
            text.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{file}", f"b/{file}"
        )
