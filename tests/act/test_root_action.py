"""`uses: belay-deploy/belay@v1` in an app's own repository, under a real runner, on a real host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.act.repository import Repository

Make = Callable[[str], Repository]
ENGINES = ["mariadb", *(pytest.param(engine, marks=pytest.mark.soak) for engine in ("postgresql", "sqlite"))]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_release_with_a_migration_goes_out(repository: Make, engine: str, tmp_path: Path) -> None:
    """P1: one `uses:` line, a proven backup before the migration, the new release live, every output set."""
    app = repository(engine)
    app.commit(app.site.release("good", migration="good"), app.example("deploy.yml"))
    ended = app.run("push", tmp_path / "told")
    assert ended.code == 0, ended.log
    told = ended.outputs("deploy")
    assert told["result"] == "deployed"
    assert told["healthy"] == "true"
    assert told["rolled-back"] == "false"
    assert told["backup-filename"].split(".")[1] == engine
    assert float(told["downtime-seconds"]) > 0
    assert (app.site.base / "current").resolve().name == told["release"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failing_migration_leaves_no_trace(repository: Make, engine: str, tmp_path: Path) -> None:
    """P2: the job is red, and the site is as before, seen from outside."""
    app = repository(engine)
    before = app.state()
    app.commit(app.site.release("bad", migration="failing"), app.example("deploy.yml"))
    ended = app.run("push", tmp_path / "told")
    assert ended.code != 0, ended.log
    assert ended.outputs("deploy")["result"] == "rolled-back"
    assert app.state() == before


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["mariadb", "postgresql", "sqlite"])
def test_an_unhealthy_release_goes_back(repository: Make, engine: str, tmp_path: Path) -> None:
    """P2: migrated, then found broken behind the maintenance page: code and schema go back together."""
    app = repository(engine)
    before = app.state()
    app.commit(app.site.release("sick", migration="good", health="broken"), app.example("deploy.yml"))
    ended = app.run("push", tmp_path / "told")
    assert ended.code != 0, ended.log
    assert ended.outputs("deploy")["result"] == "rolled-back"
    assert app.state() == before
