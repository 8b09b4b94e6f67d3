"""The small app of examples/plain-app, as a user has it: sources in a workspace, a server in front, a state to compare.

What looks at the state shares no code with what puts it back.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APP = Path(__file__).resolve().parents[2] / "examples" / "plain-app"
MIGRATE = "python3 migrate.py"
GOOD_MIGRATION = "ALTER TABLE notes ADD COLUMN colour TEXT;\n"
# Fails halfway: a column is there, every row is gone.
BROKEN_MIGRATION = f"{GOOD_MIGRATION}DELETE FROM notes;\nALTER TABLE nowhere ADD COLUMN size TEXT;\n"
SLOW_MIGRATION = f"{GOOD_MIGRATION}DELETE FROM notes;\n-- wait 60;\n"
BROKEN_PAGE = 'def page(connection):\n    raise KeyError("this release can not")\n'

# A deploy of the user's own, as `deploy.sh` in his repository.
OWN_DEPLOY = f"""#!/bin/sh
set -eu
name=own-$(date +%s%N)
release=$1/releases/$name
mkdir -p "$release"
cp -R app.py migrate.py migrations "$release"
echo "$name" >"$release/RELEASE"
(cd "$release" && {MIGRATE})
ln -sfn "releases/$name" "$1/current"
echo "deployed $name"
"""


@dataclass(frozen=True, kw_only=True)
class PlainApp:
    """The app on this machine: `base` is its folder, `url` its page."""

    base: Path
    url: str

    def state(self) -> tuple[str, ...]:
        """Return all that a rollback has to put back: the live release, the maintenance flag, every table and row."""
        with closing(sqlite3.connect(self.base / "shared" / "app.sqlite")) as database:
            rows = tuple(database.iterdump())
        down = (self.base / "shared" / "maintenance.json").exists()
        return (self.live, "down" if down else "up", *rows)

    @property
    def live(self) -> str:
        """The name of the live release."""
        return (self.base / "current").resolve().name

    def write_notes(self, count: int) -> None:
        """Let visitors write."""
        with closing(sqlite3.connect(self.base / "shared" / "app.sqlite")) as database:
            database.executemany(
                "INSERT INTO notes (body) VALUES (?)", [(f"note {number}",) for number in range(count)]
            )
            database.commit()

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the content that a visitor gets."""
        try:
            with urllib.request.urlopen(self.url, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


def write_sources(workspace: Path, *, migration: str = "", page: str = "") -> None:
    """Put a release's sources into the workspace; `migration` is one more of it, `page` another app.py."""
    workspace.mkdir(parents=True, exist_ok=True)
    for name in ("app.py", "migrate.py"):
        shutil.copy(APP / name, workspace)
    shutil.copytree(APP / "migrations", workspace / "migrations", dirs_exist_ok=True)
    (workspace / "deploy.sh").write_text(OWN_DEPLOY)
    (workspace / "deploy.sh").chmod(0o755)
    if migration:
        (workspace / "migrations" / "0002_next.sql").write_text(migration)
    if page:
        (workspace / "app.py").write_text(page)


@contextmanager
def running_plain_app(base: Path, *, owner: str = "") -> Iterator[PlainApp]:
    """Run the app's server on a free port until the block ends; `base` (the `owner`'s) gets a .env and no release yet."""
    shared = base / "shared"
    shared.mkdir(parents=True)
    (shared / ".env").write_text(f'DB_CONNECTION=sqlite\nDB_DATABASE="{shared}/app.sqlite"\n')
    for path in (base, shared, shared / ".env"):
        if owner:
            shutil.chown(path, owner, owner)
    port = base.with_name(f"{base.name}.port")
    with subprocess.Popen([sys.executable, str(APP / "serve.py"), str(base), str(port)]) as server:
        try:
            while not (port.exists() and port.read_text()):
                assert server.poll() is None, "the server did not start"
                time.sleep(0.02)
            yield PlainApp(base=base, url=f"http://127.0.0.1:{port.read_text()}/")
        finally:
            server.terminate()
