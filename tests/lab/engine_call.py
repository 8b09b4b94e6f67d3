"""An engine's script called as the agent calls it: a session and an environment of its own, no input."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


def limited(command: Sequence[str], largest_file: int | None) -> list[str]:
    """Return the words that run a command with no file longer than so many KiB: a write beyond is refused, as on a full disk.

    It is the shell's own limit (in blocks of 512 bytes), for which nobody needs rights.
    """
    if largest_file is None:
        return list(command)
    limit = 'trap "" XFSZ; ulimit -S -f "$1"; shift; exec "$@"'
    return ["sh", "-c", limit, "sh", str(largest_file * 2), *command]


class EngineCall:
    """A site whose script can be called; tests change what they like between two calls."""

    script: ClassVar[Path]
    defaults: ClassVar[dict[str, str]]  # of its environment; `settings` are more, or other ones
    root: Path
    conn: Path
    shell: tuple[str, ...]
    settings: dict[str, str]
    password: str = ""  # which no output may hold
    largest_file: int | None = None  # KiB; a longer write fails, as on a disk that is full

    def environment(self) -> dict[str, str]:
        """Return the script's whole environment."""
        return {"PATH": os.environ["PATH"], **self.defaults, **self.settings}

    def start(self, verb: str, *words: str | Path) -> subprocess.Popen[str]:
        """Start the script in a session of its own."""
        command = [*self.shell, str(self.script), verb, str(self.conn), *map(str, words)]
        return subprocess.Popen(
            limited(command, self.largest_file),
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, verb: str, *words: str | Path) -> tuple[int, str, str]:
        """Run the script; return its exit status and what it wrote to both outputs."""
        with self.start(verb, *words) as process:
            output, errors = process.communicate(timeout=180)
        assert not self.password or self.password not in output + errors, "P6"
        return process.returncode, output, errors

    def facts(self, verb: str, *words: str | Path) -> dict[str, str]:
        """Run the script, expect success, and return its `key=value` lines."""
        status, output, errors = self.call(verb, *words)
        assert status == 0, errors
        return dict(line.split("=", 1) for line in output.splitlines())
