"""`backup create` with a `database-url`: another database than the app's, beside the app's own backups."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos import snapshot
from tests.lab.site import Run, Site

HERE = {"INPUT_ENVIRONMENT": "production"}
JOB = {"GITHUB_RUN_ID": "4242", "GITHUB_RUN_ATTEMPT": "1"}


@pytest.fixture
def other(site: Site) -> Path:
    """A database of somebody else's, which the app knows nothing of."""
    file = site.base / "shared" / "reporting.sqlite"
    with closing(sqlite3.connect(file)) as link, link:
        link.execute("CREATE TABLE facts (id INTEGER PRIMARY KEY, what TEXT)")
        link.execute("INSERT INTO facts (what) SELECT 'kept' FROM pragma_function_list LIMIT 50")
    return file


def facts_in(file: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as link:
        return link.execute("SELECT name, (SELECT count(*) FROM facts) FROM sqlite_master").fetchall()


def back_up(site: Site, *, environment: dict[str, str] | None = None, **inputs: str) -> str:
    """Make a backup; return its name."""
    run = site.run("backup", "create", environment=environment, **inputs)
    assert run.code == 0, run.text
    found = re.search(r"^backup-filename<<(belay-\w+)\n(.*?)\n\1$", run.output.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[2]


def well(run: Run) -> Run:
    assert run.code == 0, run.text
    return run


@pytest.mark.parametrize("first", [pytest.param("the app's", marks=pytest.mark.soak), "the other"])
def test_the_way_back_of_a_job_is_that_of_the_apps_database(site: Site, other: Path, first: str) -> None:
    """P2, P9: a second backup in the job, of another database, must not become the one that is restored, nor where."""
    before, theirs = snapshot.facts(site), facts_in(other)
    well(site.run("maintenance", "on", environment=JOB, lease="900"))
    urls = [{}, {"database_url": f"sqlite:///{other}"}]
    for inputs in urls if first == "the app's" else reversed(urls):
        back_up(site, environment=JOB, **inputs)
    with closing(site.database.connect_as_app()) as link:  # the user's own step migrates
        link.cursor().execute("ALTER TABLE notes ADD COLUMN half TEXT")
        link.cursor().execute("DELETE FROM notes")
        link.commit()
    well(site.run("rollback", environment=JOB))
    assert facts_in(other) == theirs
    assert snapshot.facts(site) == before


def test_backups_of_another_database_neither_push_out_the_apps_nor_stand_for_its_latest(
    site: Site, other: Path
) -> None:
    """P3, P4: each database keeps its own; what is restored is a backup of what it replaces."""
    ours = back_up(site)
    before, theirs = snapshot.facts(site), facts_in(other)
    back_up(site, database_url=f"sqlite:///{other}", keep="1")
    last = back_up(site, database_url=f"sqlite:///{other}", keep="1")
    listed = well(site.run("backup", "list")).text
    assert [ours in listed, last in listed, listed.count(" rows  ")] == [True, True, 2]
    with closing(site.database.connect_as_app()) as link:
        link.cursor().execute("DELETE FROM notes")
        link.commit()
    done = site.run("restore", environment=HERE, confirm="production", backup_filename="latest", accept_loss="1000")
    assert done.code == 0, done.text
    assert snapshot.facts(site) == before
    assert facts_in(other) == theirs
    refused = site.run("restore", environment=HERE, confirm="production", backup_filename=last)
    assert refused.code == 1, refused.text
    assert f"{last} is a backup of {other}, and the app's database is" in refused.text
