"""Was PHPStan itself, or an extension of it, swapped? What composer.lock and composer.json say on both sides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pyhelpers.gate.bypass import Bypass

_NUMBERS = re.compile(r"\d+")
_REMEDY = "Explain it to your reviewers, or go back; a waiver for this rule lets it through."


def audit_lock(base: str | None, head: str | None, *, place: str) -> Iterator[Bypass]:
    """Give what changed about PHPStan's own packages between two texts of composer.lock (None: there is none)."""
    before, after = _packages(base), _packages(head)
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            yield _refuse("extension-dropped", place, f"{name} is no longer installed.")
        elif elsewhere := sorted(_origins(new) - _origins(old)):
            known = ", ".join(sorted(_origins(old))) or "nowhere"
            yield _refuse("phpstan-replaced", place, f"{name} comes from {', '.join(elsewhere)} now, not {known}.")
        elif old.get("version") == new.get("version") and not _references(new) <= _references(old):
            yield _refuse(
                "phpstan-replaced", place, f"{name} {new.get('version')} has other contents under its old version."
            )
        elif _numbers(new) < _numbers(old):
            yield _refuse(
                "phpstan-downgraded", place, f"{name} goes back from {old.get('version')} to {new.get('version')}."
            )

    for name in sorted(after.keys() - before.keys()):
        if before:
            yield _report("extension-added", place, f"{name} is new, and PHPStan may load it by itself.")


def audit_manifest(base: str | None, head: str | None, *, place: str) -> Iterator[Bypass]:
    """Give what composer.json newly leaves out, asks for otherwise, or takes from elsewhere."""
    for name in sorted(_ignored(head) - _ignored(base)):
        yield _refuse("extension-dropped", place, f"The extension installer leaves out {name}.")
    before, after = _required(base), _required(head)
    for name, constraint in before.items():
        if name not in after:
            yield _refuse("extension-dropped", place, f"{name} is no longer required.")
        elif after[name] != constraint:
            yield _report("phpstan-required", place, f"{name} was required as {constraint} and is as {after[name]}.")
    for key in ("scripts", "config", "extra"):
        if _document(head).get(key) != _document(base).get(key) and base is not None:
            what = f"`{key}` of composer.json differs, and may say what is run or patched when packages are installed."
            yield _report("packages-changed", place, what)
    if _document(head).get("repositories") != _document(base).get("repositories"):
        yield _report("packages-from-elsewhere", place, "composer.json takes packages from other repositories.")


def _refuse(rule: str, place: str, what: str) -> Bypass:
    return Bypass(rule=rule, severity="refuse", place=place, what=what, remedy=_REMEDY)


def _report(rule: str, place: str, what: str) -> Bypass:
    return Bypass(rule=rule, severity="report", place=place, what=what, remedy="Look at it before you merge.")


def _required(text: str | None) -> dict[str, str]:
    """Return what composer.json requires of PHPStan's, with its constraints."""
    document = _document(text)
    parts = [document.get(key) for key in ("require", "require-dev")]
    listed = {str(name): str(value) for part in parts if isinstance(part, dict) for name, value in part.items()}
    return {name: value for name, value in listed.items() if "phpstan" in name or "larastan" in name}


def _packages(text: str | None) -> dict[str, Mapping[str, Any]]:
    """Return PHPStan and its extensions by name."""
    document = _document(text)
    parts = [document.get(key) for key in ("packages", "packages-dev")]
    listed = [each for part in parts if isinstance(part, list) for each in part if isinstance(each, dict)]
    return {str(each.get("name")): each for each in listed if _is_phpstan(each)}


def _is_phpstan(package: Mapping[str, Any]) -> bool:
    return package.get("type") == "phpstan-extension" or str(package.get("name", "")).startswith("phpstan/")


def _origins(package: Mapping[str, Any]) -> set[str]:
    """Return the places that a package comes from: Composer takes `dist` where it can, and `source` otherwise."""
    parts = {key: package.get(key) for key in ("source", "dist")}
    return {_origin(str(part["url"]), key) for key, part in parts.items() if isinstance(part, dict) and part.get("url")}


def _origin(url: str, key: str) -> str:
    """Return the place without what differs from release to release: of an archive outside GitHub only the host is left."""
    try:
        address = urlsplit(url)
    except ValueError:  # no address at all
        return url
    words = [word for word in address.path.removesuffix(".git").split("/") if word]
    if address.scheme == "https" and address.netloc == "api.github.com" and words[:1] == ["repos"]:
        return "/".join(["github.com", *words[1:3]]).lower()
    if address.scheme == "https" and address.netloc in {"github.com", "codeload.github.com"}:
        return "/".join(["github.com", *words[:2]]).lower()
    return f"{address.scheme}://{address.netloc}" if address.netloc and key == "dist" else url.removesuffix(".git")


def _references(package: Mapping[str, Any]) -> set[str]:
    parts = [package.get(key) for key in ("source", "dist")]
    return {str(part.get("reference")) for part in parts if isinstance(part, dict)}


def _numbers(package: Mapping[str, Any]) -> list[int]:
    version = str(package.get("version", ""))
    return [int(number) for number in _NUMBERS.findall(version)] if version[:1] in "v0123456789" else []


def _ignored(text: str | None) -> set[str]:
    value: Any = _document(text)
    for key in ("extra", "phpstan/extension-installer", "ignore"):
        value = value.get(key) if isinstance(value, dict) else None
    return {str(name) for name in value} if isinstance(value, list) else set()


def _document(text: str | None) -> dict[str, Any]:
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
