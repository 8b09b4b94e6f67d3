"""The `services` input: which programs hold the app's code in memory, one per line, each only if asked for."""

from __future__ import annotations

import re

from pyhelpers.errors import BadInput

_NAME = r"[A-Za-z0-9@._:*/+][A-Za-z0-9@._:*/+-]*"  # as services.sh; a dash in front would be an option to a tool
_LINE = re.compile(
    r"^(?:#.*|queue|reload"
    rf"|(?:php-fpm|systemd(?:\(user\))?|pm2|supervisor(?:\(/[^()\n]+\))?): *{_NAME}"
    r"|command: *\S.*)$"
)
KNOWN = "`php-fpm: NAME`, `queue`, `reload`, `supervisor: PROGRAM`, `systemd: UNIT`, `pm2: NAME`, `command: LINE`"


def check_services(text: str) -> None:
    """Raise `BadInput` for a line that is no service."""
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        if not _LINE.fullmatch(line):
            raise BadInput("services", f"`{line[:80]}` can't be read", remedy=f"One per line: {KNOWN}.")
