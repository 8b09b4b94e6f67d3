"""Where PHP's comments are: a scanner that knows texts, heredocs and HTML, so that a comment in a text is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPEN = re.compile(r"<\?(?:php\b|=)?", re.IGNORECASE)
# What may begin in code; everything else is skipped. `#[` begins an attribute, not a comment.
_THING = re.compile(
    r"""(?P<line>//|\#(?!\[))|(?P<block>/\*)|(?P<single>')|(?P<double>["`])|(?P<close>\?>)"""
    r"""|<<<[ \t]*(?P<quote>['"]?)(?P<heredoc>[A-Za-z_]\w*)(?P=quote)\r?\n"""
)
_LINE_ENDS = re.compile(r"\r\n|\r|\n|\?>")
_SINGLE_ENDS = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL)
_ENDS = {quote: re.compile(rf"(?:[^{quote}\\]|\\.)*{quote}", re.DOTALL) for quote in ('"', "`")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment: its text with its marks, the number of its first line, and the code that follows it."""

    text: str
    line: int
    after: str


def comments(source: str) -> Iterator[Comment]:
    """Give the comments of a PHP file in their order; a file that doesn't close what it opens ends there."""
    line, counted = 1, 0
    for begin, end in _spans(source):
        line += source.count("\n", counted, begin)
        counted = begin
        yield Comment(text=source[begin:end], line=line, after=source[end : end + 200])


def _spans(source: str) -> Iterator[tuple[int, int]]:
    opened = _OPEN.search(source)
    at = opened.end() if opened else len(source)
    while match := _THING.search(source, at):
        kind = match.lastgroup
        if kind == "close":
            opened = _OPEN.search(source, match.end())
            if opened is None:
                return
            at = opened.end()
        elif kind in {"line", "block"}:
            at = _end_of_comment(source, match)
            yield match.start(), at
        else:
            at = _end_of_text(source, match)


def _end_of_comment(source: str, match: re.Match[str]) -> int:
    if match["block"]:
        end = source.find("*/", match.end())
        return len(source) if end < 0 else end + 2
    found = _LINE_ENDS.search(source, match.end())
    return found.start() if found else len(source)


def _end_of_text(source: str, match: re.Match[str]) -> int:
    if match["heredoc"]:
        ending = re.compile(rf"^[ \t]*{re.escape(match['heredoc'])}\b", re.MULTILINE)
    else:
        ending = _SINGLE_ENDS if match["single"] else _ENDS[match[0]]
        found = ending.match(source, match.end())
        return found.end() if found else len(source)
    found = ending.search(source, match.end())
    return found.end() if found else len(source)
