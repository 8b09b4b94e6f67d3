"""The small actions around a deploy of the user's own, and the rollback by hand, under a real runner."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.act.repository import Repository

Make = Callable[[str], Repository]
ENGINES = ["postgresql", *(pytest.param(engine, marks=pytest.mark.soak) for engine in ("mariadb", "sqlite"))]
# A deploy script as people have one: it knows nothing of Belay, and a failed command ends it. It runs as the host's user.
OWN = "runuser -u deploy -- sh -eu -c 'cp -a {base}/current/. {base}/releases/mine && cp -a . {base}/releases/mine && echo mine >{base}/releases/mine/RELEASE && ln -sfn releases/mine {base}/current && cd {base}/current && php artisan migrate --force'"


def own(app: Repository) -> str:
    """Return the user's own deploy command."""
    return OWN.format(base=app.site.base)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failed_deploy_of_the_users_own_is_put_back(repository: Make, engine: str, tmp_path: Path) -> None:
    """P2: the user's script switched and migrated halfway; `auto-rollback` gives back link, schema and rows."""
    app = repository(engine)
    before = app.state()
    app.commit(app.site.release("bad", migration="failing"), app.example("piecewise.yml", deploy=own(app)))
    ended = app.run("push", tmp_path / "told")
    assert ended.code != 0, ended.log
    assert ended.outputs("rollback")["rolled-back"] == "true"
    assert app.state() == before


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["mariadb", "postgresql", "sqlite"])
def test_an_unhealthy_release_is_put_back_with_its_migration(repository: Make, engine: str, tmp_path: Path) -> None:
    """P2: health-check's results reach auto-rollback through the steps' outputs."""
    app = repository(engine)
    before = app.state()
    source = app.site.release("sick", migration="good", health="broken")
    app.commit(source, app.example("piecewise.yml", deploy=own(app)))
    ended = app.run("push", tmp_path / "told")
    assert ended.code != 0, ended.log
    assert json.loads(ended.outputs("health")["health-results"])["verdict"] == "failing"
    assert ended.outputs("rollback")["restored-database"] == "true"
    assert app.state() == before


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["mariadb", "postgresql", "sqlite"])
def test_a_good_one_ends_with_visitors_let_in(repository: Make, engine: str, tmp_path: Path) -> None:
    """P2: the new code and the new schema, and the page is gone."""
    app = repository(engine)
    app.commit(app.site.release("good", migration="good"), app.example("piecewise.yml", deploy=own(app)))
    ended = app.run("push", tmp_path / "told")
    assert ended.code == 0, ended.log
    assert ended.outputs("backup")["backup-verified"] == "bytes"
    assert not app.site.flag.exists()
    assert (app.site.base / "current").readlink() == Path("releases/mine")


@pytest.mark.parametrize(
    "engine", ["sqlite", *(pytest.param(engine, marks=pytest.mark.soak) for engine in ("mariadb", "postgresql"))]
)
def test_a_deploy_that_ended_well_is_rolled_back_by_hand(repository: Make, engine: str, tmp_path: Path) -> None:
    """P9: `workflow_dispatch`: the dry run counts what would be lost, the second run restores code and rows."""
    app = repository(engine)
    before = app.state()
    assert app.site.deploy(app.site.release("good", migration="good")).code == 0
    app.commit(app.site.release("again"), app.example("rollback.yml"))
    dry = app.run("workflow_dispatch", tmp_path / "told", database="always", accept_loss="1000", dry_run="true")
    assert dry.code == 0, dry.log
    lost = dry.outputs("rollback")["discarded-rows"]
    assert int(lost) > 0
    assert dry.outputs("rollback")["rolled-back"] == "false"
    done = app.run("workflow_dispatch", tmp_path / "told", database="always", accept_loss=lost, dry_run="false")
    assert done.code == 0, done.log
    told = done.outputs("rollback")
    assert (told["rolled-back"], told["restored-database"], told["discarded-rows"]) == ("true", "true", lost)
    assert app.state() == before
