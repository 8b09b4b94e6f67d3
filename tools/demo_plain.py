"""The demo without ssh and PHP: a small app on SQLite, on this machine. Run it with `make demo`."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.demo_stage import LEASE_SECONDS, ROOT, Stage, answer, say, title

APP = ROOT / "examples" / "plain-app"
BROKEN_MIGRATION = """ALTER TABLE notes ADD COLUMN colour TEXT;
DELETE FROM notes;
ALTER TABLE a_table_that_is_not_there ADD COLUMN size TEXT;
"""
SLOW_MIGRATION = """ALTER TABLE notes ADD COLUMN colour TEXT;
UPDATE notes SET body = 'overwritten';
-- wait 60;
ALTER TABLE notes ADD COLUMN size TEXT;
"""


def release(folder: Path, name: str, migration: str = "") -> str:
    """Make the sources of a release, and return their folder."""
    source = folder / name
    shutil.copytree(APP, source, ignore=shutil.ignore_patterns("serve.py", "README.md"))
    if migration:
        (source / "migrations" / f"0002_{name}.sql").write_text(migration)
    return str(source)


def state(base: Path) -> tuple[str, ...]:
    """Return the app's whole state: the live release, the maintenance flag, every table and row."""
    connection = sqlite3.connect(base / "shared" / "app.sqlite")
    rows = tuple(connection.iterdump())
    connection.close()
    return ((base / "current").resolve().name, str((base / "shared" / "maintenance.json").exists()), *rows)


def play(folder: Path, server: subprocess.Popen[bytes], url: str) -> int:
    """Play the acts; return the demo's exit code."""
    base = folder / "host"
    inputs = {
        "path": str(base),
        "migrate-command": f"{sys.executable} migrate.py",
        "health-url": f"{url}/health",
        "health-expect": "json.status=ok\nrelease",
        "lease": str(LEASE_SECONDS),
    }
    stage = Stage(inputs=inputs, look=lambda: state(base), url=url)

    title("1. A release goes out")
    code = stage.deploy(source=release(folder, "first"))
    connection = sqlite3.connect(base / "shared" / "app.sqlite")
    connection.executemany("INSERT INTO notes (body) VALUES (?)", [(f"note {n}",) for n in range(1000)])
    connection.commit()
    connection.close()
    stage.prove(
        code == 0 and answer(url)[0] == 200, "P1", "a proven backup came before the migration, and the app is up"
    )

    title("2. The next release's migration fails halfway: one column added, all rows deleted")
    before = state(base)
    code = stage.deploy(source=release(folder, "broken", BROKEN_MIGRATION))
    stage.prove(code == 3, "P7", f"the deploy says so: exit code {code} (failed and rolled back)")
    stage.prove(
        state(base) == before, "P2", "the same release is live; every table and row is as before; nobody did anything"
    )

    title("3. The runner is killed in the middle of a migration (SIGKILL)")
    stage.kill_in_migration(source=release(folder, "slow", SLOW_MIGRATION))
    status = answer(url)[0]
    say(f"the runner is dead; visitors get {status}, half a migration is in the database; nobody is there to mend it")
    seconds = stage.wait_for(lambda: answer(url)[0] == 200, "the host to save itself")
    stage.prove(
        state(base) == before, "P2", f"the host saved itself {seconds:.0f} s later (its lease was {LEASE_SECONDS} s)"
    )
    stage.start(["status"]).wait()

    title("4. Rolled back again, by hand: nothing more happens")
    code = stage.start(["rollback"], deployment_id=last_deployment(base)).wait()
    stage.prove(code == 0 and state(base) == before, "P8", "rolling back twice is the same as once")
    attic = list(base.glob(".belay/deploys/*/restore/attic*"))
    stage.prove(len(attic) >= 2, "P9", f"what the rollbacks replaced is kept: {len(attic)} databases in the attic")
    server.terminate()
    return stage.finish()


def last_deployment(base: Path) -> str:
    """Return the id of the deploy that began last."""
    deploys = sorted((base / ".belay" / "deploys").iterdir(), key=lambda path: path.stat().st_mtime)
    return deploys[-1].name


def main() -> int:
    """Set the stage, play, clean up."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="belay-demo-") as name:
        folder = Path(name)
        shared = folder / "host" / "shared"
        shared.mkdir(parents=True)
        (shared / ".env").write_text(f'DB_CONNECTION=sqlite\nDB_DATABASE="{shared}/app.sqlite"\n')
        port = folder / "port"
        server = subprocess.Popen([sys.executable, str(APP / "serve.py"), str(folder / "host"), str(port)])
        try:
            while not (port.exists() and port.read_text()):
                time.sleep(0.05)
            code = play(folder, server, f"http://127.0.0.1:{port.read_text()}")
        finally:
            server.terminate()
            server.wait()
    print(f"the whole demo took {time.monotonic() - begun:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
