"""Secrets: tell GitHub to hide them, and take them out of every text ourselves (promise P6).

GitHub's runner hides a value, and encodings of it, only in what it has been told about, and only in its log. `scrub`
does the same for what it never sees: exception texts, summaries, outputs, notifications, and a person's terminal.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from urllib.parse import quote, quote_plus

from pyhelpers.runner import commands
from pyhelpers.runner.console import Console
from pyhelpers.runner.environment import Runner

HIDDEN = "***"
# Below this, a line of a longer secret (a lone brace, "}", of a JSON key) says nothing, and hiding it would riddle the
# log with holes. A secret that is short as a whole is hidden all the same.
SHORTEST_LINE = 4  # characters

_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_WORD = re.compile(r"\S+")
# `//user:` and everything to the last @ of the word is a password, even one that should have been percent-encoded
# (p@ss/word). `//host:8080/…@…` is a port. The bounds keep the search linear on hostile text.
URL_PASSWORD = re.compile(r"(://[^\s/:@]{0,256}:)(?!\d{1,5}[/?#])[^\s\"'<>]{1,1024}@")


class Masks:
    """The secrets known to this process, with every derived form in which they may turn up."""

    def __init__(self) -> None:
        """Know no secret yet."""
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._forms: frozenset[str] = frozenset()  # without white space, unless they are very short

    def register(self, secret: str) -> list[str]:
        """Remember `secret` and its derived forms; return what GitHub must be told, one line each (none if known).

        Base64 is not among them: the runner makes that itself, in its three shifts, for each value it is told
        (actions/runner, HostContext: AddValueEncoder).
        """
        parts = _parts(secret)
        with self._lock:
            fresh = [part for part in parts if part not in self._known]
            self._known.update(fresh)
            texts = list(dict.fromkeys(form for part in fresh for form in (part, *_escaped(part))))
            codes = [form for part in fresh for form in _encoded(part)]
            self._forms |= {_squeezed(form)[0] if len(form) >= SHORTEST_LINE else form for form in (*texts, *codes)}
        return [text for text in texts if len(commands.lines(text)) == 1]

    def scrub(self, text: str, *, shortest: int = 1) -> str:
        """Return `text` with every known secret, in each derived form, and every password in a URL replaced by `***`.

        Finds a secret also where something wrapped it over several lines (base64, terminals, Symfony's error boxes).
        Forms shorter than `shortest` characters stay.
        """
        squeezed, origin = _squeezed(text)
        spans = []
        for form in self._forms:
            if len(form) < shortest:
                continue
            if len(form) < SHORTEST_LINE:  # so short that it would be found across unrelated words
                spans += [(at, at + len(form)) for at in _occurrences(form, text)]
            else:
                spans += [(origin[at], origin[at + len(form) - 1] + 1) for at in _occurrences(form, squeezed)]
        pieces: list[str] = []
        end = 0
        for start, stop in sorted(spans):
            if start >= end:  # else it overlaps the one before, and one mask covers both
                pieces += [text[end:start], HIDDEN]
            end = max(end, stop)
        # Passwords in URLs come second: a known secret may be a whole URL.
        return URL_PASSWORD.sub(rf"\g<1>{HIDDEN}@", "".join([*pieces, text[end:]]))


PROCESS = Masks()  # the secrets of this process; tests make their own


def mask(secret: str, runner: Runner, console: Console, *, known: Masks = PROCESS) -> None:
    """Hide `secret` from now on: in GitHub's log (by `::add-mask::`; off GitHub nothing is printed) and in `scrub`.

    Call it before the first use. Each line of a multi-line secret is hidden by itself (from 4 characters on, without
    the armour of private keys), and so are the URL-encoded, JSON-escaped, shell- and SQL-quoted forms.
    """
    lines = known.register(secret)
    if runner.on_github and lines:
        console.write("".join(commands.command("add-mask", line) for line in lines))


def scrub(text: str) -> str:
    """Return `text` without the secrets that this process knows, and without passwords in URLs: see `Masks.scrub`."""
    return PROCESS.scrub(text)


def _parts(secret: str) -> list[str]:
    """Return the secret as a whole and, when it has several lines, each line that could give it away."""
    whole = secret.strip("\r\n")
    if not whole.strip():
        return []
    lines = [line.strip() for line in commands.lines(whole)]
    if len(lines) == 1:
        return list(dict.fromkeys([whole, *lines]))
    return [whole, *(line for line in lines if len(line) >= SHORTEST_LINE and not _ARMOUR.fullmatch(line))]


def _escaped(value: str) -> list[str]:
    """Return the forms that quoting and escaping give, apart from those in which the value still stands as it is."""
    strict = json.dumps(value)[1:-1]
    loose = json.dumps(value, ensure_ascii=False)[1:-1]
    percent = quote(value, safe="", errors="surrogatepass")
    forms = [
        percent,
        re.sub(r"%..", lambda match: match[0].lower(), percent),
        quote(value, errors="surrogatepass"),  # "/" is left alone, as in a path
        quote_plus(value, errors="surrogatepass"),
        strict,
        loose,
        strict.replace("/", "\\/"),  # PHP's json_encode, hence Laravel's logs
        loose.replace("/", "\\/"),
        value.replace("'", "'\"'\"'"),  # inside shlex.quote
        value.replace("'", "'\\''"),  # the other way to quote for a shell
        value.replace("'", "''"),  # SQL
        value.replace("\\", "\\\\").replace("'", "\\'"),  # SQL with backslashes, PHP
        value.replace("\\", "\\\\").replace('"', '\\"'),  # option files
    ]
    return [form for form in dict.fromkeys(forms) if value not in form]


def _encoded(value: str) -> list[str]:
    """Return the characters that base64 must show for `value` at each of its three possible places in a stream.

    Only whole characters: those at the ends that also hold bits of a neighbour are unknown.
    """
    raw = value.encode("utf-8", "surrogatepass")
    forms = []
    for shift, unknown in ((0, 0), (1, 2), (2, 3)):
        known = (len(raw) + shift) * 8 // 6
        text = base64.b64encode(bytes(shift) + raw).decode()[unknown:known]
        forms += [text, text.translate(str.maketrans("+/", "-_"))]
    return [form for form in dict.fromkeys(forms) if len(form) >= SHORTEST_LINE]


def _squeezed(text: str) -> tuple[str, list[int]]:
    """Return `text` without its white space, and for each character left the index where it stood."""
    words = list(_WORD.finditer(text))
    return "".join(word[0] for word in words), [index for word in words for index in range(*word.span())]


def _occurrences(form: str, text: str) -> list[int]:
    """Return where `form` begins in `text`, overlapping places included."""
    found = []
    at = text.find(form)
    while at >= 0:
        found.append(at)
        at = text.find(form, at + 1)
    return found
