"""PostgreSQL: a backup is proven by loading it beside the live database, a rehearsal by loading it into another one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from psycopg import sql

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import DAMAGE, EXTENSIONS, Site, made_of, picture

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "3"))  # kills at random moments
INTO = "re \"hear'sal\\ ü"


def test_what_was_loaded_is_the_twin_that_a_restore_only_swaps_in(creator: Site) -> None:
    """P1, P3: the restore reads the payload no more."""
    before = creator.picture()
    dumped = creator.dump()
    loaded = creator.facts("load", creator.folder, creator.payload, creator.work)
    assert creator.picture() == before
    assert picture(creator.server, loaded["shadow"]) == before
    assert (loaded["loaded"], loaded["mode"]) == ("yes", "database")
    assert (loaded["tables"], loaded["rows"]) == (dumped["tables"], dumped["rows"])
    number = creator.server.query("SELECT max(oid::text::bigint) FROM pg_database")
    assert creator.facts("load", creator.folder, creator.payload, creator.work) == loaded, "P8"
    assert creator.server.query("SELECT max(oid::text::bigint) FROM pg_database") == number, "not loaded again"

    creator.execute(DAMAGE)
    damaged = creator.picture()
    (creator.folder / creator.payload).unlink()
    restored = creator.restore()
    assert creator.picture() == before
    assert picture(creator.server, restored["attic"]) == damaged
    assert "has begun" in creator.call("load", creator.folder, creator.payload, creator.work)[2]
    assert creator.facts("unload", creator.work) == {"unloaded": "nothing"}
    assert picture(creator.server, restored["attic"]) == damaged


def test_a_twin_whose_unlogged_rows_a_crash_took_is_loaded_again(creator: Site) -> None:
    """P3: a server that crashes empties unlogged tables."""
    before = creator.picture()
    creator.dump()
    shadow = creator.facts("load", creator.folder, creator.payload, creator.work)["shadow"]
    creator.server.execute("TRUNCATE scratch", database=shadow)
    creator.facts("load", creator.folder, creator.payload, creator.work)
    assert picture(creator.server, shadow) == before
    creator.server.execute("DROP TABLE child", database=shadow)
    creator.restore()
    assert creator.picture() == before


def test_a_payload_that_is_not_what_was_dumped_leaves_no_twin(creator: Site) -> None:
    """P1: intact bytes of another content."""
    creator.dump()
    before = creator.picture()
    for name, old, new in (("counts.tsv", "users\t3", "users\t4"), ("schema.txt", "batch", "botch")):
        file = creator.folder / name
        good = file.read_text()
        file.write_text(good.replace(old, new))
        assert creator.call("load", creator.folder, creator.payload, creator.work)[0] == 1
        assert creator.server.databases() == {creator.name}
        file.write_text(good)
    assert creator.picture() == before


@pytest.mark.parametrize("kind", ["creator", "guest"])
def test_rows_of_another_content_are_seen_by_their_checksums(server: Postgresql, tmp_path: Path, kind: str) -> None:
    """P3: the same tables, the same number of rows, an intact archive, and yet not what was dumped."""
    site = made_of(kind, server, tmp_path)
    site.execute("CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; CREATE TABLE belay (belay text)")
    site.settings["BELAY_CHECKSUMS"] = "yes"
    before = site.picture()
    assert site.dump()["checksums"] == "yes"
    if kind == "creator":
        site.facts("load", site.folder, site.payload, site.work)
    else:
        site.execute(DAMAGE)
        site.restore()
    assert site.picture() == before
    right, site.folder = site.folder, site.root / "other"
    site.execute(
        'UPDATE users SET name = \'LI\' WHERE id = 3; UPDATE "order""s Ü .x"."select" SET "from" = 7 WHERE "from" = 1'
    )
    site.dump()
    now = site.picture()
    shutil.copy(site.folder / site.payload, right / site.payload)
    (right / "payload.sha256").unlink()
    verb = "load" if kind == "creator" else "restore"
    status, _, errors = site.call(verb, right, site.payload, site.root / "another work")
    assert status == 1
    assert "rows differ from the dump's in" in errors
    assert "select users" in errors
    assert site.picture() == now
    del site.settings["BELAY_CHECKSUMS"]
    assert site.dump()["checksums"] == "no"
    assert not (site.folder / "checksums.tsv").exists()
    site.drop()


def test_unloading_drops_the_twin_once_and_never_what_a_restore_uses(creator: Site) -> None:
    """P8, P9."""
    before = creator.picture()
    creator.dump()
    assert creator.facts("unload", creator.work) == {"unloaded": "nothing"}
    creator.facts("load", creator.folder, creator.payload, creator.work)
    assert creator.facts("unload", creator.work) == {"unloaded": "yes"}
    assert creator.server.databases() == {creator.name}
    assert creator.facts("unload", creator.work) == {"unloaded": "nothing"}

    creator.facts("load", creator.folder, creator.payload, creator.work)
    creator.execute(DAMAGE)
    damaged = creator.picture()
    restored = creator.restore()
    (creator.work / "restored").unlink()  # as if it had been killed just before it noted its success
    assert creator.facts("unload", creator.work) == {"unloaded": "nothing"}
    assert creator.call("load", creator.folder, creator.payload, creator.work)[0] == 1
    assert creator.restore() == restored
    assert (creator.picture(), picture(creator.server, restored["attic"])) == (before, damaged)


def test_an_account_without_createdb_is_told_what_it_gets_and_which_grant_is_missing(guest: Site) -> None:
    """P1, P7: one sentence, nothing made, and a restore in the same folder still works."""
    before = guest.picture()
    guest.dump()
    status, _, errors = guest.call("load", guest.folder, guest.payload, guest.work)
    assert status == 1
    assert len(errors.splitlines()) == 1
    assert "verify: bytes" in errors
    assert "CREATEDB" in errors
    assert guest.facts("unload", guest.work) == {"unloaded": "nothing"}
    assert guest.server.databases() == {guest.name}
    assert guest.picture() == before
    guest.execute(DAMAGE)
    guest.restore()
    assert guest.picture() == before
    assert "has begun" in guest.call("load", guest.folder, guest.payload, guest.work)[2]
    assert guest.facts("unload", guest.work) == {"unloaded": "nothing"}


def test_a_grant_that_comes_later_counts(server: Postgresql, tmp_path: Path) -> None:
    """P8: what a refused load decided isn't kept."""
    site = made_of("owner", server, tmp_path)
    site.dump()
    assert site.call("load", site.folder, site.payload, site.work)[0] == 1
    site.execute_as_superuser(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(site.user)))
    assert site.facts("load", site.folder, site.payload, site.work)["loaded"] == "yes"
    site.drop()


def test_a_load_killed_at_any_moment_leaves_the_live_database_alone_and_a_rerun_completes_it(creator: Site) -> None:
    """P2, P8."""
    before = creator.picture()
    creator.dump()
    started = time.monotonic()
    creator.facts("load", creator.folder, creator.payload, creator.work)
    duration = time.monotonic() - started
    creator.facts("unload", creator.work)
    draw = random.Random("load")
    for number in range(ROUNDS):
        creator.work = creator.root / f"work{number}"
        with creator.start("load", creator.folder, creator.payload, creator.work) as process:
            time.sleep(draw.uniform(0, duration))
            os.killpg(process.pid, signal.SIGKILL)
        loaded = creator.facts("load", creator.folder, creator.payload, creator.work)
        assert picture(creator.server, loaded["shadow"]) == before == creator.picture()
        assert creator.facts("unload", creator.work) == {"unloaded": "yes"}
        assert creator.server.databases() == {creator.name}


def test_a_rehearsal_makes_another_database_and_leaves_the_live_one_alone(creator: Site) -> None:
    """P3."""
    before = creator.picture()
    dumped = creator.dump()
    creator.execute(DAMAGE)
    damaged = creator.picture()
    rehearsed = creator.facts("rehearse", creator.folder, creator.payload, INTO)
    assert rehearsed == {"tables": dumped["tables"], "rows": dumped["rows"], "rehearsed": "yes"}
    assert picture(creator.server, INTO) == before
    assert creator.picture() == damaged
    assert creator.server.databases() == {creator.name, INTO}
    assert not list(creator.folder.glob(".scratch*"))


def test_a_guest_rehearses_in_an_empty_database_that_was_made_for_it(guest: Site) -> None:
    """P3: and is told so while there is none."""
    before = guest.picture()
    guest.dump()
    guest.execute(DAMAGE)
    damaged = guest.picture()
    status, _, errors = guest.call("rehearse", guest.folder, guest.payload, INTO)
    assert status == 1
    assert "GRANT CREATE ON DATABASE" in errors.splitlines()[-1]
    assert guest.server.databases() == {guest.name}

    guest.server.create_database(INTO)
    guest.server.execute(EXTENSIONS, database=INTO)
    guest.execute_as_superuser(
        sql.SQL("GRANT CREATE ON DATABASE {0} TO {1}; GRANT ALL ON SCHEMA public TO {1}").format(
            sql.Identifier(INTO), sql.Identifier(guest.user)
        ),
        INTO,
    )
    counts = guest.folder / "counts.tsv"
    good = counts.read_text()
    counts.write_text(good.replace("users\t3", "users\t4"))
    assert "dropped again" in guest.call("rehearse", guest.folder, guest.payload, INTO)[2]
    counts.write_text(good)
    guest.facts("rehearse", guest.folder, guest.payload, INTO)
    assert picture(guest.server, INTO) == before
    assert guest.picture() == damaged


def test_a_rehearsal_never_goes_where_something_is(creator: Site) -> None:
    """P9: the live database, one of ours, the server's own, one that holds anything."""
    creator.dump()
    before = creator.picture()
    shadow = creator.facts("load", creator.folder, creator.payload, creator.work)["shadow"]
    for name, content in (
        ("with a table", "CREATE TABLE x (y integer)"),
        ("with a schema", "CREATE SCHEMA x"),
        ("with a type", "CREATE TYPE x AS ENUM ()"),
        ("with an object", "SELECT lo_create(7)"),
    ):
        creator.server.create_database(name, owner=creator.user)
        creator.server.execute(content, database=name)
        assert "holds something already" in creator.call("rehearse", creator.folder, creator.payload, name)[2]
    for name, reason in (
        (creator.name, "live database"),
        (shadow, "Belay keeps"),
        ("postgres", "server's own"),
        ("template1", "server's own"),
        ("", "needs the name"),
        ("x" * 64, "63 bytes"),
    ):
        status, _, errors = creator.call("rehearse", creator.folder, creator.payload, name)
        assert (status, reason in errors, len(errors.splitlines())) == (1, True, 1), errors
    assert (creator.picture(), picture(creator.server, shadow)) == (before, before)


def test_a_rehearsal_of_other_content_leaves_nothing_behind(creator: Site) -> None:
    """P3."""
    creator.dump()
    counts = creator.folder / "counts.tsv"
    counts.write_text(counts.read_text().replace("users\t3", "users\t4"))
    assert creator.call("rehearse", creator.folder, creator.payload, INTO)[0] == 1
    assert creator.server.databases() == {creator.name}
