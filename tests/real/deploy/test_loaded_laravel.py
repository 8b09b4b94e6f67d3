"""`verify: loaded` and `backup-window: live` with real Laravel over ssh, on servers of their own kind of log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.nemesis import at
from tests.lab.site import Lab, Run, Site

BESIDE = {
    "mariadb": """SELECT table_schema, table_name FROM information_schema.tables
        WHERE table_schema LIKE '%\\_\\_belay\\_s\\_%' OR table_name REGEXP '^_bs[0-9a-f]{4}_'""",
    "postgresql": "SELECT oid FROM pg_database WHERE datname LIKE '%\\_\\_belay\\_s\\_%'",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The servers; MariaDB with a binary log, as where there is a replica or point-in-time recovery."""
    with Lab.opened() as opened:
        opened.mariadb_settings = ("--log-bin=log", "--server-id=7", "--log-bin-trust-function-creators=1")
        yield opened


@pytest.fixture(params=["mariadb", pytest.param("postgresql", marks=pytest.mark.soak)])
def site(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A Laravel app, whose account may make a database where PostgreSQL wants that for a second copy."""
    with lab.site(request.param) as opened:
        if request.param == "postgresql":
            allow_copies(opened)
        yield opened


def allow_copies(site: Site) -> None:
    """Let the app's account make databases."""
    link = site.database.connect()
    link.execute(f"ALTER ROLE {site.database.name} CREATEDB")
    link.close()


def steps(site: Site) -> list[str]:
    """Return the steps of the last deploy that ended, in order, without what is random in their names."""
    return [nemesis.plain(event["name"]) for event in checker.journal(site) if event["event"] == "end"]


def deploy(site: Site, meanwhile: Callable[[], None] | None = None, *, migration: str = "good", **inputs: str) -> Run:
    """Deploy; `meanwhile` happens after the dump and before the door is closed."""
    source = str(site.release(f"next-{migration}", migration=migration))
    run = site.start("deploy", environment=None, source=source, **inputs)
    if meanwhile is not None:
        nemesis.reached(site, run, at("end", "backup"))
        nemesis.freeze(run)
        meanwhile()
        nemesis.thaw(run)
    run.wait()
    return run


def asked(site: Site, statement: str) -> list[object]:
    """Return what the server says, to one who may see everything."""
    link = site.database.connect()
    try:
        return list(snapshot.rows(link, statement))
    finally:
        link.close()


def test_a_failing_migration_is_rolled_back_by_a_swap(site: Site) -> None:
    """P1, P2: what is live afterwards is the copy that proved the backup, and nothing is loaded again.

    PostgreSQL shows it by the database's own number. MariaDB has no such thing, so there the payload is taken away.
    """
    before = snapshot.facts(site)
    run = site.start("deploy", source=str(site.release("next", migration="failing")), verify="loaded")
    assert nemesis.reached(site, run, at("start", "migrate"))
    copy = asked(site, BESIDE[site.engine])
    assert copy
    if site.engine == "mariadb":
        for payload in site.base.glob(".belay/backups/*/payload.sql.*"):
            payload.unlink()
    assert run.wait() == 3, run.text
    assert snapshot.facts(site) == before
    if site.engine == "postgresql":
        assert asked(site, "SELECT oid FROM pg_database WHERE datname = current_database()") == copy
    assert "twin=taken" in next(site.base.glob(".belay/deploys/*/restore/out")).read_text()
    assert asked(site, BESIDE[site.engine]) == []


# Loading this database changes a row of it: the view is filled last, and filling it counts.
COUNTS_ITS_LOADS = """
    CREATE TABLE loads (n bigint);
    INSERT INTO loads VALUES (0);
    CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'UPDATE public.loads SET n = n + 1 RETURNING n';
    CREATE MATERIALIZED VIEW last_load AS SELECT counted() AS n
"""


def test_a_copy_that_differs_in_one_value_is_no_proof_and_nothing_is_migrated(lab: Lab) -> None:
    """P1: as many rows in each table, the same schema, an intact archive; only the checksum of a table tells."""
    with lab.site("postgresql") as site:
        allow_copies(site)
        link = site.database.connect_as_app()
        link.execute(COUNTS_ITS_LOADS)
        link.close()
        before = snapshot.facts(site)
        refused = deploy(site, verify="loaded")
        assert refused.code == 3, refused.text
        assert "rows differ from the dump's in loads" in refused.text
        assert "migrate" not in steps(site)
        assert snapshot.facts(site) == before
        assert asked(site, BESIDE["postgresql"]) == []


def test_a_twin_stays_for_a_rollback_by_hand_and_goes_with_the_next_deploy(site: Site) -> None:
    """At most one copy is kept."""
    assert deploy(site, verify="loaded").code == 0
    assert asked(site, BESIDE[site.engine])
    next_one = deploy(site, migration="")
    assert next_one.code == 0, next_one.text
    assert asked(site, BESIDE[site.engine]) == []


def test_a_live_backup_stands_where_nobody_wrote(site: Site) -> None:
    """P1: dumped and read back while the app serves; loaded behind the page, as the server's log is moved by that."""
    if site.engine == "mariadb":
        time.sleep(
            11
        )  # what made the site moves its log once more within ten seconds: a false alarm, and a second backup
    done = deploy(site, backup_window="live", verify="loaded")
    assert done.code == 0, done.text
    if site.engine == "postgresql":
        assert "read back whole and loaded, every table's checksum equal" in done.text
    order = steps(site)
    assert order.count("backup") == 1
    assert order.index("prove") < order.index("down") < order.index("live-stands") < order.index("load")
    assert order.index("load") < order.index("migrate")


def test_a_live_backup_does_not_stand_where_a_visitor_wrote(site: Site) -> None:
    """P9: what came in between survives the rollback."""

    def visit() -> None:
        link = site.database.connect_as_app()
        with link.cursor() as cursor:
            cursor.execute("INSERT INTO users (name, email) VALUES ('a visitor', 'v@example.org')")
        link.close()

    done = deploy(site, visit, migration="failing", backup_window="live")
    assert done.code == 3, done.text
    order = steps(site)
    assert order.count("backup") == order.count("prove") == 2
    assert "what the first backup lacks: " in done.text
    link = site.database.connect()
    assert snapshot.rows(link, "SELECT COUNT(*) FROM users WHERE name = 'a visitor'") == [(1,)]
    link.close()


def test_an_account_that_can_hold_no_copy_is_refused_before_anything_is_down(lab: Lab) -> None:
    """P1, P2: it is known beforehand, so nobody is put out for it."""
    with lab.site("postgresql") as site:
        before = snapshot.facts(site)
        done = deploy(site, verify="loaded")
        assert done.code == 1, done.text
        assert "PostgreSQL needs for a second copy" in done.text
        assert "Maintenance on" not in done.text
        assert snapshot.facts(site) == before
