"""A pinned ssh link: how it is made, kept alive, made again, and how a session on it is opened.

Fabric makes the connection and the way through the jump host. Its defaults are switched off one by one, because it
trusts any host key and reads the configuration files of whoever runs it.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import fabric
import paramiko
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential

from pyhelpers.errors import BadInput, BelayError, HostKeyRefused, HostUnreachable
from pyhelpers.hosts.known_hosts import KEY_TYPES, Pin, fingerprint
from pyhelpers.hosts.private_key import PrivateKey

KEEPALIVE = 15  # seconds between our packets on an idle link; most firewalls forget one after a minute or more
DEAD_AFTER = 45  # seconds without any acknowledgement until the kernel gives the link up (paramiko never would)
ATTEMPTS = 4  # to make a link, over about 2 s if it is refused at once; an sshd that restarts takes less
SESSIONS = 8  # at once on one link; sshd's MaxSessions is 10 by default
REFUSED_PAUSE = 0.1  # seconds until a session that the server refused is asked for again
PROHIBITED = 1  # RFC 4254, 5.1: open failed, administratively prohibited
WEAK_CIPHERS = ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc")
WEAK_MACS = ("hmac-md5", "hmac-md5-96", "hmac-sha1-96")
RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")  # what an `ssh-rsa` key signs with; its name alone meant SHA-1

# What paramiko's threads log of a broken link comes to our caller as one sentence; the rest is for nobody.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One server on the way: the jump host or the host itself, and the keys that it may show."""

    host: str
    port: int
    user: str
    pins: tuple[Pin, ...]

    @property
    def name(self) -> str:
        """How people know the server."""
        address = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{address}:{self.port}"


class Link:
    """The way to one host, over one jump host or none. Safe to be used by several threads at once."""

    def __init__(self, hops: Sequence[Hop], key: PrivateKey, connect_timeout: float) -> None:
        """Take the servers in the order in which they are passed, the key for all of them, and seconds for each try."""
        self._hops = tuple(hops)
        self._key = key
        self._connect_timeout = connect_timeout
        self._connections: list[fabric.Connection] = []
        self._lock = threading.RLock()
        self._sessions = threading.BoundedSemaphore(SESSIONS)

    @property
    def name(self) -> str:
        """How people know the host at the end of the link."""
        return self._hops[-1].name

    def open(self) -> paramiko.Transport:
        """Return the live link, made anew if there is none.

        It is tried up to four times, within about the connect timeout. Raises `HostUnreachable`, `HostKeyRefused`, or
        `BadInput` when a server doesn't take the key.
        """
        with self._lock:
            transport = self._transport()
            if transport is None or not transport.is_active():
                self.close()
                retrying = Retrying(
                    stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(self._connect_timeout),
                    wait=wait_exponential(multiplier=0.3),
                    retry=retry_if_exception_type(HostUnreachable),
                    reraise=True,
                )
                retrying(self._connect)
                transport = self._transport()
            if transport is None:
                raise HostUnreachable(f"the link to {self.name} ended at once")
            return transport

    @contextmanager
    def session(self, deadline: float) -> Iterator[paramiko.Channel]:
        """Give a new session on the host, and close it at the end.

        Waits while the server has no session to spare, until `deadline` (seconds of the monotonic clock). Up to here
        nothing has run on the host, so a link that proves dead is made anew, once. Raises as `open` does.
        """
        if not self._sessions.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise HostUnreachable(f"{self.name} had no session free in time; nothing was started")
        try:
            channel = self._channel("session", None, deadline)
            try:
                yield channel
            finally:
                # What came of the command is known by now; a link that is torn while we hang up adds nothing to it.
                with suppress(EOFError, OSError, paramiko.SSHException):
                    channel.close()
        finally:
            self._sessions.release()

    def connection_to(self, address: str, port: int) -> paramiko.Channel:
        """Return a channel to `address:port` as seen from the host; raises `HostUnreachable`."""
        return self._channel("direct-tcpip", (address, port), time.monotonic() + self._connect_timeout)

    def close(self) -> None:
        """Let go of the link, the host first and then the jump host."""
        with self._lock:
            for connection in reversed(self._connections):
                connection.client.close()
            self._connections = []

    def _channel(self, kind: str, destination: tuple[str, int] | None, deadline: float) -> paramiko.Channel:
        """Open a channel; a refused session is asked for again, a dead link is made anew once."""
        may_reconnect = True
        while True:
            transport = self.open()
            began = time.monotonic()
            patience = max(0.0, min(deadline - began, self._connect_timeout))
            try:
                return transport.open_channel(kind, destination, ("", 0), timeout=patience)
            except (paramiko.SSHException, OSError, EOFError) as error:
                now = time.monotonic()
                refused = transport.is_active() and now - began < patience
                if refused and kind == "session" and now + REFUSED_PAUSE < deadline:
                    time.sleep(REFUSED_PAUSE)
                    continue
                if refused or not may_reconnect or now >= deadline:
                    raise HostUnreachable(f"{self.name} opened no {kind}: {_reason(error)}") from error
            may_reconnect = False
            self._drop(transport)

    def _drop(self, transport: paramiko.Transport) -> None:
        """Close a dead link, unless another thread has made a new one already."""
        with self._lock:
            if self._transport() is transport:
                self.close()

    def _transport(self) -> paramiko.Transport | None:
        """Return the connection to the host as paramiko sees it, if one was made."""
        return self._connections[-1].client.get_transport() if self._connections else None

    def _connect(self) -> None:
        """Connect to one server after the other, each through the one before."""
        try:
            for hop in self._hops:
                connection = self._prepared(hop, self._connections[-1] if self._connections else None)
                self._connections.append(connection)
                _open(connection, hop)
        except BaseException:
            self.close()
            raise

    def _prepared(self, hop: Hop, gateway: fabric.Connection | None) -> fabric.Connection:
        """Return a connection that isn't open yet, with nothing left to a default."""
        connection = fabric.Connection(
            hop.host,
            user=hop.user,
            port=hop.port,
            gateway=gateway if gateway is not None else False,  # False: none, and don't look for one either
            config=fabric.Config(  # lazy: reads no file of fabric's, invoke's or ssh's
                lazy=True, ssh_config=paramiko.SSHConfig(), overrides={"load_ssh_configs": False}
            ),
            forward_agent=False,
            connect_kwargs={
                "pkey": self._key.loaded,
                "look_for_keys": False,
                "allow_agent": False,
                "compress": False,
                "timeout": self._connect_timeout,
                "banner_timeout": self._connect_timeout,
                "auth_timeout": self._connect_timeout,
                "channel_timeout": self._connect_timeout,
                "disabled_algorithms": _disabled(hop.pins),
            },
            inline_ssh_env=False,
        )
        connection.client.set_missing_host_key_policy(PinnedKeysOnly(hop))
        return connection


class PinnedKeysOnly(paramiko.MissingHostKeyPolicy):
    """Refuses every key but the pinned ones.

    Paramiko's own table of known hosts stays empty, so that it asks here each time: the table holds one key of a kind
    per server, and a server whose key is about to change has two.
    """

    def __init__(self, hop: Hop) -> None:
        """Take the server that is being connected to."""
        self._hop = hop

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise `HostKeyRefused` unless the server's key is pinned, byte by byte. It is called before any log-in."""
        del client, hostname
        if all(key.asbytes() != pin.blob for pin in self._hop.pins):
            raise _refused(self._hop, f"shows the key {fingerprint(key.asbytes())} ({key.get_name()})")


def _open(connection: fabric.Connection, hop: Hop) -> None:
    """Open one connection; every way in which that fails becomes one of ours, and none is taken for another."""
    try:
        connection.open()
    except paramiko.AuthenticationException as error:
        if not connection.client.get_transport().is_active():  # the same class is raised for a lost link
            raise HostUnreachable(f"{hop.name} hung up during the log-in: {error}") from error
        key = connection.connect_kwargs["pkey"]
        remedy = f"Put this line into ~{hop.user}/.ssh/authorized_keys there: {key.get_name()} {key.get_base64()}"
        raise BadInput("ssh-key", f"{hop.name} doesn't accept this key for this user", remedy=remedy) from None
    except paramiko.ssh_exception.IncompatiblePeer as error:
        if "host key" in str(error):
            raise _refused(hop, "shows no key of a pinned type") from None
        remedy = "Update its OpenSSH; 7.2 of 2016 is the oldest that works."
        raise BelayError(f"{hop.name} offers no safe algorithms: {error}", remedy=remedy) from error
    except paramiko.ChannelException as error:
        if error.code == PROHIBITED:
            remedy = "Allow it in the jump host's sshd_config: AllowTcpForwarding, PermitOpen."
            raise BadInput("jump-host", f"doesn't forward to {hop.host}:{hop.port}", remedy=remedy) from None
        raise _unreachable(hop, error) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise _unreachable(hop, error) from error
    transport = connection.client.get_transport()
    transport.set_keepalive(KEEPALIVE)
    _tune(transport.sock)


def _tune(sock: object) -> None:
    """Send each packet at once, and let the kernel end a link whose other side has gone silent.

    Without the first every command waits 40 ms for a delayed acknowledgement. A link through a jump host has no socket
    of its own; it ends with the jump host's.
    """
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER * 1000)


def _disabled(pins: Sequence[Pin]) -> dict[str, list[str]]:
    """Return the algorithms that must not be agreed on: weak ones, and host keys of a type that isn't pinned."""
    pinned = {pin.key_type for pin in pins}
    unpinned = [name for name in KEY_TYPES if name not in pinned or name == "ssh-rsa"]
    if "ssh-rsa" not in pinned:
        unpinned += RSA_SIGNATURES
    return {"ciphers": list(WEAK_CIPHERS), "macs": list(WEAK_MACS), "keys": unpinned}


def _refused(hop: Hop, what: str) -> HostKeyRefused:
    """Return the error for a server that isn't proven to be the one that was meant."""
    pinned = ", ".join(f"{pin.fingerprint} ({pin.key_type})" for pin in hop.pins)
    remedy = (
        "If the server was set up anew, compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its own "
        "console and replace its line in known-hosts; if not, somebody stands between."
    )
    return HostKeyRefused(f"{hop.name} {what}; pinned: {pinned}. Nothing was sent", remedy=remedy)


def _unreachable(hop: Hop, error: Exception) -> HostUnreachable:
    """Return the error for a server that gave no usable answer."""
    remedy = "Check host, port and jump-host, and that the server lets this runner's address in."
    return HostUnreachable(f"{hop.name} can't be reached: {_reason(error)}", remedy=remedy)


def _reason(error: Exception) -> str:
    """Return an error's text without the system's number; a few of paramiko's have none."""
    return re.sub(r"^\[Errno [^]]*\] ", "", str(error)) or type(error).__name__
