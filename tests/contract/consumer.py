"""An app's repository with a workflow that uses Belay, run by the interpreter: what a user's job would do."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.interpreter import Job, Step
from tests.lab.plain_app import MIGRATE, PlainApp, write_sources
from tests.lab.sshd import Sshd

TOP = Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "examples" / "workflows"
_OURS = re.compile(r"belay-deploy/belay(?:/(actions/[a-z-]+))?@v1")
_SSH_LINE = re.compile(r"^ +(?:host|user|ssh-key|known-hosts): .*\n", re.MULTILINE)
BYPASS = "a-bypass-secret"


def folder_of(uses: str) -> Path:
    """Return where the action of a `uses:` lies in this checkout."""
    found = _OURS.fullmatch(uses)
    assert found, uses
    return TOP / (found[1] or "")


def errors(step: Step) -> list[str]:
    """Return the errors that a step shows on the page of its run."""
    return [line for line in step.log.splitlines() if line.startswith("::error")]


@dataclass
class Consumer:
    """One app, and the jobs that its repository runs on it. `seen` collects which outputs any action ever set."""

    app: PlainApp
    folder: Path
    tool_cache: Path
    seen: dict[str, set[str]]
    sshd: Sshd | None = None
    jobs: list[Job] = field(default_factory=list)

    def job(self, *, migration: str = "", page: str = "", **more: Any) -> Job:
        """Return a new job of the app's repository, its sources checked out."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        workspace = folder / "a workspace"
        write_sources(workspace, migration=migration, page=page)
        self.jobs.append(
            Job(
                folder=folder,
                workspace=workspace,
                tool_cache=self.tool_cache,
                actions=folder_of,
                run_id=str(1000 + len(self.jobs)),
                secrets={"BYPASS_SECRET": BYPASS, **self._login()},
                **more,
            )
        )
        return self.jobs[-1]

    def run(self, job: Job, workflow: str) -> str:
        """Run the job and note which outputs its actions set; return how it ended."""
        try:
            return job.run(workflow)
        finally:
            for step in job.steps.values():
                if step.uses and step.outcome != "skipped":
                    self.seen.setdefault(step.uses, set()).update(name for name, value in step.outputs.items() if value)

    def example(self, name: str, **inputs: str) -> str:
        """Return an example workflow as this user edits it: path, address and login of his own; more `inputs` for Belay."""
        text = (EXAMPLES / name).read_text()
        text = text.replace("/var/www/app", str(self.app.base)).replace("https://app.example.com/up", self.app.url)
        if self.sshd is None:
            text = _SSH_LINE.sub("", text)
        else:
            text = text.replace("user: deploy", f"user: {self.sshd.user}\n          port: {self.sshd.port}")
        own = {"migrate-command": MIGRATE, **inputs}
        lines = "\n          ".join(f"{name}: {value}" for name, value in own.items())
        return text.replace("build-command: composer install --no-dev --optimize-autoloader", lines)

    def only(self, action: str, **inputs: str) -> str:
        """Return a workflow with one step, whose id is `it`, that uses `action` (empty: the root action)."""
        uses = f"belay-deploy/belay{f'/actions/{action}' if action else ''}@v1"
        head = [
            "on: push",
            "jobs:",
            "  job:",
            "    runs-on: here",
            "    steps:",
            "      - id: it",
            f"        uses: {uses}",
        ]
        given = [f"          {name.replace('_', '-')}: {value}" for name, value in inputs.items()]
        return "\n".join([*head, "        with:", *given, ""])

    def deploy(self, **more: Any) -> Step:
        """Deploy by the root action; return its step."""
        job = self.job(**more)
        self.run(job, self.example("deploy.yml"))
        return job.steps["deploy"]

    def _login(self) -> dict[str, str]:
        if self.sshd is None:
            return {}
        return {
            "DEPLOY_HOST": self.sshd.host,
            "DEPLOY_SSH_KEY": self.sshd.key,
            "DEPLOY_KNOWN_HOSTS": self.sshd.known_hosts,
        }
