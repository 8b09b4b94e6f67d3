"""Other major versions of PostgreSQL than Debian's: 16 and 18 with clients of their own, 14 and 17 with newer ones.

14 has the clients of 16, as those of 17 and later write settings that older servers don't know. 14 and 17 have to be
fetched (`tools/postgresql`), so they are run by `make soak`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.lab.postgresql import Postgresql, fetched, installed, packaged, running_postgresql
from tests.lab.postgresql_shop import Site, large_objects_of, rows_of
from tests.lab.random_schema import Table, damage, schemas, statements

MAJORS = {"16": "pginstall", "18": "pginstall18"}
SERVERS_ALONE = ("14", "17")
KINDS = ("creator", "guest")
OBJECTS = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE >= 0);
    CREATE TABLE goods (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, feeling mood[], cost price,
                        twice numeric GENERATED ALWAYS AS (cost * 2) STORED, tags jsonb, UNIQUE (cost));
    INSERT INTO goods (feeling, cost, tags) VALUES ('{sad,ok}', 1.5, '{"a": [1, null]}'), (NULL, 0, '{}');
    CREATE INDEX ON goods (lower(tags ->> 'a')) WHERE cost > 0;
    CREATE MATERIALIZED VIEW cheap AS SELECT id, cost FROM goods WHERE cost < 1;
    CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.tags = ''{"x": 1}''; RETURN NEW; END';
    CREATE TRIGGER shouts BEFORE INSERT ON goods FOR EACH ROW EXECUTE FUNCTION shout();
    CREATE TABLE logs (day date NOT NULL, what text) PARTITION BY RANGE (day);
    CREATE TABLE logs_2026 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO logs VALUES ('2026-05-05', 'hello');
    SELECT lo_from_bytea(0, 'large');
"""


@pytest.fixture(
    scope="module", params=[*MAJORS, *(pytest.param(major, marks=pytest.mark.soak) for major in SERVERS_ALONE)]
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """A server of one of the majors."""
    programs = packaged(MAJORS[request.param]) if request.param in MAJORS else fetched(request.param)
    if programs is None:
        pytest.skip("PostgreSQL 16 and 18 come as a package for Linux on x86_64 alone")
    with running_postgresql(tmp_path_factory.mktemp("postgresql"), binaries=programs) as running:
        version = running.query("SHOW server_version")[0][0]
        assert version.split(".")[0] == request.param
        yield running


def clients(server: Postgresql) -> Path:
    """Return the folder of the clients that go with the server: its own, or the oldest newer ones that are here."""
    if (server.binaries / "pg_dump").exists():
        return server.binaries
    newer = packaged(MAJORS["16" if server.query("SHOW server_version_num")[0][0] < "160000" else "18"])
    assert newer is not None
    return newer


def opened(server: Postgresql, folder: Path, kind: str) -> Site:
    """Return a site on the server, its clients first in the script's choice."""
    site = Site(server, folder, kind, settings={"BELAY_POSTGRESQL_BIN": str(clients(server))}, extensions="")
    if server.query("SHOW server_version_num")[0][0] >= "150000":
        site.execute("CREATE TABLE singles (cost integer, UNIQUE NULLS NOT DISTINCT (cost))")
    return site


def seen(site: Site) -> dict[str, object]:
    """Return all rows, large objects, and the schema in the script's own words."""
    with site.server.connect(site.name) as link:
        return {**rows_of(link), "large": large_objects_of(link), "schema": site.call("schema")[1]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_is_proven_loaded_restored_and_put_back(server: Postgresql, tmp_path: Path, kind: str) -> None:
    """P1, P3, P9."""
    site = opened(server, tmp_path, kind)
    site.execute(OBJECTS)
    before = seen(site)
    made = site.dump()
    assert site.facts("prove", site.folder, made["payload"], made["sha256"])["verified"] == "bytes"
    if kind == "creator":
        assert site.facts("load", site.folder, site.payload, site.work)["loaded"] == "yes"
    site.execute(
        "DELETE FROM goods; DROP TABLE logs; CREATE TABLE invoices (id integer); INSERT INTO invoices VALUES (1)"
    )
    damaged = seen(site)
    site.restore()
    assert seen(site) == before
    site.facts("unrestore", site.work)
    assert seen(site) == damaged
    site.facts("attic-drop", site.work)
    site.drop()


@settings(max_examples=1, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(schemas())
def test_any_schema_comes_back(
    server: Postgresql, tmp_path_factory: pytest.TempPathFactory, tables: list[Table]
) -> None:
    """P3."""
    site = opened(server, tmp_path_factory.mktemp("site"), "creator")
    with site.connect() as link:
        for statement, values in statements(tables, "postgresql", "%s"):
            link.execute(statement.encode(), values)
        before = seen(site)
        site.dump()
        for statement, values in damage(tables, "postgresql"):
            link.execute(statement.encode(), values)
    site.restore()
    assert seen(site) == before
    site.facts("attic-drop", site.work)
    site.drop()


def test_a_server_newer_than_every_client_is_refused_in_words(server: Postgresql, tmp_path: Path) -> None:
    """P1: an older pg_dump must not try its best."""
    if server.query("SHOW server_version_num")[0][0] < "160000":
        pytest.skip("Debian's own clients are new enough for it")
    site = opened(server, tmp_path, "creator")
    site.settings["BELAY_POSTGRESQL_BIN"] = str(installed())
    status, _, errors = site.call("dump", site.folder)
    assert (status, "postgresql-client" in errors) == (1, True), errors
    assert not (site.folder / "payload.dump.zst").exists()
    site.drop()


def test_another_tools_archive_is_taken_rehearsed_and_the_mark_tells_a_write(
    server: Postgresql, tmp_path: Path
) -> None:
    """P3, P7: the forms in which these majors write an archive pass the look inside it."""
    site = opened(server, tmp_path, "creator")
    site.execute(OBJECTS)
    before = seen(site)
    words = ("-h", str(server.folder), "-p", str(server.port), "-U", "postgres", "-d", "service=belay")
    for form in "cdt":
        given = tmp_path / f"given-{form}"
        subprocess.run(
            [clients(server) / "pg_dump", *words, f"-F{form}", "-f", given],
            check=True,
            env={**os.environ, "PGSERVICEFILE": str(site.conn / "pgservice.conf")},
        )
        site.folder = tmp_path / f"backup-{form}"
        adopted = site.facts("adopt", given, site.folder)
        into = f"rehearsed-{form}"
        site.facts("rehearse", site.folder, adopted["payload"], into)
        with server.connect(into) as link:
            assert {**rows_of(link), "large": large_objects_of(link)} == {
                name: value for name, value in before.items() if name != "schema"
            }
    mark = site.facts("mark")["mark"]
    assert mark
    assert site.facts("mark")["mark"] == mark
    site.execute("UPDATE logs SET what = 'more'")
    assert site.facts("mark")["mark"] != mark
    site.drop()
