"""The gate's example workflow under a real runner, on a pull request, over a PHPStan that replays recordings (and says so).

Taken out of the example is what can't be had here: packages by Composer, GitHub's cache and its artifacts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.act.repository import EXAMPLES, TELL, Ended
from tests.lab.php_repository import LAB, PhpRepository, make_repository

_ELSEWHERE = re.compile(r"      - (?:name: .*\n(?: +if: .*\n)? +uses: actions/(?:cache|upload).*\n(?: {8,}.*\n)*)")


@pytest.fixture
def app(tmp_path: Path) -> PhpRepository:
    """A repository with the example workflow, committed on main."""
    made = make_repository(tmp_path)
    text = _ELSEWHERE.sub("", (EXAMPLES / "phpstan.yml").read_text())
    install = f"mkdir -p vendor/bin && ln -s {LAB / 'phpstan_replay.py'} vendor/bin/phpstan"
    text = text.replace("composer install --no-interaction --no-progress", install)
    text = text.replace("          token: ${{ github.token }}\n", "").replace("        with:\n      - ", "      - ")
    text = re.sub(r"(phpstan-gate@v1)\n        with:\n", r"\1\n", text)
    made.write(".github/workflows/phpstan.yml", text + TELL)
    made.commit("workflow")
    made.git("branch", "-f", "main")
    return made


def run(act: str, published: Path, app: PhpRepository, home: Path) -> Ended:
    """Run the workflow for a pull request from the branch `change` to main."""
    told, event = home / "told", home / "event.json"
    pull = {"number": 7, "head": {"sha": app.git("rev-parse", "HEAD"), "ref": "change"}}
    base = {"sha": app.git("rev-parse", "main"), "ref": "main"}
    event.write_text(json.dumps({"pull_request": pull | {"base": base}, "repository": {"default_branch": "main"}}))
    words = [act, "pull_request", "--workflows", ".github/workflows/phpstan.yml", "--eventpath", str(event)]
    words += ["--platform", "ubuntu-24.04=-self-hosted"]
    words += ["--local-repository", f"belay-deploy/belay@v1={published}"]
    words += ["--env", f"BELAY_TEST_TOLD={told}", "--env", f"BELAY_HOME={home / 'belay'}"]
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    done = subprocess.run(
        words,
        cwd=app.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )
    steps = json.loads(told.read_text()) if told.exists() else {}
    return Ended(code=done.returncode, log=done.stdout.decode("utf-8", "replace"), steps=steps)


def test_a_harmless_pull_request_passes(act: str, published: Path, app: PhpRepository, tmp_path: Path) -> None:
    app.write("src/New.php", "<?php declare(strict_types = 1);\n")
    app.commit("new")
    ended = run(act, published, app, tmp_path)
    assert ended.code == 0, ended.log
    told = ended.outputs("gate")
    assert (told["passed"], told["errors"], told["bypasses"]) == ("true", "0", "0")
    assert "This phpstan replays" not in ended.log, "what PHPStan says beside its answer is shown when it failed"


def test_a_pull_request_that_hides_an_error_is_refused(
    act: str, published: Path, app: PhpRepository, tmp_path: Path
) -> None:
    """P7: PHPStan itself is green."""
    app.change("src/Order.php", "return (string) $sum;", "return (string) $sum; // @phpstan-ignore return.type")
    app.commit("hidden")
    ended = run(act, published, app, tmp_path)
    assert ended.code != 0
    told = ended.outputs("gate")
    assert (told["passed"], told["suppressions"], told["bypasses"]) == ("false", "1", "1")
    assert "A comment newly hides return.type" in ended.log
