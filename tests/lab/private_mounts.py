"""A mount namespace for one command: a disk that is really full, or really read-only, also for root."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

WAYS = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"], ["sudo", "-nE", "unshare", "--mount"])


def private_mounts(script: str) -> list[str]:
    """Return the words that run a command with the mounts that `script` makes; nothing outside it sees them.

    Skips the test where the kernel or a policy forbids them to this user.
    """
    for way in WAYS if os.geteuid() else WAYS[:1]:
        words = [shutil.which(way[0]) or way[0], *way[1:]]
        try:
            done = subprocess.run([*words, "true"], check=False, capture_output=True)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return [*words, "/bin/sh", "-c", f'PATH="$PATH:/usr/bin:/bin:/sbin" && {script} && exec "$@"', "sh"]
    pytest.skip("private mounts need root, user namespaces, or sudo without a password")
