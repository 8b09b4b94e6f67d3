"""The pinned keys of servers: our own strict reader of the `known-hosts` input.

Own, because paramiko's reader skips or trips over lines that it doesn't know, and a line that is skipped in silence is
a pin that isn't there. Whatever this one can't vouch for, it refuses with the line's number.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from pyhelpers.errors import BadInput

KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
SSH_PORT = 22
HOW_TO_GET_IT = (
    "Run `ssh-keyscan -t ed25519 HOST` (with `-p PORT` if it isn't 22), and on the server's own console "
    "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`; if `ssh-keygen -lf -` shows the same fingerprint for "
    "the scanned line, put that line into known-hosts."
)
_BRACKETED = re.compile(r"\[([^\[\]]+)\]:(\d{1,5})")
_HASHED = re.compile(r"\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class Pin:
    """One public key that a server is allowed to show."""

    key_type: str
    blob: bytes  # the key in ssh's own binary form

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint as `ssh-keygen -l` prints it: `SHA256:…`."""
        return fingerprint(self.blob)

    def line(self, host: str, port: int) -> str:
        """Return the known_hosts line that pins this key, under the plain name."""
        return f"{lookup_name(host, port)} {self.key_type} {base64.b64encode(self.blob).decode()}\n"


@dataclass(frozen=True)
class _Entry:
    """One line: the names it is for (plain or hashed, as written) and its key."""

    names: tuple[str, ...]
    pin: Pin


@dataclass(frozen=True)
class KnownHosts:
    """All lines of a `known-hosts` input."""

    entries: tuple[_Entry, ...]

    @classmethod
    def parse(cls, text: str) -> KnownHosts:
        """Return the pins in `text`; raises `BadInput` for any line that isn't a plain, complete pin."""
        lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
        entries = [_entry(line, number) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
        if not entries:
            raise BadInput("known-hosts", "is empty; no server is trusted on first use", remedy=HOW_TO_GET_IT)
        return cls(tuple(entries))

    def pins_for(self, host: str, port: int) -> tuple[Pin, ...]:
        """Return the keys pinned for a server, in the order of their lines, each once.

        Raises `BadInput` when there is none, naming the servers that do have a line. As the port is part of the name,
        a line for `host` alone never counts for another port than 22.
        """
        wanted = lookup_name(host, port)
        pins = dict.fromkeys(entry.pin for entry in self.entries if any(_names(name, wanted) for name in entry.names))
        if not pins:
            raise BadInput("known-hosts", f"has no line for {wanted}, only for {self._present()}", remedy=HOW_TO_GET_IT)
        return tuple(pins)

    def _present(self) -> str:
        """Return the names for which there are lines, as a list to be read."""
        names = dict.fromkeys(name for entry in self.entries for name in entry.names)
        plain = [name for name in names if not name.startswith("|")]
        if len(names) > len(plain):
            plain.append("hashed names, which can't be shown")
        return ", ".join(plain)


def lookup_name(host: str, port: int) -> str:
    """Return how known_hosts calls a server: `host`, or `[host]:port` when the port isn't 22; always in lower case."""
    return host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key in ssh's binary form, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _entry(line: str, number: int) -> _Entry:
    """Return one line's names and key."""
    words = line.split()
    if words[0].startswith("@"):
        raise _refused(number, f"{words[0]} isn't supported: pin the server's own key instead")
    if words[0] in KEY_TYPES:
        raise _refused(number, f"begins with the key type; the server's name is missing before {words[0]}")
    if len(words) < 3:  # noqa: PLR2004  name, type, key
        raise _refused(number, "isn't `name key-type key`")
    names = tuple(_name(name, number) for name in words[0].split(","))
    return _Entry(names, _pin(words[1], words[2], number))


def _name(name: str, number: int) -> str:
    """Return one name of a line in the form in which it is looked up; hashed ones as they are."""
    if name.startswith("|"):
        if not _HASHED.fullmatch(name):
            raise _refused(number, "has a hashed name that can't be read")
        return name
    if not name or any(mark in name for mark in "*?!"):
        raise _refused(number, f"has the pattern {name!r}; a pin is for one named server")
    if name.startswith("["):
        found = _BRACKETED.fullmatch(name)
        if not found:
            raise _refused(number, f"has the name {name!r}; with a port it is written [host]:port")
        return lookup_name(found[1], int(found[2]))
    return name.lower()


def _pin(key_type: str, key: str, number: int) -> Pin:
    """Return a line's key; what its text says and what its bytes say must agree."""
    if key_type not in KEY_TYPES:
        raise _refused(number, f"has the key type {key_type!r}; supported are {', '.join(KEY_TYPES)}")
    try:
        blob = base64.b64decode(key, validate=True)
    except binascii.Error:
        raise _refused(number, "has a key that isn't base64; was the line cut?") from None
    fields = _fields(blob)
    if len(fields) < 2 or fields[0] != key_type.encode():  # noqa: PLR2004  the type's name and the key itself
        raise _refused(number, f"has a key that isn't a whole {key_type} key; was the line cut?")
    return Pin(key_type, blob)


def _fields(blob: bytes) -> list[bytes]:
    """Return the length-prefixed strings that a public key consists of (RFC 4251); none when one is cut short."""
    fields: list[bytes] = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return []
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def _names(name: str, wanted: str) -> bool:
    """Return whether a name of a line, plain or hashed, means the server `wanted`."""
    hashed = _HASHED.fullmatch(name)
    if not hashed:
        return name == wanted
    salt, expected = (base64.b64decode(part + "==") for part in hashed.groups())
    return hmac.compare_digest(hmac.digest(salt, wanted.encode(), "sha1"), expected)


def _refused(number: int, problem: str) -> BadInput:
    """Return the error for one line."""
    return BadInput("known-hosts", f"line {number} {problem}", remedy=HOW_TO_GET_IT)
