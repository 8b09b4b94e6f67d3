"""An app's account on a private MariaDB server, and `mariadb.sh` called as the host calls it."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

from tests.lab.mariadb import Mariadb, write_conn

SCRIPT = Path(__file__).parents[2] / "pyhelpers" / "databases" / "mariadb.sh"
OWN_DATABASE_ONLY = "own database only"
MAY_CREATE_DATABASES = "may create databases of that name"
LIKE_ROOT = "like root"
ACCOUNTS = (OWN_DATABASE_ONLY, MAY_CREATE_DATABASES, LIKE_ROOT)
PASSWORD = 'it\'s "quoted" \\ back\\\\slash # % é 漢 `$HOME` ;'


@dataclass(kw_only=True)
class Account:
    """A database, the account that owns it, and a folder for connection, backups and work."""

    server: Mariadb
    folder: Path
    database: str
    user: str
    password: str = PASSWORD
    shell: tuple[str, ...] = ("dash",)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def conn(self) -> Path:
        """The connection folder."""
        return self.folder / "conn"

    @property
    def backup(self) -> Path:
        """Where `dump` writes."""
        return self.folder / "backup"

    def connect(self) -> pymysql.Connection[Cursor]:
        """Return a connection of the account to its database."""
        return self.server.connect(user=self.user, password=self.password, database=self.database)

    def command(self, verb: str, *arguments: str | Path) -> list[str]:
        """Return the argv of one call of the script."""
        return [*self.shell, str(SCRIPT), verb, str(self.conn), *map(str, arguments)]

    def start(self, verb: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start the script in a session of its own, as the agent does; what it says goes to the file `log`."""
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                self.command(verb, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
            )

    def run(self, verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        return subprocess.run(
            self.command(verb, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
        )

    def facts(self, verb: str, *arguments: str | Path) -> dict[str, str]:
        """Run the script, expect success, and return its `key=value` lines."""
        done = self.run(verb, *arguments)
        assert done.returncode == 0, f"{verb}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def dump(self) -> str:
        """Dump into `backup`, prove it, and return the payload's name."""
        made = self.facts("dump", self.backup)
        proof = self.facts("prove", self.backup, made["payload"], made["sha256"])
        assert proof["verified"] == "bytes"
        return made["payload"]

    def wait_until_idle(self) -> None:
        """Return when no session of the account is left on the server."""
        deadline = time.monotonic() + 60
        while self.server.query(f"SELECT id FROM information_schema.processlist WHERE user = '{self.user}'"):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "BELAY_LOCK_SECONDS": "2", **self.environment}


def open_account(server: Mariadb, folder: Path, kind: str = LIKE_ROOT, *, password: str = PASSWORD) -> Account:
    """Make a database and an account with the rights of `kind` on it."""
    number = secrets.token_hex(3)
    database = f"shop_{number}"
    escaped = database.replace("_", "\\_")
    grants = {
        OWN_DATABASE_ONLY: [f"ALL ON `{escaped}`.*"],
        MAY_CREATE_DATABASES: [f"ALL ON `{escaped}`.*", f"ALL ON `{escaped}\\_\\_belay\\_%`.*"],
        LIKE_ROOT: ["ALL ON *.*"],
    }[kind]
    user = f"app {number}"
    server.create_database(database)
    server.create_user(user, password, *grants)
    account = Account(server=server, folder=folder, database=database, user=user, password=password)
    write_conn(account.conn, server, database=database, user=user, password=password)
    return account
