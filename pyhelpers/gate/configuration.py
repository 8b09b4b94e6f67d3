"""The configuration as it stands in the files, read without running any of it: of the base and of the head alike."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyhelpers.gate.ignores import Ignore, entries_of, ignores_in
from pyhelpers.gate.neon import NotNeon, read_neon
from pyhelpers.gate.php_baseline import NotABaseline, entries_of_php

_BASELINE = re.compile(r"\s*parameters:\n\tignoreErrors:(?: \[\])?\n(?:\t\t.*\n|\n)*\Z")
_DEEPEST = 32  # includes in includes


@dataclass(kw_only=True)
class Configuration:
    """What the files say. Paths are from the repository's root.

    `files`: those in the repository, the chosen one first. `outside`: what they include from packages. `ignores`: by
    file. `services`: named ones by name, others by what they are. `unread`: files that can't be read without running
    them, or at all, with the reason. `parameters`: level and switches, as far as the files name them.
    """

    files: list[str] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    ignores: dict[str, list[Ignore]] = field(default_factory=dict)
    rules: set[str] = field(default_factory=set)
    services: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def chosen(self) -> str:
        """The file that PHPStan begins with; `""` where there is none."""
        return self.files[0] if self.files else ""

    @property
    def all_ignores(self) -> list[Ignore]:
        """The ignores of all files."""
        return [ignore for listed in self.ignores.values() for ignore in listed]

    @property
    def baselines(self) -> list[str]:
        """The files that hold entries of a baseline."""
        return [file for file, listed in self.ignores.items() if any(ignore.is_entry for ignore in listed)]

    def place(self, ignore: Ignore) -> str:
        """Return the file in which something is ignored."""
        wanted = (ignore.path, ignore.identifier, ignore.message)
        for file, listed in self.ignores.items():
            if any((each.path, each.identifier, each.message) == wanted for each in listed):
                return file
        return ""


def read_configuration(root: Path, chosen: Path | None, *, tracked: frozenset[str] | None) -> Configuration:
    """Return what the configuration file `chosen` (absolute, or None) and all that it includes in `root` say.

    `tracked` are the files that git follows; other ones below a folder `vendor` are those of packages. None: all are.
    """
    configuration = Configuration()
    if chosen is not None:
        _read(root.resolve(), chosen, configuration, 0, tracked)
    return configuration


def _read(root: Path, file: Path, into: Configuration, depth: int, tracked: frozenset[str] | None) -> None:
    name = _inside(root, file)
    if name is None or ("vendor" in Path(name).parts and tracked is not None and name not in tracked):
        into.outside.add(_package_path(str(file)))
        return
    if name in into.files:
        return
    into.files.append(name)
    try:
        if depth > _DEEPEST:
            raise NotNeon("is included too deep")
        text = file.read_text("utf-8")
        if file.suffix == ".php":
            into.ignores[name] = entries_of_php(text, posixpath.dirname(name))
            return
        _take(root, file, name, text, into, depth, tracked)
    except (NotNeon, NotABaseline, OSError, UnicodeDecodeError) as error:
        into.unread[name] = str(error)


def _take(
    root: Path, file: Path, name: str, text: str, into: Configuration, depth: int, tracked: frozenset[str] | None
) -> None:
    folder = posixpath.dirname(name)
    if _BASELINE.match(text):
        into.ignores[name] = entries_of(text, folder)  # the quick way, for what is nothing but a baseline
        return
    document = read_neon(text)
    if document is None:
        return
    if not isinstance(document, dict):
        raise NotNeon("is no map of sections")
    parameters = document.get("parameters")
    if isinstance(parameters, dict):
        into.ignores[name] = list(ignores_in(parameters, folder))
        # A file is read before those that it includes, and wins over them.
        into.parameters = parameters | into.parameters
    _sections(document, into)
    for included in _texts(document.get("includes")):
        if "%" in included or "://" in included:  # PHPStan's own folder, and files inside its archive
            into.outside.add(included)
            continue
        _read(root, (file.parent / included).resolve(), into, depth + 1, tracked)


def _sections(document: dict[str, Any], into: Configuration) -> None:
    for key, value in document.items():
        section = key.removesuffix("!")
        if section == "rules":
            into.rules |= set(_texts(value))
        elif section == "services":
            for service, what in _pairs(value):
                into.services[service] = what
        elif section == "extensions":  # of the container: they may replace any service
            for service, what in _pairs(value):
                into.services[f"the extension {service}"] = what
        elif section == "conditionalTags":
            for tagged, what in _pairs(value):
                into.tags[tagged] = what


def _pairs(section: object) -> Iterator[tuple[str, str]]:
    """Give the named items of a section, and the others under what they are."""
    items = section.items() if isinstance(section, dict) else enumerate(section) if isinstance(section, list) else ()
    for name, value in items:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        yield (text if isinstance(name, int) or str(name).isdigit() else str(name)), text


def _texts(value: object) -> list[str]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


def _inside(root: Path, file: Path) -> str | None:
    try:
        return file.resolve().relative_to(root).as_posix()
    except ValueError:
        return None


def _package_path(path: str) -> str:
    """Return a package's file as `vendor/owner/name/…`, wherever the packages lie."""
    before, separator, after = path.rpartition("/vendor/")
    return f"vendor/{after}" if separator and before else path
