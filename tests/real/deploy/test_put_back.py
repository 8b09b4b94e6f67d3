"""The undo of a restore by hand, whatever became of the restore: killed at random moments on the host, refused, never begun.

The scripts lie side by side, as on a host, and are called as the agent calls them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pyhelpers.cli.session import HOST_FILES
from pyhelpers.hosts.bundle import Bundle
from tests.lab import mariadb_shop, sqlite_shop
from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import OWN_DATABASE_ONLY, open_account
from tests.lab.postgresql import running_postgresql
from tests.lab.postgresql_shop import Site as PostgresqlSite

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "3"))
KILLED = 137


@dataclass
class Host:
    """A live database with a backup of how it was, and one deploy folder after the other."""

    root: Path
    engine: str
    conn: Path
    picture: Callable[[], Any]
    environment: dict[str, str] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        self.scripts = self.root / "scripts"
        self.scripts.mkdir()
        for name, text in Bundle.of(HOST_FILES).scripts.items():
            (self.scripts / name).write_bytes(text)

    @property
    def deploy(self) -> Path:
        """The folder of the deploy that is at work."""
        return self.root / f"deploy {self.number}"

    @property
    def work(self) -> Path:
        """Its restore's work folder."""
        return self.deploy / "restore"

    @property
    def step(self) -> Path:
        """What the agent keeps of its step."""
        return self.deploy / "ops" / "restore"

    def begin(self) -> Host:
        """Begin a deploy, whose restore has left what its undo wants to know."""
        self.number += 1
        self.step.mkdir(parents=True)
        for verb in ("counts", "schema"):
            (self.deploy / f"before.{verb}").write_text(self.must(f"{self.engine}.sh", verb, self.conn))
        return self

    def start(self, script: str, *words: str | Path) -> subprocess.Popen[str]:
        """Start a script in a session of its own."""
        return subprocess.Popen(
            ["dash", str(self.scripts / script), *map(str, words)],
            cwd=self.root,
            env={**os.environ, "BELAY_BASE": str(self.root), "BELAY_DEPLOY": str(self.deploy), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def must(self, script: str, *words: str | Path) -> str:
        """Run a script, which has to end well, and return what it printed."""
        with self.start(script, *words) as process:
            output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, output + errors
        return output

    def dump(self, name: str) -> tuple[Path, str]:
        """Dump the live database; return the folder and the payload."""
        folder = self.root / name
        folder.mkdir()
        output = self.must(f"{self.engine}.sh", "dump", self.conn, folder)
        return folder, next(line[8:] for line in output.splitlines() if line.startswith("payload="))

    def killed(self, seconds: float, script: str, *words: str | Path) -> int:
        """Run the deploy's step and kill all of it after so many seconds, as the agent does; return its status."""
        (self.step / "pid").write_text("1 1 boot\n")
        with self.start(script, *words) as process:
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=seconds)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        status = KILLED if process.returncode < 0 else process.returncode
        (self.step / "rc").write_text(f"{status}\n")
        return status


def sqlite_host(root: Path) -> Iterator[tuple[Host, Callable[[], None]]]:
    """Make a shop in SQLite."""
    site = sqlite_shop.Site(root)
    sqlite_shop.execute(site.live, "PRAGMA journal_mode=WAL;" + sqlite_shop.LARAVEL)
    host = Host(root=root, engine="sqlite", conn=site.conn, picture=lambda: sqlite_shop.picture(site.live))
    yield host, lambda: sqlite_shop.execute(site.live, sqlite_shop.DAMAGE)


def mariadb_host(root: Path) -> Iterator[tuple[Host, Callable[[], None]]]:
    """Make a shop in MariaDB, whose account has rights in its own database alone."""
    with running_mariadb(root / "server") as server:
        shop = open_account(server, root, OWN_DATABASE_ONLY)

        def read() -> mariadb_shop.Snapshot:
            with shop.connect() as link:
                return mariadb_shop.snapshot(link)

        def damage() -> None:
            with shop.connect() as link:
                mariadb_shop.damage(link)

        with shop.connect() as link:
            mariadb_shop.build(link)
        yield Host(root=root, engine="mariadb", conn=shop.conn, picture=read), damage


def postgresql_host(root: Path, kind: str) -> Iterator[tuple[Host, Callable[[], None]]]:
    """Make a database in PostgreSQL, of an account that may create others or not."""
    with running_postgresql(root / "server") as server:
        site = PostgresqlSite(server, root, kind)
        site.execute(
            "CREATE TABLE notes (id serial PRIMARY KEY, body text); INSERT INTO notes (body) VALUES ('a'), ('b')"
        )
        host = Host(root=root, engine="postgresql", conn=site.conn, picture=site.picture)
        yield host, lambda: site.execute("ALTER TABLE notes ADD half int; DELETE FROM notes WHERE id = 1")
        site.drop()


@pytest.fixture(
    params=["sqlite", "mariadb", pytest.param("postgresql-creator", marks=pytest.mark.soak), "postgresql-owner"]
)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Host, Callable[[], None]]]:
    """A live database, and what changes it."""
    engine, _, kind = request.param.partition("-")
    if engine == "sqlite":
        yield from sqlite_host(tmp_path)
    elif engine == "mariadb":
        yield from mariadb_host(tmp_path)
    else:
        yield from postgresql_host(tmp_path, kind)


def moments(seconds: float) -> list[float]:
    """Return when to kill: spread over the time that it takes undisturbed, and a little longer."""
    dice = random.Random(os.environ.get("BELAY_SEED"))
    return [seconds * (number + dice.random()) * 1.1 / ROUNDS for number in range(ROUNDS)]


def test_a_restore_killed_at_any_moment_is_put_back(made: tuple[Host, Callable[[], None]]) -> None:
    """P2, P8: before its swap, in it or after it; an undo that is killed itself is run again; twice is once."""
    host, damage = made
    backup, payload = host.dump("backup")
    damage()
    before = host.picture()
    restored = (f"{host.engine}.sh", host.conn, backup, payload)
    host.begin()
    begun = time.monotonic()
    assert host.killed(0, "twin.sh", "restore", *restored, host.work) == KILLED
    host.must("twin.sh", "restore", *restored, host.work)
    seconds = time.monotonic() - begun
    undo = ("put-back.sh", "restore", *restored[:2], "restore", *restored[2:])
    host.must(*undo, host.work)
    assert host.picture() == before
    for moment in moments(seconds):
        told = f"killed after {moment:.3f} s of {seconds:.3f} s"
        host.begin().killed(moment, "twin.sh", "restore", *restored, host.work)
        with host.start(*undo, host.work) as process:
            time.sleep(moment / 2)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        for _ in range(2):
            host.must(*undo, host.work)
            assert host.picture() == before, told


def test_an_undo_killed_at_any_moment_is_put_back(made: tuple[Host, Callable[[], None]]) -> None:
    """P2, P9: an attic can be swapped back once; the backup that was made before it leads forth again."""
    host, damage = made
    old, old_payload = host.dump("old")
    damage()
    for number, moment in enumerate(moments(0.8)):
        host.begin()
        attic = host.work
        host.must("twin.sh", "restore", f"{host.engine}.sh", host.conn, old, old_payload, attic)
        before = host.picture()
        backup, payload = host.dump(f"backup {number}")
        host.begin().killed(moment, f"{host.engine}.sh", "unrestore", host.conn, attic)
        undo = ("attic", f"{host.engine}.sh", host.conn, "restore", backup, payload, host.work, attic)
        for _ in range(2):
            host.must("put-back.sh", *undo)
            assert host.picture() == before, f"killed after {moment:.3f} s"


def test_a_restore_that_never_began_or_that_refused_has_nothing_to_put_back(
    made: tuple[Host, Callable[[], None]],
) -> None:
    """P8: the undo of nothing is nothing, and what was loaded for it isn't kept for two weeks."""
    host, damage = made
    backup, payload = host.dump("backup")
    damage()
    before = host.picture()
    undo = ("put-back.sh", "restore", f"{host.engine}.sh", host.conn, "restore", backup, payload)
    host.begin().must(*undo, host.work)
    content = bytearray((backup / payload).read_bytes())
    content[len(content) // 2] ^= 1
    (backup / payload).write_bytes(content)
    host.begin()
    assert host.killed(60, "twin.sh", "restore", *undo[2:4], backup, payload, host.work) == 1
    host.must(*undo, host.work)
    assert (host.work / "attic-dropped").exists()
    assert host.picture() == before
