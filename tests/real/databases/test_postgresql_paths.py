"""Functions that find their tables by the search_path, of which a dump and a restore have none: told, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import Site

RATE = """
    CREATE TABLE rates (id int, v int); INSERT INTO rates VALUES (1, 2); CREATE TABLE sold (id int);
    INSERT INTO sold VALUES (1);
    CREATE FUNCTION rate(wanted int) RETURNS int LANGUAGE {} IMMUTABLE AS
"""
SQL = RATE.format("sql") + "'SELECT v FROM rates WHERE id = wanted';"
PLPGSQL = RATE.format("plpgsql") + "'BEGIN RETURN (SELECT v FROM rates WHERE id = wanted); END';"
REMEDY = "ALTER FUNCTION … SET search_path = public, pg_temp"
MEND = "ALTER FUNCTION rate SET search_path = public, pg_temp"


@pytest.mark.parametrize("kind", ["creator", "guest"])
def test_a_materialized_view_that_no_restore_could_fill_stops_the_backup(
    server: Postgresql, tmp_path: Path, kind: str
) -> None:
    """P1, P3: it dumps well, and its bytes are whole."""
    site = Site(server, tmp_path, kind)
    site.execute(SQL + "CREATE MATERIALIZED VIEW totals AS SELECT rate(id) AS r FROM sold")
    status, _, errors = site.call("dump", site.folder)
    assert status == 1
    last = errors.splitlines()[-1]
    assert "no restore could fill the materialized view public.totals" in last
    assert 'SQL function "rate"' in last
    assert REMEDY in last
    told = site.call("probe")[1]
    assert "warning=no backup can be made: no restore could fill the materialized view public.totals" in told
    site.execute(MEND)
    assert "no backup can be made" not in site.call("probe")[1]
    before = site.picture()
    site.dump()
    site.execute("DROP MATERIALIZED VIEW totals")
    site.restore()
    assert site.picture() == before
    site.drop()


def test_what_only_running_it_tells_is_warned_about_and_explained(server: Postgresql, tmp_path: Path) -> None:
    """P2, P7: `bytes` can't see into a function's body; the probe says which functions to look at, a restore what failed."""
    site = Site(server, tmp_path, "creator")
    site.execute(PLPGSQL + "CREATE MATERIALIZED VIEW totals AS SELECT rate(id) AS r FROM sold")
    told = site.call("probe")[1]
    assert "fill materialized views or indexes: public.rate(integer). " in told
    assert REMEDY in told
    site.dump()
    before = site.picture()
    status, _, errors = site.call("restore", site.folder, site.payload, site.work)
    assert status == 1
    assert "the live database was not touched: the PL/pgSQL function public.rate(integer)" in errors.splitlines()[-1]
    assert REMEDY in errors.splitlines()[-1]
    assert site.picture() == before
    site.drop()


def test_an_index_at_which_a_dump_ends_is_explained(server: Postgresql, tmp_path: Path) -> None:
    """P2."""
    site = Site(server, tmp_path, "creator")
    site.execute(SQL + "CREATE INDEX by_rate ON sold (rate(id))")
    status, _, errors = site.call("dump", site.folder)
    assert status == 1
    last = errors.splitlines()[-1]
    assert "can't be read whole" in last
    assert 'SQL function "rate"' in last
    assert REMEDY in last
    assert "public.rate(integer)" in site.call("probe")[1]
    site.execute(MEND)
    assert "public.rate(integer)" not in site.call("probe")[1]
    site.dump()
    site.drop()
