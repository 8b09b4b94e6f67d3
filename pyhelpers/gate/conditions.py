"""What a workflow's `if:` comes to, as far as it can be known without a run: true, false, or it depends.

Of GitHub's expressions only what decides by the event alone is worked out; the rest depends on a run, and a gate whose
run depends on something has a way around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

# The four status functions, with everything before the gate gone well.
STATUS = {"always": True, "success": True, "failure": False, "cancelled": False}
# Where a workflow runs at all is no question of a pull request: `github.repository == 'acme/shop'` keeps it off forks' own runs.
HERE = {"github.repository", "github.repository_owner"}
LONGEST = 5000  # characters of a condition that are looked at
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][\w.*-]*)|(?P<sign>\|\||&&|[!=<>]=|[!<>()\[\],.])|(?P<number>[\d.]+))"
)
_WRAPPED = re.compile(r"\$\{\{(.*)\}\}", re.DOTALL)


class Depends:
    """What can't be known without a run."""


DEPENDS: Final = Depends()
Known = str | bool | Depends


def outcome(condition: str, known: Mapping[str, str]) -> bool | None:
    """Return whether a condition holds, when the contexts in `known` have these values; None where it depends on others.

    An empty condition holds. A text with more around its `${{ }}` is no expression but a text, and texts hold.
    """
    text = condition.strip()
    if not text:
        return True
    if len(text) > LONGEST:
        return None
    wrapped = _WRAPPED.fullmatch(text)
    if "${{" in text and (wrapped is None or "${{" in wrapped[1]):
        return True
    try:
        tokens = _tokens(wrapped[1] if wrapped else text)
        parser = _Parser(tokens, known)
        value = parser.either()
        truth = _truth(value) if parser.at == len(tokens) else DEPENDS
    except (ValueError, IndexError, RecursionError):
        return None
    return None if isinstance(truth, Depends) else truth


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(text)
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


def _truth(value: Known) -> bool | Depends:
    return value if isinstance(value, Depends) else bool(value)


@dataclass
class _Parser:
    """Recursive descent over the tokens, with a logic of three values."""

    tokens: list[str]
    known: Mapping[str, str]
    at: int = 0

    def _next(self, *signs: str) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at] in signs:
            self.at += 1
            return self.tokens[self.at - 1]
        return ""

    def either(self) -> Known:
        return self._chain("||", self.both, decided=True)

    def both(self) -> Known:
        return self._chain("&&", self.compared, decided=False)

    def _chain(self, sign: str, part: Callable[[], Known], *, decided: bool) -> Known:
        """Combine parts: one that is `decided` decides, whatever the others are."""
        first = part()
        parts = [first]
        while self._next(sign):
            parts.append(part())
        if len(parts) == 1:
            return first
        truths = [_truth(each) for each in parts]
        if decided in truths:
            return decided
        return DEPENDS if DEPENDS in truths else not decided

    def compared(self) -> Known:
        start = self.at
        left = self.negated()
        sign = self._next("==", "!=", "<", ">", "<=", ">=")
        if not sign:
            return left
        right = self.negated()
        words = [token.lower() for token in self.tokens[start : self.at]]
        if sign in {"==", "!="} and len(words) == len(("left", sign, "right")) and self._is_here(words[0], words[2]):
            return sign == "=="
        if isinstance(left, Depends) or isinstance(right, Depends) or sign not in {"==", "!="}:
            return DEPENDS
        return (str(left).lower() == str(right).lower()) == (sign == "==")

    @staticmethod
    def _is_here(one: str, other: str) -> bool:
        return (one in HERE and other.startswith("'")) or (other in HERE and one.startswith("'"))

    def negated(self) -> Known:
        if self._next("!"):
            truth = _truth(self.negated())
            return truth if isinstance(truth, Depends) else not truth
        return self.single()

    def single(self) -> Known:
        word = self.tokens[self.at]
        self.at += 1
        if word == "(":
            value = self.either()
            if not self._next(")"):
                raise ValueError(word)
            return value
        if self._next("("):
            arguments = self._skip_to_close()
            return STATUS[word.lower()] if word.lower() in STATUS and not arguments else DEPENDS
        if self._next("["):
            self._skip_to_close()
            return DEPENDS
        return self._value(word)

    def _value(self, word: str) -> Known:
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        if word.lower() in {"true", "false"}:
            return word.lower() == "true"
        if re.fullmatch(r"[\d.]+", word):
            return DEPENDS if set(word) - {"0", "."} and len(word) > 1 else word != "0"
        return self.known.get(word.lower(), DEPENDS)

    def _skip_to_close(self) -> int:
        """Step over what stands up to the closing bracket, and return how many tokens that were."""
        depth, start = 1, self.at
        while depth:
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.tokens[self.at], 0)
            self.at += 1
        while self._next("."):  # a property of the result
            self.at += 1
        return self.at - start - 1
