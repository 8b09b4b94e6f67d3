"""Every script that runs on hosts is tried with both kinds of shell."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.lab.shells import Shell


@pytest.fixture(scope="session", params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Each of the two worlds in turn."""
    path = os.environ["PATH"]
    if request.param == "dash":
        return Shell(name="dash", words=("dash",), path=path)
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("busybox is not installed")
    applets = tmp_path_factory.mktemp("busybox")
    subprocess.run([busybox, "--install", "-s", str(applets)], check=True)
    return Shell(name="busybox", words=(busybox, "sh"), path=f"{applets}:{path}")
