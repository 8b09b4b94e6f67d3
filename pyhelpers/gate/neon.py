"""Read NEON, the language of PHPStan's configuration: strictly, and without running anything.

Only what such files hold: blocks of keys and of bullets, inline lists and maps, texts in quotes, plain words. What has an
effect when PHP loads it (entities such as `Foo(1)`, parameters such as `%rootDir%`) stays a text. Anything else is
refused, never guessed. There is no library for NEON in Python; the language: https://doc.nette.org/en/neon/format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

_LINE = re.compile(r"([ \t]*)(.*?)[ \t]*$")
_KEY = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s#"',:=\[\]{}()-][^#"',:=\[\]{}()\n]*?|-[^\s#"',:=\[\]{}()]+)\s*[:=](?=\s|$)\s*"""
)
_USUAL_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*+!?):(?:[ \t]+|$)")
_QUOTED = re.compile(r"""'((?:[^']|'')*)'|("(?:[^"\\]|\\.)*")""")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
    "null": None,
}
_DEEPEST = 64
_LONGEST_NUMBER = 300  # digits; a longer one is no number that a configuration means


class NotNeon(Exception):
    """A text that this reader doesn't take; the message says on which line."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    indent: str
    text: str


def read_neon(text: str) -> Value:
    """Return what a NEON text holds; maps keep the order of their keys. Raises `NotNeon`."""
    lines = list(_lines(text))
    if not lines:
        return None
    reader = _Reader(lines)
    value = reader.block(lines[0].indent, 0)
    if reader.position < len(lines):
        raise NotNeon(f"line {lines[reader.position].number}: is indented in a way that fits nothing above it")
    return value


def _lines(text: str) -> Iterator[_Line]:
    """Give the lines that hold something; one whose bracket or long quote stays open is joined with those after it."""
    open_line: _Line | None = None
    for number, raw in enumerate(text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n"), start=1):
        if open_line is not None:
            open_line = _Line(open_line.number, open_line.indent, f"{open_line.text}\n{raw}")
            if _closed(open_line.text):
                yield open_line
                open_line = None
            continue
        found = _LINE.match(raw)
        indent, content = (found[1], found[2]) if found else ("", raw)
        if not content or content[0] == "#":
            continue
        line = _Line(number, indent, content)
        if content[-1] in "'\"" and "'''" not in content and '"""' not in content:
            yield line  # the usual line of a baseline: its quotes are closed
        elif _closed(content):
            yield line
        else:
            open_line = line
    if open_line is not None:
        raise NotNeon(f"line {open_line.number}: a bracket or a quote stays open")


def _closed(text: str) -> bool:
    """Whether all brackets and long quotes that begin in `text` end in it."""
    for mark in ("'''", '"""'):
        if mark in text:
            return text.count(mark) % 2 == 0
    if not any(bracket in text for bracket in "[{("):
        return True
    bare = re.sub(r"(^|\s)#.*", "", _QUOTED.sub("", text), flags=re.MULTILINE)
    return sum(bare.count(char) for char in "[{(") <= sum(bare.count(char) for char in "]})")


class _Reader:
    """The lines, and how far they are read."""

    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines
        self.position = 0

    def block(self, indent: str, depth: int) -> Value:
        """Read the block whose lines have this indent: bullets, keys, or both (then the bullets are numbered)."""
        line = self.lines[self.position]
        if depth > _DEEPEST:
            raise NotNeon(f"line {line.number}: is nested too deep")
        if not _bullet(line.text) and _key(line.text) is None:
            self.position += 1
            return _inline(line.text, line.number)
        items: list[Value] = []
        keys: dict[str, Value] = {}
        while following := self._next(indent):
            if _bullet(following.text):
                items.append(self._bullet(following, depth))
            else:
                self._pair(following, depth, keys)
        if keys and items:
            keys |= {str(position): item for position, item in enumerate(items)}
        return keys or items

    def _bullet(self, line: _Line, depth: int) -> Value:
        rest = line.text[1:].lstrip(" \t")
        if rest and rest[0] != "#":
            if _bullet(rest) or _key(rest) is not None:
                return self._inside(line, rest, depth)
            self.position += 1
            return _inline(rest, line.number)
        self.position += 1
        return self._nested(line.indent, depth)

    def _inside(self, line: _Line, rest: str, depth: int) -> Value:
        """Read `- key: value`, whose next keys stand under the first one, whatever white space brings them there."""
        inner = line.indent + " " * (len(line.text) - len(rest))
        following = self.position + 1
        if following < len(self.lines):
            after = self.lines[following].indent
            if len(after) > len(line.indent) and after.startswith(line.indent):
                inner = after
        self.lines[self.position] = _Line(line.number, inner, rest)
        return self.block(inner, depth + 1)

    def _pair(self, line: _Line, depth: int, keys: dict[str, Value]) -> None:
        found = _key(line.text)
        if found is None:
            raise NotNeon(f"line {line.number}: a key is expected")
        name, rest = _name(found[0], line.number), line.text[found[1] :]
        if name in keys:
            raise NotNeon(f"line {line.number}: the key {name} occurs twice")
        self.position += 1
        if rest and rest[0] != "#":
            keys[name] = _inline(rest, line.number)
        else:
            keys[name] = self._nested(line.indent, depth, bullets=True)

    def _nested(self, indent: str, depth: int, *, bullets: bool = False) -> Value:
        """Read what stands under a key or a bullet: a deeper block, bullets of the same indent, or nothing."""
        if self.position >= len(self.lines):
            return None
        line = self.lines[self.position]
        if len(line.indent) > len(indent) and line.indent.startswith(indent):
            return self.block(line.indent, depth + 1)
        if bullets and line.indent == indent and _bullet(line.text):
            return self._bullets(indent, depth + 1)
        return None

    def _bullets(self, indent: str, depth: int) -> list[Value]:
        """Read the bullets under a key that are not indented deeper than it; the next key ends them."""
        items: list[Value] = []
        while (line := self._next(indent)) and _bullet(line.text):
            items.append(self._bullet(line, depth))
        return items

    def _next(self, indent: str) -> _Line | None:
        """Return the next line if it belongs to the block; raises `NotNeon` for one that stands between two blocks."""
        if self.position >= len(self.lines):
            return None
        line = self.lines[self.position]
        if line.indent == indent:
            return line
        if len(line.indent) < len(indent):
            return None
        raise NotNeon(f"line {line.number}: is indented in a way that fits nothing above it")


def _bullet(text: str) -> bool:
    return text == "-" or text.startswith(("- ", "-\t"))


def _key(text: str) -> tuple[str, int] | None:
    """Return the key that a line begins with and where its value begins, or None."""
    match = _USUAL_KEY.match(text) or _KEY.match(text)
    return (match[1], match.end()) if match else None


def _name(text: str, number: int) -> str:
    return str(_inline(text, number)) if text[0] in "'\"" else text


def _inline(text: str, number: int) -> Value:
    """Return the value of what stands on one line (or was joined to one)."""
    for mark in ("'''", '"""'):
        if text.startswith(mark) and text.endswith(mark) and len(text) >= 2 * len(mark):
            return text[len(mark) : -len(mark)].strip("\n")
    value, end = _item(text, 0, number, 0)
    rest = text[end:].strip()
    if rest and not rest.startswith("#"):
        raise NotNeon(f"line {number}: {rest[:40]!r} is too much")
    return value


def _item(text: str, at: int, number: int, depth: int) -> tuple[Value, int]:
    if depth > _DEEPEST:
        raise NotNeon(f"line {number}: is nested too deep")
    char = text[at]
    if char in "'\"":
        match = _QUOTED.match(text, at)
        if match is None:
            raise NotNeon(f"line {number}: a quote stays open")
        return _unquoted(match, number), match.end()
    if char in "[{":
        return _collection(text, at, number, depth)
    return _literal(text, at, number)


def _unquoted(match: re.Match[str], number: int) -> str:
    if match[1] is not None:
        return match[1].replace("''", "'")
    try:
        return str(json.loads(match[2].replace("\t", "\\t").replace("\\'", "'")))
    except ValueError as error:
        raise NotNeon(f"line {number}: an escape in double quotes is not NEON") from error


def _collection(text: str, at: int, number: int, depth: int) -> tuple[Value, int]:
    """Read `[a, b]` or `{a: 1, b: 2}`; a list with keys becomes a map."""
    closing = {"[": "]", "{": "}"}[text[at]]
    items: list[Value] = []
    keys: dict[str, Value] = {}
    at = _skip(text, at + 1)
    while at < len(text) and text[at] != closing:
        key = _KEY.match(text, at)
        if key:
            value, at = _item(text, _skip(text, key.end()), number, depth + 1)
            keys[_name(key[1], number)] = value
        else:
            value, at = _item(text, at, number, depth + 1)
            items.append(value)
        at = _skip(text, at)
    if at >= len(text):
        raise NotNeon(f"line {number}: a bracket stays open")
    if keys and items:
        keys |= {str(position): item for position, item in enumerate(items)}
    return (keys or ({} if closing == "}" and not items else items)), at + 1


def _skip(text: str, at: int) -> int:
    """Return where the next item begins: after white space, commas and comments."""
    while at < len(text):
        if text[at] in " \t\n,":
            at += 1
        elif text[at] == "#" and text[at - 1] in " \t\n,[{":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            break
    return at


def _literal(text: str, at: int, number: int) -> tuple[Value, int]:
    """Read plain words up to a comma, a bracket's end or a comment; an entity's arguments belong to it."""
    begin, depth = at, 0
    while at < len(text):
        char = text[at]
        if depth and char in "'\"":
            match = _QUOTED.match(text, at)
            if match is None:
                raise NotNeon(f"line {number}: a quote stays open")
            at = match.end()
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}":
            if not depth:
                break
            depth -= 1
        elif (char in ",\n" and not depth) or (char == "#" and at > begin and text[at - 1] in " \t"):
            break
        at += 1
    return _plain(text[begin:at].strip(), number), at


def _plain(word: str, number: int) -> Value:
    if not word:
        raise NotNeon(f"line {number}: a value is missing")
    if word.lower() in _WORDS and word in {word.lower(), word.upper(), word.capitalize()}:
        return _WORDS[word.lower()]
    if len(word) < _LONGEST_NUMBER and _NUMBER.fullmatch(word):
        return int(word) if re.fullmatch(r"[+-]?[0-9]+", word) else float(word)
    return word
