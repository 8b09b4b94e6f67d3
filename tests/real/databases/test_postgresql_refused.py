"""Payloads that were cut, flipped or swapped, accounts that may not: refused, and the live PostgreSQL database is as it was."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import (
    DAMAGE,
    Site,
    made_of,
    tables,
    wait_for_leftovers,
)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_damaged_payload_is_refused_and_the_live_database_is_untouched(either: Site, compression: str) -> None:
    """P1, P3: truncations and flipped bits, also where nobody knows the hash any more."""
    either.settings["BELAY_COMPRESSION"] = compression
    dumped = either.dump()
    either.execute(DAMAGE)
    damaged = either.picture()
    payload = either.folder / either.payload
    good = payload.read_bytes()
    draw = random.Random(3)
    places = [draw.randrange(len(good)) for _ in range(3)]
    for bad in [good[:place] for place in places] + [good[:p] + bytes([good[p] ^ 4]) + good[p + 1 :] for p in places]:
        payload.write_bytes(bad)
        assert either.call("prove", either.folder, either.payload, dumped["sha256"])[0] == 1
        assert either.call("restore", either.folder, either.payload, either.work)[0] == 1
    for size in (0, 100, len(good) // 2, len(good) - 1):
        payload.write_bytes(good[:size])
        (either.folder / "payload.sha256").unlink(missing_ok=True)
        own_hash = hashlib.sha256(good[:size]).hexdigest()
        assert either.call("prove", either.folder, either.payload, own_hash)[0] == 1
        assert either.call("restore", either.folder, either.payload, either.work)[0] == 1
    assert either.picture() == damaged
    assert either.server.databases() == {either.name}
    assert not list(either.folder.glob(".scratch.*"))
    payload.write_bytes(good)
    assert either.call("prove", either.folder, "../payload.dump.zst", dumped["sha256"])[0] == 1
    assert either.call("prove", either.folder, either.payload, dumped["sha256"])[0] == 0


@pytest.mark.parametrize("change", [("counts.tsv", "users\t3", "users\t4"), ("schema.txt", "batch", "botch")])
def test_a_backup_of_other_content_is_refused_after_loading_and_everything_is_put_back(
    either: Site, change: tuple[str, str, str]
) -> None:
    """P3, P2: an intact payload whose rows or schema aren't those that were written down."""
    either.dump()
    either.execute(DAMAGE)
    damaged = either.picture()
    name, old, new = change
    file = either.folder / name
    file.write_text(file.read_text().replace(old, new))
    assert either.call("restore", either.folder, either.payload, either.work)[0] == 1
    assert either.picture() == damaged
    assert either.server.databases() == {either.name}
    assert not either.server.query("SELECT nspname FROM pg_namespace WHERE nspname ~ '^_belay_'", database=either.name)


def test_a_payload_that_is_not_the_dumped_one_is_refused_before_it_is_loaded(either: Site) -> None:
    """P3: intact, the same tables, but other bytes."""
    either.dump()
    (either.folder / "payload.sha256").write_text("0" * 64 + f"  {either.payload}\n")
    before = either.picture()
    status, _, errors = either.call("restore", either.folder, either.payload, either.work)
    assert status == 1
    assert "SHA-256" in errors
    assert either.picture() == before


def test_a_table_that_was_counted_but_is_not_in_the_payload_is_noticed(either: Site) -> None:
    """P1."""
    dumped = either.dump()
    with (either.folder / "counts.tsv").open("a") as counts:
        counts.write("payments\t5\n")
    status, _, errors = either.call("prove", either.folder, either.payload, dumped["sha256"])
    assert status == 1
    assert "payments" in errors


def test_a_load_that_the_server_refuses_puts_everything_back(server: Postgresql, tmp_path: Path) -> None:
    """P2, P9: inside the database the live objects are moved away first."""
    site = made_of("guest", server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    damaged = site.picture()
    forbid(server, site.name)
    status, _, errors = site.call("restore", site.folder, site.payload, site.work)
    assert status == 1
    assert "not today" in errors
    allow(server, site.name)
    assert site.picture() == damaged
    site.restore()
    assert site.picture() == before
    site.drop()


def forbid(server: Postgresql, database: str) -> None:
    """Make every CREATE INDEX in a database fail."""
    server.execute(
        "CREATE SCHEMA _belay_test;"
        "CREATE FUNCTION _belay_test.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not today'; END$$;"
        "CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE INDEX')"
        " EXECUTE FUNCTION _belay_test.refuse()",
        database=database,
    )


def allow(server: Postgresql, database: str) -> None:
    """Undo `forbid`."""
    server.execute("DROP EVENT TRIGGER refuse; DROP SCHEMA _belay_test CASCADE", database=database)


def test_objects_made_in_the_emptied_database_are_a_hold_with_a_reason(server: Postgresql, tmp_path: Path) -> None:
    """P2: never guessed at; once they are gone the same command completes."""
    site = made_of("guest", server, tmp_path)
    before = site.picture()
    site.dump()
    site.execute(DAMAGE)
    forbid(server, site.name)
    with site.start("restore", site.folder, site.payload, site.work) as process:
        while not server.query("SELECT 1 FROM pg_namespace WHERE nspname ~ '^_belay_a_'", database=site.name):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
    wait_for_leftovers(server)
    allow(server, site.name)
    if not tables(site.picture()):  # else the put-back was faster than the kill
        site.execute("CREATE TABLE intruder (x integer)")
        status, output, _ = site.call("restore", site.folder, site.payload, site.work)
        assert status == 10
        assert output.splitlines()[-1].startswith("Objects were created")
        site.execute("DROP TABLE intruder")
    site.restore()
    assert site.picture() == before
    site.drop()


def test_an_account_that_can_not_restore_is_told_so_beforehand(server: Postgresql, tmp_path: Path) -> None:
    """P1, P7: a backup can be made, a restore is refused before anything is touched."""
    site = Site(server, tmp_path, "reader")
    site.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    facts = site.call("probe")[1]
    assert "can_create=no" in facts
    assert "GRANT CREATE ON DATABASE" in facts
    site.dump()
    site.execute("CREATE TABLE more (x integer)")
    damaged = site.picture()
    status, _, errors = site.call("restore", site.folder, site.payload, site.work)
    assert status == 1
    assert "can't restore" in errors
    assert site.picture() == damaged
    site.drop()

    site = made_of("guest", server, tmp_path / "range")
    site.execute("CREATE TYPE public.pace AS RANGE (subtype = float8)")
    assert "range types in public can't be moved aside: pace" in site.call("probe")[1]
    site.drop()

    site = made_of("creator", server, tmp_path / "foreign")
    server.execute("CREATE TABLE public.theirs (x integer); GRANT SELECT ON theirs TO PUBLIC", database=site.name)
    assert "objects of other owners: public.theirs" in site.call("probe")[1]
    site.dump()
    assert site.call("restore", site.folder, site.payload, site.work)[0] == 1
    site.drop()


def test_the_attic_is_not_dropped_while_something_live_depends_on_it(server: Postgresql, tmp_path: Path) -> None:
    """P9."""
    site = made_of("guest", server, tmp_path)
    site.dump()
    site.execute(DAMAGE)
    site.restore()
    ((attic,),) = server.query(
        "SELECT nspname FROM pg_namespace WHERE nspname ~ '^_belay_a_.*public'", database=site.name
    )
    site.execute(f'CREATE VIEW looking AS SELECT * FROM "{attic}".users')
    now = site.picture()
    status, _, errors = site.call("attic-drop", site.work)
    assert status == 1
    assert "depend" in errors
    assert site.picture() == now
    site.drop()


def test_an_unfinished_restore_keeps_its_attic(either: Site) -> None:
    """P9."""
    either.dump()
    either.execute(DAMAGE)
    either.restore()
    done = (either.work / "restored").read_text()
    (either.work / "restored").unlink()
    assert either.call("attic-drop", either.work)[0] == 1
    (either.work / "restored").write_text(done)
    either.facts("unrestore", either.work)
    (either.work / "undone").unlink()
    assert either.call("attic-drop", either.work)[0] == 1
    either.facts("unrestore", either.work)
    either.facts("attic-drop", either.work)
    assert either.call("unrestore", either.work)[0] == 1
