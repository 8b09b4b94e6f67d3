"""The demo with everything real: Laravel behind nginx and php-fpm, MariaDB, and a host reached over sshd.

Run it with `make demo APP=laravel`. All servers are private ones on 127.0.0.1, and end with the demo.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.lab import laravel
from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.sshd import Sshd, running_sshd
from tools.demo_stage import LEASE_SECONDS, Stage, answer, say, title

PASSWORD = "a pass#word%"  # noqa: S105  # of a database that lives for a minute


def state(base: Path, maria: Mariadb) -> tuple[object, ...]:
    """Return the app's whole state: live release, maintenance flag, every table's definition and checksum."""
    tables = [str(name) for (name,) in maria.query("SHOW TABLES", database="app") if not str(name).startswith("_b")]
    shown = [maria.query(f"SHOW CREATE TABLE `{name}`", database="app")[0][1] for name in tables]
    sums = [maria.query(f"CHECKSUM TABLE `{name}` EXTENDED", database="app")[0][1] for name in tables]
    down = (base / "shared" / "storage" / "framework" / "down").exists()
    return (str((base / "current").readlink()), down, *zip(tables, shown, sums, strict=True))


def play(folder: Path, base: Path, maria: Mariadb, sshd: Sshd, web: laravel.Web) -> int:
    """Play the acts; return the demo's exit code."""
    inputs = {
        "host": sshd.host,
        "port": str(sshd.port),
        "user": sshd.user,
        "ssh-key": sshd.key,
        "known-hosts": sshd.known_hosts,
        "path": str(base),
        "health-url": f"{web.url}/health",
        "health-expect": "release\njson.status=ok",
        "lease": str(LEASE_SECONDS),
    }
    stage = Stage(inputs=inputs, look=lambda: state(base, maria), url=f"{web.url}/")

    title("1. A release without migrations: no maintenance, no backup, no downtime")
    code = stage.deploy(source=str(laravel.make_release(folder / "plain")))
    stage.prove(code == 0 and answer(stage.url)[0] == 200, "P8", "the new release serves")

    title("2. A release with a migration: a proven backup first, the maintenance page meanwhile")
    good = laravel.make_release(folder / "good", migrations={"2024_06_01_000000_add_nickname": "good"})
    code = stage.deploy(source=str(good))
    stage.prove(
        code == 0 and len(list(base.glob(".belay/backups/*/manifest.json"))) == 1, "P1", "backed up, proven, migrated"
    )

    title("3. A migration that fails halfway; MariaDB commits each statement by itself")
    before = state(base, maria)
    failing = {"2024_06_01_000000_add_nickname": "good", "2024_07_01_000000_fails_halfway": "failing"}
    code = stage.deploy(source=str(laravel.make_release(folder / "failing", migrations=failing)))
    stage.prove(code == 3 and state(base, maria) == before, "P2", "code, schema, every row and the page are as before")

    title("4. The runner is killed in the middle of a migration (SIGKILL)")
    slow = {"2024_06_01_000000_add_nickname": "good", "2024_08_01_000000_slow": "slow"}
    stage.kill_in_migration(source=str(laravel.make_release(folder / "slow", migrations=slow)))
    say(f"the runner is dead; visitors get {answer(stage.url)[0]}; some of the migration's tables are made, others not")
    seconds = stage.wait_for(lambda: answer(stage.url)[0] == 200, "the host to save itself")
    stage.prove(
        state(base, maria) == before,
        "P2",
        f"the host saved itself {seconds:.0f} s later (its lease was {LEASE_SECONDS} s)",
    )
    stage.start(["status"]).wait()
    return stage.finish()


def main() -> int:
    """Set the stage, play, clean up."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="belay-demo-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_sshd(folder / "sshd") as sshd, running_mariadb(folder / "mariadb") as maria:
            maria.create_database("app")
            # As on shared hosting: everything inside its own database, nothing outside, and no right to make another.
            maria.execute(
                f"CREATE USER 'app'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON `app`.* TO 'app'@'127.0.0.1'"
            )
            base = Path(sshd.base) / "site"
            laravel.make_site(
                base,
                database={
                    "DB_CONNECTION": "mysql",
                    "DB_HOST": "127.0.0.1",
                    "DB_PORT": str(maria.port),
                    "DB_DATABASE": "app",
                    "DB_USERNAME": "app",
                    "DB_PASSWORD": PASSWORD,
                },
            )
            laravel.give_to(base, sshd.user)
            with laravel.running_php(base, user=sshd.user) as web:
                code = play(folder, base, maria, sshd, web)
    print(f"the whole demo took {time.monotonic() - begun:.0f} s, after its set-up")
    return code


if __name__ == "__main__":
    sys.exit(main())
