"""The backup of a deploy: made in maintenance, or before it while the app serves, and then judged again.

A backup that was made while visitors wrote is the state to go back to only if nobody did. Where that can't be proven, a
second one is made with the door closed, so that a rollback never loses silently what came in between.
"""

from __future__ import annotations

from pyhelpers.backups.create import Draft, discard, draft, load, seal
from pyhelpers.databases.engine import Database
from pyhelpers.deploy.policy import why_no_twin, why_stale
from pyhelpers.deploy.work import Work
from pyhelpers.errors import CommandFailed, NothingChanged

LONG_SECONDS = 6 * 3600  # GitHub's limit for a job: dumps and loads of large databases

# MariaDB's server goes on writing its log by itself for some ten seconds after a change, the probe's own among them.
STEADY_SECONDS = 15


def check_twin(database: Database) -> None:
    """Raise `NothingChanged` when it is known beforehand that `verify: loaded` will fail with this account."""
    obstacle = why_no_twin(database.probe())
    if obstacle:
        raise NothingChanged(
            f"the backup can't be proven by loading it: {obstacle}",
            remedy="Grant it what `doctor` names, or leave `verify` at `bytes`.",
        )


def back_up_live(work: Work) -> None:
    """Make the backup while the app serves; whether it stands is decided by `back_up`, once the door is closed."""
    deploy, database = work.deploy, _database(work)
    deploy.phase("live-backup", limit=LONG_SECONDS)
    if not _mark(database):
        deploy.story.detail(
            "the backup is made in maintenance: this database can't tell whether anything is written meanwhile"
        )
        return
    made = draft(deploy, database, work.catalogue, checksums=work.loads, mark=lambda database: _steady(work, database))
    if work.loads and database.engine.own_mark:
        made = load(deploy, database, made, twin=work.twin)
    work.draft = made


def _mark(database: Database) -> str:
    """Return where the database is in its log of changes; one that can't be asked can't tell."""
    try:
        return database.mark()
    except CommandFailed:
        return ""


def _steady(work: Work, database: Database) -> str:
    """Return the mark once it stands still for a second; on a site that always writes, the one at the end of the wait."""
    mark = _mark(database)
    for _ in range(STEADY_SECONDS):
        work.sleep(1.0)
        work.deploy.alive()
        before, mark = mark, _mark(database)
        if mark == before:
            break
    return mark


def back_up(work: Work) -> None:
    """Make a backup and prove it: no migration starts without one (P1). One that was made live is taken if it stands."""
    deploy, database = work.deploy, _database(work)
    deploy.phase("backup", limit=LONG_SECONDS)
    batch = max((int(line.split("\t")[0]) for line in database.ledger().split("\n") if line), default=0)
    made = _standing(work, database, work.draft) if work.draft is not None else None
    work.window = "live" if made else "live+maintenance" if work.draft else "maintenance"
    if made is None:
        made = draft(deploy, database, work.catalogue, checksums=work.loads)
        if work.draft is not None:
            _tell_difference(work, work.draft, made)
    if work.loads and made.verification != "loaded":
        made = load(deploy, database, made, twin=work.twin)
    work.backup = seal(deploy, database, work.catalogue, made, git_sha=work.settings.trace.git_sha, batch=batch)
    manifest = work.backup.manifest
    deploy.story.detail(
        f"{manifest.name}: {manifest.bytes:,} bytes, {len(manifest.tables)} tables, {manifest.rows:,} rows, "
        f"{work.backup.proof} in {work.backup.seconds:.1f} s"
    )


def _standing(work: Work, database: Database, made: Draft) -> Draft | None:
    """Return the live draft if it is the state that the migration starts from; else throw it away and say so."""
    deploy = work.deploy
    why = why_stale(made.mark, _mark(database), quiet=work.quiet)
    if not why:
        deploy.run("live-stands", "Nothing was written since: the live backup stands", command=":\n")
        return made
    deploy.story.step(f"The live backup does not stand, a second one is made: {why}")
    discard(deploy, database, made)
    return None


def _tell_difference(work: Work, first: Draft, second: Draft) -> None:
    pairs = {name: (first.tables.get(name, 0), second.tables.get(name, 0)) for name in {*first.tables, *second.tables}}
    changed = [f"{name} {then} -> {now} rows" for name, (then, now) in sorted(pairs.items()) if then != now]
    told = ", ".join(changed) or "no row count tells what"
    work.deploy.story.detail(f"what the first backup lacks: {told}")


def _database(work: Work) -> Database:
    if work.database is None:
        raise NothingChanged("there is no database to back up")
    return work.database
