"""What a deploy will do, decided before it does anything: pure functions, no host, no clock.

The table of `database-rollback` and the rest of the policy reach the host as arguments of undo scripts, so what is
decided here is what the reaper does at 3 a.m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyhelpers.errors import BadInput, NothingChanged


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The inputs that decide, as the user gave them."""

    layout: str  # releases | in-place
    migrate: str  # auto | always | never
    migrate_command: str
    maintenance: str  # auto | always | never
    database_rollback: str  # auto | hold | never
    watchdog: bool
    verify: str = "bytes"  # bytes | loaded
    backup_window: str = "maintenance"  # maintenance | live
    schema: str = "exclusive"  # exclusive | compatible
    rollout: str = "all"  # all | rolling | canary

    @property
    def compatible(self) -> bool:
        """Whether the release before works with the database after this one's migrations: then it isn't put back."""
        return self.schema == "compatible"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found on the host."""

    kind: str  # laravel | plain
    has_database: bool
    pending: Sequence[str]
    first: bool  # no release is live yet
    down: bool = False  # somebody put the app down before this deploy


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the deploy will do, and why, in sentences for the log."""

    migrate: bool
    maintenance: bool
    backup: bool
    live: bool  # the backup is made before maintenance, while the app serves
    reasons: tuple[str, ...]


def decide(choice: Choice, facts: Facts) -> Plan:
    """Return the plan for these inputs and facts; raises `BadInput` for a combination that can't be made safe.

    Raises `NothingChanged` where a migration could start and no database is known that a backup could be made of.

    Going down costs visitors, so it is done only where something changes that two versions can't share: a migration,
    or code that is replaced in place. A first deploy has no visitors to keep out and nothing to go back to.
    """
    reasons: list[str] = []
    migrate = _migrate(choice, facts, reasons)
    if not facts.has_database and (migrate or (facts.kind == "laravel" and choice.migrate != "never")):
        raise NothingChanged(
            "no migration starts without a proven backup, and no database is known: there is none in the app's .env on the host",
            remedy="Name the database there (README, Any app), or say `migrate: never`.",
        )
    if choice.maintenance == "always":
        maintenance = True
        reasons.append("maintenance: asked for (`maintenance: always`)")
    elif choice.maintenance == "never":
        maintenance = False
        if migrate:
            reasons.append("no maintenance (`maintenance: never`): the database will not be restored automatically")
    else:
        maintenance = (migrate and not choice.compatible) or choice.layout == "in-place" or facts.down
        reasons.append(_why(choice, facts, migrate=migrate))
    # What a command in place will migrate is known only once it ran: there is always a backup before it.
    backup = facts.has_database and (migrate or (choice.layout == "in-place" and choice.migrate != "never"))
    live = backup and maintenance and choice.backup_window == "live"
    if backup:
        where = " while the app serves" if live else ""
        proof = ", read back, and loaded beside the live database" if choice.verify == "loaded" else " and read back"
        reasons.append(f"backup: made{where}{proof} before a migration starts")
    if backup and not maintenance and choice.backup_window == "live":
        reasons.append("`backup-window: live` changes nothing: there is no maintenance that the backup could precede")
    return Plan(migrate=migrate, maintenance=maintenance, backup=backup, live=live, reasons=tuple(reasons))


def _why(choice: Choice, facts: Facts, *, migrate: bool) -> str:
    """Say why there is maintenance, or none, when nobody asked for it."""
    if migrate and not choice.compatible:
        return "maintenance: migrations change the schema"
    if choice.layout == "in-place":
        return "maintenance: the code is replaced in place"
    if facts.down:
        return "maintenance: somebody put the app down already, so the new release is looked at behind that page"
    if migrate:
        return "no maintenance: the schema change is declared compatible (`schema: compatible`); it stays if the code goes back"
    return "no maintenance: nothing changes that visitors could see"


def _migrate(choice: Choice, facts: Facts, reasons: list[str]) -> bool:
    if choice.migrate == "never":
        reasons.append("no migration (`migrate: never`)")
        return False
    runnable = facts.kind == "laravel" or bool(choice.migrate_command)
    if choice.migrate == "always":
        if not runnable:
            raise BadInput(
                "migrate",
                "`always`, but this app is not Laravel's and `migrate-command` is empty",
                remedy="Give `migrate-command`, or leave `migrate` at `auto`.",
            )
        reasons.append("migration: asked for (`migrate: always`)")
        return True
    if facts.kind == "laravel" and facts.has_database:
        count = len(facts.pending)
        reasons.append(f"migration: {count} pending" if count else "no migration: none is pending")
        return count > 0
    if choice.migrate_command:
        reasons.append("migration: `migrate-command` is given, and what is pending can't be told for this app")
        return True
    reasons.append("no migration: there is no command for it")
    return False


def why_stale(before: str, after: str, *, quiet: bool) -> str:
    """Return why a backup that was made while the app served is not the state that the migration starts from.

    `before` and `after` are where the database was in its own log of changes, before the dump began and with the door
    closed. Only equal ones that are not empty, read with nobody at work any more, prove that nothing was written between.
    Empty: the backup stands.
    """
    if not before or not after:
        return "the database can't tell whether anything was written meanwhile"
    if before != after:
        return "something was written while it was made"
    return "" if quiet else "somebody is still at work in the database"


def why_no_twin(probe: Mapping[str, str]) -> str:
    """Return why a backup can't be loaded beside the live database by this account; empty when nothing speaks against it.

    MariaDB's shadow tables find room in the live database itself, so `can_create` alone says nothing there.
    """
    if probe.get("restore_mode") in {"inside", "none"}:
        return "this account can't make a database beside the live one, which PostgreSQL needs for a second copy"
    if probe.get("vendor") == "sqlite" and probe.get("can_create") == "no":
        return "this user can't write the database file and its folder"
    return ""
