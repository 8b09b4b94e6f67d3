"""`layout: in-place`: the app's folder is the code that serves, and a command of the user's changes it."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.lab import laravel
from tests.lab.site import Lab

# What a deploy-command does in place: some files change, some are new, some go. Then it may fail.
CHANGE = "cp -r {source}/. . && rm -f server.php && echo new >added.txt"
OWN = f"{CHANGE} && php artisan migrate --force"  # as many people's deploy.sh
IGNORED = (".belay", "storage", "bootstrap/cache")


class InPlace:
    """A Laravel app in place on this machine, on SQLite, and deploys to it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        """Make the app in `folder`, with one user in its database."""
        self.lab = lab
        self.base = laravel.make_in_place(folder / "app", database={"DB_CONNECTION": "sqlite"})
        self.folder = folder
        with sqlite3.connect(self.base / "database" / "database.sqlite") as link:
            link.execute("INSERT INTO users (name, email) VALUES ('a', 'a@example.com')")

    def deploy(self, migration: str, command: str, health: str) -> int:
        """Deploy sources with a migration by the user's `command`; return the exit code."""
        source = laravel.make_release(self.folder / "source", migrations={f"2024_06_01_000000_{migration}": migration})
        inputs = {
            "path": str(self.base),
            "layout": "in-place",
            "deploy-command": command.format(source=source),
            "health-url": health,
            "lease": "60",
        }
        words = ["bash", str(self.lab.tree / "pyhelpers" / "run"), "deploy"]
        return subprocess.run(words, env=self.lab.environment(inputs), cwd=self.folder, check=False).returncode

    def state(self) -> tuple[object, ...]:
        """Return every file of the code by its hash, every row, and whether the app is down; none of Belay's code helps."""
        files = sorted(
            (str(path.relative_to(self.base)), path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in self.base.rglob("*")
            if path.is_file()
            and not str(path.relative_to(self.base)).startswith(IGNORED)
            and ".sqlite" not in path.name
        )
        with sqlite3.connect(self.base / "database" / "database.sqlite") as link:
            rows = list(link.iterdump())
        return (files, rows, (self.base / "storage" / "framework" / "down").exists())


def test_a_good_command_and_its_migration_stay(lab: Lab, tmp_path: Path) -> None:
    """P1, P2: behind the page, backed up, migrated, and open again."""
    app = InPlace(lab, tmp_path)
    with laravel.running_php(app.base) as web:
        assert app.deploy("good", CHANGE, f"{web.url}/health") == 0
    _, rows, down = app.state()
    assert (app.base / "added.txt").exists()
    assert not down
    assert any("nickname" in str(row) for row in rows)  # type: ignore[attr-defined]
    assert len(list(app.base.glob(".belay/backups/*/manifest.json"))) == 1


@pytest.mark.parametrize(
    ("migration", "command"),
    [
        ("failing", CHANGE),
        ("good", f"{CHANGE} && false"),
        ("good", f"{CHANGE} && : >BROKEN"),
        ("good", f"{OWN} && : >BROKEN"),
        ("failing", OWN),
    ],
    ids=[
        "the migration fails",
        "the command fails halfway",
        "the new code is not healthy",
        "the command migrates by itself and the new code is not healthy",
        "the command's own migration fails",
    ],
)
def test_whatever_fails_code_and_rows_are_as_before(lab: Lab, tmp_path: Path, migration: str, command: str) -> None:
    """P2: changed files, removed files, added files, schema and rows."""
    app = InPlace(lab, tmp_path)
    before = app.state()
    with laravel.running_php(app.base) as web:
        assert app.deploy(migration, command, f"{web.url}/health") == 3
    assert app.state() == before
