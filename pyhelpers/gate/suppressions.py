"""What a change newly hides from PHPStan in the code itself: ignores in comments, casts by `@var`, and `mixed`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pyhelpers.gate.bypass import Bypass, Severity
from pyhelpers.gate.history import Diff
from pyhelpers.gate.php_source import Comment, comments

# PHPStan finds its tags wherever they stand in a comment, whatever follows them (RichParser asks str_contains), and
# reads identifiers beyond the end of the line (its lexer drops line ends).
_IGNORE = re.compile(r"@phpstan-ignore(?P<where>-next-line|-line)?(?P<rest>(?:(?!@phpstan-ignore).)*)", re.DOTALL)
_IDENTIFIER = re.compile(r"[\s*]*([A-Za-z][\w.]*)[\s*]*(\([^()]*\))?[\s*]*")
_CAST = re.compile(r"@(?:phpstan-|psalm-)?var\s+\S+")
_DECLARES = re.compile(
    r"\s*(?:#\[[^\]]*\]\s*)*(?:public|protected|private|var|static|readonly|final|abstract|const|case|function|class)\b"
)
_MIXED = re.compile(r"@(?:phpstan-|psalm-)?(?:param|return|var)\s+\??mixed\b|[(,:|]\s*mixed\b(?!\s*\()", re.IGNORECASE)
ENDINGS = frozenset({"php", "phtml", "inc", "module", "install", "theme"})
EVERYTHING = "*"  # an ignore without an identifier


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """One thing that a comment hides: `identifier` (or everything), in `path` at `line`; `code` is what it stands over."""

    identifier: str
    path: str
    line: int
    code: str


def ignores_in_source(source: str, path: str) -> list[Suppression]:
    """Return what the `@phpstan-ignore…` comments of a PHP file hide, one for each identifier."""
    if "@phpstan-ignore" not in source:
        return []
    lines = source.split("\n")
    found: list[Suppression] = []
    for comment in comments(source):
        for match in _IGNORE.finditer(comment.text):
            line = comment.line + comment.text.count("\n", 0, match.start())
            code = _covered(lines, line, comment)
            found += [
                Suppression(identifier=name, path=path, line=line, code=code)
                for name in _identifiers(match) or [EVERYTHING]
            ]
    return found


def added(base: Iterable[Suppression], head: Iterable[Suppression], now: Callable[[str], str]) -> list[Suppression]:
    """Return the suppressions that the head has and the base has not.

    Counted for each file (renames followed) and identifier, so that moved lines mean nothing; one that hid everything
    may become one that hides less. Code that moves to another file may take its suppressions along: same identifier, same
    code.
    """
    left = Counter((now(each.path), each.identifier) for each in base)
    gone: Counter[tuple[str, str]] = Counter()
    new: list[Suppression] = []
    before = list(base)
    for each in head:
        for identifier in (each.identifier, EVERYTHING):
            if left[each.path, identifier]:
                left[each.path, identifier] -= 1
                break
        else:
            new.append(each)
    for each in before:
        if left[now(each.path), each.identifier]:
            gone[each.identifier, each.code] += 1
    kept: list[Suppression] = []
    for each in new:
        if each.code and gone[each.identifier, each.code]:
            gone[each.identifier, each.code] -= 1
        else:
            kept.append(each)
    return kept


def audit_source(
    diff: Diff,
    *,
    analysed: frozenset[str],
    before: Callable[[str], str | None],
    after: Callable[[str], str | None],
    severity: Severity | None,
) -> list[Bypass]:
    """Return what the change newly hides; `before` and `after` give a file's text on either side.

    Looked at is what PHPStan analyses, on either side, and all that ends like PHP.

    Ignores have the `severity` (None: they are allowed). Casts and `mixed` are only reported: each has honest uses.
    """
    base: list[Suppression] = []
    head: list[Suppression] = []
    softer: list[Bypass] = []

    def is_php(path: str) -> bool:
        return path in analysed or path.rpartition(".")[2].lower() in ENDINGS

    for change in diff.changes:
        old = (before(change.old) or "") if change.old and is_php(change.old) else ""
        new = (after(change.new) or "") if change.new and is_php(change.new) else ""
        base += ignores_in_source(old, change.old or "")
        head += ignores_in_source(new, change.new or "")
        if new and change.new and severity is not None:
            softer += _softened(old, new, change.new, diff)
    hard = [_as_bypass(each, severity) for each in added(base, head, diff.now)] if severity is not None else []
    return [*hard, *softer]


def _as_bypass(each: Suppression, severity: Severity) -> Bypass:
    what = "every error" if each.identifier == EVERYTHING else each.identifier
    return Bypass(
        rule="suppression-added",
        severity=severity,
        place=f"{each.path}:{each.line}",
        what=f"A comment newly hides {what}.",
        remedy="Mend the error instead, or ask for a waiver.",
    )


def _softened(old: str, new: str, path: str, diff: Diff) -> Iterator[Bypass]:
    casts = len(_casts(old))
    fresh = [comment for comment in _casts(new) if _touches(comment, path, diff)]
    if len(_casts(new)) > casts:
        for comment in fresh:
            yield Bypass(
                rule="type-asserted",
                severity="report",
                place=f"{path}:{comment.line}",
                what="A comment newly tells PHPStan a variable's type, which it then takes on trust.",
                remedy="Let the code prove the type, e.g. by instanceof, where it can.",
            )
    if len(_MIXED.findall(new)) > len(_MIXED.findall(old)):
        for number, text in enumerate(new.split("\n"), start=1):
            if diff.is_new(path, number) and _MIXED.search(text):
                yield Bypass(
                    rule="type-widened",
                    severity="report",
                    place=f"{path}:{number}",
                    what="The type `mixed` is new here; below level 9 PHPStan checks nothing about it.",
                    remedy="Name the type where it is known.",
                )


def _casts(source: str) -> list[Comment]:
    """Return the comments that cast a variable: a `@var` that stands over no declaration."""
    if "var" not in source:
        return []
    return [
        comment
        for comment in comments(source)
        if comment.text.startswith("/**") and _CAST.search(comment.text) and not _DECLARES.match(comment.after)
    ]


def _touches(comment: Comment, path: str, diff: Diff) -> bool:
    lines = range(comment.line, comment.line + comment.text.count("\n") + 1)
    return any(diff.is_new(path, number) for number in lines)


def _identifiers(match: re.Match[str]) -> list[str]:
    """Return the identifiers of `@phpstan-ignore a.b, c.d (why)`; the older forms, with a suffix, hide everything."""
    if match["where"]:
        return []
    found: list[str] = []
    rest = match["rest"]
    listed = True  # after the tag and after a comma there is an identifier; elsewhere prose has no dot in its words
    while (name := _IDENTIFIER.match(rest)) and (listed or re.search(r"\w\.\w", name[1])):
        found.append(name[1])
        rest = rest[name.end() :]
        listed = rest.startswith(",")
        rest = rest[listed:]
    return found


def _covered(lines: list[str], line: int, comment: Comment) -> str:
    """Return the code that stands on the comment's line or, where there is none, on the next, without white space."""
    own = lines[line - 1].replace(comment.text, "") if line <= len(lines) else ""
    own = re.sub(r"//.*|#(?!\[).*|/\*.*?\*/|^\s*\*.*", "", own)
    code = own if own.strip() else "".join(lines[line : line + 1])
    return re.sub(r"\s+", "", code)
