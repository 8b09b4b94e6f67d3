"""`belay.toml` in the app's repository: the inputs that are the same in every workflow, as click's `default_map`.

Keys at the top hold for every environment; a table such as `[production]`, chosen by the input `environment`, adds to
them and wins over them. Keys are the inputs' own names. Secrets have no place in a file that is committed.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhelpers.errors import BadInput
from pyhelpers.runner.masks import URL_PASSWORD

FILE = "belay.toml"

_SECRET_KEY = re.compile(r"^ssh-key$|^identity$|secret|token|passw|passphrase|private-key|api-key|credential")
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|\bgh[pousr]_\w{20}|\bgithub_pat_\w{20}"
)
_HEADER = re.compile(r"\s*\[\[?(.+?)\]\]?\s*(?:#|$)")
_WORDS: dict[type, str] = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def load_defaults(
    folder: Path, environment: str, known: Mapping[str, type], *, config: Path | None = None
) -> dict[str, Any]:
    """Return the defaults that `belay.toml` in `folder` (or the file `config`, from BELAY_CONFIG) gives.

    `known` names every input and its type (`str`, `int`, `float` or `bool`). In the result the names are click's: `_`
    for `-`. A list becomes text, one item a line. Without a file there are no defaults; without an `environment` only the top of the file counts.

    Raises `BadInput` (with file, line and key) for a key that is no input, a value of the wrong type, a secret, an
    environment without a table beside others that have one, and a file that can't be read. Every table is checked,
    also those not chosen.
    """
    path = folder / (config or FILE)
    source = _read(path, required=config is not None)
    if source is None:
        return {}
    try:
        document = tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(path.name, f"is not TOML: {error}", remedy="See https://toml.io for how to write it.") from error

    file = _File(path.name, source)
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name in known:
            raise BadInput(file.place("", name), "is an input, and a table's name must be an environment's")
    defaults = {key: file.value("", key, value, known) for key, value in document.items() if key not in tables}
    checked = {
        name: {key: file.value(name, key, value, known) for key, value in table.items()}
        for name, table in tables.items()
    }
    if environment and checked and environment not in checked:
        raise BadInput(
            f"{file.name}: [{environment}]",
            f"there is no such table; there {'are' if len(checked) > 1 else 'is'} {', '.join(f'[{n}]' for n in checked)}",
            remedy=_nearest(environment, checked)
            or f"Add a line [{environment}], with nothing under it if the keys at the top of the file are enough.",
        )
    defaults |= checked.get(environment, {})
    return {key.replace("-", "_"): value for key, value in defaults.items()}


def _read(path: Path, *, required: bool) -> str | None:
    """Return the file's text, or None when there is no file and none was asked for."""
    try:
        return path.read_bytes().decode("utf-8-sig")  # editors on Windows put a mark in front, which TOML forbids
    except FileNotFoundError as error:
        if not required:
            return None
        raise BadInput("BELAY_CONFIG", f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise BadInput(path.name, "is not UTF-8", remedy="Save it in UTF-8.") from error
    except OSError as error:
        raise BadInput(path.name, f"can't be read: {error.strerror}") from error


@dataclass(frozen=True)
class _File:
    """The file's name and text, for messages that say where."""

    name: str
    source: str

    def value(self, table: str, key: str, value: object, known: Mapping[str, type]) -> object:
        """Return a key's checked value, as click takes it. The value itself never gets into a message."""
        place = self.place(table, key)
        if _SECRET_KEY.search(_kebab(key)):
            raise BadInput(
                place,
                "is a secret, and this file is committed for everybody to read",
                remedy="Remove it here, give it by the workflow's secrets, and change it: it is in the history now.",
            )
        if key not in known:
            raise BadInput(place, "is not an input", remedy=_nearest(_kebab(key), known))
        if isinstance(value, list):
            value = self._text_of_list(place, value)
        expected = known[key]
        # A bool is an int to Python, but `port = true` is a mistake.
        matches = isinstance(value, bool) if expected is bool else not isinstance(value, bool)
        if not (matches and isinstance(value, int | float if expected is float else expected)):
            raise BadInput(place, f"must be {_WORDS[expected]}, not {_kind(value)}")
        if isinstance(value, str) and (_SECRET_VALUE.search(value) or URL_PASSWORD.search(value)):
            raise BadInput(
                place,
                "holds a password or a key, and this file is committed for everybody to read",
                remedy="Remove it here, give it by the workflow's secrets, and change it: it is in the history now.",
            )
        return value

    def _text_of_list(self, place: str, items: list[Any]) -> str:
        if not all(isinstance(item, str) and len(item.splitlines()) <= 1 for item in items):
            raise BadInput(place, "must be a list of texts in quotes, each of one line")
        return "\n".join(items)

    def place(self, table: str, key: str) -> str:
        """Return `belay.toml:3: [production] port`; without the line where it isn't plain to see."""
        number = self._line(table, key)
        return f"{self.name}{f':{number}' if number else ''}: {f'[{table}] ' if table else ''}{key}"

    def _line(self, table: str, key: str) -> int:
        """Return the number of the one line that sets `key` in `table`, or 0 when none or several look like it."""
        sets = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
        current = ""
        found = []
        for number, line in enumerate(self.source.splitlines(), start=1):
            if header := _HEADER.match(line):
                current = re.sub(r"[\"'\s]", "", header[1])
                if current == (f"{table}.{key}" if table else key):
                    found.append(number)
            elif current == table and sets.match(line):
                found.append(number)
        return found[0] if len(found) == 1 else 0


def _kebab(key: str) -> str:
    return key.replace("_", "-").lower()


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return the question for a slip of the pen, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f'Did you mean "{near[0]}"?' if near else ""


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    for kind in (bool, str, int, float):
        if isinstance(value, kind):
            return {bool: "true or false", str: "text", int: "a whole number", float: "a number"}[kind]
    return "a date or a time"
