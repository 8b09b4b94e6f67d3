"""Which files PHPStan analyses, worked out from its own resolved parameters."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def analysed_files(root: Path, project: Path, parameters: Mapping[str, Any], paths: Sequence[str]) -> frozenset[str]:
    """Return the files that are analysed, from the repository's root.

    `paths` on the command line stand in for those of the configuration. Follows PHPStan's FileFinder and FileExcluder:
    every file with one of `fileExtensions` below a path, but for what `excludePaths` names, by folder, file or pattern
    (in which `*` crosses slashes); files that are named themselves need no extension.
    """
    endings = tuple(f".{ending}" for ending in _texts(parameters.get("fileExtensions")) or ["php"])
    excluded = _excluder(_excludes(parameters))
    found: set[str] = set()
    for path in paths or _texts(parameters.get("paths")):
        for file in _below(Path(os.path.normpath(project / path)), endings):
            if not excluded(file):
                found.add(_from(root, file))
    return frozenset(found)


def exclude_entries(parameters: Mapping[str, Any], root: Path) -> set[str]:
    """Return what `excludePaths` names, from the repository's root."""
    return {_from(root, path) for path in _excludes(parameters)}


def _excludes(parameters: Mapping[str, Any]) -> list[str]:
    given = parameters.get("excludePaths")
    listed = [path for part in given.values() for path in _texts(part)] if isinstance(given, dict) else _texts(given)
    return [path.removesuffix(" (?)") for path in listed]


def _excluder(entries: Sequence[str]) -> Callable[[str], bool]:
    patterns = [re.compile(fnmatch.translate(entry)) for entry in entries if any(char in entry for char in "*?[")]
    plain = [entry.rstrip("/") for entry in entries if not any(char in entry for char in "*?[")]

    def excluded(file: str) -> bool:
        return any(file == path or file.startswith(f"{path}/") for path in plain) or any(
            pattern.match(file) for pattern in patterns
        )

    return excluded


def _below(path: Path, endings: tuple[str, ...]) -> Iterator[str]:
    if path.is_file():
        yield str(path)
    for folder, inner, files in os.walk(path):
        inner[:] = [name for name in inner if name not in {".git", ".svn", "CVS"}]
        yield from (f"{folder}/{name}" for name in files if name.endswith(endings))


def _from(root: Path, path: str) -> str:
    return path.removeprefix(f"{root}/")


def _texts(value: object) -> list[str]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and "\0" not in item]
