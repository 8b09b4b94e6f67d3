"""What happens on the runner, before any host is touched: the user's own build, and the new release's name."""

from __future__ import annotations

import os
import secrets
import subprocess
import time

from pyhelpers.deploy.settings import DeploySettings
from pyhelpers.deploy.transaction import Story
from pyhelpers.errors import NothingChanged

BUILD_SECONDS = 3600


def release_name(settings: DeploySettings) -> str:
    """Return the new release's name: the time in UTC and the commit, so that a folder listing tells its own story."""
    mark = settings.trace.git_sha[:7] or secrets.token_hex(4)
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{mark}"


def build(settings: DeploySettings, story: Story) -> None:
    """Run `build-command` here, in the source folder; nothing on the host is touched yet. Raises `NothingChanged`."""
    if not settings.build_command:
        return
    story.step("Run build-command")
    # What a build runs is other people's code (composer's and npm's scripts): our inputs are no business of theirs.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INPUT_")}
    try:
        done = subprocess.run(  # noqa: S602  # the user's own command line, in the user's own job
            f"set -e\n{settings.build_command}",  # as in a workflow's `run:`, a good last line hides no bad first one
            shell=True,
            cwd=settings.source,
            env=environment,
            check=False,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NothingChanged(f"build-command did not end within {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        raise NothingChanged(
            f"build-command ended with exit status {done.returncode}", remedy="Its output is in the log above."
        )
