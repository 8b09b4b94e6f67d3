"""P6: the private key is in no argv, no environment and no file that outlives its use."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyhelpers.errors import CommandFailed
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.openssh import secret_file
from tests.lab.hosts import through, works
from tests.lab.sshd import Sshd


class Watcher(io.BytesIO):
    """A sink that looks for a secret in each of our ssh clients while they run, and then lets them end."""

    def __init__(self, secret: str, looked: Path) -> None:
        """Take the secret that must not be seen, and the file that says that it was looked for."""
        super().__init__()
        self.secret = secret.encode()
        self.looked = looked
        self.ssh_processes = 0
        self.found = False

    def write(self, data: object, /) -> int:
        """Look, then take the data."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                self.look(folder)
        self.looked.touch()
        return super().write(data)  # type: ignore[arg-type]  # bytes, as every caller gives

    def look(self, folder: Path) -> None:
        """Search one process, if it is an ssh client that was given its key by us."""
        try:
            if (folder / "comm").read_text() != "ssh\n":
                return
            command = (folder / "cmdline").read_bytes()
            self.ssh_processes += f"/proc/{os.getpid()}/fd/".encode() in command
            self.found |= self.secret in command + (folder / "environ").read_bytes()
        except OSError:
            return


def test_the_ssh_process_shows_no_key(sshd: Sshd, other: Sshd) -> None:
    looked = Path(sshd.base, "looked")
    watcher = Watcher(sshd.key.splitlines()[2], looked)
    host = open_host(through(sshd, other))
    host.receive(["sh", "-c", 'echo x; until [ -e "$1" ]; do sleep 0.1; done', "sh", str(looked)], watcher)
    host.close()
    assert watcher.ssh_processes == 2, "the host's client and the jump host's were both looked at"
    assert not watcher.found


def test_a_secret_file_is_ours_alone_and_short_lived() -> None:
    with secret_file("hush") as path:
        assert Path(path).read_text() == "hush"
        assert Path(path).stat().st_mode & 0o077 == 0
    assert not Path(path).exists()


def test_a_secret_file_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pyhelpers.hosts.openssh import secret_file\n"
        "with secret_file('hush') as path: print(path, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path)}
    )
    with process:
        assert process.stdout
        path = process.stdout.readline().strip()
        assert Path(path).read_text() == "hush"
        process.kill()
    assert not Path(path).exists()
    assert list(tmp_path.iterdir()) == []


def test_where_memory_files_are_unknown_a_folder_of_our_own_serves(
    sshd: Sshd, other: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a name that a shell and ssh itself would both read as more than a name."""
    folder = tmp_path / "100%h it's"
    folder.mkdir()
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with secret_file("hush") as path:
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    works(through(sshd, other))
    host = open_host(through(sshd, other))
    with pytest.raises(CommandFailed):
        host.receive(["false"], io.BytesIO())
    host.close()
    assert list(folder.iterdir()) == []
