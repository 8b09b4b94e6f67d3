"""GitHub's expressions, as far as Belay's actions and examples use them. Stricter than GitHub: what isn't known is an error.

Written from GitHub's documentation ("Evaluate expressions in workflows and actions"): `&&` and `||` give one of their
operands; `==` compares strings without regard to case, and numbers with what can be read as one; an empty string, 0,
false and null count as false. A name that a context doesn't have would be empty on GitHub; here it raises `Undeclared`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

Value: TypeAlias = "str | float | bool | Mapping[str, Value] | None"
Function: TypeAlias = Callable[[], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||==|!=|[!().]))"
)
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class Undeclared(Exception):
    """An expression reads a name that nobody declared, or is written in a way that is not known here."""


def substitute(text: str, contexts: Mapping[str, Value], functions: Mapping[str, Function]) -> str:
    """Return `text` with each `${{ … }}` replaced by its value."""
    return _HOLE.sub(lambda hole: as_text(evaluate(hole[1], contexts, functions)), text)


def condition(text: str, contexts: Mapping[str, Value], functions: Mapping[str, Function]) -> bool:
    """Return whether the `if:` of a step holds. Without a status function in it, GitHub adds `success() &&`."""
    inner = text.strip()
    if inner.startswith("${{") and inner.endswith("}}"):
        inner = inner[3:-2]
    elif "${{" in inner:
        raise Undeclared(f"an if: that is only in part an expression: {text}")
    value = truthy(evaluate(inner, contexts, functions))
    asks = re.search(r"\b(success|failure|always|cancelled)\s*\(", inner)
    return value if asks else value and functions["success"]()


def evaluate(text: str, contexts: Mapping[str, Value], functions: Mapping[str, Function]) -> Value:
    """Return the value of one expression (what stands between `${{` and `}}`)."""
    return _Parser(text, contexts, functions).whole()


def truthy(value: Value) -> bool:
    """Return what GitHub makes of a value in a condition."""
    return value not in ("", 0, False, None)


def as_text(value: Value) -> str:
    """Return what GitHub puts into a text for a value."""
    if isinstance(value, Mapping):
        raise Undeclared("a whole context has no text")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return value or ""


def _number(value: Value) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(value)  # type: ignore[arg-type]  # a context can't be compared, which raises TypeError
    except (TypeError, ValueError):
        return float("nan")


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return left == right
    return _number(left) == _number(right)


class _Parser:
    """A recursive descent: or, and, equality, not, primary."""

    def __init__(self, text: str, contexts: Mapping[str, Value], functions: Mapping[str, Function]) -> None:
        self._text = text
        self._contexts = contexts
        self._functions = functions
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise Undeclared(f"can't be read: {text[at:]!r} in {text!r}")
            self._tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            at = match.end()

    def whole(self) -> Value:
        value = self._or()
        if self._tokens:
            raise Undeclared(f"can't be read: {self._text!r}")
        return value

    def _take(self, *signs: str) -> str:
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in signs:
            return self._tokens.pop(0)[1]
        return ""

    def _or(self) -> Value:
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value if truthy(value) else other
        return value

    def _and(self) -> Value:
        value = self._equality()
        while self._take("&&"):
            other = self._equality()
            value = other if truthy(value) else value
        return value

    def _equality(self) -> Value:
        value = self._not()
        while sign := self._take("==", "!="):
            value = _equal(value, self._not()) == (sign == "==")
        return value

    def _not(self) -> Value:
        if self._take("!"):
            return not truthy(self._not())
        return self._primary()

    def _primary(self) -> Value:
        if self._take("("):
            value = self._or()
            if not self._take(")"):
                raise Undeclared(f"a parenthesis is not closed: {self._text!r}")
            return value
        if not self._tokens:
            raise Undeclared(f"ends too early: {self._text!r}")
        kind, token = self._tokens.pop(0)
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return float(token)
        if kind != "name":
            raise Undeclared(f"can't be read: {token!r} in {self._text!r}")
        if self._take("("):
            return self._call(token)
        return {"true": True, "false": False, "null": None}.get(token) if token in _WORDS else self._context(token)

    def _call(self, name: str) -> bool:
        if name not in self._functions or not self._take(")"):
            raise Undeclared(f"an unknown function, or arguments that are not known here: {name} in {self._text!r}")
        return self._functions[name]()

    def _context(self, name: str) -> Value:
        value: Value = self._contexts
        path = name
        while True:
            if not isinstance(value, Mapping) or name not in value:
                raise Undeclared(f"nobody declared {path} (in {self._text!r})")
            value = value[name]
            if not self._take("."):
                return value
            if not self._tokens or self._tokens[0][0] != "name":
                raise Undeclared(f"can't be read: {self._text!r}")
            name = self._tokens.pop(0)[1]
            path = f"{path}.{name}"


_WORDS = {"true", "false", "null"}
