"""The files that Belay puts on a host: the agent and every script that a step or an undo may name.

They travel together, under a name made of their content. A deploy that is under way, or held, keeps the files that it
began with, whatever a newer version of Belay installs beside them.
"""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

AGENT = Path(__file__).with_name("agent.sh")
INSTALL = Path(__file__).with_name("install.sh")


@dataclass(frozen=True)
class Bundle:
    """The agent's text and the scripts' texts by file name."""

    agent: bytes
    scripts: Mapping[str, bytes]

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Bundle:
        """Return the bundle of the agent and of every host file (`.sh`, `.awk`, `.php`, `_driver.py`) in `folders`."""
        scripts: dict[str, bytes] = {}
        for folder in folders:
            for path in sorted(folder.iterdir()):
                if path.suffix in {".sh", ".awk", ".php", ".sql", ".stub"} or path.name.endswith("_driver.py"):
                    scripts[path.name] = path.read_bytes()
        return cls(AGENT.read_bytes(), scripts)

    @property
    def agent_name(self) -> str:
        """`agent-<sha256>`, the file's name on the host (public contract)."""
        return f"agent-{hashlib.sha256(self.agent).hexdigest()}"

    @property
    def scripts_name(self) -> str:
        """`scripts-<sha256>`, over names and contents."""
        digest = hashlib.sha256()
        for name, content in sorted(self.scripts.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return f"scripts-{digest.hexdigest()}"

    def tar(self) -> bytes:
        """Return the archive that `install.sh` unpacks: `agent` and `scripts/…`."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            members = {"agent": self.agent, **{f"scripts/{name}": text for name, text in self.scripts.items()}}
            folder = tarfile.TarInfo("scripts")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o700
            archive.addfile(folder)
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0o600
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()


@dataclass(frozen=True)
class Scripts:
    """Where the scripts lie on one host; makes the sh lines that steps and undos consist of."""

    folder: str

    def call(self, name: str, *arguments: str) -> str:
        """Return the line that runs the script `name` with `arguments`, each quoted (`exec sh '…/name' 'a' 'b'`)."""
        return "exec " + shlex.join(["sh", f"{self.folder}/{name}", *arguments])

    def argv(self, name: str, *arguments: str) -> list[str]:
        """Return the same call as words, for `Host.run`."""
        return ["sh", f"{self.folder}/{name}", *arguments]
