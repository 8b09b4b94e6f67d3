"""Each guard is removed once, in a copy of the repository, and the test that watches it has to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.mutations import MUTATIONS, Mutation
from tests.lab.site import ROOT

FAILED, NOTHING_RAN = 1, 5  # pytest's exit codes
SKIPPED = shutil.ignore_patterns(".git", ".dev", "*_cache", "__pycache__", ".hypothesis")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.guard.replace(" ", "-"))
def test_the_guard_is_still_where_the_list_says(mutation: Mutation) -> None:
    """P1 to P9: a guard that moved is found again before anybody believes that it is watched."""
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1


@pytest.mark.soak
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.guard.replace(" ", "-"))
def test_a_test_fails_when_the_guard_is_gone(mutation: Mutation, tmp_path: Path) -> None:
    """P1 to P9: what keeps a promise is missed when it isn't there."""
    copy = tmp_path / "belay"
    shutil.copytree(ROOT, copy, ignore=SKIPPED, symlinks=True)
    file = copy / mutation.file
    file.write_text(file.read_text().replace(mutation.old, mutation.new))
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "", mutation.path]
    environment = {**os.environ, "BELAY_CHAOS_AT_ONCE": "2"}
    done = subprocess.run(
        [*words, "-k", mutation.words] if mutation.words else words,
        cwd=copy,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != NOTHING_RAN, done.stdout
    assert done.returncode == FAILED, f"nobody missed it: {done.stdout[-2000:]}{done.stderr[-2000:]}"
