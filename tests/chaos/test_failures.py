"""A deploy that fails on its own: whatever failed, the site is as before, or held with a reason."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import checker, snapshot
from tests.chaos.checker import AS_BEFORE, HELD, NEW, Verdict
from tests.chaos.scene import Scene, Stage, scenes, soak

Played = Callable[[Scene], Verdict]
SITES = (("mariadb", "laravel"), ("postgresql", "laravel"), ("sqlite", "plain"))
MORE = ("sqlite", "laravel")


def deploy(stage: Stage, engine: str, kind: str, migration: str, health: str, maintenance: str) -> Verdict:
    """Deploy one release to a fresh site with workers, and judge the site."""
    with stage.lab.site(engine, kind=kind, workers=kind == "laravel") as site:
        before = snapshot.facts(site)
        source = site.release("next", migration=migration, health=health)
        done = site.deploy(source, maintenance=maintenance, secret=site.secret)
        return checker.judge(site, before, done)


@scenes(
    deploy,
    (*SITES[0], "good", "good", "auto"),
    *soak(*((*site, "good", "good", "auto") for site in (*SITES[1:], MORE))),
)
def test_a_good_release_with_a_migration_goes_live_with_its_workers(scene: Scene, played: Played) -> None:
    """P2: code, schema, door and workers all belong to the new release."""
    assert played(scene).kind == NEW


@scenes(deploy, *((*site, "failing", "good", "auto") for site in SITES), *soak((*MORE, "failing", "good", "auto")))
def test_a_migration_that_fails_halfway_leaves_no_trace(scene: Scene, played: Played) -> None:
    """P2: every row and object, the code, the door and the workers are as before."""
    assert played(scene).kind == AS_BEFORE


@scenes(deploy, *((*site, "good", "broken", "auto") for site in SITES), *soak((*MORE, "good", "broken", "auto")))
def test_a_migrated_release_that_is_not_healthy_behind_the_page_goes_back_with_its_schema(
    scene: Scene, played: Played
) -> None:
    """P2: nobody but the migration can have written, so the database goes back as well."""
    assert played(scene).kind == AS_BEFORE


@scenes(
    deploy,
    (*SITES[1], "", "broken-outside", "always"),
    *soak((*SITES[0], "", "broken-outside", "always"), (*MORE, "", "broken-outside", "always")),
)
def test_a_release_that_visitors_find_broken_goes_back_when_the_schema_did_not_change(
    scene: Scene, played: Played
) -> None:
    """P2: the door was open already, but the database needs no way back."""
    assert played(scene).kind == AS_BEFORE


@scenes(
    deploy,
    (*SITES[0], "good", "broken-outside", "auto"),
    (*SITES[2], "good", "broken-outside", "auto"),
    *soak((*SITES[1], "good", "broken-outside", "auto"), (*MORE, "good", "broken-outside", "auto")),
)
def test_a_migrated_release_that_visitors_find_broken_is_held(scene: Scene, played: Played) -> None:
    """P2, P9: visitors were let in after the migration; a restore would lose what they wrote, so a person decides."""
    verdict = played(scene)
    assert verdict.kind == HELD
    assert "public traffic was let in" in verdict.reason
