"""PostgreSQL on the host, with a real server: what was dumped comes back, whole, and with all that belongs to it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import (
    DAMAGE,
    SAMPLE,
    Site,
    made_of,
    picture,
    tables,
)


@pytest.fixture(params=["creator", "owner", "guest", "superuser"])
def site(request: pytest.FixtureRequest, server: Postgresql, tmp_path: Path) -> Iterator[Site]:
    """A filled database for each kind of account: with CREATEDB, owner without it, a guest with CREATE, a superuser."""
    made = Site(server, tmp_path, request.param)
    made.execute(SAMPLE)
    yield made
    made.drop()


def test_a_restore_brings_back_exactly_what_was_dumped_and_can_be_undone_once(site: Site) -> None:
    """P3, P8, P9."""
    before = site.picture()
    dumped = site.dump()
    proof = site.facts("prove", site.folder, dumped["payload"], dumped["sha256"])
    site.execute(DAMAGE)
    damaged = site.picture()

    restored = site.restore()
    assert site.picture() == before
    assert before != damaged
    assert proof["verified"] == "bytes"
    assert (restored["tables"], restored["rows"]) == (dumped["tables"], dumped["rows"])
    assert (restored["restored"], restored["mode"]) == ("yes", site.mode)
    if site.mode == "database":
        assert picture(site.server, restored["attic"]) == damaged
    assert site.call("schema")[1] == (site.folder / "schema.txt").read_text()

    site.execute("INSERT INTO migrations (migration, batch) VALUES ('after the restore', 9)")
    after = site.picture()
    assert site.restore() == restored, "a second run prints the same"
    assert site.picture() == after, "and changes nothing"

    undone = site.facts("unrestore", site.work)
    assert site.picture() == damaged
    site.execute("INSERT INTO migrations (migration, batch) VALUES ('after the undo', 9)")
    after = site.picture()
    assert site.facts("unrestore", site.work) == undone
    assert site.picture() == after
    assert site.call("restore", site.folder, site.payload, site.work)[0] == 1, (
        "an undone restore isn't redone behind one's back"
    )

    assert site.facts("attic-drop", site.work) == {"dropped": "yes"}
    assert site.facts("attic-drop", site.work) == {"dropped": "yes"}
    assert site.picture() == after
    assert site.server.databases() == {site.name}
    assert not site.server.query("SELECT nspname FROM pg_namespace WHERE nspname ~ '^_belay_'", database=site.name)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_it_runs_in_busybox(server: Postgresql, tmp_path: Path, compression: str) -> None:
    """P3: and with either compression a stock pg_restore reads the payload."""
    for kind in ("creator", "guest"):
        site = Site(server, tmp_path / kind, kind, shell=("busybox", "sh"))
        site.settings["BELAY_COMPRESSION"] = compression
        site.execute(SAMPLE)
        before = site.picture()
        dumped = site.dump()
        assert dumped["compression"] == compression
        unpack = "zstdcat" if compression == "zstd" else "cat"
        by_hand = subprocess.run(
            f"{unpack} '{site.folder / site.payload}' | pg_restore -l", shell=True, check=True, capture_output=True
        )
        assert b"TABLE DATA public users" in by_hand.stdout
        site.facts("prove", site.folder, dumped["payload"], dumped["sha256"])
        site.execute(DAMAGE)
        site.restore()
        assert site.picture() == before
        site.drop()


def test_the_first_deploys_empty_database_comes_back_empty(server: Postgresql, tmp_path: Path) -> None:
    """P1, P3."""
    for kind in ("creator", "guest"):
        site = Site(server, tmp_path / kind, kind)
        before = site.picture()
        dumped = site.dump()
        assert (dumped["tables"], dumped["rows"]) == ("0", "0")
        site.facts("prove", site.folder, dumped["payload"], dumped["sha256"])
        site.execute(SAMPLE)
        made = site.picture()
        site.restore()
        assert site.picture() == before
        site.facts("unrestore", site.work)
        assert site.picture() == made
        site.drop()


def test_counts_and_payload_are_of_one_moment_whoever_writes(either: Site) -> None:
    """P1, P3: rows that are written while the dump runs don't make it inexact."""
    stop = threading.Event()

    def write() -> None:
        with either.connect() as link:
            while not stop.is_set():
                link.execute("INSERT INTO migrations (migration, batch) VALUES ('noise', 1)")

    writing = threading.Thread(target=write)
    writing.start()
    dumped = either.dump()
    stop.set()
    writing.join()
    assert dumped["counts_exact"] == "yes"
    restored = either.restore()
    assert (restored["tables"], restored["rows"]) == (dumped["tables"], dumped["rows"])


def test_limits_that_are_meant_for_the_accounts_requests_do_not_stop_a_backup(either: Site) -> None:
    """P1: one request may take a second, a backup takes as long as it takes."""
    either.execute_as_superuser(
        sql.SQL("ALTER ROLE {0} SET statement_timeout = '1s'; ALTER ROLE {0} SET lock_timeout = '1s'").format(
            sql.Identifier(either.user)
        )
    )
    with either.server.connect(either.name) as other:
        other.autocommit = False
        other.execute("LOCK TABLE posts")
        letting_go = threading.Timer(3, other.rollback)
        letting_go.start()
        status, output, errors = either.call("counts")
        letting_go.join()
    assert status == 0, errors
    assert "posts\t2\n" in output


@pytest.mark.parametrize("kind", ["creator", "superuser"])
def test_what_belongs_to_the_database_itself_survives_the_swap(server: Postgresql, tmp_path: Path, kind: str) -> None:
    """P3: grants, settings, limit and comment aren't in a dump."""
    site = made_of(kind, server, tmp_path)
    server.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader")
    name, user = sql.Identifier(site.name), sql.Identifier(site.user)
    with site.connect() as link:
        for statement in (
            "REVOKE CONNECT ON DATABASE {0} FROM PUBLIC",
            "GRANT CONNECT, TEMP ON DATABASE {0} TO reader WITH GRANT OPTION",
            'ALTER DATABASE {0} SET search_path = public, "order""s Ü .x"',
            "ALTER DATABASE {0} SET statement_timeout = '77s'",
            "ALTER DATABASE {0} SET datestyle = 'SQL, DMY'",
            "ALTER DATABASE {0} SET "
            + ("app.tenant" if kind == "superuser" else "application_name")
            + " = 'it''s \\ me'",
            "ALTER ROLE {1} IN DATABASE {0} SET work_mem = '7MB'",
            "ALTER DATABASE {0} CONNECTION LIMIT 33",
            "COMMENT ON DATABASE {0} IS 'a ''quoted'' comment'",
        ):
            link.execute(sql.SQL(statement).format(name, user))

    def properties() -> list[tuple[Any, ...]]:
        return server.query(
            "SELECT datname, pg_get_userbyid(datdba), encoding, datcollate, datctype, datconnlimit, datallowconn,"
            " shobj_description(d.oid, 'pg_database'),"
            " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),"
            " (SELECT array_agg(setrole::regrole::text || setconfig::text ORDER BY setrole) FROM pg_db_role_setting"
            "  WHERE setdatabase = d.oid) FROM pg_database d WHERE datname LIKE 'it%' ORDER BY 1"
        )

    before = properties()
    site.dump()
    restored = site.restore()
    after = {row[0]: row[1:] for row in properties()}
    assert after == {site.name: before[0][1:], restored["attic"]: before[0][1:]}
    site.drop()
    server.execute("DROP ROLE reader")


def test_an_owner_that_can_not_repeat_the_databases_settings_restores_inside(
    server: Postgresql, tmp_path: Path
) -> None:
    """P3: the mode is chosen by trying; a superuser's setting on the database would be lost in a new one."""
    site = made_of("creator", server, tmp_path)
    site.execute_as_superuser(sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(sql.Identifier(site.name)))
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    assert site.restore()["mode"] == "inside"
    assert site.picture() == before
    assert server.databases() == {site.name}
    site.drop()


def test_large_objects_come_back_with_the_database_and_are_warned_about_inside(either: Site) -> None:
    """P3."""
    either.execute("SELECT lo_from_bytea(424242, 'large')")
    before = either.picture()
    either.dump()
    either.execute("SELECT lo_put(424242, 0, 'LARGER')")
    either.restore()
    if either.mode == "database":
        assert either.picture() == before
    else:
        assert "1 large objects: a restore inside the database leaves them as they are" in either.call("probe")[1]
        assert {**either.picture(), "large objects": []} == {**before, "large objects": []}


def test_an_extension_that_the_migration_brought_stays_inside_the_database(server: Postgresql, tmp_path: Path) -> None:
    """P3: parts of extensions are never moved, wherever they live; the app's own objects are exactly as before."""
    site = made_of("guest", server, tmp_path)
    site.execute("CREATE SCHEMA mixed; CREATE TABLE mixed.own (x integer); INSERT INTO mixed.own VALUES (7)")
    server.execute("CREATE EXTENSION unaccent SCHEMA mixed", database=site.name)
    before = site.picture()
    site.dump()
    server.execute(
        "CREATE EXTENSION pg_trgm; CREATE SCHEMA tools; CREATE EXTENSION fuzzystrmatch SCHEMA tools", database=site.name
    )
    site.execute(DAMAGE + "CREATE INDEX users_similar ON users USING gin (name gin_trgm_ops)")
    site.restore()
    now = site.picture()
    assert {name: now[name] for name in tables(now)} == {name: before[name] for name in tables(before)}
    assert "schema\ttools" in site.call("schema")[1]
    site.facts("attic-drop", site.work)
    assert server.query("SELECT count(*) FROM pg_extension", database=site.name) == [(7,)]
    site.drop()


def test_a_dropped_extension_comes_back_where_the_account_may_create_it(server: Postgresql, tmp_path: Path) -> None:
    """P3."""
    for kind in ("creator", "owner"):
        site = made_of(kind, server, tmp_path / kind)
        before = site.picture()
        site.dump()
        server.execute("DROP EXTENSION hstore CASCADE", database=site.name)
        site.restore()
        assert site.picture() == before
        site.drop()


def test_every_fact_of_the_schema_is_in_its_text(either: Site) -> None:
    """P2: a rollback compares this text to see whether anything has to be restored."""
    text = either.call("schema")[1]
    for change, back in (
        ("ALTER TABLE users ALTER COLUMN name SET DEFAULT 'x'", "ALTER TABLE users ALTER COLUMN name DROP DEFAULT"),
        ("ALTER TABLE users ALTER COLUMN name DROP NOT NULL", "ALTER TABLE users ALTER COLUMN name SET NOT NULL"),
        ("ALTER TABLE users RENAME COLUMN tags TO labels", "ALTER TABLE users RENAME COLUMN labels TO tags"),
        ("ALTER TABLE migrations ALTER COLUMN migration TYPE varchar(300)", "ALTER TABLE migrations ALTER COLUMN migration TYPE varchar(255)"),
        ("CREATE INDEX more ON users (status)", "DROP INDEX more"),
        ("ALTER TABLE posts DISABLE TRIGGER posts_touch", "ALTER TABLE posts ENABLE TRIGGER posts_touch"),
        ("ALTER TABLE posts DISABLE ROW LEVEL SECURITY", "ALTER TABLE posts ENABLE ROW LEVEL SECURITY"),
        ("ALTER POLICY own_posts ON posts USING (true)", "ALTER POLICY own_posts ON posts USING (author = nullif(current_setting('app.user', true), '')::bigint)"),
        ("ALTER SEQUENCE invoice_numbers INCREMENT 4", "ALTER SEQUENCE invoice_numbers INCREMENT 3"),
        ("ALTER DOMAIN positive SET DEFAULT 2", "ALTER DOMAIN positive SET DEFAULT 1"),
        ("COMMENT ON COLUMN users.amount IS 'other'", "COMMENT ON COLUMN users.amount IS 'always > 0'"),
        ("GRANT INSERT ON users TO PUBLIC", "REVOKE INSERT ON users FROM PUBLIC"),
        ("ALTER TABLE users ALTER CONSTRAINT users_favourite NOT DEFERRABLE", "ALTER TABLE users ALTER CONSTRAINT users_favourite DEFERRABLE INITIALLY DEFERRED"),
        ("ALTER TYPE address ADD ATTRIBUTE city text", "ALTER TYPE address DROP ATTRIBUTE city"),
        ("ALTER FUNCTION shout STABLE", "ALTER FUNCTION shout IMMUTABLE"),
        ("ALTER VIEW active_names SET (security_barrier)", "ALTER VIEW active_names RESET (security_barrier)"),
        ("REFRESH MATERIALIZED VIEW empty_yet", "REFRESH MATERIALIZED VIEW empty_yet WITH NO DATA"),
    ):  # fmt: skip
        either.execute(change)
        assert either.call("schema")[1] != text, change
        either.execute(back)
        assert either.call("schema")[1] == text, back


def test_the_ledger_lists_laravels_migrations(either: Site) -> None:
    """P1: `batch<TAB>migration`, sorted; a table that isn't there is an empty ledger."""
    assert either.call("ledger", "migrations")[1] == "1\t2014_users\n2\t2019_jobs\n"
    assert either.call("ledger", "no such \"table's") == (0, "", "")
    either.execute('ALTER TABLE migrations SET SCHEMA "order""s Ü .x"')
    assert either.call("ledger", "migrations")[1] == "1\t2014_users\n2\t2019_jobs\n"


def test_the_clients_must_fit_the_server(server: Postgresql, tmp_path: Path) -> None:
    """P1: an older pg_dump can't read the server, a newer pg_restore can't write to it."""
    site = Site(server, tmp_path, "creator")
    real = Path(os.path.realpath("/usr/lib/postgresql"))
    for version, fits in ((9, False), (16, True), (17, False)):
        folder = tmp_path / f"clients{version}"
        folder.mkdir()
        psql = next(real.glob("*/bin/psql"))
        for program in ("pg_dump", "pg_restore"):
            (folder / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}.1'\n")
            (folder / program).chmod(0o755)
        (folder / "psql").symlink_to(psql)
        site.settings["BELAY_POSTGRESQL_BIN"] = str(folder)
        status, output, errors = site.call("probe")
        assert (status == 0) == fits
        assert f"postgresql-client-{server_major(server)}" in output + errors
    site.drop()


def server_major(server: Postgresql) -> int:
    """Return the server's major version."""
    ((number,),) = server.query("SHOW server_version_num")
    return int(number) // 10000
