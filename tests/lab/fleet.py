"""An app on several hosts that share one database, on one machine: an sshd and a web server on a loopback address each.

Each sshd has a mount namespace of its own, in which the app's folder is that host's own: so one `path` means another
folder on every host, as it does in life. The app is a plain one whose migrations are SQL files; its web server counts
who visits, in the shared database, which tells whether a visit was ever lost.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.lab import app_database, laravel
from tests.lab.app_database import AppDatabase
from tests.lab.private_mounts import private_mounts
from tests.lab.site import Lab, Site
from tests.lab.sshd import Sshd, free_port, running_sshd

LEASE_SECONDS = 10
FIRST = {
    "mariadb": "CREATE TABLE notes (id INT PRIMARY KEY, body TEXT);\nCREATE TABLE visits (id INT AUTO_INCREMENT PRIMARY KEY, host TEXT);\n",
    "postgresql": "CREATE TABLE notes (id INT PRIMARY KEY, body TEXT);\nCREATE TABLE visits (id SERIAL PRIMARY KEY, host TEXT);\n",
}
WAIT = {"mariadb": "DO SLEEP({});\n", "postgresql": "SELECT pg_sleep({});\n"}
GOOD = "ALTER TABLE notes ADD COLUMN nickname TEXT;\nDELETE FROM notes WHERE id > 5;\n"

# Runs each file of `migrations/` that the ledger doesn't name; `sql` is the host's own, with its credentials.
MIGRATE = """#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sql=$here/../../shared/sql
for file in "$here"/migrations/*.sql; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .sql)
    if echo "SELECT migration FROM migrations WHERE migration = '$name';" | "$sql" | grep -q .; then continue; fi
    "$sql" <"$file"
    echo "INSERT INTO migrations (migration, batch) VALUES ('$name', 1);" | "$sql"
done
"""


@dataclass(kw_only=True)
class FleetSite:
    """The app on all its hosts: `hosts` are sites that share a database, the leader's first."""

    hosts: list[Site]
    engine: str
    database: AppDatabase
    servers: list[Sshd]
    own_sshds: ExitStack = field(repr=False)

    @property
    def leader(self) -> Site:
        """The host that has the database to itself in a deploy."""
        return self.hosts[0]

    def release(self, name: str, *, migration: str = "", wait: float = 0, broken_on: int = -1) -> Path:
        """Make the sources of a release; `migration` is good or failing, `broken_on` the number of an unhealthy host."""
        folder = self.leader.sources / name
        (folder / "migrations").mkdir(parents=True)
        (folder / "migrate.sh").write_text(MIGRATE)
        if broken_on >= 0:
            (folder / "BROKEN").write_text(self.servers[broken_on].host)
        if migration:
            failing = "ALTER TABLE no_such_table ADD COLUMN x INT;\n" if migration == "failing" else ""
            text = GOOD + (WAIT[self.engine].format(wait) if wait else "") + failing
            (folder / "migrations" / "0002_next.sql").write_text(text)
        return folder


class Page(BaseHTTPRequestHandler):
    """One host's page: down behind the flag, else the live release's name; `/visit` writes a row."""

    def __init__(self, base: Path, database: AppDatabase, address: str, *rest: Any) -> None:
        """Take the host's folder, the shared database, and the host's address."""
        self.base, self.database, self.place = base, database, address
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Answer."""
        try:
            flag = json.loads((self.base / "shared" / "maintenance.json").read_text())
        except FileNotFoundError:
            flag = None
        if flag and self.path == f"/{flag['secret']}":
            self.answer(302, {}, {"Set-Cookie": f"pass={digest(flag)}; Path=/", "Location": "/"})
        elif flag and f"pass={digest(flag)}" not in self.headers.get("Cookie", ""):
            self.answer(503, {"status": "down"}, {})
        else:
            self.page()

    def page(self) -> None:
        """Say which release is live; a visit is kept in the database first."""
        live = (self.base / "current").resolve()
        broken = live / "BROKEN"
        if broken.exists() and broken.read_text() in {self.place, "all"}:
            self.answer(500, {"status": "broken"}, {})
            return
        if self.path == "/visit":
            with closing(self.database.connect_as_app()) as link:
                app_database.execute(link, ("INSERT INTO visits (host) VALUES (%s)", (self.place,)))
        self.answer(200, {"status": "ok", "release": (live / "RELEASE").read_text().strip()}, {})

    def answer(self, status: int, body: dict[str, object], headers: dict[str, str]) -> None:
        """Send one answer as JSON."""
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def digest(flag: dict[str, Any]) -> str:
    """Return the cookie that passes a flag."""
    return hashlib.sha256(f"pass:{flag['secret']}".encode()).hexdigest()


@contextmanager
def running_fleet(lab: Lab, engine: str, size: int, name: str) -> Iterator[FleetSite]:
    """Make an app with one live release on `size` hosts for a `with` block; its database is on the lab's server."""
    lab.build("ssh")
    root = lab.folder / name
    root.mkdir()
    database = lab.fresh_database(engine, name, root / "unused")
    path = root / "app"  # the folder as every host sees it
    path.mkdir()
    web_port = free_port()
    with ExitStack() as stack:
        own = stack.enter_context(ExitStack())
        servers: list[Sshd] = []
        sites: list[Site] = []
        for number in range(size):
            base = root / f"host{number}"
            make_host(base, engine, database, first=number == 0)
            server = own.enter_context(
                running_sshd(
                    root / f"sshd{number}",
                    address=address_of(number),
                    key=servers[0].key if servers else "",
                    prefix=private_mounts(f"mount --bind '{base}' '{path}'"),
                )
            )
            laravel.give_to(base, server.user)
            servers.append(server)
            stack.enter_context(running_page(base, database, server.host, web_port))
            sites.append(
                Site(
                    lab=lab,
                    engine=engine,
                    kind="plain",
                    base=base,
                    sources=root / "sources",
                    url=f"http://{server.host}:{web_port}",
                    stale_url="",
                    database=database,
                    inputs={},
                    sshd=server,
                )
            )
        (root / "sources").mkdir()
        sites[0].inputs |= inputs_of(servers, path, sites[0].url)
        stack.callback(sites[0].end_runs)
        yield FleetSite(hosts=sites, engine=engine, database=database, servers=servers, own_sshds=own)
    shutil.rmtree(root, ignore_errors=True)


def address_of(number: int) -> str:
    """Return a loopback address of this host's own."""
    return f"127.0.{number // 200}.{number % 200 + 1}"


def inputs_of(servers: Sequence[Sshd], path: Path, url: str) -> dict[str, str]:
    """Return the inputs of a deploy to all of them."""
    return {
        "host": "\n".join(f"{server.host}:{server.port}" for server in servers),
        "user": servers[0].user,
        "ssh-key": servers[0].key,
        "known-hosts": "".join(server.known_hosts for server in servers),
        "path": str(path),
        "migrate-command": "sh migrate.sh",
        "health-url": f"{url}/health",
        "health-expect": "release",
        "lease": str(LEASE_SECONDS),
    }


def make_host(base: Path, engine: str, database: AppDatabase, *, first: bool) -> None:
    """Make one host's folder, with a live release; the `first` makes the tables."""
    shared, release = base / "shared", base / "releases" / "1"
    shared.mkdir(parents=True)
    (release / "migrations").mkdir(parents=True)
    (release / "RELEASE").write_text("1\n")
    (base / "current").symlink_to("releases/1")
    laravel.write_private(shared / ".env", laravel.env_file(database.settings))
    settings = database.settings
    if engine == "mariadb":
        options = {name: settings[f"DB_{name.upper()}"] for name in ("host", "port", "password")}
        lines = [f"user={settings['DB_USERNAME']}", *(f'{name}="{value}"' for name, value in options.items())]
        laravel.write_private(shared / "client.cnf", "[client]\n" + "\n".join(lines) + "\n")
        words = f'exec mariadb --defaults-file="$(dirname "$0")/client.cnf" -N {settings["DB_DATABASE"]}'
    else:
        host, port, user = settings["DB_HOST"], settings["DB_PORT"], settings["DB_USERNAME"]
        password = settings["DB_PASSWORD"].replace("\\", "\\\\").replace(":", "\\:")
        laravel.write_private(shared / "pgpass", f"{host}:{port}:*:{user}:{password}\n")
        words = f'PGPASSFILE="$(dirname "$0")/pgpass" exec psql -X -q -A -t -v ON_ERROR_STOP=1 -h {host} -p {port} -U {user} {settings["DB_DATABASE"]}'
    (shared / "sql").write_text(f"#!/bin/sh\n{words}\n")
    (shared / "sql").chmod(0o700)
    if first:
        with closing(database.connect_as_app()) as link:
            app_database.execute(
                link,
                *filter(None, FIRST[engine].split(";\n")),
                "CREATE TABLE migrations (id INT, migration VARCHAR(200), batch INT)",
                *[("INSERT INTO notes (id, body) VALUES (%s, 'then')", (number,)) for number in range(1, 31)],
            )


@contextmanager
def running_page(base: Path, database: AppDatabase, address: str, port: int) -> Iterator[None]:
    """Serve one host's page until the block ends."""
    server = ThreadingHTTPServer((address, port), partial(Page, base, database, address))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def visitors(fleet: FleetSite) -> Iterator[dict[str, int]]:
    """Visit every host all the time; gives how many visits each host took, and so has in the database."""
    import urllib.error
    import urllib.request

    taken = {site.url: 0 for site in fleet.hosts}
    over = threading.Event()

    def visit(url: str) -> None:
        while not over.wait(0.05):
            try:
                with urllib.request.urlopen(f"{url}/visit", timeout=20) as answer:
                    taken[url] += answer.status == 200
            except OSError:
                continue

    threads = [threading.Thread(target=visit, args=(url,), daemon=True) for url in taken]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        over.set()
        for thread in threads:
            thread.join()


def visits(fleet: FleetSite) -> int:
    """Return how many visits the database has."""
    with closing(fleet.database.connect()) as link, closing(link.cursor()) as cursor:
        cursor.execute("SELECT count(*) FROM visits")
        return int(cursor.fetchone()[0])


def stop_listening(server: Sshd) -> None:
    """Let a host's sshd refuse everybody, and cut its links: the host is alive and can't be reached."""
    subprocess.run(["kill", "-STOP", str(server.pid)], check=True)
    server.cut_links()


def listen_again(server: Sshd) -> None:
    """Let it answer again."""
    subprocess.run(["kill", "-CONT", str(server.pid)], check=True)
    time.sleep(0.1)
