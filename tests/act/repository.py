"""An app's own repository, its workflow run by act, the runner that people have at home.

The workflows are the examples of the README, edited as a user edits them: path, address, login. act runs them on this
machine itself (`-P ubuntu-24.04=-self-hosted`) and finds `belay-deploy/belay@v1` in a folder (`--local-repository`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.snapshot import Facts, facts
from tests.lab.site import ROOT, Site

EXAMPLES = ROOT / "examples" / "workflows"
# What the workflow's steps said, as a step of the user's own sees it.
TELL = """      - name: Tell
        if: ${{ always() }}
        env:
          TOLD: ${{ toJSON(steps) }}
        run: printf '%s\\n' "$TOLD" >"$BELAY_TEST_TOLD"
"""


def publish(folder: Path) -> Path:
    """Copy what belongs to Belay's repository, as a tag would give it, to `folder` and return it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file() and not name.startswith("tests/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a workflow ended: act's exit code, its log, and what each step with an id said."""

    code: int
    log: str
    steps: Mapping[str, Mapping[str, object]]

    def outputs(self, step: str) -> dict[str, str]:
        """Return the outputs of a step."""
        found = self.steps[step]["outputs"]
        assert isinstance(found, dict)
        return {str(name): str(value) for name, value in found.items()}


@dataclass(kw_only=True)
class Repository:
    """The repository of a site's app."""

    folder: Path
    site: Site
    act: str
    published: Path
    tool_cache: Path

    def commit(self, source: Path, workflow: str) -> None:
        """Make the repository hold this release's sources and this workflow."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder, symlinks=True)
        place = self.folder / ".github" / "workflows"
        place.mkdir(parents=True)
        (place / "belay.yml").write_text(workflow)
        who = ["-c", "user.name=dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "release"]):
            subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True)

    def example(self, name: str, *, deploy: str = "true") -> str:
        """Return an example workflow with the site's own path, address and login; `deploy` is the user's own command."""
        inputs = self.site.inputs
        text = (EXAMPLES / name).read_text()
        login = f"user: {inputs['user']}\n          port: {inputs['port']}\n          lease: 60"
        if name == "deploy.yml":
            build = "build-command: composer install --no-dev --optimize-autoloader"
            text = text.replace(build, "health-expect: release").replace("user: deploy", login)
        else:
            text = text.replace("user: deploy", login.rsplit("\n", 1)[0])
        text = text.replace("/var/www/app", inputs["path"]).replace("https://app.example.com/up", inputs["health-url"])
        return text.replace(f"./deploy.sh {inputs['path']}", deploy) + TELL

    def run(self, event: str, told: Path, **inputs: str) -> Ended:
        """Run the repository's workflow as `event`; act's own environment is clean, as a runner's is."""
        told.unlink(missing_ok=True)
        secrets = {
            "DEPLOY_HOST": self.site.inputs["host"],
            "DEPLOY_SSH_KEY": self.site.inputs["ssh-key"],
            "DEPLOY_KNOWN_HOSTS": self.site.inputs["known-hosts"],
            "BYPASS_SECRET": self.site.secret,
        }
        words = [self.act, event, "--workflows", ".github/workflows/belay.yml"]
        words += ["--platform", "ubuntu-24.04=-self-hosted"]
        words += ["--local-repository", f"belay-deploy/belay@v1={self.published}"]
        words += ["--env", f"BELAY_TEST_TOLD={told}", "--env", f"BELAY_HOME={self.tool_cache}"]
        for name in secrets:
            words += ["--secret", name]  # the value comes from the environment, never from a command line
        for name, value in inputs.items():
            words += ["--input", f"{name.replace('_', '-')}={value}"]
        environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environment |= {"HOME": str(self.folder.parent), "XDG_CACHE_HOME": str(self.folder.parent / "cache"), **secrets}
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
            check=False,
        )
        steps = json.loads(told.read_text()) if told.exists() else {}
        return Ended(code=done.returncode, log=done.stdout.decode("utf-8", "replace"), steps=steps)

    def state(self) -> Facts:
        """Return the site's whole state, found without any of Belay's code."""
        return facts(self.site)
