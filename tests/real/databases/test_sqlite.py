"""SQLite on the host, with real database files: what was dumped comes back, and can be undone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.sqlite_shop import DAMAGE, HOSTILE_NAME, LARAVEL, Site, execute, picture


def test_a_restore_brings_back_exactly_what_was_dumped_and_keeps_the_rest_in_the_attic(site: Site) -> None:
    """P3, P9."""
    before = picture(site.live)
    dumped = site.dump()
    proof = site.facts("prove", site.folder, dumped["payload"], dumped["sha256"])
    execute(site.live, DAMAGE)
    damaged = picture(site.live)

    restored = site.restore(dumped["payload"])

    assert proof["verified"] == "bytes"
    assert picture(site.live) == before != damaged
    assert picture(Path(restored["attic"])) == damaged
    assert (restored["tables"], restored["rows"]) == (dumped["tables"], dumped["rows"])
    assert (restored["restored"], restored["mode"]) == ("yes", "database")


def test_every_driver_describes_a_database_in_the_same_words(tmp_path: Path) -> None:
    """P3: a backup made by one driver is proven by another."""
    site = Site(tmp_path)
    execute(site.live, LARAVEL)
    described = set()
    for driver in ("cli", "python", "php"):
        site.driver = driver
        site.dump()
        described.add(tuple((site.folder / name).read_text() for name in ("counts.tsv", "schema.txt", "inventory.tsv")))
    counts, schema, inventory = described.pop()
    assert not described
    assert "users\t3\n" in counts
    assert "ta'b\"\\nx\\ty\\\\z\t2\n" in counts
    assert "pragma\tuser_version\t42\n" in schema
    assert "trigger\tusers_log\n" in inventory


@pytest.mark.parametrize("shell", [("dash",), ("busybox", "sh"), ("bash", "--posix")])
def test_it_runs_in_any_posix_shell(tmp_path: Path, shell: tuple[str, ...]) -> None:
    """P3."""
    site = Site(tmp_path, HOSTILE_NAME, shell=shell)
    execute(site.live, LARAVEL)
    before = picture(site.live)
    dumped = site.dump()
    execute(site.live, DAMAGE)
    site.restore(dumped["payload"])
    assert picture(site.live) == before


def test_rows_that_are_still_in_the_wal_are_in_the_backup(site: Site) -> None:
    """P1: a plain copy of the file would lose them."""
    with closing(sqlite3.connect(site.live)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("INSERT INTO pairs VALUES (77, 77)")
        writer.commit()
        assert site.live.with_name(site.live.name + "-wal").stat().st_size > 0
        dumped = site.dump()
        assert "pairs\t3\n" in (site.folder / "counts.tsv").read_text()
        writer.execute("DELETE FROM pairs")
        writer.commit()
        site.restore(dumped["payload"])
        assert writer.execute("SELECT count(*) FROM pairs").fetchone() == (3,), (
            "an open connection sees the restored state"
        )
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_second_restore_changes_nothing_and_prints_the_same(site: Site) -> None:
    """P8."""
    dumped = site.dump()
    execute(site.live, DAMAGE)
    first = site.restore(dumped["payload"])
    execute(site.live, "INSERT INTO users (name) VALUES ('after the restore')")
    after = picture(site.live)
    assert site.restore(dumped["payload"]) == first
    assert picture(site.live) == after


def test_undoing_the_restore_brings_the_damage_back_once(site: Site) -> None:
    """P9, P8."""
    dumped = site.dump()
    before = picture(site.live)
    execute(site.live, DAMAGE)
    damaged = picture(site.live)
    site.restore(dumped["payload"])

    undone = site.facts("unrestore", site.work)
    assert picture(site.live) == damaged
    assert picture(Path(undone["attic"])) == before
    execute(site.live, "INSERT INTO users (name) VALUES ('later')")
    later = picture(site.live)
    assert site.facts("unrestore", site.work) == undone
    assert picture(site.live) == later
    status, _, errors = site.call("restore", site.folder, dumped["payload"], site.work)
    assert (status, picture(site.live)) == (1, later)
    assert "was undone" in errors


def test_a_database_that_does_not_exist_yet_is_backed_up_as_empty(tmp_path: Path) -> None:
    """P1, P9: the very first deploy."""
    for driver in ("cli", "python", "php"):
        site = Site(tmp_path / driver, driver=driver)
        dumped = site.dump()
        assert (dumped["missing"], dumped["tables"], dumped["rows"]) == ("yes", "0", "0")
        assert not site.live.exists(), "a dump never makes the file"
        assert site.facts("probe")["missing"] == "yes"
        site.facts("prove", site.folder, dumped["payload"], dumped["sha256"])
        execute(site.live, LARAVEL)
        made = picture(site.live)
        restored = site.restore(dumped["payload"])
        assert site.call("counts")[1] == ""
        assert picture(Path(restored["attic"])) == made
        site.facts("unrestore", site.work)
        assert picture(site.live) == made


@pytest.mark.parametrize(("folder", "file"), [(0o2775, 0o664), (0o750, 0o640), (0o700, 0o600)])
def test_a_vanished_database_is_made_again_for_those_who_share_its_folder(cli: Site, folder: int, file: int) -> None:
    """P3: the web server is often another user than the one who deploys."""
    cli.live.parent.chmod(folder)
    before = picture(cli.live)
    dumped = cli.dump()
    for ending in ("", "-wal", "-shm"):
        cli.live.with_name(cli.live.name + ending).unlink(missing_ok=True)
    cli.restore(dumped["payload"])
    assert picture(cli.live) == before
    assert cli.live.stat().st_mode & 0o777 == file


def test_another_page_size_is_restored_into_a_live_database_in_wal_mode(site: Site) -> None:
    """P3: SQLite refuses to change the page size of a WAL database, so the script leaves WAL first."""
    execute(site.live, "PRAGMA journal_mode=DELETE; PRAGMA page_size=1024; VACUUM; PRAGMA journal_mode=WAL")
    before = picture(site.live)
    dumped = site.dump()
    execute(site.live, "PRAGMA journal_mode=DELETE; PRAGMA page_size=8192; VACUUM; PRAGMA journal_mode=WAL;" + DAMAGE)
    site.restore(dumped["payload"])
    assert picture(site.live) == before


def test_the_ledger_lists_laravels_migrations(site: Site) -> None:
    """P1: `batch<TAB>migration`, sorted; a table that isn't there is an empty ledger."""
    assert site.call("ledger", "migrations")[1] == "1\t2014_users\n2\t2019_jobs\n"
    assert site.call("ledger", "no such \"table's") == (0, "", "")
    assert site.facts("stop-sql") == {"stopped": "0"}
