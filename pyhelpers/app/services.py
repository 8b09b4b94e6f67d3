"""The `services` input: which programs hold the app's code in memory, one per line, each only if asked for."""

from __future__ import annotations

import re

from pyhelpers.errors import BadInput

_LINE = re.compile(
    r"^(?:#.*|queue|reload"
    r"|php-fpm: *(?:/[^\s]+|[A-Za-z0-9@._:-]+)"
    r"|(?:systemd(?:\(user\))?|pm2): *[A-Za-z0-9@._:-]+"
    r"|supervisor(?:\(/[^()\n]+\))?: *[A-Za-z0-9._:*-]+"
    r"|command: *\S.*)$"
)
KNOWN = "`php-fpm: NAME`, `queue`, `reload`, `supervisor: PROGRAM`, `systemd: UNIT`, `pm2: NAME`, `command: LINE`"


def check_services(text: str) -> None:
    """Raise `BadInput` for a line that is no service."""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if not _LINE.fullmatch(line):
            raise BadInput("services", f"`{line[:80]}` can't be read", remedy=f"One per line: {KNOWN}.")
