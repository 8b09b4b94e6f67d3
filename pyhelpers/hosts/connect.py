"""From the connection inputs to a host: checks them, and gives this machine or a server behind a pinned ssh link."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyhelpers.errors import BadInput
from pyhelpers.hosts.known_hosts import HOW_TO_GET_IT, SSH_PORT, KnownHosts
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Host

if TYPE_CHECKING:
    from pyhelpers.hosts.link import Hop
    from pyhelpers.hosts.private_key import PrivateKey

HIGHEST_PORT = 65_535
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_JUMP = re.compile(r"(?P<user>[^@]+)@(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """The connection inputs of one host, as the user gave them."""

    path: str  # the app's base folder on the host
    host: str = ""  # empty: this machine
    port: int = SSH_PORT
    user: str = ""
    ssh_key: str = field(default="", repr=False)
    known_hosts: str = field(default="", repr=False)
    jump_host: str = ""  # user@host or user@host:port
    connect_timeout: float = 10.0  # seconds


def open_host(connection: Connection) -> Host:
    """Return the host, with its link made; without a `host` it is this machine.

    Raises `BadInput` naming the input that is wrong (before anything is contacted), or the one that the server doesn't
    take; `HostKeyRefused`; `HostUnreachable`.
    """
    found = check_connection(connection)
    if found is None:
        return LocalHost()
    from pyhelpers.hosts.ssh import SshHost  # noqa: PLC0415  as below

    host = SshHost(*found, connection.connect_timeout)
    host.connect()
    return host


def check_connection(connection: Connection) -> tuple[tuple[Hop, ...], PrivateKey] | None:
    """Return the servers on the way and the key, or None for this machine; nothing is contacted.

    Raises `BadInput` naming the input that can't be right.
    """
    check_path(connection.path)
    if not connection.host:
        return None
    way = _way(connection)
    if not connection.connect_timeout > 0:
        raise BadInput("connect-timeout", f"{connection.connect_timeout:g} isn't a number of seconds above 0")
    # A verb that works on this machine needs no ssh, and doesn't wait a quarter of a second for its import.
    from pyhelpers.hosts.private_key import read_private_key  # noqa: PLC0415

    return way, read_private_key(connection.ssh_key)


def check_path(path: str) -> None:
    """Raise `BadInput` unless `path` is absolute, in its shortest form, below the root, and free of white space."""
    if not path:
        raise BadInput("path", "is missing", remedy="Give the app's base folder on the host, e.g. /var/www/app.")
    if _UNSAFE.search(path):
        raise BadInput("path", f"{path!r} holds white space or a control character")
    if not path.startswith("/") or path.startswith("//") or path == "/" or posixpath.normpath(path) != path:
        remedy = "Write it whole, e.g. /var/www/app: from /, without `..`, `//` or a slash at the end."
        raise BadInput("path", f"{path!r} isn't an absolute, plain path below /", remedy=remedy)


def _way(connection: Connection) -> tuple[Hop, ...]:
    """Return the servers on the way to the host, with their pins."""
    from pyhelpers.hosts.link import Hop  # noqa: PLC0415  the same quarter of a second

    servers = [("host", connection.user, connection.host, connection.port)]
    if connection.jump_host:
        servers.insert(0, ("jump-host", *_split_jump(connection.jump_host)))
    for name, user, host, port in servers:
        _check_host(name, host)
        _check_user("user" if name == "host" else name, user)
        if not 1 <= port <= HIGHEST_PORT:
            raise BadInput("port" if name == "host" else name, f"{port} isn't a port (1 to {HIGHEST_PORT})")
    if not connection.known_hosts.strip():
        raise BadInput("known-hosts", "is missing; no server is trusted on first use", remedy=HOW_TO_GET_IT)
    known = KnownHosts.parse(connection.known_hosts)
    return tuple(
        Hop(host=host.lower(), port=port, user=user, pins=known.pins_for(host, port)) for _, user, host, port in servers
    )


def _split_jump(text: str) -> tuple[str, str, int]:
    """Return user, host and port of a `jump-host` input."""
    found = _JUMP.fullmatch(text)
    if not found:
        remedy = "For an IPv6 address write user@[address]:port."
        raise BadInput("jump-host", f"{text!r} isn't user@host or user@host:port", remedy=remedy)
    return found["user"], found["v6"] or found["host"], int(found["port"] or SSH_PORT)


def _check_host(name: str, host: str) -> None:
    """Raise `BadInput` unless `host` is a host name or an IP address."""
    if _HOST_NAME.fullmatch(host):
        return
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        remedy = "Give the name or address alone; user and port have inputs of their own."
        raise BadInput(name, f"{host!r} isn't a host name or an IP address", remedy=remedy) from None


def _check_user(name: str, user: str) -> None:
    """Raise `BadInput` unless `user` is a plain user name."""
    if not user:
        raise BadInput(name, "is missing: who logs in on the host?")
    if not _USER.fullmatch(user):
        raise BadInput(name, f"{user!r} isn't a plain user name")
