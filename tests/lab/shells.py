"""The shells and small tools that hosts have: Debian's (dash, coreutils, mawk) and busybox' own (ash and its applets)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab import laravel

SCRIPTS = Path(__file__).resolve().parents[2] / "pyhelpers" / "app"


@dataclass(frozen=True, kw_only=True)
class Shell:
    """One shell with its tools, to run the scripts of `pyhelpers/app` as the agent on a host would."""

    name: str
    words: tuple[str, ...]
    path: str

    def run(
        self,
        script: str,
        *arguments: str | Path,
        stdin: bytes = b"",
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `script` with `arguments`; whatever its exit status, the result comes back."""
        return subprocess.run(
            self.command(script, *arguments),
            input=stdin,
            env=self.environment(environment),
            cwd=cwd,
            check=False,
            capture_output=True,
        )

    def command(self, script: str, *arguments: str | Path) -> list[str]:
        """The words that run `script`."""
        return [*self.words, str(SCRIPTS / script), *map(str, arguments)]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment that the scripts get."""
        return laravel.environment(PATH=self.path) | dict(extra or {})


def facts(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    """The key=value lines of a script's output."""
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def error(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a script said on stderr."""
    return done.stderr.decode("utf-8", "replace")


def deadly_tools(
    folder: Path, at: int, *, tools: tuple[str, ...] = ("mv", "rm", "ln", "sync", "mkdir", "rmdir")
) -> dict[str, str]:
    """Make tools that kill the script that calls them, with SIGKILL, at the `at`-th call (from 1) of any of them.

    The call itself doesn't happen: so the script dies between any two changes that it makes. Returns the environment
    to run with; `folder/calls` counts the calls.
    """
    folder.mkdir(exist_ok=True)
    calls = folder / "calls"
    calls.write_text("")
    for tool in tools:
        real = shutil.which(tool)
        (folder / tool).write_text(
            f'#!/bin/sh\necho x >>{calls}\n[ "$(wc -l <{calls})" -ne {at} ] || kill -s KILL "$PPID"\nexec {real} "$@"\n'
        )
        (folder / tool).chmod(0o755)
    return {"PATH": f"{folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
