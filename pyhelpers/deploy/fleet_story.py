"""The story of several hosts at once: each line says whose it is, and what all do at the same time is told once."""

from __future__ import annotations

from dataclasses import dataclass

from pyhelpers.deploy.transaction import Story


@dataclass(frozen=True)
class Named:
    """A story in which every line names its host."""

    story: Story
    name: str

    def step(self, text: str) -> None:
        """A new step began."""
        self.story.step(f"{self.name}: {text}")

    def detail(self, text: str) -> None:
        """Something worth a line below the step."""
        self.story.detail(f"{self.name}: {text}")

    def output(self, text: str) -> None:
        """What a command on the host printed: never trusted."""
        self.story.output("\n".join(f"{self.name}: {line}" for line in text.rstrip("\n").split("\n")))

    def warning(self, text: str, *, title: str = "") -> None:
        """Something a person should look at."""
        self.story.warning(f"{self.name}: {text}", title=title)


@dataclass(frozen=True)
class Quiet:
    """A story of which only the warnings are told: what is done on many hosts at once is told once."""

    story: Story

    def step(self, text: str) -> None:
        """Not told."""

    def detail(self, text: str) -> None:
        """Not told."""

    def output(self, text: str) -> None:
        """Not told."""

    def warning(self, text: str, *, title: str = "") -> None:
        """Something a person should look at."""
        self.story.warning(text, title=title)
