"""A checkout of Belay with a small program in place of the command line, and a machine to start it on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab.package_index import Index, lock

TOP = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash") or "/bin/bash"
LOCKS = {
    "core": [],
    "ssh": ["fabric"],
    "db": ["sqlalchemy"],
    "stores": ["boto3"],
    "forge": ["github"],
    "janitor": ["fabric", "github"],
    "gate": ["yaml"],
    "gate-forge": ["yaml", "github"],
}


@dataclass(kw_only=True)
class Machine:
    """Where `run` is started: a checkout, a current folder, and an environment that holds nothing of the test's own."""

    checkout: Path
    workspace: Path
    cache: Path
    environ: dict[str, str]
    index: Index
    wrapper: list[str] = field(default_factory=list)

    @property
    def run(self) -> Path:
        """The launcher."""
        return self.checkout / "pyhelpers" / "run"

    def popen(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a verb and return the process."""
        return subprocess.Popen(
            [*self.wrapper, BASH, str(self.run), *arguments],
            cwd=self.workspace,
            env=self.environ | environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def start(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Start a verb, wait for its end, and return how it ended."""
        with self.popen(*arguments, **environ) as process:
            out, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, errors)

    def facts(self, *arguments: str, **environ: str) -> dict[str, Any]:
        """Start a verb that must succeed, and return what the program told."""
        done = self.start(*arguments, **environ)
        assert done.returncode == 0, done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    def homes(self) -> list[Path]:
        """The environments in the cache."""
        return sorted(mark.parent for mark in self.cache.glob("pyhelpers/*/.complete"))

    def left_behind(self) -> list[str]:
        """What lies in the cache beside environments and their locks."""
        whole = {home.name for home in self.homes()}
        return [
            path.name for path in self.cache.glob("pyhelpers/*") if path.name not in whole and path.suffix != ".lock"
        ]


def make_machine(folder: Path, index: Index, mode: str) -> Machine:
    """Return a machine whose PATH holds python3 and, for the mode `uv`, uv; every path in it has a space."""
    checkout, workspace, home, programs = (
        folder / name for name in ("the action", "a workspace", "some one", "the bin")
    )
    for needed in (workspace, home, programs, checkout / "pyhelpers" / "cli", checkout / "requirements"):
        needed.mkdir(parents=True)
    for name in ("run", "__main__.py", "__init__.py"):
        shutil.copy(TOP / "pyhelpers" / name, checkout / "pyhelpers")
    shutil.copytree(
        TOP / "pyhelpers/bootstrap", checkout / "pyhelpers/bootstrap", ignore=shutil.ignore_patterns("__pycache__")
    )
    (checkout / "pyhelpers/cli/__init__.py").touch()
    shutil.copy(TOP / "tests/samples/launched_program.py", checkout / "pyhelpers/cli/main.py")
    for name, extra in LOCKS.items():
        (checkout / f"requirements/{name}.txt").write_text(lock("click", *extra))
    (programs / "python3").symlink_to(base_python())
    if mode == "uv":
        (programs / "uv").symlink_to(uv_program())
    environ = {
        "PATH": str(programs),
        "HOME": str(home),
        "RUNNER_TOOL_CACHE": str(folder / "tool cache"),
        "PIP_INDEX_URL": index.url,
        "PIP_RETRIES": "1",  # with none, pip doesn't say why there was no answer
        "UV_HTTP_RETRIES": "0",
    }
    return Machine(checkout=checkout, workspace=workspace, cache=folder / "tool cache", environ=environ, index=index)


def base_python() -> str:
    """The Python below the virtual environment that runs the tests; it has a pip of its own, or ensurepip."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)))


def uv_program() -> str:
    """The uv that stands in the tests' own environment, or on PATH."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if not found:
        pytest.skip("uv isn't installed")
    return found


def one_error(done: subprocess.CompletedProcess[str]) -> str:
    """The one `::error` line of a start that failed."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("::error")]
    assert len(errors) == 1, done.stderr
    return errors[0]
