"""Settings of a PostgreSQL database (ALTER DATABASE … SET): those of the backup come back, not what a migration made of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import sql

from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import Site, made_of


def alter(site: Site, *changes: str) -> None:
    """Change settings as the migration would, by the app's own account."""
    with site.connect() as link:
        for change in changes:
            words = sql.SQL(change).format(db=sql.Identifier(site.name), me=sql.Identifier(site.user))
            link.execute(words)


def settings(site: Site) -> list[tuple[str, str]]:
    """Return them as the server keeps them, of the database and of roles in it."""
    with site.server.connect() as link:
        return link.execute(
            "SELECT setrole::regrole::text, unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d"
            " ON d.oid = s.setdatabase WHERE datname = %s ORDER BY 1, 2",
            [site.name],
        ).fetchall()


@pytest.mark.parametrize("kind", ["creator", "owner", "superuser"])
def test_settings_that_the_migration_changed_are_those_of_the_backup_again(
    server: Postgresql, tmp_path: Path, kind: str
) -> None:
    """P3, P9: in both ways to restore; the undo gives back those that the restore replaced."""
    site = made_of(kind, server, tmp_path)
    alter(
        site,
        "ALTER DATABASE {db} SET statement_timeout = '77s'",
        'ALTER DATABASE {db} SET search_path = public, "order""s Ü .x"',
        "ALTER DATABASE {db} SET application_name = 'it''s (''a'') \\ me'",
        "ALTER ROLE {me} IN DATABASE {db} SET work_mem = '7MB'",
    )
    before, schema = settings(site), site.call("schema")[1]
    site.dump()
    alter(
        site,
        "ALTER DATABASE {db} SET search_path = nowhere",
        "ALTER DATABASE {db} RESET statement_timeout",
        "ALTER DATABASE {db} SET lock_timeout = '3s'",
        "ALTER ROLE {me} IN DATABASE {db} SET work_mem = '9MB'",
    )
    changed = settings(site)
    assert site.call("schema")[1] != schema, "a rollback has to see that there is something to put back"
    assert site.restore()["mode"] == site.mode
    assert settings(site) == before
    assert site.call("schema")[1] == schema
    site.facts("unrestore", site.work)
    assert settings(site) == changed
    site.drop()


def test_a_setting_that_the_account_may_not_put_back_is_told(server: Postgresql, tmp_path: Path) -> None:
    """P7: nobody is left to think that all is as before."""
    site = made_of("guest", server, tmp_path)
    site.dump()
    words = sql.SQL("ALTER DATABASE {} SET statement_timeout = '1s'").format(sql.Identifier(site.name))
    site.execute_as_superuser(words)
    status, output, errors = site.call("restore", site.folder, site.payload, site.work)
    assert (status, "restored=yes" in output) == (0, True), errors
    assert "the setting statement_timeout of the database is not as it was in the backup" in errors
    site.drop()


def test_a_backup_of_an_earlier_version_keeps_the_settings_of_now(server: Postgresql, tmp_path: Path) -> None:
    """P3: it doesn't say what they were."""
    for kind in ("creator", "owner"):
        site = made_of(kind, server, tmp_path / kind)
        site.dump()
        (site.folder / "settings.json").unlink()
        alter(site, "ALTER DATABASE {db} SET statement_timeout = '1s'")
        before = settings(site)
        site.restore()
        assert settings(site) == before
        site.drop()
