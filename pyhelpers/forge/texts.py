"""Texts within GitHub's limits: cut where they are too long, and without characters that it refuses."""

from __future__ import annotations

_FORBIDDEN = {code: "\ufffd" for code in range(32) if chr(code) not in "\t\n\r"}


def fitted(text: str, limit: int, *, note: str = "…") -> str:
    """Return `text` in at most `limit` bytes of UTF-8, and so in as many characters; what was cut is marked by `note`.

    GitHub speaks of characters here and of kilobytes there; bytes are the smaller of the two. Control characters and
    halves of a surrogate pair (they come from file names that are no UTF-8) become U+FFFD.
    """
    clean = text.translate(_FORBIDDEN).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    encoded = clean.encode()
    if len(encoded) <= limit:
        return clean
    return encoded[: limit - len(note.encode())].decode("utf-8", "ignore") + note
