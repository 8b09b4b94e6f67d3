"""SQLite files that another tool copied: checked, then made a backup like any other; hostile ones are refused."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.sqlite_shop import LARAVEL, Site, execute, picture


@pytest.fixture(params=["cli", "python", "php"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A live database and, beside it, the file `old.db` of another tool with the shop in it."""
    made = Site(tmp_path, driver=request.param)
    execute(made.live, "CREATE TABLE present (x); INSERT INTO present VALUES (1)")
    execute(tmp_path / "old.db", LARAVEL)
    return made


@pytest.fixture
def cli(tmp_path: Path) -> Site:
    """The same, with the command-line client."""
    made = Site(tmp_path)
    execute(made.live, "CREATE TABLE present (x); INSERT INTO present VALUES (1)")
    execute(tmp_path / "old.db", LARAVEL)
    return made


@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
def test_an_adopted_file_is_a_backup_like_any_other(site: Site, form: str) -> None:
    """P3: it is proven, restored and undone by the same verbs. Its name says nothing about its content."""
    old, given = site.root / "old.db", site.root / "giv'en file"
    if form == "plain":
        shutil.copy(old, given)
    elif form == "gzip":
        given.write_bytes(gzip.compress(old.read_bytes()))
    else:
        subprocess.run(["zstd", "-q", old, "-o", given], check=True)
    live = picture(site.live)
    adopted = site.facts("adopt", given, site.folder)
    assert (adopted["counts_exact"], adopted["tables"]) == (
        "yes",
        str(len(site.folder.joinpath("counts.tsv").read_text().splitlines())),
    )
    assert picture(site.live) == live
    site.facts("prove", site.folder, adopted["payload"], adopted["sha256"])
    restored = site.restore(adopted["payload"])
    assert picture(site.live) == picture(old)
    assert picture(Path(restored["attic"])) == live
    assert {file.name for file in site.folder.iterdir()} == {
        "counts.tsv", "schema.txt", "inventory.tsv", "raw.sha256", "payload.sha256", adopted["payload"],
    }  # fmt: skip


def refused(site: Site, file: Path, reason: str) -> None:
    """Expect one clear sentence, no backup, and an untouched live database."""
    before = picture(site.live)
    status, _, errors = site.call("adopt", file, site.folder)
    assert status == 1
    assert reason in errors.splitlines()[-1], errors
    assert not site.folder.exists() or not list(site.folder.iterdir())
    assert picture(site.live) == before


def test_sql_text_is_refused_because_its_reader_obeys_commands(cli: Site) -> None:
    """P9: `.shell` in a dump would run, so no text is given to the sqlite3 program."""
    canary = cli.root / "canary"
    text = f".shell touch {canary}\nCREATE TABLE x (y);\n"
    (cli.root / "dump.sql").write_text(text)
    refused(cli, cli.root / "dump.sql", "no SQLite database")
    (cli.root / "dump.sql.gz").write_bytes(gzip.compress(text.encode()))
    refused(cli, cli.root / "dump.sql.gz", "no SQLite database")
    with zipfile.ZipFile(cli.root / "spatie.zip", "w") as archive:
        archive.writestr("db-dumps/sqlite-database.sql", text)
    refused(cli, cli.root / "spatie.zip", "is a zip")
    assert not canary.exists()


def test_damaged_files_are_refused(cli: Site) -> None:
    """P3: cut short, overwritten in the middle, or missing."""
    old = (cli.root / "old.db").read_bytes()
    bad = cli.root / "bad"
    packed = gzip.compress(old)
    for content, reason in (
        (packed[: len(packed) // 2], "damaged or cut short"),
        (old[: len(old) // 2], ""),
        (old[:4200] + b"\xff" * 6000 + old[10200:], ""),
        (b"", "no SQLite database"),
    ):
        bad.write_bytes(content)
        refused(cli, bad, reason)
    refused(cli, cli.root / "no such file", "no readable file")
    refused(cli, cli.root, "no readable file")


def test_a_bomb_is_not_unpacked(cli: Site) -> None:
    """P2: what becomes larger than the disk can hold three times is cut off while it is unpacked."""
    bin_folder = cli.root / "bin"
    bin_folder.mkdir()
    (bin_folder / "df").write_text("#!/bin/sh\necho Filesystem; echo /dev/x 100 0 300 0% /\n")
    (bin_folder / "df").chmod(0o755)
    cli.settings["PATH"] = f"{bin_folder}:/usr/bin:/bin"
    bomb = cli.root / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"SQLite format 3\0" + bytes(50_000_000)))
    refused(cli, bomb, "larger than a third of the free disk space")


def test_a_copy_of_a_database_in_use_is_refused(cli: Site) -> None:
    """P3: without its WAL a copy lacks the last rows."""
    copy = cli.root / "copy.db"
    with closing(sqlite3.connect(cli.root / "old.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO pairs VALUES (8, 8)")
        writer.commit()
        shutil.copy(cli.root / "old.db", copy)
        shutil.copy(cli.root / "old.db-wal", cli.root / "copy.db-wal")
    refused(cli, copy, "in use")
    refused(cli, cli.live, "live database")


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("files", "CREATE VIRTUAL TABLE files USING zipfile('/etc/x.zip')"),
        ("files", "CREATE VIRTUAL TABLE files USING csv(filename='/etc/passwd', x='using fts5(')"),
        ('"x using fts5("', "CREATE VIRTUAL TABLE \"x using fts5(\" USING csv(filename='/etc/passwd')"),
        ("files", "CREATE VIRTUAL/**/TABLE files USING/**/csv(filename='/etc/passwd')"),
        ("files", "CREATE VIRTUAL TABLE files\nUSING\tcsv(filename='/etc/passwd')"),
        ("peek", "CREATE VIEW peek AS SELECT readfile('/etc/passwd')"),
        ("peek", "CREATE VIEW peek AS SELECT \"WriteFile\" /* */ ('/tmp/x', 'y')"),
        ("peek", "CREATE VIEW peek AS SELECT load_extension\n('/tmp/evil.so')"),
    ],
)
def test_a_schema_that_reaches_out_of_the_database_is_refused(cli: Site, name: str, sql: str) -> None:
    """P9: whoever uses such a table or view reads or writes other files."""
    hostile = cli.root / "hostile.db"
    execute(hostile, LARAVEL)
    kind = "view" if "VIEW" in sql else "table"
    with closing(sqlite3.connect(hostile)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        plain = name.strip('"')
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, 0, ?)", (kind, plain, plain, sql))
        connection.commit()
    refused(cli, hostile, "isn't taken: its")
