"""The time of day, as it is written for people and for files. No decision stands on it: a clock may be set back."""

from __future__ import annotations

import time


def utc(seconds: float | None = None) -> str:
    """Return a moment (seconds since 1970; now, by default) in UTC, such as `2026-01-31T23:59:59Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
