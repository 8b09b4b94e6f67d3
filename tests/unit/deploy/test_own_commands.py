"""The user's own commands of several lines: they end at the first that fails, as in a workflow's `run:`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from pyhelpers.app.app import App
from pyhelpers.deploy.build import build
from pyhelpers.deploy.policy import Choice
from pyhelpers.deploy.settings import DeploySettings
from pyhelpers.errors import NothingChanged
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log

HALF_FAILED = "touch begun\nfalse\ntouch went-on"
CHOICE = Choice(
    layout="releases", migrate="auto", migrate_command="", maintenance="auto", database_rollback="auto", watchdog=True
)


def settings(source: Path, command: str) -> DeploySettings:
    return DeploySettings(
        environment="production", path="/nowhere", choice=CHOICE, source=source, build_command=command
    )


def on_the_runner(folder: Path, command: str) -> int:
    """Run it as `build-command`; return 1 where that is refused."""
    with (folder / "log").open("w") as stream:
        try:
            build(settings(folder, command), Log(Runner(), stream))
        except NothingChanged:
            return 1
    return 0


def on_the_host(folder: Path, command: str) -> int:
    """Run it as the agent runs `deploy-command` and `migrate-command`; return its exit status."""
    app = App(site=cast("Any", None), agent=cast("Any", None), folder="/nowhere")
    return subprocess.run(["/bin/sh"], input=app.in_folder(str(folder), command), text=True, check=False).returncode


@pytest.mark.parametrize("run", [on_the_runner, on_the_host])
def test_a_good_last_line_hides_no_bad_first_one(run: Any, tmp_path: Path) -> None:
    """P7: half a build or half a migration is never a success."""
    assert run(tmp_path, HALF_FAILED) == 1
    assert (tmp_path / "begun").exists()
    assert not (tmp_path / "went-on").exists()
    assert run(tmp_path, "test -e begun || touch other\nif false; then touch other; fi\ntouch done") == 0
    assert not (tmp_path / "other").exists()
    assert (tmp_path / "done").exists()
