"""A whole site as users have one, and Belay driven as an action drives it.

    with Lab.opened(folder) as lab, lab.site("mariadb") as site:
        done = site.deploy(site.release("two", migration="failing"))
        assert done.code == 3

A site of kind `laravel` is real Laravel behind nginx and php-fpm on a host that is reached by a real sshd as the user
`deploy`; one of kind `plain` is the example app on SQLite on this machine. The servers are started once, at their first
use; each site has a folder, a database and a web server of its own. Every deploy is `bash pyhelpers/run deploy` with
INPUT_ variables; because the launcher ends in exec, the process started is the one that runs Python.
"""

from __future__ import annotations

import itertools
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import app_database, laravel
from tests.lab.app_database import AppDatabase
from tests.lab.mariadb import Mariadb, running_mariadb
from tests.lab.postgresql import Postgresql, running_postgresql
from tests.lab.sshd import Sshd, running_sshd
from tests.lab.workers import Workers, running_workers

ROOT = Path(__file__).resolve().parents[2]
PLAIN_APP = ROOT / "examples" / "plain-app"
MIGRATION = "2024_06_01_000000_{}"  # after the sample app's own
LEASE_SECONDS = 20  # several times a heartbeat even on a machine that has much else to do
PLAIN_MIGRATIONS = {
    "good": "ALTER TABLE notes ADD COLUMN nickname TEXT;\nINSERT INTO notes (body, made_at) VALUES ('amazing', 'now');\n",
    "failing": "ALTER TABLE notes ADD COLUMN half TEXT;\nDELETE FROM notes;\nALTER TABLE no_such_table ADD COLUMN never TEXT;\n",
    "long": "ALTER TABLE notes ADD COLUMN long TEXT;\n-- wait 16;\n",
    "slow": "ALTER TABLE notes ADD COLUMN slow_1 TEXT;\nDELETE FROM notes WHERE id > 5;\n-- wait 4;\nALTER TABLE notes ADD COLUMN slow_2 TEXT;\n",
}


@dataclass(kw_only=True)
class Run:
    """One verb that was started: the process of a step, its log, and its outputs."""

    process: subprocess.Popen[bytes]
    log: Path
    output: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """The step's only process (the launcher became Python)."""
        return self.process.pid

    @property
    def text(self) -> str:
        """What it printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait(self, seconds: float = 300) -> int:
        """Wait for its end; return the exit code, negative when a signal ended it."""
        return self.process.wait(seconds)

    @property
    def code(self) -> int:
        """The exit code of a run that has ended."""
        assert self.process.returncode is not None, "it still runs"
        return int(self.process.returncode)

    def signal(self, number: signal.Signals) -> None:
        """Signal the step's process alone, as GitHub's runner does."""
        if self.running:
            self.process.send_signal(number)


@dataclass(kw_only=True)
class Site:
    """One app on one host. `sources` holds what a build hands over; `base` is the app's folder on the host."""

    lab: Lab
    engine: str
    kind: str  # laravel | plain
    base: Path
    sources: Path
    url: str
    stale_url: str  # of a web server that goes on to serve the release it knows, as many do
    database: AppDatabase
    inputs: dict[str, str]
    sshd: Sshd | None = None
    workers: Workers | None = None
    secret: str = field(default_factory=lambda: f"bypass-canary-{secrets.token_hex(8)}")
    _runs: list[Run] = field(default_factory=list)

    @property
    def shared(self) -> Path:
        """What all releases share."""
        return self.base / "shared"

    @property
    def flag(self) -> Path:
        """The file whose presence means maintenance."""
        return self.shared / ("storage/framework/down" if self.kind == "laravel" else "maintenance.json")

    def release(self, name: str, *, migration: str = "", health: str = "good") -> Path:
        """Make the sources of a release.

        `migration` is good, failing (halfway), slow, hanging (on the server; Laravel), long (plain), several of them
        joined by `+`, or none; `health` is good, `broken`, or `broken-outside`: well behind the maintenance page, not
        well for visitors.
        """
        folder = self.sources / name
        if self.kind == "laravel":
            chosen = {MIGRATION.format(name): name for name in filter(None, migration.split("+"))}
            laravel.make_release(folder, migrations=chosen, broken=health == "broken")
            if health == "broken-outside":
                edit(
                    folder / "app/Http/Controllers/HealthController.php",
                    "$broken = is_file(base_path('BROKEN'));",
                    "$broken = ! request()->hasCookie('laravel_maintenance');",
                )
            return folder
        shutil.copytree(PLAIN_APP, folder, ignore=shutil.ignore_patterns("serve.py", "README.md", "__pycache__"))
        for each in filter(None, migration.split("+")):
            (folder / "migrations" / f"0002_{each}.sql").write_text(PLAIN_MIGRATIONS[each])
        if health == "broken":
            edit(folder / "app.py", '"ok"', '"failed"')
        elif health == "broken-outside":
            told = f'"ok" if __import__("pathlib").Path({str(self.flag)!r}).exists() else "failed"'
            edit(folder / "app.py", '"ok"', told)
        return folder

    def start(
        self, *verb: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None, **inputs: str
    ) -> Run:
        """Start a verb as an action's step does; `inputs` are more inputs, `_` for `-`."""
        number = len(self._runs) + 1
        log, output = self.sources / f"{number}.log", self.sources / f"{number}.output"
        output.touch()
        named = {**self.inputs, **{name.replace("_", "-"): value for name, value in inputs.items()}}
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*prefix, "bash", str(self.lab.tree / "pyhelpers" / "run"), *verb],
                env=self.lab.environment(named) | {"GITHUB_OUTPUT": str(output)} | dict(environment or {}),
                cwd=self.sources,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        self._runs.append(Run(process=process, log=log, output=output))
        return self._runs[-1]

    def end_runs(self) -> None:
        """Kill what a test that failed left running."""
        for run in self._runs:
            run.signal(signal.SIGKILL)
            run.wait()

    def run(self, *verb: str, environment: Mapping[str, str] | None = None, **inputs: str) -> Run:
        """Run a verb to its end."""
        run = self.start(*verb, environment=environment, **inputs)
        run.wait()
        return run

    def use_port(self, port: int) -> None:
        """Reach the host by another port of this machine, which leads to the same sshd."""
        known = self.inputs["known-hosts"]
        self.inputs |= {"known-hosts": known.replace(f":{self.inputs['port']} ", f":{port} "), "port": str(port)}

    def deploy(self, source: Path, **inputs: str) -> Run:
        """Deploy, to its end."""
        return self.run("deploy", environment=None, source=str(source), **inputs)

    def rollback(self, **inputs: str) -> Run:
        """Roll back, to its end."""
        return self.run("rollback", environment=None, **inputs)


class Lab:
    """The servers, each started at its first use, and one BELAY_HOME: the launcher builds its environment once."""

    def __init__(self, folder: Path, stack: ExitStack, tree: Path = ROOT) -> None:
        """Take a folder that every user can reach, who ends the servers, and the checkout of Belay to run."""
        self.folder = folder
        self.home = folder / "home"  # the launcher's cache
        self.tree = tree
        self._stack = stack
        self._lock = threading.RLock()
        self._sshd: Sshd | None = None
        self._mariadb: Mariadb | None = None
        self._postgresql: Postgresql | None = None
        self._built: set[str] = set()
        self.mariadb_settings: tuple[str, ...] = ()  # more options of the MariaDB server; set before its first use
        self._numbers = itertools.count(1)

    @classmethod
    @contextmanager
    def opened(cls, tree: Path = ROOT) -> Iterator[Lab]:
        """Make a lab for a `with` block; everything in it is stopped and deleted at its end."""
        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="belay-site-", dir="/var/tmp"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.chmod(0o755)
            lab = cls(folder, stack, tree)
            yield lab
            lab.see_that_servers_live()

    @contextmanager
    def apart(self) -> Iterator[Lab]:
        """Make a lab with servers of its own, which may be killed; only the launcher's environments are shared."""
        self.build("ssh")
        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="apart-", dir=self.folder))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.chmod(0o755)
            lab = Lab(folder, stack, self.tree)
            lab.home = self.home
            yield lab

    def see_that_servers_live(self) -> None:
        """Raise an error, with what it wrote last, when a database server died: every site on it would look broken."""
        for server in (self._mariadb, self._postgresql):
            if server is not None and server.process is not None and server.process.poll() is not None:
                raise RuntimeError(f"a database server died:\n{server.log.read_text(errors='replace')[-20000:]}")

    def environment(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a step that is given `inputs`."""
        removed = ("INPUT_", "GITHUB_", "BELAY_", "RUNNER_")
        kept = {name: value for name, value in laravel.environment().items() if not name.startswith(removed)}
        named = {f"INPUT_{name.upper().replace('-', '_')}": value for name, value in inputs.items()}
        return {**kept, **named, "BELAY_HOME": str(self.home)}

    @property
    def sshd(self) -> Sshd:
        """The sshd that sites share."""
        with self._lock:
            self._sshd = self._sshd or self._stack.enter_context(running_sshd(self.folder / "sshd"))
            return self._sshd

    @property
    def mariadb(self) -> Mariadb:
        """The MariaDB server."""
        with self._lock:
            if self._mariadb is None:
                server = running_mariadb(self.folder / "mariadb", settings=self.mariadb_settings)
                self._mariadb = self._stack.enter_context(server)
            return self._mariadb

    @property
    def postgresql(self) -> Postgresql:
        """The PostgreSQL server."""
        with self._lock:
            if self._postgresql is None:
                self._postgresql = self._stack.enter_context(running_postgresql(self.folder / "postgresql"))
            return self._postgresql

    def build(self, lock: str) -> None:
        """Let the launcher build the environment of `lock` (core, ssh) now, so that no measured step has to."""
        with self._lock:
            if lock in self._built:
                return
            command = ["bash", str(self.tree / "pyhelpers" / "run"), "deploy", "--help"]
            environment = self.environment({}) | {"BELAY_LOCK": lock}
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            self._built.add(lock)

    @contextmanager
    def site(
        self,
        engine: str,
        *,
        kind: str = "laravel",
        own_sshd: bool = False,
        sshd_settings: Sequence[str] = (),
        workers: bool = False,
        disk: str = "",
    ) -> Iterator[Site]:
        """Make a site with one live release for a `with` block.

        `own_sshd` gives it an sshd whose links can be cut without harm to other sites, with more lines of sshd_config;
        `workers` two real queue workers; `disk` a disk of its own, with these options of a tmpfs (needs root).
        """
        with self._lock:
            name = f"site{next(self._numbers)}"
        sources = self.folder / "sources" / name
        sources.mkdir(parents=True)
        with ExitStack() as stack:
            if kind == "plain":
                self.build("core")
                stack.enter_context(mounted(self.folder / name, disk))
                site = stack.enter_context(_plain_site(self, name, sources))
                stack.callback(site.end_runs)
                yield site
                return
            self.build("ssh")
            own = own_sshd or bool(sshd_settings)
            sshd = stack.enter_context(running_sshd(sources / "sshd", settings=sshd_settings)) if own else self.sshd
            stack.enter_context(mounted(Path(sshd.base) / name, disk))
            site = stack.enter_context(_laravel_site(self, name, sources, engine, sshd))
            stack.callback(site.end_runs)
            if workers:
                site.workers = stack.enter_context(running_workers(sources / "workers", site.base, user=sshd.user))
                site.inputs["services"] = site.workers.service
            yield site

    def fresh_database(self, engine: str, name: str, file: Path) -> AppDatabase:
        """Make an empty database."""
        password = f"db-canary x#z%'{secrets.token_hex(8)}"
        if engine == "sqlite":
            return app_database.sqlite_database(file)
        if engine == "mariadb":
            return app_database.mariadb_database(self.mariadb, name, password)
        return app_database.postgresql_database(self.postgresql, name, password)


@contextmanager
def mounted(folder: Path, disk: str) -> Iterator[None]:
    """Give a folder that is to be made a disk of its own, a tmpfs with the options `disk`; none where that is empty."""
    if not disk:
        yield
        return
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", disk, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _laravel_site(lab: Lab, name: str, sources: Path, engine: str, sshd: Sshd) -> Iterator[Site]:
    base = Path(sshd.base) / name
    (base / "shared").mkdir(parents=True)
    database = lab.fresh_database(engine, name, base / "shared" / "database.sqlite")
    laravel.make_site(base, database=database.settings)
    app_database.fill(database)
    laravel.give_to(base, sshd.user)
    with laravel.running_php(base, user=sshd.user) as web:
        inputs = {
            "host": sshd.host,
            "port": str(sshd.port),
            "user": sshd.user,
            "ssh-key": sshd.key,
            "known-hosts": sshd.known_hosts,
            "path": str(base),
            "health-url": f"{web.url}/health",
            "health-expect": "release",
            "lease": str(LEASE_SECONDS),
        }
        yield Site(
            lab=lab,
            engine=engine,
            kind="laravel",
            base=base,
            sources=sources,
            url=web.url,
            stale_url=web.stale_url,
            database=database,
            inputs=inputs,
            sshd=sshd,
        )
    shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _plain_site(lab: Lab, name: str, sources: Path) -> Iterator[Site]:
    base = lab.folder / name
    (base / "shared").mkdir(parents=True)
    database = app_database.sqlite_database(base / "shared" / "app.sqlite")
    (base / "shared" / ".env").write_text(laravel.env_file(database.settings))
    site = Site(
        lab=lab,
        engine="sqlite",
        kind="plain",
        base=base,
        sources=sources,
        url="",
        stale_url="",
        database=database,
        inputs={},
    )
    first = base / "releases" / "1"
    shutil.copytree(site.release("live"), first)
    (first / "RELEASE").write_text("1\n")
    (base / "current").symlink_to("releases/1")
    subprocess.run([sys.executable, "migrate.py"], cwd=first, check=True, stdout=subprocess.DEVNULL)
    link = database.connect()
    app_database.execute(
        link,
        *[("INSERT INTO notes (body, made_at) VALUES (?, 'then')", (f"note {number}",)) for number in range(1, 31)],
        "CREATE TABLE changes (id INTEGER PRIMARY KEY, what TEXT)",
        "CREATE TRIGGER note_gone AFTER DELETE ON notes BEGIN INSERT INTO changes (what) VALUES (OLD.body); END",
        "CREATE VIEW short_notes AS SELECT id, substr(body, 1, 4) AS start FROM notes",
    )
    link.close()
    port = sources / "port"
    server = subprocess.Popen([sys.executable, str(PLAIN_APP / "serve.py"), str(base), str(port)])
    try:
        while not (port.exists() and port.read_text()):
            assert server.poll() is None, "the example app's server did not start"
            time.sleep(0.02)
        site.url = f"http://127.0.0.1:{port.read_text()}"
        site.inputs = {
            "path": str(base),
            "migrate-command": f"{sys.executable} migrate.py",
            "health-url": f"{site.url}/health",
            "health-expect": "json.status=ok\nrelease",
            "lease": str(LEASE_SECONDS),
        }
        yield site
    finally:
        server.terminate()
        server.wait()


def edit(file: Path, old: str, new: str) -> None:
    """Replace the one place in `file` that reads `old`."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file.name} has {text.count(old)} places that read {old}"
    file.write_text(text.replace(old, new))
