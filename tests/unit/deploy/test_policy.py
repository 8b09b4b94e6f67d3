from __future__ import annotations

import itertools

import pytest

from pyhelpers.deploy.policy import Choice, Facts, decide, why_no_twin, why_stale
from pyhelpers.errors import BadInput, NothingChanged


def choice(**changes: str) -> Choice:
    values = {
        "layout": "releases",
        "migrate": "auto",
        "migrate_command": "",
        "maintenance": "auto",
        "database_rollback": "auto",
        **changes,
    }
    return Choice(watchdog=True, **values)


def facts(
    *, kind: str = "laravel", has_database: bool = True, pending: tuple[str, ...] = (), down: bool = False
) -> Facts:
    return Facts(kind=kind, has_database=has_database, pending=pending, first=False, down=down)


def test_nothing_to_migrate_means_no_maintenance_and_no_backup() -> None:
    plan = decide(choice(), facts())
    assert (plan.migrate, plan.maintenance, plan.backup) == (False, False, False)


def test_an_app_that_is_down_already_is_looked_at_behind_its_page() -> None:
    """P2: a visitor's 503 says nothing against the release; without this it would go back for no fault of its own."""
    plan = decide(choice(), facts(down=True))
    assert (plan.migrate, plan.maintenance, plan.backup) == (False, True, False)


def test_a_pending_migration_brings_maintenance_and_a_backup() -> None:
    """P1: the plan never holds a migration without a backup."""
    plan = decide(choice(), facts(pending=("2024_add",)))
    assert (plan.migrate, plan.maintenance, plan.backup) == (True, True, True)


def test_code_replaced_in_place_is_replaced_behind_the_page() -> None:
    assert decide(choice(layout="in-place"), facts()).maintenance


def test_an_app_that_is_not_laravels_migrates_when_it_has_a_command() -> None:
    assert decide(choice(migrate_command="./migrate"), facts(kind="plain")).migrate
    assert not decide(choice(), facts(kind="plain")).migrate


def test_always_without_a_command_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"^migrate: "):
        decide(choice(migrate="always"), facts(kind="plain"))


def test_without_a_known_database_nothing_migrates_and_nothing_claims_that_nothing_was_pending() -> None:
    """P1, P7: settings that lie elsewhere than in the .env must not be a way around the backup."""
    with pytest.raises(NothingChanged, match="proven backup"):
        decide(choice(migrate_command="./migrate"), facts(kind="plain", has_database=False))
    with pytest.raises(NothingChanged, match="no database is known"):
        decide(choice(layout="in-place"), facts(has_database=False))
    assert not decide(choice(), facts(kind="plain", has_database=False)).backup
    assert not decide(choice(migrate="never"), facts(has_database=False)).migrate


def test_over_all_combinations_a_migration_has_a_backup() -> None:
    """P1, exhaustively; and `never` is always obeyed."""
    for layout, migrate, command, maintenance, kind, database, pending, window in itertools.product(
        ("releases", "in-place"),
        ("auto", "always", "never"),
        ("", "./migrate"),
        ("auto", "always", "never"),
        ("laravel", "plain"),
        (True, False),
        ((), ("one",)),
        ("maintenance", "live"),
    ):
        wanted = choice(
            layout=layout, migrate=migrate, migrate_command=command, maintenance=maintenance, backup_window=window
        )
        found = facts(kind=kind, has_database=database, pending=pending)
        try:
            plan = decide(wanted, found)
        except BadInput:
            assert (migrate, kind, command) == ("always", "plain", "")
            continue
        except NothingChanged:
            assert not database
            assert migrate != "never"
            continue
        assert plan.backup or not plan.migrate
        assert not plan.backup or plan.migrate or (layout == "in-place" and migrate != "never")
        assert plan.live == (plan.backup and plan.maintenance and window == "live")
        assert not (migrate == "never" and plan.migrate)
        assert not (maintenance == "never" and plan.maintenance)
        assert plan.maintenance or maintenance == "never" or not plan.migrate
        assert plan.reasons


def test_code_replaced_in_place_may_migrate_so_it_has_a_backup() -> None:
    """P1: what is pending is known only once the new code is there."""
    assert decide(choice(layout="in-place"), facts()).backup
    assert not decide(choice(layout="in-place", migrate="never"), facts()).backup


def test_a_live_backup_stands_only_where_it_is_proven_that_nothing_was_written() -> None:
    """P9: whatever a rollback would lose is never lost silently."""
    assert why_stale("7", "7", quiet=True) == ""
    assert "written" in why_stale("7", "8", quiet=True)
    assert "at work" in why_stale("7", "7", quiet=False)
    for before, after in (("", ""), ("7", ""), ("", "7")):
        assert "can't tell" in why_stale(before, after, quiet=True)


def test_an_account_that_can_hold_no_second_copy_is_known_beforehand() -> None:
    assert "PostgreSQL" in why_no_twin({"vendor": "postgresql", "restore_mode": "inside", "can_create": "yes"})
    assert why_no_twin({"vendor": "postgresql", "restore_mode": "database", "can_create": "yes"}) == ""
    assert why_no_twin({"vendor": "mariadb", "can_create": "no"}) == ""
    assert "write" in why_no_twin({"vendor": "sqlite", "can_create": "no"})


def test_a_compatible_schema_change_needs_no_maintenance_but_a_backup() -> None:
    """P1: even where the way back leaves the schema as it is."""
    plan = decide(choice(schema="compatible"), facts(pending=("one",)))
    assert (plan.migrate, plan.maintenance, plan.backup) == (True, False, True)
    assert any("schema: compatible" in reason for reason in plan.reasons)
    assert decide(choice(schema="compatible", maintenance="always"), facts(pending=("one",))).maintenance
