"""OpenSSH's own client as the carrier of bulk data: two to three times as fast as paramiko, which also failed at 1 GiB.

It is given exactly the key and the pins that paramiko has, and none of the configuration of whoever runs it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyhelpers.errors import NothingChanged
from pyhelpers.hosts.command import command_line
from pyhelpers.hosts.link import DEAD_AFTER, KEEPALIVE, Hop
from pyhelpers.hosts.local import login_environment
from pyhelpers.hosts.private_key import PrivateKey
from pyhelpers.hosts.stream import Child

CONNECTION_FAILED = 255  # ssh's own status for "no end was seen"; a command's own 255 can't be told from it
FASTEST_FIRST = (
    "^aes128-gcm@openssh.com"  # before ssh's own order; a third faster than its default where the CPU has AES
)


@dataclass(frozen=True, kw_only=True)
class OpenSsh:
    """How to reach one host by the `ssh` program, over one jump host or none."""

    hops: tuple[Hop, ...]
    key: PrivateKey
    connect_timeout: float

    @contextmanager
    def child(self, argv: Sequence[str]) -> Iterator[Child]:
        """Give the ssh process that runs `argv` on the host; the key exists for it only inside this context.

        Raises `NothingChanged` when this machine has no ssh client.
        """
        program = shutil.which("ssh")
        if program is None:
            remedy = "Install OpenSSH's client on the runner: `apt-get install openssh-client`."
            raise NothingChanged("there is no `ssh` program on this machine, and bulk data needs one", remedy=remedy)
        pins = "".join(pin.line(hop.host, hop.port) for hop in self.hops for pin in hop.pins)
        with secret_file(self.key.text) as key, secret_file(pins) as known_hosts:
            ssh = self._ssh(program, key, known_hosts)
            yield Child(argv=[*ssh, command_line(argv)], environment=login_environment(os.environ))

    def _ssh(self, program: str, key: str, known_hosts: str) -> list[str]:
        """Return the words that start ssh up to the host's name; a jump host is another such ssh, pinned as well."""
        options: list[str] = []
        words: list[str] = []
        for number, hop in enumerate(self.hops):
            words = [program, *_options(key, known_hosts, self.connect_timeout), *options]
            words += ["-p", str(hop.port), "-l", hop.user]
            if number + 1 < len(self.hops):
                after = self.hops[number + 1]
                words += ["-W", f"[{after.host}]:{after.port}"]
            words += ["--", hop.host]
            options = ["-o", "ProxyCommand=" + shlex.join(words).replace("%", "%%")]
        return words


def _options(key: str, known_hosts: str, connect_timeout: float) -> list[str]:
    """Return ssh's options: everything that could ask, guess, trust or forward is off."""
    settings = {
        "IdentityFile": _as_value(key),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _as_value(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "CheckHostIP": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "EscapeChar": "none",
        "ConnectTimeout": str(max(1, round(connect_timeout))),
        "ServerAliveInterval": str(KEEPALIVE),
        "ServerAliveCountMax": str(DEAD_AFTER // KEEPALIVE),
        "Ciphers": FASTEST_FIRST,
        "Compression": "no",
        "LogLevel": "ERROR",
    }
    return ["-F", "/dev/null", "-T", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]


def _as_value(path: str) -> str:
    """Return a path as ssh reads it from an option, where a space would end it and a % begin a placeholder."""
    return '"' + path.replace("%", "%%") + '"'


@contextmanager
def secret_file(text: str) -> Iterator[str]:
    """Give the path of a file with this content that only our own user can read, while the context lasts.

    On Linux it lies in memory and is gone with our process, however that ends. Elsewhere it is a file in a temporary
    folder of our own, which outlives a SIGKILL.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").exists():
        descriptor = os.memfd_create("belay", os.MFD_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, text.encode())
            yield f"/proc/{os.getpid()}/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(prefix="belay-") as folder:  # 0700
        path = Path(folder) / "secret"
        path.touch(mode=0o600)
        path.write_text(text)
        yield str(path)
