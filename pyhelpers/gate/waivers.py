"""Waivers: the one way past the gate, and it is a file that was reviewed before.

`phpstan-waivers.toml` at the repository's root, one table for each waiver:

    [[waiver]]
    identifier = "method.notFound"        # or: rule = "suppression-added"
    path = "src/Legacy.php"               # a file, or a folder with its slash; not the whole repository
    owner = "@shop/platform"
    reason = "Waits for the vendor's 4.2"
    expires = 2026-03-01

It is read from the base, never from the change that it would let through. An expired waiver waives nothing.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyhelpers.errors import BadInput
from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.matching import Matched

FILE = "phpstan-waivers.toml"
LONGEST_DAYS = 366  # a waiver for longer is a decision, and belongs into PHPStan's configuration
_KEYS = {"identifier", "rule", "path", "owner", "reason", "expires"}
_WHAT = re.compile(r"[A-Za-z][\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """One waiver: of findings with `identifier`, or of complaints by `rule`, in `path`, until `expires` is over."""

    identifier: str
    rule: str
    path: str
    owner: str
    reason: str
    expires: dt.date

    def covers(self, path: str) -> bool:
        """Whether a file is in its path."""
        return path == self.path or (self.path.endswith("/") and path.startswith(self.path))


@dataclass(kw_only=True)
class Waived:
    """What is left after the waivers, what they covered, and which of them are over."""

    findings: list[Matched] = field(default_factory=list)
    bypasses: list[Bypass] = field(default_factory=list)
    covered: list[Matched] = field(default_factory=list)
    used: dict[Waiver, int] = field(default_factory=dict)
    expired: list[Waiver] = field(default_factory=list)


def read_waivers(text: str, today: dt.date) -> list[Waiver]:
    """Return the waivers of the file's text. Raises `BadInput`, naming which of them is wrong and how."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(FILE, f"is not TOML: {error}", remedy="See https://toml.io for how to write it.") from error
    listed = document.get("waiver", [])
    if set(document) - {"waiver"} or not isinstance(listed, list):
        raise BadInput(FILE, "holds something else than [[waiver]] tables", remedy="Remove it.")
    return [_waiver(number, entry, today) for number, entry in enumerate(listed, start=1)]


def apply(waivers: Sequence[Waiver], findings: Iterable[Matched], bypasses: Iterable[Bypass], today: dt.date) -> Waived:
    """Return what the waivers leave of findings and complaints; nothing about the workflows can be waived by a path."""
    waived = Waived(expired=[waiver for waiver in waivers if waiver.expires < today])
    valid = [waiver for waiver in waivers if waiver.expires >= today]
    for matched in findings:
        finding = matched.finding
        cover = next((w for w in valid if w.identifier == finding.identifier and w.covers(finding.path)), None)
        if cover is None or not finding.identifier:
            waived.findings.append(matched)
        else:
            waived.covered.append(matched)
            waived.used[cover] = waived.used.get(cover, 0) + 1
    for bypass in bypasses:
        file = bypass.place.rpartition(":")[0] if re.search(r":\d+$", bypass.place) else bypass.place
        cover = next((w for w in valid if w.rule == bypass.rule and w.covers(file)), None)
        if cover is None or bypass.severity == "report":
            waived.bypasses.append(bypass)
        else:
            waived.used[cover] = waived.used.get(cover, 0) + 1
    return waived


def _waiver(number: int, entry: object, today: dt.date) -> Waiver:
    where = f"{FILE}: waiver {number}"
    if not isinstance(entry, dict):
        raise BadInput(where, "is no table", remedy="Write it as [[waiver]].")
    if unknown := set(entry) - _KEYS:
        raise BadInput(where, f"has an unknown key {min(unknown)}", remedy=f"There are {', '.join(sorted(_KEYS))}.")
    texts = {name: _text(where, entry, name) for name in ("path", "owner", "reason")}
    identifier, rule = (entry.get(name, "") for name in ("identifier", "rule"))
    if bool(identifier) == bool(rule) or not _WHAT.fullmatch(str(identifier or rule)):
        raise BadInput(where, "needs one of `identifier` and `rule`", remedy="A waiver names what it waives.")
    if texts["path"].strip("./") == "" or any(char in texts["path"] for char in "*?["):
        raise BadInput(where, "has a path that is no file or folder", remedy="Name one, a folder with its slash.")
    expires = entry.get("expires")
    if not isinstance(expires, dt.date) or isinstance(expires, dt.datetime):
        raise BadInput(
            where, "has no date in `expires`", remedy="Write it like `expires = 2026-03-01`, without quotes."
        )
    if (expires - today).days > LONGEST_DAYS:
        raise BadInput(
            where, f"is for more than {LONGEST_DAYS} days", remedy="Choose an earlier date, and look again then."
        )
    return Waiver(identifier=str(identifier), rule=str(rule), expires=expires, **texts)


def _text(where: str, entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(where, f"has no `{name}`", remedy="A waiver says what, where, who, why, and until when.")
    return value.strip()
