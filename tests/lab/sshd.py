"""A private, real OpenSSH server for tests, the demo and the benchmarks.

Started as root it lets in the user `deploy` (made if missing); started by anybody else it lets in that person, because
only root may become another user. Nothing of the machine's own ssh set-up is read or changed.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "127.0.0.1"
SSHD = "/usr/sbin/sshd"  # sshd starts itself again for each connection, and so wants its absolute path
PRIVILEGE_SEPARATION = Path("/run/sshd")  # compiled into Debian's sshd; must exist when root starts it
PENALTIES_SINCE = (9, 8)  # OpenSSH 9.8 began to shut out addresses that fail to log in; tests fail on purpose


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A server that runs now, and all that a client needs to know about it."""

    host: str
    port: int
    user: str
    key: str  # the client's private key as text, what `ssh-key` takes
    known_hosts: str  # the pinned line, what `known-hosts` takes
    base: str  # an empty folder of the user's own on this machine, for the app or whatever a test puts there
    pid: int
    log: Path

    def session_processes(self) -> list[int]:
        """Return the process ids of the sshd children that serve connections now, parents before children."""
        below = _descendants(self.pid)
        return [pid for pid in below if _command_of(pid).startswith("sshd")]

    def cut_links(self) -> int:
        """Kill every connection as a broken network would, leave the commands alone; return how many processes died."""
        found = self.session_processes()
        for pid in found:
            _kill(pid, signal.SIGKILL)
        return len(found)


@contextmanager
def running_sshd(
    folder: Path,
    *,
    address: str = ADDRESS,
    port: int = 0,
    key: str = "",
    key_type: str = "ed25519",
    host_key_type: str = "ed25519",
    settings: Sequence[str] = (),
    prefix: Sequence[str] = (),
) -> Iterator[Sshd]:
    """Run an sshd whose keys, settings and log lie in `folder`, and stop it with its connections at the end.

    Each call makes its own host key, and its own client key unless the private `key` of another server is given.
    `address` is one of this machine's loopback addresses; `port` 0 means a free one; `settings` are more lines of sshd_config, put first because sshd takes the first value
    it meets. `prefix` are words before the server's own that end in exec, e.g. to give it mounts of its own.
    """
    user = _user_to_log_in()
    keys = folder / "sshd"
    keys.mkdir(parents=True, exist_ok=True)
    client_key, host_key = keys / "client", keys / "host"
    if key:
        _copy_key(client_key, key)
    make_key(client_key, key_type)
    make_key(host_key, host_key_type)
    base = Path(tempfile.mkdtemp(prefix="belay-lab-", dir="/var/tmp"))
    _give(base, user)
    server, port = _start(keys, user, (address, port), settings, prefix)
    try:
        public = (keys / "host.pub").read_text().split()
        yield Sshd(
            host=address,
            port=port,
            user=user,
            key=client_key.read_text(),
            known_hosts=f"[{address}]:{port} {public[0]} {public[1]}\n",
            base=str(base),
            pid=server.pid,
            log=keys / "log",
        )
    finally:
        connections = _descendants(server.pid)
        server.terminate()
        server.wait()
        for pid in connections:
            if _command_of(pid).startswith("sshd"):
                _kill(pid, signal.SIGKILL)
        shutil.rmtree(base, ignore_errors=True)


def _start(
    keys: Path, user: str, place: tuple[str, int], settings: Sequence[str], prefix: Sequence[str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start sshd and wait until it answers; a free port that somebody took meanwhile is tried again elsewhere."""
    if os.geteuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    for _ in range(5):
        address, port = place
        chosen = port or free_port()
        config = keys / "sshd_config"
        config.write_text("\n".join([*settings, *_settings(keys, user, address, chosen)]) + "\n")
        with (keys / "log").open("wb") as log:
            words = [*prefix, SSHD, "-D", "-e", "-f", str(config)]
            server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=log)
        if _answers(server, address, chosen):
            return server, chosen
    raise RuntimeError(f"sshd did not start: {(keys / 'log').read_text()}")


def _settings(keys: Path, user: str, address: str, port: int) -> list[str]:
    """Return the lines of sshd_config: one user, by key only.

    The keys are read through a command that root runs, since pytest's folders are closed to every other user.
    """
    lines = [
        f"ListenAddress {address}",
        f"Port {port}",
        f"HostKey {keys / 'host'}",
        f"PidFile {keys / 'pid'}",
        f"AllowUsers {user}",
        "AuthorizedKeysFile none",
        f"AuthorizedKeysCommand /bin/cat {keys / 'client.pub'}",
        f"AuthorizedKeysCommandUser {pwd.getpwuid(os.geteuid()).pw_name}",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "UseDNS no",
        "PrintMotd no",
        "MaxStartups 100",
        "Subsystem sftp internal-sftp",
    ]
    told = subprocess.run(["ssh", "-V"], check=False, capture_output=True, text=True).stderr
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", told)
    if version and (int(version[1]), int(version[2])) >= PENALTIES_SINCE:
        lines.append("PerSourcePenalties no")
    return lines


def _answers(server: subprocess.Popen[bytes], address: str, port: int) -> bool:
    """Return whether our own server came up on `port`: False as soon as it has ended."""
    for _ in range(500):
        if server.poll() is not None:
            return False
        try:
            with socket.create_connection((address, port), timeout=2) as probe:
                if probe.recv(4) == b"SSH-":
                    return server.poll() is None
        except OSError:
            pass
        time.sleep(0.02)
    server.kill()
    server.wait()
    return False


def _user_to_log_in() -> str:
    """Return whom the server lets in, and make `deploy` when root asks and it is missing."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    where = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}  # not every root's PATH has them
    add = ["useradd", "-m", "-s", "/bin/sh", "deploy"]
    subprocess.run(add, capture_output=True, check=False, env=where)  # exists: fine
    # Without PAM sshd takes the "!" that useradd leaves as "account is locked"; "*" only means "no password fits".
    subprocess.run(["usermod", "-p", "*", "deploy"], check=True, env=where)
    return "deploy"


def _give(folder: Path, user: str) -> None:
    """Make `folder` the user's own."""
    owner = pwd.getpwnam(user)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o755)


def make_key(path: Path, key_type: str = "ed25519") -> None:
    """Make the key pair `path` and `path`.pub without a passphrase, unless it is there already."""
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", key_type, "-N", "", "-C", "test", "-f", str(path)], check=True)


def _copy_key(path: Path, key: str) -> None:
    """Write a private key and the public key that belongs to it."""
    path.touch(mode=0o600)
    path.write_text(key)
    public = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], check=True, capture_output=True, text=True)
    path.with_suffix(".pub").write_text(public.stdout)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _descendants(pid: int) -> list[int]:
    """Return all processes below `pid`, parents before children."""
    found: list[int] = []
    for child in _children(pid):
        found += [child, *_descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    """Return the direct children of a process; none when it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command_of(pid: int) -> str:
    """Return the short name of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _kill(pid: int, number: signal.Signals) -> None:
    """Signal a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    # `python -m tests.lab.sshd`: a server to play with by hand, until Ctrl-C.
    with tempfile.TemporaryDirectory() as place, running_sshd(Path(place)) as lab:
        identity = Path(place) / "sshd" / "client"
        sys.stdout.write(f"ssh -p {lab.port} -i {identity} {lab.user}@{lab.host}\n{lab.known_hosts}")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
