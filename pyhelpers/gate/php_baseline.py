"""Read a .php baseline without running it.

PHPStan includes such a file, so one that calls exit(0) ends the analysis with status 0 (recorded:
bypass-php-baseline-exit0). A baseline that PHPStan wrote holds nothing but assignments of constant arrays; whatever else
stands in one is refused, with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyhelpers.gate.ignores import Ignore, ignores_in
from pyhelpers.gate.neon import Value

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|\#(?!\[)[^\n]*|/\*.*?\*/)"""
    r"""|(?P<single>'(?:[^'\\]|\\.)*')|(?P<double>"(?:[^"\\$]|\\.)*")"""
    r"""|(?P<number>[0-9]{1,9})|(?P<variable>\$\w+)|(?P<word>\w+)|(?P<sign>=>|[\[\](),;=.])""",
    re.DOTALL,
)
_OPEN = re.compile(r"<\?php\s+(?:declare\s*\(\s*strict_types\s*=\s*1\s*\)\s*;)?")


class NotABaseline(Exception):
    """The file holds something else than a baseline; the message says what and on which line."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def entries_of_php(text: str, folder: str) -> list[Ignore]:
    """Return the entries of a .php baseline in `folder` (from the root). Raises `NotABaseline`."""
    opened = _OPEN.match(text)
    if not opened:
        raise NotABaseline("line 1: does not begin like a baseline")
    return list(ignores_in({"ignoreErrors": _Parser(_tokens(text, opened.end())).document()}, folder))


def _tokens(text: str, at: int) -> list[_Token]:
    found: list[_Token] = []
    line = 1 + text.count("\n", 0, at)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotABaseline(f"line {line}: {text[at : at + 20]!r} has no place in a baseline")
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match[0], line))
        line += match[0].count("\n")
        at = match.end()
    return found


class _Parser:
    """The tokens, and how far they are read."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.position = 0

    def document(self) -> list[Value]:
        """Read `$ignoreErrors = []; $ignoreErrors[] = [...]; … return ['parameters' => ['ignoreErrors' => …]];`."""
        entries: list[Value] = []
        while self._peek().text != "return":
            self._expect("$ignoreErrors")
            appended = self._taken("[")
            if appended:
                self._expect("]")
            self._expect("=")
            value = self._value()
            if appended:
                entries.append(value)
            elif isinstance(value, list):
                entries = value
            self._expect(";")
        for text in ("return", "[", "'parameters'", "=>", "[", "'ignoreErrors'", "=>", "$ignoreErrors"):
            self._expect(text)
        for text in ("]", "]"):
            self._taken(",")
            self._expect(text)
        self._expect(";")
        if self.position < len(self.tokens):
            self._refuse()
        return entries

    def _value(self) -> Value:
        token = self._peek()
        if self._taken("["):
            return self._array()
        if token.kind == "number":
            self.position += 1
            return int(token.text)
        if token.text == "__DIR__":
            self.position += 1
            self._expect(".")
            return self._text().lstrip("/")
        return self._text()

    def _text(self) -> str:
        token = self._peek()
        if token.kind not in {"single", "double"}:
            self._refuse()
        self.position += 1
        inside = token.text[1:-1]
        if token.kind == "single":
            return re.sub(r"\\([\\'])", r"\1", inside)
        return re.sub(r'\\([\\"$])', r"\1", inside).replace("\\n", "\n").replace("\\t", "\t")

    def _array(self) -> Value:
        items: list[Value] = []
        keys: dict[str, Value] = {}
        while not self._taken("]"):
            value = self._value()
            if self._taken("=>"):
                keys[str(value)] = self._value()
            else:
                items.append(value)
            if not self._taken(","):
                self._expect("]")
                break
        return keys or items

    def _peek(self) -> _Token:
        if self.position >= len(self.tokens):
            raise NotABaseline("ends before its `return`")
        return self.tokens[self.position]

    def _taken(self, text: str) -> bool:
        if self._peek().text != text:
            return False
        self.position += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._taken(text):
            self._refuse()

    def _refuse(self) -> None:
        token = self.tokens[self.position]
        raise NotABaseline(f"line {token.line}: {token.text[:40]!r} has no place in a baseline")
