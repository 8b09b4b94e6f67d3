"""The step's summary (GITHUB_STEP_SUMMARY): Markdown on the page of the run, within GitHub's limit.

Names in it come from hosts, databases and branches, so they are hostile: `text` and `code` make them plain, and `table`
does so for every cell that isn't `Markdown` already.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyhelpers.runner import command_file
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.masks import PROCESS, Masks

LIMIT = 1024 * 1024  # bytes per step; a larger file is dropped whole (actions/runner, CreateStepSummaryCommand)
NOTICE = "\n\n> **This summary was cut here**: GitHub takes 1 MiB per step. The whole text is in the log.\n"

_MARGIN = 1024  # bytes kept free for the notice and for closing what a cut leaves open
_SPECIAL = re.compile(r"[!-+:-@\[-^`{-~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=www)\.", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_FENCE = re.compile(r"^```", re.MULTILINE)


class Markdown(str):
    """Text that is Markdown on purpose: `table` leaves its markup alone."""

    __slots__ = ()


def append(markdown: str, runner: Runner, *, known: Masks = PROCESS) -> None:
    """Append a paragraph to the step's summary, secrets removed. Off GitHub there is none, and nothing happens.

    What would not fit in GitHub's limit is cut at a line's end, and a notice says so; after the notice nothing follows.
    Raises `BelayError` when the file is missing or can't be written.
    """
    if runner.summary is None:
        return
    size, tail = _end_of(runner.summary, len(NOTICE.encode()))
    if tail == NOTICE.encode():
        return
    paragraph = ("\n" if size else "") + known.scrub(markdown).rstrip("\n") + "\n"
    if block := fitted(paragraph, LIMIT - size):
        command_file.append(runner.summary, block, "GITHUB_STEP_SUMMARY")


def _end_of(path: Path, length: int) -> tuple[int, bytes]:
    """Return the file's size and its last `length` bytes; nothing when it can't be read (writing will say why)."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - length))
            return size, file.read()
    except OSError:
        return 0, b""


def fitted(markdown: str, room: int) -> bytes:
    """Return `markdown` in UTF-8 in less than `room` bytes, cut at a line's end and with the notice if need be.

    An open code fence or `<details>` is closed first, or the notice would be hidden in it. With no room, not even for
    the notice, returns nothing.
    """
    whole = markdown.encode("utf-8", "replace")
    if len(whole) <= room - _MARGIN:
        return whole
    # Cutting bytes may cut a character; "ignore" drops its first half.
    kept = whole[: max(0, room - _MARGIN)].decode("utf-8", "ignore")
    kept = kept.rpartition("\n")[0] or kept
    if len(_FENCE.findall(kept)) % 2:
        kept += "\n```"
    # Deep nesting is nobody's summary; the bound keeps the closing tags inside the margin.
    kept += "\n</details>" * min(20, max(0, kept.count("<details") - kept.count("</details>")))
    cut = (kept + NOTICE).encode()
    return cut if len(cut) < room else b""


def text(value: str) -> Markdown:
    """Return `value` as plain words inside a line or a cell: no markup, link, mention, HTML or line break survives."""
    flat = _LINE_END.sub(" ", value)
    flat = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in flat.replace("\t", " "))
    # Entities, not backslashes: GitHub cuts table cells before it looks at backslashes, so `\` + `|` would break out.
    # After `@` and `#` a space without width: else GitHub may still notify a person or link an issue.
    return Markdown(
        _SPECIAL.sub(lambda match: f"&#{ord(match[0])};{'&#8203;' if match[0] in '@#' else ''}", flat),
    )


def code(value: str) -> Markdown:
    """Return `value` as a code span (HTML's: back ticks can't hold every pipe and back tick inside a table)."""
    return Markdown(f"<code>{text(value)}</code>") if value else Markdown("")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Markdown:
    """Return a table; each cell is plain words unless it is `Markdown`. Rows that are too short are filled up."""

    def row(cells: Sequence[str]) -> str:
        padded = [*cells, *[""] * (len(headers) - len(cells))][: len(headers)]
        return "| " + " | ".join(_cell(cell) for cell in padded) + " |"

    return Markdown("\n".join([row(headers), "|" + " --- |" * len(headers), *(row(cells) for cells in rows)]) + "\n")


def _cell(value: str) -> str:
    if not isinstance(value, Markdown):
        return text(value)
    return _LINE_END.sub("<br>", value).replace("|", "&#124;")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of a Gantt chart; times are seconds since the chart's begin."""

    name: str
    start: float
    end: float
    state: Literal["done", "failed", "undone"] = "done"


_TAGS = {"done": "done", "failed": "crit", "undone": "active"}
# Words that open another kind of line in Mermaid's Gantt grammar (gantt.jison).
_KEYWORDS = re.compile(
    r"(gantt|title|section|dateformat|inclusiveenddates|topaxis|axisformat|tickinterval|includes|excludes"
    r"|todaymarker|weekday|weekend|click|call|href|acctitle|accdescr|accdescription|vert)",
    re.IGNORECASE,
)


def gantt(title: str, sections: Sequence[tuple[str, Sequence[Bar]]]) -> Markdown:
    """Return a Mermaid Gantt chart of `sections`: pairs of a name and its bars. Empty when there is no bar.

    Failed bars are `crit` (red), undone ones `active`. The axis counts minutes and seconds from the begin.
    """
    bars = [bar for _, inside in sections for bar in inside]
    if not bars:
        return Markdown("")
    axis = "%M:%S" if max(bar.end for bar in bars) < 3600 else "%H:%M:%S"  # noqa: PLR2004 - seconds of an hour
    drawn = ["```mermaid", "gantt", f"  title {_label(title)}", "  dateFormat YYYY-MM-DD HH:mm:ss.SSS"]
    drawn += [f"  axisFormat {axis}"]
    for name, inside in sections:
        drawn += [f"  section {_label(name)}"]
        drawn += [f"  {_label(bar.name)} :{_TAGS[bar.state]}, {_moment(bar.start)}, {_length(bar)}" for bar in inside]
    return Markdown("\n".join([*drawn, "```"]) + "\n")


def _label(name: str) -> str:
    """Return a name that can't end its line, its field or the code block, nor be read as a keyword or a date."""
    kept = "".join(char if char.isalnum() or char in " ._-/()=+" else " " for char in name)
    kept = " ".join(kept.split())[:100]
    if not kept:
        return "unnamed"
    return f"· {kept}" if _KEYWORDS.match(kept) or not kept[0].isalpha() else kept


def _moment(seconds: float) -> str:
    """Return a moment of a winter's day without a change of clocks: Mermaid reads and shows the viewer's local time."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"2000-01-{min(1 + days, 31):02}T{hours:02}:{minutes:02}:{milliseconds / 1000:06.3f}".replace("T", " ")


def _length(bar: Bar) -> str:
    return f"{max(1, round((bar.end - bar.start) * 1000))}ms"
