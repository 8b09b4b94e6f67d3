"""Several hosts that share a database: all of them end alike, whatever fails, dies or is cut off."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, HELD, NEW
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.chaos.snapshot import Facts
from tests.lab.fleet import FleetSite, listen_again, running_fleet, stop_listening, visitors, visits
from tests.lab.site import Run, Site

STEADY_SECONDS = 4.0  # for which followers are watched while the leader sleeps: several looks at the barrier


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of a deploy: its exit code, its log, and what each host is, the leader first."""

    code: int
    log: str
    hosts: list[str]
    committed: bool = False  # whether the leader had passed the point of no return
    told: tuple[str, ...] = ()


@contextmanager
def a_fleet(stage: Stage, engine: str, size: int = 3) -> Iterator[tuple[FleetSite, list[Facts]]]:
    """Make a fleet, and tell how each host is before anything is done."""
    with running_fleet(stage.lab, engine, size, f"fleet{secrets.token_hex(3)}") as fleet:
        yield fleet, [snapshot.facts(site) for site in fleet.hosts]


def kinds(fleet: FleetSite, before: list[Facts], run: Run | None = None) -> list[str]:
    """Let the checker look at every host; with `run`, the exit code of a deploy has to be true of each."""
    return [checker.judge(site, facts, run).kind for site, facts in zip(fleet.hosts, before, strict=True)]


def judged(fleet: FleetSite, before: list[Facts], run: Run, *told: str) -> Ended:
    """Return what came of a deploy."""
    committed = any(event["event"] == "precommit" for event in checker.journal(fleet.leader))
    hosts = kinds(fleet, before, run if run.code >= 0 else None)
    return Ended(code=run.code, log=run.text, hosts=hosts, committed=committed, told=told)


def deployed(stage: Stage, engine: str, migration: str, broken_on: int) -> Ended:
    """Deploy to the end."""
    with a_fleet(stage, engine) as (fleet, before):
        run = fleet.leader.deploy(fleet.release("next", migration=migration, broken_on=broken_on))
        return judged(fleet, before, run)


@scenes(deployed, ("postgresql", "good", -1), *soak(("mariadb", "good", -1), ("mariadb", "", -1)))
def test_a_good_release_reaches_every_host(scene: Scene, played: Callable[[Scene], Ended]) -> None:
    """P2: with a migration on the leader once, and each host healthy by its own answer."""
    found = played(scene)
    assert (found.code, found.hosts) == (0, [NEW] * 3), found.log


@scenes(
    deployed,
    ("mariadb", "good", 2),
    *soak(("postgresql", "good", 1), ("postgresql", "failing", -1), ("mariadb", "failing", -1), ("mariadb", "", 2)),
)
def test_one_host_that_is_not_healthy_puts_all_of_them_back(scene: Scene, played: Callable[[Scene], Ended]) -> None:
    """P2: all or nothing, and the error names the host."""
    found = played(scene)
    assert (found.code, found.hosts) == (3, [AS_BEFORE] * 3), found.log


def killed_while_the_leader_sleeps(stage: Stage, engine: str) -> Ended:
    """Kill the runner after the migration, and let the leader's reaper sleep past the time when the others' act."""
    with a_fleet(stage, engine) as (fleet, _):
        with visitors(fleet) as taken:
            run = fleet.leader.start("deploy", source=str(fleet.release("next", migration="good")))
            assert nemesis.reached(fleet.leader, run, at("end", "migrate")), run.text
            with sleeping(reaper_of(fleet.leader)):
                nemesis.kill(run)
                nemesis.until(lambda: {state_of(site) for site in fleet.hosts[1:]} == {"aborting"}, "their reapers")
                seen = watched(fleet.hosts[1:])
            for site in fleet.hosts:
                checker.settle(site)
            nemesis.until(lambda: snapshot.get(f"{fleet.hosts[1].url}/health")[0] == 200, "visitors to be in again")
        lost = sum(taken.values()) - visits(fleet)
        states = [state_of(site) for site in fleet.hosts]
        return Ended(code=run.code, log=run.text, hosts=states, told=(*sorted(seen), f"{lost} visits lost"))


@scenes(killed_while_the_leader_sleeps, ("mariadb",), *soak(("postgresql",)))
def test_no_follower_lets_visitors_in_before_the_leader_has_put_the_database_back(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2, P9: a row that a visitor was told is kept is never in a database that is about to be swapped away."""
    found = played(scene)
    assert found.told == ("503", "0 visits lost")
    assert found.hosts == ["rolled-back"] * 3


def broken_leader(stage: Stage, engine: str, migration: str, moment: Moment) -> Ended:
    """From this moment on the leader can neither start nor reload its services; the other host can."""
    with a_fleet(stage, engine, 2) as (fleet, _):
        with visitors(fleet) as taken:
            source = str(fleet.release("next", migration=migration))
            run = fleet.leader.start("deploy", source=source, services="command: true")
            assert nemesis.reached(fleet.leader, run, moment), run.text
            (services,) = fleet.leader.base.glob(".belay/deploys/*/services")
            services.chmod(0)
            os.chown(services, 0, 0)
            run.wait()
            nemesis.until(lambda: state_of(fleet.hosts[1]) != "aborting", "the other host's end")
        lost = sum(taken.values()) - visits(fleet)
        states = [state_of(site) for site in fleet.hosts]
        return Ended(code=run.code, log=run.text, hosts=states, told=(f"{lost} visits lost",))


@scenes(broken_leader, ("mariadb", "good", at("end", "services-new")))
def test_a_database_is_not_restored_once_any_host_has_let_visitors_in(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P9: the leader never opened, and what the others' visitors wrote meanwhile is in its database."""
    found = played(scene)
    assert found.told == ("0 visits lost",), found.log
    assert (found.code, found.hosts) == (4, ["held"] * 2), found.log


@scenes(broken_leader, ("postgresql", "failing", at("start", "migrate")))
def test_what_the_leader_fails_at_after_its_database_is_back_keeps_no_other_host_down(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: the leader holds and says why; the others are up again, and wait for nothing."""
    found = played(scene)
    assert (found.code, found.hosts) == (4, ["held", "rolled-back"]), found.log
    assert found.told == ("0 visits lost",), found.log


def killed_at_a_precommit(stage: Stage, engine: str, number: int, moment: Moment) -> Ended:
    """Kill the runner when host `number` has come to a moment of its own journal."""
    with a_fleet(stage, engine) as (fleet, before):
        run = fleet.leader.start("deploy", source=str(fleet.release("next", migration="good")))
        nemesis.reached(fleet.hosts[number], run, moment)
        nemesis.kill(run)
        return judged(fleet, before, run)


@scenes(
    killed_at_a_precommit,
    ("postgresql", 1, at("precommit", "local")),
    *soak(
        ("mariadb", 0, at("precommit", "local")),
        ("mariadb", 2, at("precommit", "local")),
        ("postgresql", 0, at("precommit", "local")),
        ("mariadb", 0, at("start", "barrier-kept")),
        ("postgresql", 1, at("end", "up")),
        ("mariadb", 0, at("start", "barrier-migrating")),
        ("postgresql", 1, at("end", "down")),
    ),
)
def test_all_hosts_do_what_the_leader_decided_when_the_runner_dies_between_two_precommits(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: a host that had precommitted goes back with a leader that had not, and nobody stays behind one that had."""
    found = played(scene)
    assert found.hosts == [NEW if found.committed else AS_BEFORE] * 3


def leader_lost_at_the_decision(stage: Stage, engine: str) -> Ended:
    """Let the leader be unreachable from the moment on in which a follower has precommitted."""
    with a_fleet(stage, engine, 2) as (fleet, before):
        run = fleet.leader.start("deploy", source=str(fleet.release("next", migration="good")))
        assert nemesis.reached(fleet.hosts[1], run, at("precommit", "local")), run.text
        stop_listening(fleet.servers[0])
        try:
            run.wait()
            return judged(fleet, before, run)
        finally:
            listen_again(fleet.servers[0])


@scenes(leader_lost_at_the_decision, *soak(("mariadb",), ("postgresql",)))
def test_a_leader_that_is_lost_while_it_is_told_to_decide_decides_for_all(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P7: nobody knows whether it heard the call, so nobody is told to go back by the runner: the hosts ask each other."""
    found = played(scene)
    assert (found.code, found.hosts) == (6, [NEW if found.committed else AS_BEFORE] * 2), found.log


def cancelled(stage: Stage, engine: str, moment: Moment) -> Ended:
    """Cancel the job as GitHub does, at a moment of the leader's journal."""
    with a_fleet(stage, engine) as (fleet, before):
        run = fleet.leader.start("deploy", source=str(fleet.release("next", migration="good", wait=6)))
        assert nemesis.reached(fleet.leader, run, moment), run.text
        seconds = nemesis.cancel(run)
        return judged(fleet, before, run, f"{seconds:.1f} s")


@scenes(cancelled, *soak(("mariadb", at("start", "migrate", later=1)), ("postgresql", at("end", "switch"))))
def test_a_job_that_is_cancelled_hands_the_abort_to_every_host(scene: Scene, played: Callable[[Scene], Ended]) -> None:
    """P2: within the seconds that GitHub gives, and all of them go back."""
    found = played(scene)
    assert (found.code, found.hosts) == (130, [AS_BEFORE] * 3), found.log


def one_is_locked(stage: Stage, engine: str) -> Ended:
    """Let somebody else hold the last host."""
    with a_fleet(stage, engine, 2) as (fleet, _):
        last = fleet.leader.inputs["host"].splitlines()[-1]
        assert fleet.leader.run("maintenance", environment=None, host=last, mode="on", lease="900").code == 0
        before = [snapshot.facts(site) for site in fleet.hosts]
        run = fleet.leader.deploy(fleet.release("next", migration="good"))
        same = [
            AS_BEFORE if snapshot.facts(site) == facts else "?" for site, facts in zip(fleet.hosts, before, strict=True)
        ]
        holders = [checker.holder(site) is not None for site in fleet.hosts]
        return Ended(code=run.code, log=run.text, hosts=same, told=(last, str(holders)))


@scenes(one_is_locked, ("mariadb",))
def test_one_locked_host_stops_the_fleet_before_anything_is_changed(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P5: exit 5 names the host, and those that were taken already are free again."""
    found = played(scene)
    assert (found.code, found.hosts, found.told[1]) == (5, [AS_BEFORE] * 2, "[False, True]"), found.log
    assert f"{found.told[0]} is held by deploy" in found.log


def cut_off(stage: Stage, engine: str) -> Ended:
    """Cut a follower off in the migration, until its own reaper has given up; then let it be reached again."""
    with a_fleet(stage, engine, 2) as (fleet, before):
        follower = fleet.hosts[1]
        run = fleet.leader.start("deploy", source=str(fleet.release("next", migration="good", wait=14)))
        assert nemesis.reached(fleet.leader, run, at("start", "migrate")), run.text
        stop_listening(fleet.servers[1])
        try:
            nemesis.until(lambda: state_of(follower) == "aborting", "the follower's reaper")
            seen = watched([follower], 1.0)
        finally:
            listen_again(fleet.servers[1])
        run.wait()
        return judged(fleet, before, run, *sorted(seen))


@scenes(cut_off, *soak(("mariadb",), ("postgresql",)))
def test_a_host_that_is_cut_off_in_the_migration_takes_all_back(scene: Scene, played: Callable[[Scene], Ended]) -> None:
    """P2, P7: its reaper acts alone, keeps its visitors out until the leader is back, and is asked again in the end."""
    found = played(scene)
    assert (found.code, found.hosts, found.told) == (3, [AS_BEFORE] * 2, ("503",)), found.log


def with_a_database_of_its_own(stage: Stage, engine: str) -> Ended:
    """Give a follower another database, as a wrong .env does."""
    with a_fleet(stage, engine, 2) as (fleet, before):
        other = stage.lab.fresh_database(engine, f"other{secrets.token_hex(3)}", Path("/nowhere"))
        env = fleet.hosts[1].shared / ".env"
        text = env.read_text()
        for key in ("DB_DATABASE", "DB_USERNAME", "DB_PASSWORD"):
            text = text.replace(fleet.database.settings[key], other.settings[key])
        env.write_text(text)
        return judged(fleet, before, fleet.leader.deploy(fleet.release("next", migration="good")))


@scenes(with_a_database_of_its_own, ("postgresql",))
def test_a_host_that_uses_another_database_is_refused_before_anything_is_visible(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: the leader's migration would leave it behind; what proves it is a look into the database itself."""
    found = played(scene)
    assert (found.code, found.hosts) == (1, [AS_BEFORE] * 2), found.log
    assert "another one than that of the leader" in found.log


def on_sqlite(stage: Stage, engine: str) -> Ended:
    """Let every host have an SQLite file, as an app that has outgrown one host may."""
    with a_fleet(stage, engine, 2) as (fleet, before):
        for site in fleet.hosts:
            (site.shared / "app.sqlite").touch(mode=0o666)
            file = Path(fleet.leader.inputs["path"]) / "shared" / "app.sqlite"
            (site.shared / ".env").write_text(f'DB_CONNECTION=sqlite\nDB_DATABASE="{file}"\n')
        return judged(fleet, before, fleet.leader.deploy(fleet.release("next", migration="good")))


@scenes(on_sqlite, ("mariadb",))
def test_a_file_of_each_hosts_own_is_no_database_of_a_fleet(scene: Scene, played: Callable[[Scene], Ended]) -> None:
    """P2: one migration on the leader would leave the others' files as they are."""
    found = played(scene)
    assert (found.code, found.hosts) == (2, [AS_BEFORE] * 2), found.log
    assert "host: names 2 hosts, and an SQLite database is a file" in found.log


def canary(stage: Stage, engine: str) -> Ended:
    """Give a release that is broken everywhere to the canary first."""
    with a_fleet(stage, engine) as (fleet, _):
        source = fleet.release("next", migration="good", broken_on=1)
        run = fleet.leader.deploy(source, rollout="canary", schema="compatible")
        live = [str((site.base / "current").readlink()) for site in fleet.hosts]
        switched = [any(event["name"] == "switch" for event in checker.journal(site)) for site in fleet.hosts]
        ledger = snapshot.ledger(fleet.database)
        return Ended(code=run.code, log=run.text, hosts=live, told=(str(switched), *sorted(ledger)))


@scenes(canary, *soak(("mariadb",)))
def test_the_canary_alone_sees_a_bad_release_and_a_compatible_schema_stays(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: the code goes back; what was declared to fit both releases is not undone."""
    found = played(scene)
    assert (found.code, found.hosts) == (3, ["releases/1"] * 3), found.log
    assert found.told == ("[False, True, False]", "0002_next")


def held_and_decided(stage: Stage, engine: str) -> Ended:
    """Let a migration fail halfway where nothing is restored without a person; then the person decides."""
    with a_fleet(stage, engine, 2) as (fleet, before):
        run = fleet.leader.deploy(fleet.release("next", migration="failing"), database_rollback="hold")
        hosts = kinds(fleet, before, run)
        second = fleet.leader.rollback(database="always", accept_loss="100")
        hosts += kinds(fleet, before)
        return Ended(code=run.code, log=run.text + second.text, hosts=hosts, told=(str(second.code),))


@scenes(held_and_decided, *soak(("mariadb",), ("postgresql",)))
def test_a_leader_that_holds_holds_every_host_and_one_decision_frees_them(
    scene: Scene, played: Callable[[Scene], Ended]
) -> None:
    """P2: nobody waits for an hour for a database that waits for a person, and `rollback` settles all hosts."""
    found = played(scene)
    assert (found.code, found.told) == (4, ("0",)), found.log
    assert found.hosts == [HELD] * 2 + [AS_BEFORE] * 2


def rolled_back_by_hand(stage: Stage, engine: str) -> Ended:
    """Roll a good deploy back, twice; and try to on one of its hosts alone."""
    with a_fleet(stage, engine, 2) as (fleet, before):
        run = fleet.leader.deploy(fleet.release("next"))
        first = fleet.leader.inputs["host"].splitlines()[0]
        asked = [{"host": first}, {"database": "always"}, {}, {}]
        done = [fleet.leader.rollback(**inputs) for inputs in asked]
        log = run.text + "".join(each.text for each in done)
        return Ended(code=run.code, log=log, hosts=kinds(fleet, before), told=tuple(str(each.code) for each in done))


@scenes(rolled_back_by_hand, ("postgresql",))
def test_a_good_deploy_is_rolled_back_on_all_hosts_or_none(scene: Scene, played: Callable[[Scene], Ended]) -> None:
    """P8, P9: twice is the same as once; one host alone is refused, and so is what nobody could count."""
    found = played(scene)
    assert (found.code, found.hosts) == (0, [AS_BEFORE] * 2), found.log
    assert found.told == ("2", "2", "0", "0"), found.log


# --- what the scenes are made of ------------------------------------------------------------------------------------------


def state_of(site: Site) -> str:
    """Return the word that a host keeps of its last deploy."""
    deploys = list((site.base / ".belay" / "deploys").glob("[!.]*"))
    return checker.status(max(deploys, key=lambda path: int((path / "epoch").read_text())))


def reaper_of(site: Site) -> int:
    """Return the process id of the reaper of the deploy that holds a host."""
    deploy = checker.holder(site)
    assert deploy is not None
    return int((deploy / "armed").read_text().split()[0])


@contextmanager
def sleeping(pid: int) -> Iterator[None]:
    """Stop a process for a while, as a machine that is paused would."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def watched(sites: list[Site], seconds: float = STEADY_SECONDS) -> set[str]:
    """Return every status that visitors of these hosts get for a while."""
    seen: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen |= {str(snapshot.get(f"{site.url}/health")[0]) for site in sites}
        time.sleep(0.05)
    return seen
