"""The runner is killed while the backup is made and loaded with the app serving: `backup-window: live`, `verify: loaded`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.checker import AS_BEFORE, NEW, Verdict
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.site import Site

LEASE = "10"  # seconds; the smallest that there is
INPUTS = {"backup_window": "live", "verify": "loaded"}

# Every line of the journal from the live backup to the migration, for a database whose own file tells of its changes.
MOMENTS = (
    at("phase", "live-backup"),
    at("undo", "backup"),
    at("start", "backup"),
    at("end", "backup"),
    at("start", "prove"),
    at("end", "prove"),
    at("undo", "load"),
    at("start", "load"),
    at("end", "load"),
    at("phase", "down"),
    at("undo", "down"),
    at("start", "down"),
    at("end", "down"),
    at("phase", "backup"),
    at("start", "live-stands"),
    at("end", "live-stands"),
    at("phase", "migrate"),
)
HALFWAY = at("start", "migrate", later=1.5)
LATER = (HALFWAY, at("end", "migrate"), at("precommit", "local"), at("end", "up"))
# A second backup is made when a visitor wrote after the dump of the first.
SECOND = (
    at("start", "unload"),
    at("end", "unload"),
    at("start", "discard"),
    at("end", "discard"),
    Moment(event="start", name="backup", number=1),
    Moment(event="start", name="load", number=1),
    Moment(event="end", name="load", number=1),
    HALFWAY,
)
# A server's log is moved by the load, so that happens behind the page; its own statements outlive their client for a while.
SERVER = (at("start", "backup"), at("start", "load"), at("start", "load", later=0.3), at("end", "load"), HALFWAY)
COPIES = {
    "mariadb": """SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema LIKE '%\\_\\_belay\\_s\\_%' OR table_name REGEXP '^_bs[0-9a-f]{4}_'""",
    "postgresql": "SELECT COUNT(*) FROM pg_database WHERE datname LIKE '%\\_\\_belay\\_s\\_%'",
}


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What came of a deploy whose runner was killed: the site, whether it was committed, whether a copy was left."""

    verdict: Verdict
    committed: bool
    copies: bool


def killed(stage: Stage, engine: str, kind: str, moment: Moment) -> Killed:
    """Kill the runner at a moment, wait for the host to save itself, judge the site."""
    expected = stage.undisturbed(engine, kind, "slow").database
    with stage.lab.site(engine, kind=kind) as site:
        may_make_a_second(site)
        before = snapshot.facts(site)
        run = site.start(
            "deploy", environment=None, source=str(site.release("next", migration="slow")), lease=LEASE, **INPUTS
        )
        assert nemesis.reached(site, run, moment), run.text
        nemesis.kill(run)
        return told(site, checker.judge(site, before, run, expected=expected))


def killed_after_a_visitor_wrote(stage: Stage, moment: Moment) -> Killed:
    """The same, with the first backup out of date: what the visitor wrote is part of what has to be as before."""
    with stage.lab.site("sqlite", kind="plain") as site:
        run = site.start(
            "deploy", environment=None, source=str(site.release("next", migration="slow")), lease="20", **INPUTS
        )
        assert nemesis.reached(site, run, at("end", "backup")), run.text
        nemesis.freeze(run)
        with closing(site.database.connect()) as link:
            link.execute("INSERT INTO notes (body, made_at) VALUES ('a visitor', 'now')")
        before = snapshot.facts(site)
        nemesis.thaw(run)
        assert nemesis.reached(site, run, moment), run.text
        nemesis.kill(run)
        nemesis.let_the_lease_run_out(site)
        return told(site, checker.judge(site, before, run))


def may_make_a_second(site: Site) -> None:
    """Let the app's account make a database, where it needs that to hold a copy."""
    if site.engine == "postgresql":
        with closing(site.database.connect()) as link:
            link.execute(f"ALTER ROLE {site.database.name} CREATEDB")


def told(site: Site, verdict: Verdict) -> Killed:
    """Return what came of it."""
    committed = any(event["event"] == "precommit" for event in checker.journal(site))
    return Killed(verdict=verdict, committed=committed, copies=copies(site) > 0)


def copies(site: Site) -> int:
    """Return how many copies of the database lie beside it (of its tables, where they lie in it)."""
    if site.engine == "sqlite":
        return len(list(site.base.glob(".belay/deploys/*/*/shadow.sqlite")))
    statement = COPIES[site.engine].replace("WHERE ", f"WHERE {mine(site)} AND (") + ")"
    with closing(site.database.connect()) as link:
        return int(snapshot.rows(link, statement)[0][0])


def mine(site: Site) -> str:
    """Return the condition that a name is of this site: others play at the same time."""
    column = "table_schema" if site.engine == "mariadb" else "datname"
    return f"({column} = '{site.database.name}' OR {column} LIKE '{site.database.name}\\_\\_belay%')"


@scenes(
    killed,
    *(("sqlite", "plain", moment) for moment in (*MOMENTS[1::6], *LATER)),
    *(("mariadb", "laravel", moment) for moment in SERVER[1::2]),
    *(("postgresql", "laravel", moment) for moment in SERVER[2::2]),
    *soak(*(("sqlite", "plain", moment) for place, moment in enumerate(MOMENTS) if place % 6 != 1)),
    *soak(*(("mariadb", "laravel", moment) for moment in SERVER[::2])),
    *soak(*(("postgresql", "laravel", moment) for moment in (*SERVER[:2], SERVER[3]))),
)
def test_a_runner_that_dies_around_a_live_backup_leaves_one_pair_and_no_copy(
    scene: Scene, played: Callable[[Scene], Killed]
) -> None:
    """P2: nobody was put out for it, or all is put back; what was loaded goes, and a good deploy keeps its twin."""
    found = played(scene)
    assert found.verdict.kind == (NEW if found.committed else AS_BEFORE)
    assert found.copies == found.committed


@scenes(
    killed_after_a_visitor_wrote,
    *((moment,) for moment in SECOND[1::4]),
    *soak(*((moment,) for place, moment in enumerate(SECOND) if place % 4 != 1)),
)
def test_a_runner_that_dies_around_the_second_backup_loses_nothing_that_a_visitor_wrote(
    scene: Scene, played: Callable[[Scene], Killed]
) -> None:
    """P2, P9: the first backup lacks the visitor's row, and is never what is gone back to."""
    found = played(scene)
    assert found.verdict.kind == AS_BEFORE
    assert not found.copies


def test_every_moment_of_a_live_backup_is_tried(stage: Stage) -> None:
    """P2: a step that somebody adds is added here too."""
    seen = stage.undisturbed("sqlite", "plain", "slow", **INPUTS).moments
    assert seen[seen.index(MOMENTS[0]) : seen.index(MOMENTS[-1]) + 1] == MOMENTS
