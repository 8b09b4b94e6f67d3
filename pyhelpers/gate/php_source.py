"""Where PHP's comments are: a scanner that knows texts, heredocs and HTML, so that a comment in a text is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# With PHP's setting `short_open_tag`, which the file doesn't show, `<?` opens as well.
_OPEN = re.compile(r"<\?(?:php\b|=)", re.IGNORECASE)
_SHORT = re.compile(r"<\?(?:php\b|=)?", re.IGNORECASE)
# PHP takes every byte from 0x80 on as a letter.
_LABEL = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*"
# What may begin in code; everything else is skipped. `#[` begins an attribute, not a comment.
_THING = re.compile(
    r"""(?P<line>//|\#(?!\[))|(?P<block>/\*)|(?P<single>')|(?P<double>["`])|(?P<close>\?>)"""
    rf"""|<<<[ \t]*(?P<quote>['"]?)(?P<heredoc>{_LABEL})(?P=quote)(?:\r\n|\r|\n)|(?P<brace>[{{}}])"""
)
_LINE_ENDS = re.compile(r"\r\n|\r|\n|\?>")
_SINGLE_ENDS = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL)
_INTERPOLATED = r"\\.|\{(?=\$)|\$\{"
_DEEPEST = 32  # texts in code in texts


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment: its text with its marks, the number of its first line, and the code that follows it."""

    text: str
    line: int
    after: str


def comments(source: str) -> Iterator[Comment]:
    """Give the comments of a PHP file in their order; a file that doesn't close what it opens ends there.

    Where `<?` may or may not open PHP, what is a comment under either reading is one.
    """
    spans = {span for opening in _readings(source) for span in _spans(source, opening)}
    line, counted = 1, 0
    for begin, end in sorted(spans):
        line += source.count("\n", counted, begin)
        counted = begin
        yield Comment(text=source[begin:end], line=line, after=source[end : end + 200])


def _readings(source: str) -> Iterator[re.Pattern[str]]:
    yield _OPEN
    if re.search(r"<\?(?!php\b|=)", source, re.IGNORECASE):
        yield _SHORT


def _spans(source: str, opening: re.Pattern[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    opened = opening.search(source)
    while opened:
        at = _code(source, opened.end(), found, inside=0)
        opened = opening.search(source, at)
    return found


def _code(source: str, at: int, found: list[tuple[int, int]], *, inside: int) -> int:
    """Put the comments of the code from `at` on into `found` and return where it ends.

    It ends at `?>` or, in code that stands `inside` so many texts, at the bracket that closes it.
    """
    open_braces = 1
    while match := _THING.search(source, at):
        kind, at = match.lastgroup, match.end()
        if kind == "close":
            return at
        if kind == "brace":
            open_braces += 1 if match[0] == "{" else -1
            if inside and not open_braces:
                return at
        elif kind in {"line", "block"}:
            at = _end_of_comment(source, match)
            found.append((match.start(), at))
        else:
            at = _end_of_text(source, match, found, inside)
    return len(source)


def _end_of_comment(source: str, match: re.Match[str]) -> int:
    if match["block"]:
        end = source.find("*/", match.end())
        return len(source) if end < 0 else end + 2
    found = _LINE_ENDS.search(source, match.end())
    return found.start() if found else len(source)


def _end_of_text(source: str, match: re.Match[str], found: list[tuple[int, int]], inside: int) -> int:
    """Return where a text ends; the code in it (`"{$a["key"]}"`) may hold texts and comments of its own."""
    at = match.end()
    if match["single"]:
        end = _SINGLE_ENDS.match(source, at)
        return end.end() if end else len(source)
    label = match["heredoc"]
    ending = (
        rf"(?:(?<=\n)|(?<=\r))[ \t]*{re.escape(label)}(?![A-Za-z0-9_\x80-\U0010ffff])" if label else re.escape(match[0])
    )
    plain = match["quote"] == "'" or inside >= _DEEPEST
    stop = re.compile(ending if label and plain else rf"{ending}|{_INTERPOLATED}", re.DOTALL)
    while step := stop.search(source, at):
        at = step.end()
        if step[0][0] == "\\":
            continue
        if step[0] not in {"{", "${"}:
            return at
        if not plain:
            at = _code(source, at, found, inside=inside + 1)
    return len(source)
