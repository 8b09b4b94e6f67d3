"""A private, real MariaDB server for tests, the demo and the benchmarks.

It reads none of the machine's own settings, listens on 127.0.0.1 and on a socket of its own, and is stopped by its
process id. The empty data folder is made once per Python process and copied for each server.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

ADDRESS = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 30
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 107, and the server adds nothing to it

# Small and quick; a crash test kills processes, not the machine, so nothing needs to be synced.
SETTINGS = (
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--debug-no-sync",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--skip-name-resolve",
)


@dataclass(kw_only=True)
class Mariadb:
    """A server that runs now, and all that a client needs to know about it. Root has no password here."""

    folder: Path
    socket: Path
    port: int
    settings: Sequence[str] = ()
    program: Sequence[str] = ()  # the server and its first options; MariaDB's own when empty
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """The server's error log."""
        return self.folder / "error.log"

    def start(self) -> None:
        """Start the server on its data folder and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self.program or program()),
                    f"--datadir={self.folder / 'data'}",
                    # Its own: a server that starts deletes the temporary tables of every other one in the same folder.
                    f"--tmpdir={self.folder / 'temporary'}",
                    f"--socket={self.socket}",
                    f"--pid-file={self.folder / 'pid'}",
                    f"--bind-address={ADDRESS}",
                    f"--port={self.port}",
                    *as_user(),
                    *self.settings,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """Kill the server with SIGKILL, as the kernel does when memory runs out."""
        self._stop(signal.SIGKILL)

    def stop(self) -> None:
        """Shut the server down in good order."""
        self._stop(signal.SIGTERM)

    def connect(
        self, *, user: str = "root", password: str = "", database: str | None = None
    ) -> pymysql.Connection[Cursor]:
        """Return a new connection over the socket, with autocommit on."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user=user,
            password=password.encode(),  # PyMySQL would take a str for Latin 1
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements as root, one after the other."""
        with self.connect(database=database) as link, link.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
            for statement in statements:
                cursor.execute(statement)

    def query(self, statement: str, *, database: str | None = None) -> list[tuple[object, ...]]:
        """Return all rows that one statement gives to root."""
        with self.connect(database=database) as link, link.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    def create_database(self, name: str) -> None:
        """Make an empty database."""
        self.execute(f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")

    def create_user(self, name: str, password: str, *grants: str) -> None:
        """Make the user `name`@`localhost` with rights such as "ALL ON `shop`.*", each the middle of a GRANT."""
        with self.connect() as link, link.cursor() as cursor:
            cursor.execute("CREATE USER %s@'localhost' IDENTIFIED BY %s", (name, password))
            for grant in grants:
                # Not a parameter: a grant holds names, and names can't be parameters.
                cursor.execute(f"GRANT {grant} TO {quoted(name)}@'localhost'")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.knock()
                self.connect().close()
            except (OSError, pymysql.err.OperationalError):
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.05)
            else:
                return

    def knock(self) -> None:
        """Raise OSError while nobody listens: PyMySQL would leave its socket open then."""
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(self.socket))

    def _stop(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@contextmanager
def running_mariadb(folder: Path, *, settings: Sequence[str] = ()) -> Iterator[Mariadb]:
    """Run a server whose data and log lie in `folder`, and stop it at the end; `settings` are more server options."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(prepared_data(), folder / "data")
    with running(folder, settings=(*SETTINGS, *settings)) as server:
        yield server


@contextmanager
def running(folder: Path, *, settings: Sequence[str], program: Sequence[str] = ()) -> Iterator[Mariadb]:
    """Run a server of this family on the data in `folder`, and stop it at the end."""
    (folder / "temporary").mkdir()
    with tempfile.TemporaryDirectory(prefix="belay-", dir="/var/tmp") as short:
        place = folder if len(str(folder)) < LONGEST_SOCKET_PATH - len("/mariadb.sock") else Path(short)
        socket_file = place / "mariadb.sock"
        server = Mariadb(folder=folder, socket=socket_file, port=_free_port(), settings=settings, program=program)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def write_conn(folder: Path, server: Mariadb, *, database: str, user: str, password: str) -> Path:
    """Write the connection folder that the engine scripts read, as the host makes it from an `.env`; return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    escaped = password.replace("\\", "\\\\").replace('"', '\\"')
    files = {
        "engine": "mariadb",
        "database": database,
        "user": user,
        "host": "localhost",
        "port": str(server.port),
        "socket": str(server.socket),
        "client.cnf": "[client]\n"
        f'user="{user}"\npassword="{escaped}"\nhost=localhost\nport={server.port}\nsocket="{server.socket}"\n'
        "default-character-set=utf8mb4\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    return folder


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def program() -> list[str]:
    """Return the server and its first option."""
    found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("mariadbd isn't installed (Debian: apt-get install mariadb-server)")
    return [found, "--no-defaults"]  # which must come first, or /etc/mysql is read


def as_user() -> list[str]:
    """Root runs the server as root: the folders of tests are closed to the user `mysql`."""
    return ["--user=root"] if os.geteuid() == 0 else []


@cache
def prepared_data() -> Path:
    """Return a fresh data folder, made once and deleted when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="belay-mariadb-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
            *as_user(),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
    )
    return folder / "data"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
