"""Archives of PostgreSQL that another tool made: checked, then made a backup like any other; hostile ones are refused."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import EXTENSIONS, SAMPLE, Site, picture

OLD = "old shop"
PADDING = " " * 150
# In a custom archive the SQL of each entry stands in the open: this one's is long enough to write something else over it.
VICTIM = f"CREATE VIEW public.victim AS\n SELECT 1 AS one{PADDING.replace(' ', 'x')}"

SPY = """
    CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER spy ON ddl_command_start EXECUTE FUNCTION f();
"""


@pytest.fixture
def site(server: Postgresql, tmp_path: Path) -> Iterator[Site]:
    """A live database of an account that may create others, with one table in it."""
    made = Site(server, tmp_path, "creator")
    made.execute("CREATE TABLE present (x integer); INSERT INTO present VALUES (1)")
    yield made
    made.drop()


@pytest.fixture
def old(site: Site) -> str:
    """Another database, of another owner, from which archives are made."""
    site.server.create_database(OLD)
    site.server.execute("CREATE TABLE filled (t text); INSERT INTO filled VALUES ('a'), ('--'), ('\\.')", database=OLD)
    return OLD


def archive(site: Site, form: str, *more: str, name: str = "given") -> Path:
    """Dump the other database as the superuser, as another tool does."""
    place = site.root / name
    options = ("-h", str(site.server.folder), "-p", str(site.server.port), "-U", "postgres", f"-F{form}", *more)
    subprocess.run(["pg_dump", *options, "-f", str(place), "-d", OLD], check=True)
    return place


def refused(site: Site, file: Path, reason: str) -> str:
    """Expect one clear sentence at the end, no backup, no copy, and an untouched live database; return what was said."""
    before = picture(site.server, site.name)
    databases = site.server.databases()
    status, output, errors = site.call("adopt", file, site.folder)
    assert (status, output) == (1, ""), output
    assert reason in errors.splitlines()[-1], errors
    assert not list(site.folder.iterdir())
    assert site.server.databases() == databases
    assert picture(site.server, site.name) == before
    return errors


@pytest.mark.parametrize("form", ["c", "d", "t", "gzip", "zstd"])
def test_an_adopted_archive_is_a_backup_like_any_other(site: Site, old: str, form: str) -> None:
    """P3: of another owner, with grants to accounts that don't exist here; proven, restored and undone by the same verbs."""
    site.server.execute(
        EXTENSIONS + SAMPLE + "CREATE FUNCTION body(n integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC"
        " SELECT CASE WHEN n > 1 THEN 2 ELSE 3 END; SELECT n; END;"
        "SELECT lo_from_bytea(77, 'large'); CREATE PUBLICATION everything FOR ALL TABLES;"
        "COMMENT ON EXTENSION plpgsql IS 'as old archives have it'; COMMENT ON COLUMN users.id IS E'it''s \\\\ a;b $x$ --';",
        database=old,
    )
    given = archive(site, form if len(form) == 1 else "c")
    if form == "gzip":
        given.write_bytes(gzip.compress(given.read_bytes()))
    elif form == "zstd":
        subprocess.run(["zstd", "-q", "--rm", given, "-o", site.root / "packed"], check=True)
        given = site.root / "packed"
    live = site.picture()
    adopted = site.facts("adopt", given, site.folder)
    site.payload = adopted["payload"]
    assert adopted["counts_exact"] == "yes"
    assert site.picture() == live
    assert site.server.databases() == {site.name, old}
    assert len(list(site.folder.iterdir())) == 6, "the payload and its five facts"

    site.facts("prove", site.folder, adopted["payload"], adopted["sha256"])
    restored = site.restore()
    now, then = site.picture(), picture(site.server, old)
    assert {name: rows for name, rows in now.items() if name != "schema"} == {
        name: rows for name, rows in then.items() if name != "schema"
    }
    assert picture(site.server, restored["attic"]) == live
    site.facts("unrestore", site.work)
    assert site.picture() == live


@pytest.mark.usefixtures("old")
def test_plain_sql_is_refused_because_its_reader_obeys_commands(site: Site) -> None:
    """P9: psql would run commands in it, so no text is given to it; also in a gzip, or in a zip of a backup package."""
    plain = archive(site, "p")
    canary = site.root / "canary"
    text = plain.read_text() + f"\\! touch {canary}\n\\unrestrict `touch {canary}`\n"
    plain.write_text(text)
    assert "psql" in refused(site, plain, "no archive of pg_dump")
    (site.root / "dump.sql.gz").write_bytes(gzip.compress(text.encode()))
    refused(site, site.root / "dump.sql.gz", "no archive of pg_dump")
    with zipfile.ZipFile(site.root / "spatie.zip", "w") as packed:
        packed.writestr("db-dumps/postgresql-shop.sql", text)
    refused(site, site.root / "spatie.zip", "is a zip")
    empty = site.root / "empty"
    empty.write_bytes(b"")
    refused(site, empty, "no archive of pg_dump")
    refused(site, site.root, "no archive of pg_dump")
    refused(site, site.root / "no such file", "no readable file")
    assert not canary.exists()


def test_damaged_archives_are_refused(site: Site, old: str) -> None:
    """P3: cut short at several places, in each form."""
    site.server.execute("INSERT INTO filled SELECT md5(n::text) FROM generate_series(1, 9000) n", database=old)
    site.server.execute("SELECT lo_from_bytea(9, convert_to(repeat('large', 99999), 'UTF8'))", database=old)
    for form in "ct":
        given = archive(site, form, name=f"given-{form}")
        good = given.read_bytes()
        for size in (20, 1000, len(good) // 4, len(good) // 2, len(good) * 3 // 4):
            given.write_bytes(good[:size])
            refused(site, given, "damaged or cut short" if size > 1000 else "")
    folder = archive(site, "d")
    next(folder.glob("*.dat.gz")).unlink()
    refused(site, folder, "damaged or cut short")


@pytest.mark.usefixtures("old")
def test_an_archive_of_a_newer_version_names_the_cure(site: Site) -> None:
    """P7."""
    given = archive(site, "c")
    content = bytearray(given.read_bytes())
    content[6] = 99  # the minor number of the archive's format
    given.write_bytes(content)
    refused(site, given, "newer pg_dump (archive format 1.99")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (SPY, "EVENT TRIGGER - spy"),
        ("CREATE EXTENSION file_fdw", "only a superuser can create its extension file_fdw"),
        ("CREATE FOREIGN DATA WRAPPER away", "FOREIGN DATA WRAPPER - away"),
        ("CREATE SUBSCRIPTION feed CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)", "SUBSCRIPTION - feed"),
        ("CREATE ACCESS METHOD mine TYPE INDEX HANDLER bthandler", "ACCESS METHOD - mine"),
        ("CREATE LANGUAGE plmine HANDLER plpgsql_call_handler", "PROCEDURAL LANGUAGE - plmine"),
        (
            "CREATE TRANSFORM FOR text LANGUAGE plpgsql (FROM SQL WITH FUNCTION pg_catalog.prsd_lextype(internal))",
            "TRANSFORM",
        ),
    ],
)
def test_what_reaches_out_of_a_database_is_refused_by_its_kind(
    site: Site, old: str, statement: str, reason: str
) -> None:
    """P9."""
    site.server.execute(statement, database=old)
    refused(site, archive(site, "c"), reason)
    if "SUBSCRIPTION" in statement:
        site.server.execute("ALTER SUBSCRIPTION feed DISABLE", database=old)
        site.server.execute("ALTER SUBSCRIPTION feed SET (slot_name = NONE)", database=old)
        site.server.execute("DROP SUBSCRIPTION feed", database=old)


HIDDEN = [
    ("DROP DATABASE postgres;", "a statement that no dump needs: drop database"),
    ("COMMIT; DROP DATABASE postgres;", "a statement that no dump needs: drop database"),
    ("COMMIT; CREATE TABLE more (x integer);", "goes on after its end"),
    ("BEGIN; CREATE TABLE more (x integer);", "a statement that no dump needs: begin"),
    ("COPY pg_class FROM PROGRAM 'touch /tmp/x';", "a statement that no dump needs: copy"),
    ("COPY pg_class TO '/tmp/x';", "a statement that no dump needs: copy"),
    ("ALTER ROLE CURRENT_USER PASSWORD 'x';", "a statement that no dump needs: alter role"),
    ("ALTER SYSTEM SET archive_command = 'x';", "a statement that no dump needs: alter system"),
    ("DO $$ BEGIN PERFORM 1; END $$;", "a statement that no dump needs: do"),
    ("SET ROLE postgres;", "a statement that no dump needs: set role"),
    ("SET session_authorization = postgres;", "sets what a dump doesn't set"),
    ("SET standard_conforming_strings = off;", "standard_conforming_strings off"),
    ("SELECT pg_catalog.pg_read_file('/etc/passwd');", "a statement that no dump needs: select"),
    ("SELECT pg_catalog.setval(pg_read_file('/etc/passwd'), 1);", "a statement that no dump needs: select"),
    ("\\! touch /tmp/x", "a command for psql"),
    ("CREATE VIEW v AS SELECT 'it''s; \\', \"a;\"\"b\", E'\\'', $x$;'$x$ /* ; /* */ ' */; DROP TABLE filled;", "drop table"),
    ("CREATE VIEW v AS SELECT 'open", "an entry doesn't end before the next begins"),
    ("CREATE VIEW v AS SELECT $x$ open", "an entry doesn't end before the next begins"),
    ("CREATE VIEW v AS SELECT 1 /* open", "an entry doesn't end before the next begins"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS case;", "an entry doesn't end before"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; DROP TABLE filled;", "drop table"),
    ("COPY public.filled (t) FROM stdin;", "an entry doesn't end before the next begins"),
]  # fmt: skip


def test_an_archive_whose_entries_are_not_what_they_claim_is_refused(site: Site, old: str) -> None:
    """P9: its list shows a view, its text is another statement, written over the view's own."""
    site.server.execute(f"{VICTIM.replace('public.', '')}; CREATE VIEW zz AS SELECT 1 AS one", database=old)
    given = archive(site, "c", "--compress=0")
    content = given.read_bytes()
    start = content.index(b"CREATE VIEW public.victim AS")
    end = content.index(b"DROP VIEW", start)
    room = content.rindex(b";\n", start, end) + 2 - start
    before, databases = site.picture(), site.server.databases()
    for hidden, reason in HIDDEN:
        assert room > len(hidden)
        given.write_bytes(content[:start] + hidden.ljust(room).encode() + content[start + room :])
        listed = subprocess.run(["pg_restore", "-l", given], check=True, capture_output=True, text=True).stdout
        assert "VIEW public victim" in listed
        status, output, errors = site.call("adopt", given, site.folder)
        assert (status, output) == (1, ""), hidden
        assert reason in errors.splitlines()[-1], hidden
    assert not list(site.folder.iterdir())
    assert site.server.databases() == databases
    assert site.picture() == before


def test_a_folder_that_points_out_of_itself_is_refused(site: Site, old: str) -> None:
    """P9: links, and names that climb."""
    site.server.execute("SELECT lo_from_bytea(7, 'large')", database=old)
    linked = archive(site, "d")
    data = next(linked.glob("[0-9]*.dat.gz"))
    data.unlink()
    data.symlink_to("/etc/passwd")
    refused(site, linked, "is no plain file")
    shutil.rmtree(linked)
    (site.root / "outside.dat").write_text("1\n\\.\n")
    for name in ("toc.dat", "blobs.toc"):
        climbing = archive(site, "d", name=f"climbing-{name}")
        file = climbing / name
        inner = next(iter(climbing.glob("blob_*" if name == "blobs.toc" else "[0-9]*.dat*"))).name.removesuffix(".gz")
        outer = "../outside.dat"[: len(inner)].ljust(len(inner), "x")
        content = file.read_bytes()
        assert inner.encode() in content
        file.write_bytes(content.replace(inner.encode(), outer.encode()))
        refused(site, climbing, "outside its own folder")


def test_a_bomb_is_not_unpacked(site: Site, old: str) -> None:
    """P2: neither by gzip nor by what is inside the archive."""
    site.server.execute("INSERT INTO filled SELECT repeat('x', 1000000) FROM generate_series(1, 200)", database=old)
    refused(site, archive(site, "c", "--compress=9"), "decompression bomb")
    folder = site.root / "bin"
    folder.mkdir()
    (folder / "df").write_text("#!/bin/sh\necho Filesystem; echo /dev/x 100 0 300 0% /\n")
    (folder / "df").chmod(0o755)
    site.settings["PATH"] = f"{folder}:{os.environ['PATH']}"
    bomb = site.root / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"PGDMP" + bytes(5_000_000)))
    refused(site, bomb, "larger than half of the free disk space")


def test_what_the_server_refuses_leaves_nothing_behind(site: Site, old: str) -> None:
    """P2: an archive that is fine, and can't be loaded here."""
    site.server.execute(
        "CREATE COLLATION gone (provider = icu, locale = 'de'); CREATE TABLE late (t text COLLATE gone)", database=old
    )
    given = archive(site, "c")
    content = given.read_bytes()
    given.write_bytes(content.replace(b"COLLATE public.gone", b"COLLATE public.none"))
    refused(site, given, "can't be loaded here")


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("kind", ["guest", "superuser", "creator"])
def test_accounts_that_may_too_little_or_too_much_are_refused(
    server: Postgresql, site: Site, tmp_path: Path, kind: str
) -> None:
    """P9: no copy can be made, or somebody else's functions would run with power over the whole server."""
    given = archive(site, "c")
    if kind == "creator":
        server.execute(f'GRANT pg_execute_server_program TO "{site.user}"')
        refused(site, given, "may do too much to load somebody else's archive (pg_execute_server_program)")
        return
    kept = tmp_path / "kept"
    given.rename(kept)
    other = Site(server, tmp_path / "other", kind)
    refused(other, kept, "CREATEDB" if kind == "guest" else "(superuser")
    other.drop()
