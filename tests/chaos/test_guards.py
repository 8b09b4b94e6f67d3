"""Guards that show only when something is wrong on purpose: a damaged backup, a web server that serves old code, writers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, HELD, NEW, Verdict
from tests.chaos.nemesis import at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab import laravel
from tests.lab.app_database import execute
from tests.lab.site import Run, Site


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The site, the deploy's exit code and log, and the events of its journal."""

    verdict: Verdict
    code: int
    text: str
    events: tuple[tuple[str, str], ...]


def ended(site: Site, before: snapshot.Facts, run: Run, *, may_be_up: bool = False, ignoring: str = "") -> Ended:
    """Judge the site and put together what the tests read."""
    verdict = checker.judge(site, before, run, may_be_up=may_be_up, ignoring=ignoring)
    events = tuple((event["event"], event["name"]) for event in checker.journal(site))
    return Ended(verdict=verdict, code=run.code, text=run.text, events=events)


def truncate(payload: Path) -> None:
    """Cut the last third off, as a full disk does."""
    with payload.open("r+b") as file:
        file.truncate(payload.stat().st_size * 2 // 3)


def flip(payload: Path) -> None:
    """Change one bit in the middle, as a bad disk does."""
    content = bytearray(payload.read_bytes())
    content[len(content) // 2] ^= 1
    payload.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], None]] = {"truncated": truncate, "flipped": flip, "gone": Path.unlink}


def damaged(stage: Stage, engine: str, kind: str, damage: str) -> Ended:
    """Damage the backup between the dump's end and its reading back; the runner sleeps meanwhile."""
    with stage.lab.site(engine, kind=kind) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="good")))
        assert nemesis.reached(site, run, at("start", "backup"))
        nemesis.freeze(run)
        assert nemesis.reached(site, run, at("end", "backup"))
        (payload,) = set(site.base.glob(".belay/backups/.incoming-*/payload.*")) - set(site.base.rglob("*.sha256"))
        DAMAGE[damage](payload)
        nemesis.thaw(run)
        run.wait()
        return ended(site, before, run)


@scenes(
    damaged,
    *(("sqlite", "plain", damage) for damage in DAMAGE),
    *soak(*((engine, "laravel", damage) for engine in ("mariadb", "postgresql") for damage in DAMAGE)),
)
def test_no_migration_starts_when_the_backup_can_not_be_read_back(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P1: what was written to the disk is read again, whole, before anything depends on it."""
    found = played(scene)
    assert (found.verdict.kind, found.code) == (AS_BEFORE, 3)
    assert ("start", "migrate") not in found.events


def stale(stage: Stage) -> Ended:
    """Ask for health where a web server goes on to serve the old release."""
    with stage.lab.site("sqlite") as site:
        before = snapshot.facts(site)
        assert snapshot.get(f"{site.stale_url}/health")[0] == 200
        run = site.deploy(site.release("next"), health_url=f"{site.stale_url}/health")
        return ended(site, before, run)


@scenes(stale)
def test_a_healthy_answer_of_the_old_release_is_no_proof_of_the_new_one(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P7: status 200 alone says nothing; the answer has to name the release."""
    found = played(scene)
    assert (found.verdict.kind, found.code) == (AS_BEFORE, 3)
    assert "release" in found.text.split("not healthy", 1)[1]


def longer_than_the_lease(stage: Stage) -> Ended:
    """Migrate for longer than the lease, with a runner that lives."""
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        run = site.deploy(site.release("next", migration="long"), lease="10")
        return ended(site, before, run)


@scenes(longer_than_the_lease)
def test_a_migration_may_take_longer_than_the_lease_while_the_runner_lives(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: the heartbeat of the runner keeps the lease."""
    found = played(scene)
    assert (found.verdict.kind, found.code) == (NEW, 0)


def hanging(stage: Stage, engine: str) -> Ended:
    """Kill the runner while the database server itself works on a statement of the migration."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="hanging")), lease="10")
        assert nemesis.reached(site, run, at("start", "migrate", later=2))
        nemesis.kill(run)
        return ended(site, before, run)


@scenes(hanging, ("mariadb",), ("postgresql",))
def test_what_a_killed_migration_left_running_on_the_server_is_stopped_before_the_restore(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: killing PHP does not end its statement; it would go on behind the restore's back."""
    assert played(scene).verdict.kind == AS_BEFORE


def without_maintenance(stage: Stage, engine: str) -> Ended:
    """Migrate while visitors are in, because the user wants no maintenance; the migration fails halfway."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        run = site.deploy(site.release("next", migration="failing"), maintenance="never")
        # PostgreSQL takes the failed migration's rows back by itself, but never the number that a sequence gave them.
        return ended(site, before, run, may_be_up=True, ignoring="sequence ")


@scenes(without_maintenance, ("mariadb",))
def test_without_maintenance_half_a_migration_is_never_restored_over_what_visitors_wrote(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P9: others may have written since the backup, so a person decides."""
    found = played(scene)
    assert (found.verdict.kind, found.code) == (HELD, 4)
    assert "not in maintenance" in found.verdict.reason


@scenes(without_maintenance, ("postgresql",))
def test_without_maintenance_a_migration_that_the_engine_took_back_needs_no_person(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: schema and ledger are as before, so nothing has to be restored, and nothing is held."""
    found = played(scene)
    assert (found.verdict.kind, found.code) == (AS_BEFORE, 3)


def lifted(stage: Stage) -> Ended:
    """Let somebody lift the maintenance and a visitor write, in the middle of a migration whose runner then dies."""
    with stage.lab.site("mariadb") as site:
        assert site.sshd is not None
        before = snapshot.facts(site)
        run = site.start("deploy", source=str(site.release("next", migration="slow")), lease="10")
        assert nemesis.reached(site, run, at("start", "migrate", later=1))
        subprocess.run(
            ["php", "artisan", "up"],
            cwd=site.base / "current",
            env=laravel.environment(),
            user=site.sshd.user,
            check=True,
            capture_output=True,
        )
        with closing(site.database.connect_as_app()) as link:
            execute(link, "INSERT INTO users (name, email) VALUES ('A visitor', 'visitor@example.org')")
        nemesis.kill(run)
        found = ended(site, before, run, may_be_up=True)
        with closing(site.database.connect()) as link:
            assert snapshot.rows(link, "SELECT name FROM users WHERE name = 'A visitor'") == [("A visitor",)]
        return found


@scenes(lifted)
def test_what_visitors_wrote_after_somebody_lifted_the_maintenance_is_kept(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P9: the page was away for a moment; nothing is thrown away without a person."""
    found = played(scene)
    assert found.verdict.kind == HELD
    assert "lifted by someone" in found.verdict.reason
