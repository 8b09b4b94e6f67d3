"""The story of a deploy, as it happens: one line per event, with the seconds since the start.

On GitHub: groups, annotations, plain lines. Elsewhere: plain text, coloured when a terminal reads it.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from pyhelpers.runner import masks
from pyhelpers.runner.commands import Annotation, Commands, Level, defused, lines
from pyhelpers.runner.console import Console
from pyhelpers.runner.environment import Runner

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _BLUE = "1", "2", "31", "32", "33", "34"
_LEVEL_COLOUR: dict[Level, str] = {"error": _RED, "warning": _YELLOW, "notice": _BLUE}


class Log:
    """Tells what happens. Every text is freed from known secrets first; nothing here ever raises."""

    def __init__(
        self,
        runner: Runner,
        stream: TextIO | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        known: masks.Masks = masks.PROCESS,
    ) -> None:
        """Take the stream (usually `sys.stdout`), a clock that only goes forward (seconds), and the secrets to hide."""
        self._runner = runner
        self._console = Console(stream)
        self._commands = Commands(self._console)
        self._colour = self._console.is_terminal if runner.colour is None else runner.colour
        self._clock = clock
        self._start = clock()
        self._known = known
        self._scrub = known.scrub

    @property
    def diverted(self) -> list[Annotation]:
        """The annotations that GitHub would have dropped (from the tenth of a kind on); they belong into the summary."""
        return list(self._commands.diverted)

    def mask(self, secret: str) -> None:
        """Hide `secret` from now on, here and in GitHub's log. Call it before the first use."""
        masks.mask(secret, self._runner, self._console, known=self._known)

    def step(self, text: str) -> None:
        """Say what begins."""
        self._say("==> ", text, _BOLD)

    def done(self, text: str) -> None:
        """Say what was achieved."""
        self._say(" ok ", text, _GREEN)

    def detail(self, text: str) -> None:
        """Say something that only the curious read."""
        self._say("    ", text, _DIM)

    def notice(self, message: str, *, title: str = "") -> None:
        """Say something that belongs on the page of the run."""
        self._annotate(Annotation(level="notice", title=title, message=message))

    def warning(self, message: str, *, title: str = "") -> None:
        """Say what somebody should look at."""
        self._annotate(Annotation(level="warning", title=title, message=message))

    def error(self, message: str, *, title: str = "", file: str = "", line: int = 0, final: bool = False) -> None:
        """Say what went wrong; `final` is the one that ends the step, which GitHub shows even after many others.

        One that names a `file` (from the repository's root) is shown beside the code.
        """
        self._annotate(Annotation(level="error", title=title, message=message, file=file, line=line), final=final)

    def output(self, text: str) -> None:
        """Show what another program printed. Nothing in it can act as a command to GitHub's runner."""
        if not text.strip():
            return
        if self._runner.on_github:
            self._commands.untrusted(self._scrub(text).rstrip("\r\n"))
        else:
            self._say("  | ", text.rstrip("\r\n"), _DIM)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is told inside, on GitHub; elsewhere the title is a headline."""
        if not self._runner.on_github:
            self._say("==> ", title, _BOLD)
            yield
            return
        with self._commands.group(self._scrub(title)):
            yield

    def _annotate(self, annotation: Annotation, *, final: bool = False) -> None:
        title, message = self._scrub(annotation.title), self._scrub(annotation.message)
        if self._runner.on_github:
            self._commands.annotate(replace(annotation, title=title, message=message), final=final)
        else:
            place = f"{annotation.file}:{annotation.line}" if annotation.line else annotation.file
            head = "".join(f"{part}: " for part in (annotation.level, place, title) if part)
            self._say("", head + message, _LEVEL_COLOUR[annotation.level])

    def _say(self, mark: str, text: str, colour: str) -> None:
        """Write each line of `text` with the time, and with colour codes of its own: GitHub forgets them at a line's end."""
        elapsed = f"{self._clock() - self._start:7.1f}s "
        body = ""
        for line in lines(self._scrub(text)):
            shown = defused(_visible(f"{mark}{line}")).rstrip()
            body += f"{elapsed}\x1b[{colour}m{shown}\x1b[0m\n" if self._colour else f"{elapsed}{shown}".rstrip() + "\n"
        self._console.write(body)


def _visible(line: str) -> str:
    """Return `line` with control and invisible format characters spelled out.

    A host's text must not move the cursor, set the terminal's title or turn the reading direction.
    """
    return "".join(
        char if char == "\t" or unicodedata.category(char) not in {"Cc", "Cf"} else ascii(char)[1:-1] for char in line
    )
