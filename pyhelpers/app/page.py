"""The maintenance page: its options, and what each of them may be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyhelpers.errors import BadInput

_SECRET = re.compile(r"[A-Za-z0-9._~-]{8,255}")
_REDIRECT = re.compile(r"/(?!/)[A-Za-z0-9/._~%?=&+-]*")  # `//host` would be another site
_VIEW = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:./-]{0,254}")


@dataclass(frozen=True, kw_only=True)
class Page:
    """The maintenance page's options, as the inputs give them; times in seconds."""

    secret: str = ""
    retry: int = 60
    refresh: int = 0
    render: str = ""
    redirect: str = ""
    status: int = 503


def check_secret(secret: str, *, source: str = "secret") -> None:
    """Raise `BadInput` for a bypass secret that can't be part of a URL on every server; it is never shown."""
    if not _SECRET.fullmatch(secret):
        raise BadInput(
            source,
            "has characters that don't belong in a path, or is shorter than 8",
            remedy="Use 8 to 255 letters, digits, dots, underscores, tildes and dashes.",
        )


def check_redirect(path: str) -> None:
    """Raise `BadInput` for what is no path of the app's own."""
    if not _REDIRECT.fullmatch(path):
        raise BadInput("redirect", "is no path of the app", remedy="Begin with one slash, e.g. `/soon`.")


def check_view(name: str) -> None:
    """Raise `BadInput` for what is no name of a Laravel view."""
    if not _VIEW.fullmatch(name):
        raise BadInput("render", f"`{name[:80]}` is no view's name", remedy="e.g. `errors::503`.")
