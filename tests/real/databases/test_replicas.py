"""A server that is a copy of another: said by the probe, and so by doctor, before a deploy finds out."""

from __future__ import annotations

from pathlib import Path

from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import OWN_DATABASE_ONLY, open_account
from tests.lab.postgresql import running_postgresql
from tests.lab.postgresql_shop import Site


def test_a_read_only_mariadb_is_told(tmp_path: Path) -> None:
    """P1: an app whose settings name a replica gets backups that may be behind."""
    with running_mariadb(tmp_path / "server") as server:
        shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
        assert "read-only" not in shop.run("probe").stdout
        server.query("SET GLOBAL read_only = 1")
        assert "warning=the server is read-only" in shop.run("probe").stdout


def test_a_postgresql_in_recovery_is_told(tmp_path: Path) -> None:
    """P1."""
    with running_postgresql(tmp_path / "server") as server:
        site = Site(server, tmp_path, "creator")
        assert "replica" not in site.call("probe")[1]
        server.stop()
        (server.folder / "data" / "standby.signal").touch()
        server.start()
        assert "warning=the server is a replica" in site.call("probe")[1]
