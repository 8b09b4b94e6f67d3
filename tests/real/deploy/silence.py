"""A story that nobody reads."""

from __future__ import annotations


class Silence:
    """Takes what a deploy tells."""

    def step(self, text: str) -> None:
        """Not told."""

    def detail(self, text: str) -> None:
        """Not told."""

    def output(self, text: str) -> None:
        """Not told."""

    def warning(self, text: str, *, title: str = "") -> None:
        """Not told."""
