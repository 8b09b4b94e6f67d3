"""One thing that PHPStan complains of, as its JSON tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What PHPStan reports about itself, under its own identifiers: the file was not analysed, or not to its end. A newer
# release documents them as "results for that file are incomplete".
INCOMPLETE = frozenset({"phpstan.internal", "phpstan.parse", "phpstan.path"})
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9.]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One finding. `path` is absolute as PHPStan prints it, or relative to the repository's root once `placed`.

    `line` counts from 1; 0 means that it is about the whole file. `context` is the class that uses the trait in which
    the finding lies, else "".
    """

    path: str
    line: int
    message: str
    identifier: str
    tip: str = ""
    ignorable: bool = True
    context: str = ""

    @property
    def incomplete(self) -> bool:
        """Whether it says that PHPStan could not analyse the file, rather than what is wrong in it."""
        return self.identifier in INCOMPLETE

    @property
    def stale(self) -> bool:
        """Whether it says that an entry of a baseline is no longer needed, or no longer as often."""
        return self.identifier == "ignore.unmatched" or (
            self.identifier == "ignore.count" and "but occurred only" in self.message
        )

    @property
    def link(self) -> str:
        """The page of phpstan.org that explains the identifier; "" where there is none."""
        return (
            f"https://phpstan.org/error-identifiers/{self.identifier}" if _IDENTIFIER.fullmatch(self.identifier) else ""
        )
