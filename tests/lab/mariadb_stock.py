"""Dumps as other tools make them: stock mariadb-dump, and the zip of spatie/laravel-backup."""

from __future__ import annotations

import gzip
import subprocess
import zipfile
from pathlib import Path

from tests.lab.mariadb_script import Account

EVERYTHING = ("--routines", "--triggers", "--events")
FLAGS = {
    "whole databases": (*EVERYTHING, "--databases", "--add-drop-database", "--add-drop-table", "--add-drop-trigger"),
    "extended inserts, no comments": (*EVERYTHING, "--extended-insert", "--skip-comments", "--single-transaction"),
    "one row a line": (*EVERYTHING, "--skip-extended-insert", "--complete-insert", "--hex-blob", "--skip-add-locks"),
    "no locks, one transaction": (*EVERYTHING, "--skip-opt", "--create-options", "--no-autocommit", "--set-charset"),
}


def stock_dump(shop: Account, *flags: str, as_root: bool = False) -> bytes:
    """Return what stock mariadb-dump writes for the shop's database."""
    login = ["--no-defaults", f"--socket={shop.server.socket}", "--user=root"] if as_root else []
    done = subprocess.run(
        ["mariadb-dump", *(login or [f"--defaults-file={shop.conn / 'client.cnf'}"]), *flags, shop.database],
        check=True,
        capture_output=True,
    )
    return done.stdout


def packed(dump: bytes, folder: Path, kind: str) -> Path:
    """Write `dump` as a file of that kind, and return it."""
    file = folder / {"sql": "dump.sql", "gz": "dump.sql.gz", "zst": "dump.sql.zst"}.get(kind, "2026-11-22-00-00-00.zip")
    if kind == "sql":
        file.write_bytes(dump)
    elif kind == "gz":
        file.write_bytes(gzip.compress(dump))
    elif kind == "zst":
        file.write_bytes(subprocess.run(["zstd", "-qc"], input=dump, check=True, capture_output=True).stdout)
    else:
        members = {"var/www/app/artisan": b"<?php", "db-dumps/mysql-shop.sql": dump}
        if kind == "zip of gz":
            members = {"db-dumps/mysql-shop.sql.gz": gzip.compress(dump), "var/www/.env": b"APP_KEY=\n"}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    return file
