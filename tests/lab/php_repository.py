"""A small PHP project in git, analysed by a `phpstan` that replays recordings (and says so): see phpstan_replay.py."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pyhelpers.cli.main import guarded, invoke
from pyhelpers.cli.session import Session
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from tests.unit.runner.github_runner import read_outputs

LAB = Path(__file__).resolve().parent
SAMPLE = LAB.parent / "samples" / "phpstan" / "project"
WHO = ("-c", "user.name=dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main")
BASELINE = (SAMPLE / "baseline.neon").read_text()
CONFIG: dict[str, Any] = {"level": 9, "paths": ["src"]}


@dataclass(frozen=True, kw_only=True)
class Gated:
    """How the gate ended: its exit code, its log, its outputs, its report."""

    code: int
    log: str
    outputs: Mapping[str, str]
    report: Mapping[str, Any]
    summary: str

    @property
    def refused(self) -> set[str]:
        """The rules by which it refused."""
        return {bypass["rule"] for bypass in self.report["bypasses"] if bypass["severity"] == "refuse"}

    @property
    def reported(self) -> set[str]:
        """The rules that only told."""
        return {bypass["rule"] for bypass in self.report["bypasses"] if bypass["severity"] == "report"}


@dataclass
class PhpRepository:
    """A repository whose first commit is green, and whose checkout a test then changes."""

    root: Path
    commits: list[str] = field(default_factory=list)

    def git(self, *words: str) -> str:
        """Run git and return what it printed."""
        done = subprocess.run(["git", *WHO, *words], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self, name: str) -> str:
        """Return a file's text."""
        return (self.root / name).read_text()

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in the file."""
        text = self.read(name)
        assert old in text, (name, old)
        self.write(name, text.replace(old, new))

    def configure(
        self,
        *,
        file: str = "phpstan.neon",
        includes: Sequence[str] = (),
        more: str = "",
        replay: str = "small-success/json",
        canary: str = "honest",
        folder: str = "",
        **parameters: Any,
    ) -> None:
        """Write the configuration, and the same for the stand-in, whose `dump-parameters` can't read NEON."""
        prefix = f"{folder}/" if folder else ""
        listed = "".join(f"\t- {name}\n" for name in includes)
        given = {**CONFIG, **parameters}
        lines = "".join(f"\t{name}: {json.dumps(value)}\n" for name, value in given.items())
        self.write(prefix + file, (f"includes:\n{listed}" if listed else "") + f"parameters:\n{lines}{more}")
        excluded = given.pop("excludePaths", [])
        given["excludePaths"] = {"analyse": [], "analyseAndScan": list(excluded)}
        self.write(
            f"{prefix}replay.json", json.dumps({"analyse": replay, "parameters": given, "canary": canary}, indent=1)
        )

    def commit(self, message: str = "change") -> str:
        """Commit all that lies there and return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]

    def gate(self, *words: str, runner: Runner | None = None) -> Gated:
        """Commit what was changed and run the gate over it, as a step of a job or by hand."""
        if self.git("status", "--porcelain"):
            self.commit()
        temp = self.root.parent / "temp"
        temp.mkdir(exist_ok=True)
        output, summary = temp / "output", temp / "summary"
        output.write_text("")
        summary.write_text("")
        runner = runner or Runner(on_github=True, output=output, summary=summary, temp=temp)
        log = io.StringIO()
        session = Session(runner, Log(runner, log))
        before = Path.cwd()
        os.chdir(self.root)
        try:
            code = guarded(session.log, lambda: invoke(session, ["gate", "phpstan", *words]))
        finally:
            os.chdir(before)
        outputs = read_outputs(output.read_text())
        place = Path(outputs["report"]) / "report.json" if outputs.get("report") else None
        report = json.loads(place.read_text()) if place else {"bypasses": [], "findings": []}
        return Gated(code=code, log=log.getvalue(), outputs=outputs, report=report, summary=summary.read_text())


def make_repository(folder: Path, *, baseline: str = "baseline.neon") -> PhpRepository:
    """Return a repository with one commit on main, checked out on a branch of its own; `baseline` empty: it has none."""
    made = PhpRepository(folder / "app")
    made.root.mkdir(parents=True)
    shutil.copytree(SAMPLE / "src", made.root / "src")
    made.write(".gitignore", "/vendor/\n")
    program = made.root / "vendor" / "bin" / "phpstan"
    program.parent.mkdir(parents=True)
    program.symlink_to(LAB / "phpstan_replay.py")
    if baseline:
        shutil.copy(SAMPLE / baseline, made.root / baseline)
    made.configure(includes=[baseline] if baseline else [])
    made.git("init", "-q")
    made.commit("base")
    made.git("checkout", "-q", "-b", "change")
    return made


@pytest.fixture
def php_repository(tmp_path: Path) -> PhpRepository:
    """A repository with a baseline of twelve entries."""
    return make_repository(tmp_path)
