"""MariaDB on a disk that fills up in the middle of a restore: nothing is lost, the room is given back, and the same call ends well.

The server's data lies on a small disk in memory that nothing else sees. Who runs the server starts it again when it dies,
as systemd does: MariaDB 10.11 aborts when the disk is full at some moments of a load.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import mariadb
from tests.lab.engine_call import limited
from tests.lab.mariadb import Mariadb
from tests.lab.mariadb_script import LIKE_ROOT, OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import Snapshot, snapshot
from tests.lab.private_mounts import private_mounts

DISK_MIB = 120
KEPT_ALIVE = """
    ended=; trap 'ended=yes; kill "$pid"' TERM
    until [ "$ended" ]; do "$@" & pid=$!; wait "$pid"; [ "$ended" ] || sleep 0.2; done; wait "$pid"
"""
# KiB that are free when a restore begins, as each was seen to end: while indexes are built. With
# 5000 the server dies, and can't come back before there is room. `make soak` tries all that lies between.
ROOMS = (9000,)
ALL_ROOMS = (0, 200, 500, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000, 12_000)
SHOP = (
    "CREATE TABLE users (id int PRIMARY KEY, name varchar(50))",
    "CREATE TABLE bulk (id int PRIMARY KEY, t varchar(3000), KEY (t(100)), FOREIGN KEY (id) REFERENCES users (id))",
    "INSERT INTO users SELECT seq, seq FROM seq_1_to_4000",
    "INSERT INTO bulk SELECT seq, repeat(md5(seq), 60) FROM seq_1_to_4000",
    "ANALYZE TABLE bulk",  # or its size would be known a few seconds later only
    "CREATE TRIGGER trimmed BEFORE INSERT ON users FOR EACH ROW SET NEW.name = trim(NEW.name)",
    "CREATE VIEW names AS SELECT name FROM users",
)
DAMAGE = ("ALTER TABLE users ADD x int DEFAULT 7", "DROP VIEW names", "DELETE FROM bulk WHERE id > 3000")
KINDS = [LIKE_ROOT, OWN_DATABASE_ONLY]


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    """A server whose data folder is a disk of its own."""

    server: Mariadb
    folder: Path  # the disk, as the server sees it

    @property
    def free(self) -> int:
        """KiB."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize // 1024

    def answers(self) -> bool:
        """Whether the server is there."""
        try:
            self.server.knock()
        except OSError:
            return False
        return True

    @contextmanager
    def full_but(self, kibibytes: int) -> Iterator[None]:
        """Leave so much room, and give the rest back at the end."""
        ballast = self.folder / "ballast"
        ballast.write_bytes(b"x" * max(self.free - kibibytes, 0) * 1024)
        try:
            yield
        finally:
            ballast.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    folder = tmp_path_factory.mktemp("server")
    data = folder / "data"
    data.mkdir()
    mounts = f"mount -t tmpfs -o size={DISK_MIB}M none {data} && cp -a {mariadb.prepared_data()}/. {data}"
    program = [*private_mounts(mounts), "sh", "-c", KEPT_ALIVE, "sh", *mariadb.program()]
    settings = (*mariadb.SETTINGS, "--innodb-autoextend-increment=1")
    with mariadb.running(folder, settings=settings, program=program) as server:
        assert server.process is not None
        yield SmallDisk(server=server, folder=Path(f"/proc/{server.process.pid}/root{data}"))


def read(account: Account) -> Snapshot:
    """Return what is there, from a server that may just be coming back."""
    deadline = time.monotonic() + 60
    while account.run("probe").returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with account.connect() as link:
        return snapshot(link)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A shop that was dumped and then damaged."""

    shop: Account
    payload: str
    before: Snapshot
    damaged: Snapshot
    words: tuple[str | Path, ...]


def execute(shop: Account, *statements: str) -> None:
    with shop.connect() as link, link.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def made(disk: SmallDisk, folder: Path, kind: str) -> Iterator[Trial]:
    """Make one, and give its room back at the end."""
    shop = open_account(disk.server, folder, kind)
    shop.environment["BELAY_SERVER_WAIT"] = "2"  # seconds
    execute(shop, *SHOP)
    before = read(shop)
    payload = shop.dump()
    execute(shop, *DAMAGE)
    words = (shop.backup, payload, folder / "work")
    yield Trial(shop=shop, payload=payload, before=before, damaged=read(shop), words=words)
    for (name,) in disk.server.query(f"SHOW DATABASES LIKE '{shop.database}%'"):
        disk.server.execute(f"DROP DATABASE {mariadb.quoted(str(name))}")


def is_whole_again(trial: Trial, work: Path) -> None:
    """With room, the same call restores; an undo brings back what was live."""
    trial.shop.facts("restore", *trial.words)
    assert read(trial.shop) == trial.before
    trial.shop.facts("unrestore", work)
    assert read(trial.shop) == trial.damaged
    trial.shop.facts("attic-drop", work)


def fails_for_lack_of_room(disk: SmallDisk, trial: Trial, room: int) -> None:
    """Expect a failure that says so, an untouched live database, and as much room as there was."""
    with disk.full_but(room):
        done = trial.shop.run("restore", *trial.words)
        assert (done.returncode, done.stdout) == (1, ""), (room, done.stdout, done.stderr)
        assert "(is the server's disk full?)" in done.stderr, room
        assert "does not decompress" not in done.stderr, "the backup is well"
        if disk.answers():  # one that died of it starts again when there is room
            assert disk.free >= room * 3 // 4, f"what was loaded with {room} KiB stayed there"
    assert read(trial.shop) == trial.damaged, room


@pytest.mark.parametrize(
    ("kind", "rooms"),
    [
        (LIKE_ROOT, ROOMS),
        *(pytest.param(kind, ALL_ROOMS, marks=pytest.mark.soak) for kind in (LIKE_ROOT, OWN_DATABASE_ONLY)),
    ],
)
def test_a_restore_for_which_the_server_has_no_room_changes_nothing_and_leaves_nothing(
    disk: SmallDisk, tmp_path: Path, kind: str, rooms: tuple[int, ...]
) -> None:
    """P2, P3, P8: whatever the moment; the live database gets the room back that it needs itself."""
    with made(disk, tmp_path, kind) as trial:
        for room in rooms:
            fails_for_lack_of_room(disk, trial, room)
        is_whole_again(trial, tmp_path / "work")


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_a_swap_for_which_the_server_has_no_room_is_made_whole_or_not_at_all(
    disk: SmallDisk, tmp_path: Path, kind: str
) -> None:
    """P2, P8: triggers go before the swap, so it is tried beforehand whether there is room to make them again."""
    with made(disk, tmp_path, kind) as trial:
        trial.shop.facts("load", *trial.words)
        for room in (0, 8, 40, 100, 400):
            with disk.full_but(room):
                done = trial.shop.run("restore", *trial.words)
            found = read(trial.shop)
            if done.returncode == 0:
                assert found == trial.before, room
                break
            assert done.returncode == 1, (room, done.stdout, done.stderr)
            assert found == trial.damaged, room
            assert "(is the server's disk full?)" in done.stderr
        is_whole_again(trial, tmp_path / "work")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root enters the mounts of another process")
def test_where_the_servers_disk_can_be_seen_a_load_that_would_fill_it_is_not_begun(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """P2: a server that dies of a full disk takes the live database along."""
    with made(disk, tmp_path, LIKE_ROOT) as trial:
        enter = ("nsenter", f"--mount=/proc/{disk.server.process.pid}/ns/mnt") if disk.server.process else ()
        beside = Account(**{**vars(trial.shop), "shell": (*enter, "dash")})
        with disk.full_but(9000):
            done = beside.run("restore", *trial.words)
            assert (done.returncode, done.stdout) == (1, ""), done.stderr
            assert "a copy takes about" in done.stderr
            assert disk.free >= 8900
        assert read(trial.shop) == trial.damaged
        assert beside.run("restore", *trial.words).returncode == 0
        assert read(trial.shop) == trial.before


@pytest.mark.soak
def test_a_host_without_room_for_the_dump_makes_none_and_for_the_load_goes_on_later(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """P1, P8: a limit on the length of files stands for the host's own disk."""
    with made(disk, tmp_path, LIKE_ROOT) as trial:
        small = Account(**{**vars(trial.shop), "shell": tuple(limited(["dash"], 1))})
        done = small.run("dump", tmp_path / "second")
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert not (tmp_path / "second" / "facts").exists()
        done = small.run("load", *trial.words)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert read(trial.shop) == trial.damaged
        is_whole_again(trial, tmp_path / "work")
