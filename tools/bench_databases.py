"""`make bench`: backups, restores and swaps of databases, as ratios to what people use, in the same run.

`BENCH_MIB` is the size of the data (1024 by default), `ROUNDS` the number of rounds. The servers run with their default
durability. What a round prepares (a fresh database, an attic that is dropped) is not in its time.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import psycopg
import pymysql

from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, Account, open_account
from tests.lab.postgresql import running_postgresql
from tests.lab.postgresql_shop import Site as PostgresqlSite
from tools.bench import ROUNDS, table

MIB = int(os.environ.get("BENCH_MIB", "1024"))
ROW = 420  # bytes that a row of `posts` takes on disk with its indexes, roughly
POSTS = MIB * (1 << 20) * 3 // 4 // ROW
WORDS = "'lorem','ipsum','dolor','amet','consectetur','adipiscing','elit','sed','tempor','incididunt','labore','magna'"
TICK = 0.005  # seconds between two requests of a visitor


@dataclass(frozen=True)
class Contender:
    """What is timed, and what has to be done before it."""

    work: Callable[[], object]
    prepare: Callable[[], object] = lambda: None


def rounds(contenders: Mapping[str, Contender]) -> dict[str, float]:
    """Return the median seconds of each contender over interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            contender.prepare()
            begun = time.perf_counter()
            contender.work()
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


def shell(script: str, *words: str | Path, **environment: str) -> None:
    """Run a pipeline that must end well, on both sides of each pipe."""
    subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}", "bench", *map(str, words)],
        check=True,
        env={**os.environ, **environment},
    )


@dataclass
class Visitor:
    """A client that reads and writes every few milliseconds, and notes what it had to wait for."""

    connect: Callable[[], Any]
    longest: float = 0.0  # seconds between two answers
    errors: int = 0
    stopped: bool = False

    def run(self) -> None:
        """Go on until stopped."""
        link, last = self.connect(), time.perf_counter()
        while not self.stopped:
            try:
                with link.cursor() as cursor:
                    cursor.execute("SELECT title FROM posts WHERE id = 7")
                    cursor.fetchall()
                    cursor.execute("INSERT INTO visits (page) VALUES ('home')")
            except (pymysql.Error, psycopg.Error):
                self.errors += 1
                try:
                    link = self.connect()
                except (pymysql.Error, psycopg.Error):
                    time.sleep(TICK)
                continue
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now
            time.sleep(TICK)


def watched(connect: Callable[[], Any], work: Callable[[], object]) -> Visitor:
    """Return what a visitor noticed while `work` ran."""
    visitor = Visitor(connect)
    thread = threading.Thread(target=visitor.run)
    thread.start()
    time.sleep(0.5)
    work()
    time.sleep(0.5)
    visitor.stopped = True
    thread.join()
    return visitor


def fill(execute: Callable[[str], object], series: str, words: str, big: str, now: str) -> None:
    """Make a blog of the wanted size: users, posts with four indexes, comments, an audit trail, visits."""
    users = max(POSTS // 20, 1)
    for statement in (
        f"CREATE TABLE users (id {big} PRIMARY KEY, name varchar(80) NOT NULL, email varchar(120) NOT NULL UNIQUE, made {now} NOT NULL)",
        (
            f"CREATE TABLE posts (id {big} PRIMARY KEY, user_id {big} NOT NULL REFERENCES users (id), title varchar(120)"
            f" NOT NULL, slug varchar(60) NOT NULL UNIQUE, body text NOT NULL, made {now} NOT NULL)"
        ),
        "CREATE INDEX posts_made ON posts (made)",
        "CREATE INDEX posts_user ON posts (user_id, made)",
        f"CREATE TABLE comments (id {big} PRIMARY KEY, post_id {big} NOT NULL REFERENCES posts (id), body text)",
        "CREATE INDEX comments_post ON comments (post_id)",
        f"CREATE TABLE audits (id {big} PRIMARY KEY, event varchar(40), details text)",
        "CREATE VIEW latest AS SELECT id, title FROM posts ORDER BY made DESC LIMIT 10",
    ):
        execute(statement)
    row = f"{words} FROM {series}"
    for into, columns in (
        (
            "users",
            f"n, concat('user ', n), concat(md5(concat('u', n)), '@example.org'), '2026-01-01' FROM {series.format(users)}",
        ),
        (
            "posts",
            f"n, 1 + n % {users}, concat('Title ', n), md5(concat('p', n)), {words}, '2026-02-03' FROM {series.format(POSTS)}",
        ),
        ("comments", f"n, 1 + n * 7 % {POSTS}, {row.format(POSTS // 3)}"),
        ("audits", f"n, 'updated', {row.format(POSTS // 3)}"),
    ):
        execute(f"INSERT INTO {into} SELECT {columns}")


def mariadb(folder: Path) -> None:
    """MariaDB: backup, restore, swap."""
    settings = (
        "--innodb-buffer-pool-size=1G",
        "--innodb-flush-log-at-trx-commit=1",
        "--debug-no-sync=0",
        "--innodb-log-file-size=96M",
    )
    with running_mariadb(folder / "server", settings=settings) as server:
        shop = open_account(server, folder, LIKE_ROOT)
        sentence = "CONCAT_WS(' ', " + ", ".join([f"ELT(1 + FLOOR(RAND() * 12), {WORDS})"] * 24) + ", MD5(RAND()))"
        with shop.connect() as link, link.cursor() as cursor:
            fill(
                cursor.execute,
                series="(SELECT seq AS n FROM seq_1_to_{}) s",
                words=sentence,
                big="bigint",
                now="datetime",
            )
            cursor.execute("CREATE TABLE visits (id bigint AUTO_INCREMENT PRIMARY KEY, page varchar(20))")
            link.commit()
        options = f"--defaults-file={shop.conn}/client.cnf"
        plain = folder / "plain.sql.gz"
        dump = 'mariadb-dump "$1" --single-transaction --quick "$2"'
        contenders = {
            "mariadb-dump, gzip": Contender(lambda: shell(f'{dump} | gzip >"$3"', options, shop.database, plain)),
            "mariadb-dump alone, to nowhere (a floor)": Contender(
                lambda: shell(f"{dump} >/dev/null", options, shop.database)
            ),
            "mariadb-dump, zstd -1 -T2, not read back": Contender(
                lambda: shell(f'{dump} | zstd -q -1 -T2 -f -o "$3"', options, shop.database, folder / "plain.zst")
            ),
            "Belay: dump, read back whole, proven": Contender(shop.dump),
        }
        if shutil.which("mydumper"):
            contenders["mydumper, 2 threads"] = Contender(
                lambda: shell(
                    'mydumper "$1" -B "$2" -t 2 -c -o "$3" >/dev/null 2>&1', options, shop.database, folder / "mydumper"
                ),
                lambda: shutil.rmtree(folder / "mydumper", ignore_errors=True),
            )
        table(f"MariaDB, {MIB} MiB: backup", rounds(contenders), "mariadb-dump, gzip")
        payload = shop.dump()
        counter = iter(range(1_000_000))
        current = folder / "none"

        def fresh() -> None:
            server.query("DROP DATABASE IF EXISTS plain")
            server.query("CREATE DATABASE plain")

        def clean() -> None:
            nonlocal current
            if current.exists():
                shop.facts("attic-drop", current)
            current = folder / f"work{next(counter)}"

        def loaded() -> None:
            clean()
            shop.facts("load", shop.backup, payload, current)

        def restore() -> None:
            shop.facts("restore", shop.backup, payload, current)

        medians = rounds(
            {
                "gunzip, mariadb": Contender(
                    lambda: shell('gunzip -c "$1" | mariadb "$2" plain', plain, options), fresh
                ),
                "Belay: load beside, prove, swap": Contender(restore, clean),
                "Belay: swap of a twin that was proven before": Contender(restore, loaded),
            }
        )
        table(f"MariaDB, {MIB} MiB: restore", medians, "gunzip, mariadb")
        loaded()
        seen = watched(lambda: _autocommit(shop), restore)
        gap(seen, medians["gunzip, mariadb"], "MariaDB")


def _autocommit(shop: Account) -> pymysql.Connection[Any]:
    link = shop.connect()
    link.autocommit(True)
    return link


def postgresql(folder: Path) -> None:
    """PostgreSQL: backup, restore, swap."""
    settings = {"fsync": "on", "shared_buffers": "1GB", "max_wal_size": "1GB", "autovacuum": "on"}
    with running_postgresql(folder / "server", settings=settings) as server:
        site = PostgresqlSite(server, folder, "creator", name="blog")
        sentence = (
            "concat_ws(' ', "
            + ", ".join([f"(ARRAY[{WORDS}])[1 + floor(random() * 12)::int]"] * 24)
            + ", md5(random()::text))"
        )
        with site.connect() as link:
            fill(
                lambda statement: link.execute(statement.encode()),
                series="(SELECT generate_series(1, {}) AS n) s",
                words=sentence,
                big="bigint",
                now="timestamp",
            )
            link.execute("CREATE TABLE visits (id bigserial PRIMARY KEY, page varchar(20))")
        environment = {"PGSERVICEFILE": f"{site.conn}/pgservice.conf", "PGPASSFILE": f"{site.conn}/pgpass"}
        plain, directory = folder / "plain.sql.gz", folder / "directory"
        contenders = {
            "pg_dump, gzip": Contender(lambda: shell('pg_dump service=belay | gzip >"$1"', plain, **environment)),
            "pg_dump alone, to nowhere (a floor)": Contender(
                lambda: shell("pg_dump service=belay >/dev/null", **environment)
            ),
            "pg_dump -Fd -j2": Contender(
                lambda: shell('pg_dump -Fd -j2 -f "$1" service=belay', directory, **environment),
                lambda: shutil.rmtree(directory, ignore_errors=True),
            ),
            "Belay: dump, read back whole, proven": Contender(lambda: _proven(site)),
        }
        table(f"PostgreSQL, {MIB} MiB: backup", rounds(contenders), "pg_dump, gzip")
        _proven(site)
        counter = iter(range(1_000_000))

        def fresh() -> None:
            server.execute("DROP DATABASE IF EXISTS plain", database="postgres")
            server.execute("CREATE DATABASE plain", database="postgres")

        def clean() -> None:
            if site.work.exists():
                site.facts("attic-drop", site.work)
            site.work = folder / f"work{next(counter)}"

        def loaded() -> None:
            clean()
            site.facts("load", site.folder, site.payload, site.work)

        psql = f'gunzip -c "$1" | psql -q -h {server.folder} -p {server.port} -U postgres -d plain >/dev/null 2>&1'
        medians = rounds(
            {
                "gunzip, psql": Contender(lambda: shell(psql, plain), fresh),
                "Belay: load beside, prove, swap": Contender(site.restore, clean),
                "Belay: swap of a twin that was proven before": Contender(site.restore, loaded),
            }
        )
        table(f"PostgreSQL, {MIB} MiB: restore", medians, "gunzip, psql")
        loaded()
        gap(watched(site.connect, site.restore), medians["gunzip, psql"], "PostgreSQL")


def _proven(site: PostgresqlSite) -> None:
    made = site.dump()
    site.facts("prove", site.folder, made["payload"], made["sha256"])


def gap(seen: Visitor, in_place: float, engine: str) -> None:
    """Tell what a visitor noticed of a swap, beside a load in place, during which there is nothing to serve."""
    print(
        f"\n{engine}: while a twin is swapped in, a client that reads and writes every {TICK * 1000:.0f} ms waits "
        f"{seen.longest * 1000:.0f} ms at most and sees {seen.errors} errors; a load in place takes {in_place:.1f} s "
        f"({seen.longest / in_place:.4f})."
    )


def main() -> None:
    """Run all, in a temporary folder that PostgreSQL's user can reach."""
    print(f"## Databases: {MIB} MiB, {ROUNDS} rounds, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="belay-bench-", dir="/var/tmp") as name:
        for measure in (mariadb, postgresql):
            folder = Path(name) / measure.__name__
            folder.mkdir()
            measure(folder)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nThe largest process of all, clients and servers included: {peak:.0f} MiB.")


if __name__ == "__main__":
    main()
