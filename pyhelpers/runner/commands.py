"""GitHub's workflow commands: `::error title=…::message` and its relatives, escaped and within GitHub's limits.

The runner takes two spellings for commands: `::name …::` at the start of a line, and the older `##[name …]` anywhere in
it (actions/runner, ActionCommand.TryParseV2 and TryParse). Text that is not ours (what a host printed) must never be
read as either, so it goes through `inert` or `defused`.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pyhelpers.runner.console import Console

Level = Literal["error", "warning", "notice"]

MESSAGE_LIMIT = 4096  # UTF-16 units, as .NET counts; actions/runner, ExecutionContext: _maxIssueMessageLength
TITLE_LIMIT = 255  # GitHub's REST documentation, "Create a check run": annotations[].title
ANNOTATION_LIMIT = 10  # per kind and step; actions/runner, ExecutionContext: _maxCountPerIssueType

_LINE_END = re.compile(r"\r\n|\r|\n")  # what .NET's ReadLine takes for one
# Characters without a shape between the signs would not keep a culture-aware comparison from seeing `##[`.
_OLD_COMMAND = re.compile(r"#([^\x20-\x7e]*)#([^\x20-\x7e]*)\[")
_NEW_COMMAND = re.compile(r"^([^\x21-\x7e]*):([^\x21-\x7e]*):")


def escape_data(text: str) -> str:
    """Return `text` as a command's message: `%`, CR and LF are percent-encoded."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Return `text` as the value of a command's property: as a message, and `:` and `,` too."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def command(name: str, data: str = "", **properties: str) -> str:
    """Return the line of a workflow command, its end included; properties that are empty are left out."""
    pairs = ",".join(f"{key}={escape_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if pairs else ''}{pairs}::{escape_data(data)}\n"


def lines(text: str) -> list[str]:
    """Return the lines of `text` as the runner would cut them: at CR, LF and CRLF, and nowhere else."""
    return _LINE_END.split(text)


def defused(line: str) -> str:
    """Return one line such that the runner can't take it for a command; a reader hardly sees the difference."""
    line = _NEW_COMMAND.sub(r"\1: \2:", line)
    return _OLD_COMMAND.sub(r"#\1#\2 [", line)


def inert(text: str) -> str:
    """Return `text` unchanged, between lines that switch commands off and on again.

    The switch is a random 128-bit token that does not occur in the text. Write the whole in one piece: a command of
    ours in between would be switched off too.
    """
    token = secrets.token_hex(16)
    while token in text.lower():  # the runner compares it without regard to case
        token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}\n::{token}::\n"


def shortened(text: str, limit: int, hint: str = "…") -> str:
    """Return `text` in at most `limit` UTF-16 units, ending in `hint` when it was cut, never inside a character."""
    if _units(text) <= limit:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - _units(hint))]
    return kept.decode("utf-16-le", "ignore") + hint  # "ignore" drops the first half of a character that was cut


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A message that GitHub shows on the page of the run (and beside the code, when it names a file)."""

    level: Level
    message: str
    title: str = ""
    file: str = ""  # relative to the repository's root
    line: int = 0  # from 1; 0: not about a line


class Commands:
    """The commands of one step, with the count of its annotations."""

    def __init__(self, console: Console) -> None:
        """Take the console that the runner reads."""
        self._console = console
        self._lock = threading.RLock()
        self._shown: Counter[Level] = Counter()
        self._depth = 0
        self.diverted: list[Annotation] = []  # what GitHub would have dropped; it belongs into the summary

    def error(self, title: str, message: str, *, file: str = "", line: int = 0, final: bool = False) -> None:
        """Print an error; `final` is for the one that ends the step, for which the last place is kept free."""
        self.annotate(Annotation(level="error", title=title, message=message, file=file, line=line), final=final)

    def warning(self, title: str, message: str, *, file: str = "", line: int = 0) -> None:
        """Print a warning."""
        self.annotate(Annotation(level="warning", title=title, message=message, file=file, line=line))

    def notice(self, title: str, message: str, *, file: str = "", line: int = 0) -> None:
        """Print a notice."""
        self.annotate(Annotation(level="notice", title=title, message=message, file=file, line=line))

    def annotate(self, annotation: Annotation, *, final: bool = False) -> None:
        """Print an annotation; from the tenth of its kind on (GitHub drops the eleventh) a plain line in the log.

        Those go into `diverted` as well. A message that is too long is cut, and follows whole in the log.
        """
        with self._lock:
            level = annotation.level
            if self._shown[level] >= ANNOTATION_LIMIT - (0 if final else 1):
                self._divert(annotation)
                return
            self._shown[level] += 1
            message = shortened(annotation.message, MESSAGE_LIMIT, " … (cut here; the whole text is in the log)")
            line = command(
                level,
                message,
                title=shortened(annotation.title, TITLE_LIMIT),
                file=annotation.file,
                line=str(annotation.line or ""),
            )
            self._console.write(line + (inert(annotation.message) if message != annotation.message else ""))

    def _divert(self, annotation: Annotation) -> None:
        hint = ""
        if not any(other.level == annotation.level for other in self.diverted):
            hint = (
                f" (GitHub shows {ANNOTATION_LIMIT} {annotation.level}s per step; more follow here and in the summary)"
            )
        self.diverted.append(annotation)
        place = f"{annotation.file}:{annotation.line}" if annotation.file else ""
        head = ": ".join(part for part in (annotation.level, annotation.title, place) if part)
        first, *rest = lines(annotation.message)
        plain = [f"{head}: {first}{hint}", *(f"  | {line}" for line in rest)]
        self._console.write("".join(f"{defused(' '.join(lines(line)))}\n" for line in plain))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is printed inside. GitHub knows no groups in groups: an inner one is only a headline."""
        with self._lock:
            self._depth += 1
            outermost = self._depth == 1
            self._console.write(command("group", title) if outermost else f"{defused(' '.join(lines(title)))}\n")
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if outermost:
                    self._console.write(command("endgroup"))

    def untrusted(self, text: str) -> None:
        """Print text that is not ours as it is, with commands in it switched off."""
        self._console.write(inert(text))
