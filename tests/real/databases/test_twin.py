"""twin.sh: the copy that proved a backup belongs to that backup alone. On SQLite; what it does is the same for each engine."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "pyhelpers" / "databases"


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A database with one table of one row, and twin.sh."""

    folder: Path

    def sh(self, script: str, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a script of ours."""
        argv = ["sh", str(SCRIPTS / script), *map(str, words)]
        return subprocess.run(argv, check=False, capture_output=True, text=True)

    def twin(self, verb: str, *words: object) -> subprocess.CompletedProcess[str]:
        """Run twin.sh on the database."""
        return self.sh("twin.sh", verb, "sqlite.sh", self.folder / "conn", *words)

    def write(self, value: int) -> None:
        """Let the database hold `value`."""
        with closing(sqlite3.connect(self.folder / "live.sqlite", isolation_level=None)) as link:
            link.execute("UPDATE t SET i = ?", (value,))

    @property
    def value(self) -> int:
        """What the live database holds."""
        with closing(sqlite3.connect(self.folder / "live.sqlite")) as link:
            return int(link.execute("SELECT i FROM t").fetchone()[0])

    def backup(self, value: int) -> tuple[Path, str]:
        """Dump the database while it holds `value`; return the backup's folder and its payload's name."""
        self.write(value)
        folder = self.folder / f"backup-{value}"
        done = self.sh("sqlite.sh", "dump", self.folder / "conn", folder)
        assert done.returncode == 0, done.stderr
        return folder, next(line[8:] for line in done.stdout.splitlines() if line.startswith("payload="))


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    """The database."""
    (tmp_path / "conn").mkdir()
    (tmp_path / "conn" / "engine").write_text("sqlite\n")
    (tmp_path / "conn" / "database").write_text(f"{tmp_path / 'live.sqlite'}\n")
    with closing(sqlite3.connect(tmp_path / "live.sqlite", isolation_level=None)) as link:
        link.execute("CREATE TABLE t (i INTEGER)")
        link.execute("INSERT INTO t VALUES (0)")
    return Twins(folder=tmp_path)


def test_a_restore_swaps_in_the_copy_and_says_so(twins: Twins) -> None:
    """P3: nothing is read from the payload any more."""
    folder, payload = twins.backup(1)
    work = twins.folder / "work"
    assert "loaded=yes" in twins.twin("load", folder, payload, work).stdout
    (folder / payload).unlink()
    twins.write(2)
    done = twins.twin("restore", folder, payload, work)
    assert "twin=taken" in done.stdout, done.stderr
    assert twins.value == 1
    assert "twin=taken" in twins.twin("restore", folder, payload, work).stdout
    assert "unloaded=nothing" in twins.twin("drop", work).stdout


def test_a_copy_of_another_backup_is_dropped_and_never_swapped_in(twins: Twins) -> None:
    """P3: what is restored is the backup that was asked for."""
    one, payload = twins.backup(1)
    two, _ = twins.backup(2)
    work = twins.folder / "work"
    assert twins.twin("load", one, payload, work).returncode == 0
    assert twins.twin("load", two, payload, work).returncode == 1
    twins.write(3)
    done = twins.twin("restore", two, payload, work)
    assert "twin=none" in done.stdout, done.stderr
    assert twins.value == 2


def test_a_copy_of_another_backup_is_not_taken_over(twins: Twins) -> None:
    """P3: a later deploy takes the twin of the very backup that it puts back, or loads."""
    one, payload = twins.backup(1)
    two, _ = twins.backup(2)
    old, work = twins.folder / "old", twins.folder / "work"
    assert twins.twin("load", one, payload, old).returncode == 0
    assert "loaded=yes" in twins.twin("load", two, payload, work, old).stdout
    assert old.exists()
    assert "unloaded=yes" in twins.twin("drop", work).stdout
    assert not work.exists()
    (one / payload).unlink()
    assert "loaded=yes" in twins.twin("load", one, payload, work, old).stdout
    assert not old.exists()
    twins.write(3)
    assert "twin=taken" in twins.twin("restore", one, payload, work).stdout
    assert twins.value == 1


def test_an_undo_drops_what_was_loaded_once_and_never_fails(twins: Twins) -> None:
    """P2, P8: a copy that can't be dropped holds up no rollback."""
    folder, payload = twins.backup(1)
    work = twins.folder / "work"
    assert twins.twin("load", folder, payload, work).returncode == 0
    (twins.folder / "conn" / "database").rename(twins.folder / "aside")
    failed = twins.twin("undo", work)
    assert failed.returncode == 0
    assert "warning=" in failed.stdout
    assert work.exists()
    assert twins.twin("drop", work).returncode == 1
    (twins.folder / "aside").rename(twins.folder / "conn" / "database")
    assert "unloaded=yes" in twins.twin("undo", work).stdout
    assert "unloaded=nothing" in twins.twin("undo", work).stdout
    assert not work.exists()
