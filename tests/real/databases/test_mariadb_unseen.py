"""What a MariaDB account may not see, and the server doesn't say so: routines and events that a backup would lack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import Mariadb, quoted, running_mariadb
from tests.lab.mariadb_script import OWN_DATABASE_ONLY, Account, open_account

TABLES_AND_VIEWS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running_mariadb(tmp_path_factory.mktemp("server")) as running:
        yield running


def pattern(account: Account) -> str:
    return quoted(account.database.replace("_", "\\_"))


def with_rights(server: Mariadb, folder: Path, *rights: str) -> Account:
    """Return an account of a database with one table, one routine and one event of root's."""
    shop = open_account(server, folder, OWN_DATABASE_ONLY)
    server.execute(
        "CREATE TABLE notes (id int PRIMARY KEY)",
        "CREATE PROCEDURE settle() SELECT 1",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1",
        f"REVOKE ALL ON {pattern(shop)}.* FROM {quoted(shop.user)}@localhost",
        f"GRANT {TABLES_AND_VIEWS} ON {pattern(shop)}.* TO {quoted(shop.user)}@localhost",
        *(f"GRANT {right.format(pattern(shop))} TO {quoted(shop.user)}@localhost" for right in rights),
        database=shop.database,
    )
    return shop


@pytest.mark.parametrize(
    ("rights", "hidden"),
    [
        ((), ("procedures and functions", "events")),
        (("EVENT ON {}.*",), ("procedures and functions",)),
        (("EVENT ON {}.*", "EXECUTE ON PROCEDURE settle"), ("procedures and functions",)),
        (("EXECUTE ON {}.*",), ("events",)),
        (("CREATE ROUTINE ON {}.*",), ("events",)),
    ],
)
def test_an_account_that_can_not_see_all_makes_no_backup(
    server: Mariadb, tmp_path: Path, rights: tuple[str, ...], hidden: tuple[str, ...]
) -> None:
    """P1, P3: the server hides what is there without a word; it is said before the deploy, and with the grant to give."""
    shop = with_rights(server, tmp_path, *rights)
    told = shop.run("probe").stdout
    done = shop.run("dump", shop.backup)
    assert (done.returncode, done.stdout) == (1, "")
    for kind in ("triggers", "procedures and functions", "events"):
        sentence = f"the account may not see {kind}, so a backup would lack them"
        assert (sentence in done.stderr) == (f"no backup can be made: {sentence}" in told) == (kind in hidden)
    assert not list(shop.backup.glob("payload*"))
    for right in ("EXECUTE", "EVENT"):  # as it is told to
        grant = f"GRANT {right} ON {pattern(shop)}.* TO {quoted(shop.user)}@`localhost`"
        if grant in done.stderr:
            server.execute(grant)
    server.execute("DROP PROCEDURE settle", "DROP EVENT nightly", database=shop.database)
    assert "no backup can be made" not in shop.run("probe").stdout
    shop.dump()


@pytest.mark.parametrize("right", ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "a role", "mysql.proc"])
def test_any_right_to_see_all_routines_is_enough(server: Mariadb, tmp_path: Path, right: str) -> None:
    """P1: whoever can know that there are none is not kept from deploying."""
    shop = with_rights(server, tmp_path, "EVENT ON {}.*")
    user = f"{quoted(shop.user)}@localhost"
    server.execute("DROP PROCEDURE settle", database=shop.database)
    assert "no backup can be made" in shop.run("probe").stdout
    if right == "a role":
        role = quoted(f"role {shop.database}")
        server.execute(
            f"CREATE ROLE {role}",
            f"GRANT EXECUTE ON {pattern(shop)}.* TO {role}",
            f"GRANT {role} TO {user}",
            f"SET DEFAULT ROLE {role} FOR {user}",
        )
    elif right == "mysql.proc":
        server.execute(f"GRANT SELECT ON mysql.proc TO {user}")
    else:
        server.execute(f"GRANT {right} ON {pattern(shop)}.* TO {user}")
    assert "no backup can be made" not in shop.run("probe").stdout
    shop.dump()
    routines = server.query(
        f"SELECT routine_name FROM information_schema.routines WHERE routine_schema = '{shop.database}'"
    )
    assert routines == []


def test_the_usual_account_of_an_app_is_not_refused(server: Mariadb, tmp_path: Path) -> None:
    """P1: all rights on its own database."""
    shop = open_account(server, tmp_path, OWN_DATABASE_ONLY)
    server.execute("CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1", database=shop.database)
    assert "no backup can be made" not in shop.run("probe").stdout
    shop.dump()
