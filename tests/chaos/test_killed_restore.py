"""A person restores a database by hand, or undoes that, and the runner is killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos import checker, nemesis, snapshot
from tests.chaos.nemesis import Moment, at
from tests.chaos.scene import Scene, Stage, scenes, soak
from tests.lab.app_database import execute
from tests.lab.site import Run, Site

HERE = {"INPUT_ENVIRONMENT": "production"}
MEANT = {"confirm": "production", "accept_loss": "1000"}
AS_BEFORE, RESTORED = "as before", "restored"
MOMENTS = (
    at("start", "load"),
    at("end", "load"),
    at("start", "down"),
    at("start", "restore"),
    at("start", "restore", later=0.3),
    at("end", "restore"),
    at("precommit", "local"),
    at("end", "up"),
)
UNDO_MOMENTS = (at("end", "prove"), at("start", "restore"), at("end", "restore"), at("precommit", "local"))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which of the two databases the site has, and whether the restore had passed its own point of no return."""

    kind: str
    committed: bool


def written(site: Site, count: int) -> snapshot.Facts:
    """Let visitors write so many rows; return the site after it."""
    what = (
        "notes (body, made_at) VALUES ('since', 'now')" if site.kind == "plain" else "changes (what) VALUES ('since')"
    )
    link = site.database.connect_as_app()
    execute(link, *[f"INSERT INTO {what}"] * count)
    link.close()
    return snapshot.facts(site)


def well(run: Run) -> None:
    """See that a verb ended well."""
    assert run.code == 0, run.text


def die(site: Site, run: Run, moment: Moment) -> None:
    """Kill the runner at a moment of the deploy that it begins, and let the host notice."""
    assert nemesis.reached(site, run, moment), run.text
    nemesis.kill(run)
    nemesis.let_the_lease_run_out(site)


def begun(site: Site, *words: str, **inputs: str) -> Run:
    """Start a restore, and wait until the host knows of it."""
    first = checker.journal(site)[:1]
    run = site.start("restore", *words, environment=HERE, **MEANT, **inputs)
    nemesis.until(lambda: not run.running or checker.journal(site)[:1] != first, "the restore's own journal")
    return run


def judged(site: Site, before: snapshot.Facts, restored: snapshot.Facts) -> Seen:
    """Say which it is, once the host is settled; anything else is a violation."""
    checker.settle(site)
    problems = [*checker.strays(site), *checker.backups(site)]
    after = snapshot.facts(site)
    if checker.held(site):
        problems.append(f"held: {checker.reason(site)}")
    if after not in (before, restored):
        problems.append(
            f"neither as before ({checker.difference(before, after)}) nor restored ({checker.difference(restored, after)})"
        )
    if problems:
        raise checker.Violation("\n".join([*problems, "--- journal ---", checker.journal_text(site)]))
    committed = any(event["event"] == "precommit" for event in checker.journal(site))
    return Seen(kind=AS_BEFORE if after == before else RESTORED, committed=committed)


def killed(stage: Stage, engine: str, kind: str, moment: Moment) -> tuple[Seen, bool]:
    """Kill a restore's runner; whatever came of it, a restore afterwards ends well and an undo brings back what was."""
    with stage.lab.site(engine, kind=kind) as site:
        restored = snapshot.facts(site)
        well(site.run("backup", "create"))
        (backup,) = (path.name for path in (site.base / ".belay" / "backups").iterdir())
        before = written(site, 5)
        die(site, begun(site, backup_filename=backup), moment)
        seen = judged(site, before, restored)
        later = snapshot.facts(site)
        well(site.run("restore", environment=HERE, **MEANT, backup_filename=backup))
        assert checker.difference(restored, snapshot.facts(site)) == ""
        well(site.run("restore", "--undo", environment=HERE, **MEANT))
        return seen, checker.difference(later, snapshot.facts(site)) == ""


@scenes(
    killed,
    ("sqlite", "plain", MOMENTS[3]),
    ("sqlite", "plain", MOMENTS[5]),
    *soak(*(("sqlite", "plain", moment) for moment in (*MOMENTS[:3], MOMENTS[4], *MOMENTS[6:]))),
    *soak(*(("mariadb", "laravel", moment) for moment in MOMENTS)),
    *soak(*(("postgresql", "laravel", moment) for moment in MOMENTS[2:])),  # its account can't hold two copies
)
def test_a_restore_whose_runner_dies_happened_or_did_not(
    scene: Scene, played: Callable[[Scene], tuple[Seen, bool]]
) -> None:
    """P2, P9: the host puts it back, or completes it; either way it can be done again, and undone."""
    seen, undone = played(scene)
    assert seen.kind == (RESTORED if seen.committed else AS_BEFORE)
    assert undone


def undo_killed(stage: Stage, engine: str, kind: str, moment: Moment) -> Seen:
    """Kill the runner of an undo."""
    with stage.lab.site(engine, kind=kind) as site:
        well(site.run("backup", "create"))
        undone = written(site, 5)
        well(site.run("restore", environment=HERE, **MEANT, backup_filename="latest"))
        before = written(site, 3)
        die(site, begun(site, "--undo"), moment)
        return judged(site, before, undone)


@scenes(
    undo_killed,
    ("sqlite", "plain", UNDO_MOMENTS[2]),
    *soak(*(("sqlite", "plain", moment) for moment in (*UNDO_MOMENTS[:2], UNDO_MOMENTS[3]))),
    *soak(*((engine, "laravel", moment) for engine in ("mariadb", "postgresql") for moment in UNDO_MOMENTS)),
)
def test_an_undo_whose_runner_dies_happened_or_did_not(scene: Scene, played: Callable[[Scene], Seen]) -> None:
    """P2: an attic is swapped back once; a backup made before it is the way forth again."""
    seen = played(scene)
    assert seen.kind == (RESTORED if seen.committed else AS_BEFORE)
