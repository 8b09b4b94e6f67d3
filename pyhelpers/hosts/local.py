"""The machine that Belay itself runs on, as a host: a self-hosted runner beside the app, the demo, most tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from pyhelpers.errors import HostUnreachable
from pyhelpers.hosts.bulk import Bulk
from pyhelpers.hosts.command import caption, command_line
from pyhelpers.hosts.files import get_file, put_file
from pyhelpers.hosts.protocol import Result
from pyhelpers.hosts.stream import Child, kill_group

# What a login by ssh would have. Everything else (the job's inputs, its token, our own Python) stays with us.
KEPT_VARIABLES = frozenset({"HOME", "PATH", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "SHELL"})


class LocalHost:
    """This machine: the commands are our own user's, in a process group of their own, without our environment."""

    def __init__(self) -> None:
        """Connect nothing: there is no link that could be lost."""
        self._bulk = Bulk(host=self.name, child=lambda argv: nullcontext(_child(argv)))

    @property
    def name(self) -> str:
        """How people know it."""
        return "this machine"

    @property
    def address(self) -> str:
        """Empty: it needs none."""
        return ""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run a command, as `Host.run` says; at the timeout its process group is killed, its end stays unknown."""
        child = _child(argv)
        process = subprocess.Popen(
            child.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child.environment,
            cwd=child.folder,
            start_new_session=True,
        )
        with process:
            try:
                stdout, stderr = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                raise HostUnreachable(f"{caption(argv)} gave no end within {timeout:g} s on {self.name}") from None
            finally:
                # Over ssh the command would go on; here nobody else could ever end it.
                if process.poll() is None:
                    kill_group(process)
        if process.returncode < 0:
            raise HostUnreachable(f"{caption(argv)} was killed by signal {-process.returncode} on {self.name}")
        return Result(exit_code=process.returncode, stdout=stdout, stderr=stderr)

    def put(self, content: bytes, path: str, *, mode: int = 0o600) -> None:
        """Write a small file whole, as `Host.put` says."""
        put_file(self, content, path, mode)

    def get(self, path: str) -> bytes:
        """Return a small file's content, as `Host.get` says."""
        return get_file(self, path)

    def send_tree(self, source: Path, destination: str, *, exclude: Sequence[str] = ()) -> None:
        """Copy a folder, as `Host.send_tree` says."""
        self._bulk.send_tree(source, destination, exclude)

    def receive(self, argv: Sequence[str], sink: BinaryIO, *, timeout: float = 3600.0) -> None:
        """Stream what a command prints into `sink`, as `Host.receive` says."""
        self._bulk.receive(argv, sink, timeout)

    def send(self, argv: Sequence[str], source: BinaryIO, *, timeout: float = 3600.0) -> None:
        """Stream `source` into a command, as `Host.send` says."""
        self._bulk.send(argv, source, timeout)

    def tunnel(self, address: str, port: int) -> AbstractContextManager[tuple[str, int]]:
        """Return the address itself: what the host sees is what we see."""
        return nullcontext((address, port))

    def another(self) -> LocalHost:
        """Return this machine once more."""
        return LocalHost()

    def close(self) -> None:
        """Do nothing: there is no link."""


def login_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a command on the host may see."""
    return {name: value for name, value in environment.items() if name in KEPT_VARIABLES or name.startswith("LC_")}


def _child(argv: Sequence[str]) -> Child:
    """Return the child that runs `argv` as sshd would: by a shell, in the home folder, with a login's environment."""
    environment = login_environment(os.environ)
    home = environment.get("HOME", "/")
    folder = home if os.path.isdir(home) else "/"  # noqa: PTH112  a path only to be handed on
    return Child(argv=["/bin/sh", "-c", command_line(argv)], environment=environment, folder=folder)
