"""Why packages could not be installed, told from what pip or uv printed, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass


class SetupFailed(Exception):
    """The environment could not be built; `title` names the cause, the text says what to do."""

    def __init__(self, title: str, message: str) -> None:
        """Take the cause in two or three words, and the sentence for the person who has to mend it."""
        super().__init__(message)
        self.title = title


@dataclass(frozen=True)
class Cause:
    """A reason to fail: the pattern that gives it away in pip's or uv's output, its name, and its remedy."""

    pattern: str
    title: str
    message: str


# The most telling first: a certificate that isn't trusted is also a failed connection, and after a failed connection
# pip says that no version exists at all. The patterns are those of pip 22 to 26 and of uv 0.13.
CAUSES = (
    Cause(
        r"do not match the hashes|hash mismatch",
        "Wrong hash",
        "a file from the package index isn't the one that this version of Belay was tested with, and was not installed. "
        "If the index is a mirror, let it fetch that file again; otherwise treat it as tampered with.",
    ),
    Cause(
        r"no space left on device|disk quota exceeded",
        "Disk full",
        "there is no room for the packages. Free some, or set BELAY_HOME to a folder on another disk.",
    ),
    Cause(
        r"certificate.verify.failed|invalid peer certificate|unknownissuer",
        "Certificate refused",
        "the package index shows a certificate that isn't trusted here. Set PIP_CERT (or SSL_CERT_FILE) to the file of "
        "your own authority.",
    ),
    Cause(
        r"retrying|connection|error sending request|failed to fetch|timed out|dns error|http error|client error|"
        r"not a trusted or secure host",
        "No package index",
        "the package index can't be reached, or refuses. Check this machine's way out (HTTPS_PROXY) and the index "
        "(PIP_INDEX_URL or pip.conf; UV_DEFAULT_INDEX where uv is on PATH), then run the step again.",
    ),
    Cause(
        r"no matching distribution|no usable wheels|no solution found",
        "No wheel",
        "the package index offers no wheel of a locked version for this Python and machine, and Belay compiles nothing. "
        "Use a Python from 3.11 to 3.14 on Linux (glibc) or macOS; if the index is your own, see that it is complete and "
        "lets this machine in.",
    ),
)


def explain(printed: str) -> SetupFailed:
    """Return the failure that an installer's output tells of."""
    for cause in CAUSES:
        if re.search(cause.pattern, printed, re.IGNORECASE):
            return SetupFailed(cause.title, cause.message)
    return SetupFailed("Packages not installed", "pip or uv failed for the reason that it printed above.")
