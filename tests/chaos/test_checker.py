"""The judge himself: every kind of harm is seen, and what is well is not complained about."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.chaos import checker, snapshot
from tests.chaos.checker import Violation
from tests.chaos.scene import Stage
from tests.lab.app_database import ENGINES, execute
from tests.lab.site import Site

BELAY = ".belay/deploys/one"


def sql(*statements: str) -> Callable[[Site], None]:
    """Return the harm that these statements do."""

    def harm(site: Site) -> None:
        with closing(site.database.connect()) as link:
            execute(link, *statements)

    return harm


def relink(site: Site) -> None:
    """Let `current` name a release that was never finished."""
    (site.base / "releases/2").mkdir()
    (site.base / "current").unlink()
    (site.base / "current").symlink_to("releases/2")


def edit_code(site: Site) -> None:
    """Change a file of the live release."""
    (site.base / "current/app/Jobs/TouchJob.php").write_text("<?php")


def close(site: Site) -> None:
    """Leave the app in maintenance."""
    site.flag.write_text('{"status": 503}')


def hold(site: Site, reason: str, *, down: bool = False) -> None:
    """Leave a deploy on hold."""
    if down:
        close(site)
    deploy = site.base / BELAY
    deploy.mkdir(parents=True)
    (deploy / "epoch").write_text("1\n")
    (deploy / "status").write_text("held\n")
    (deploy / "reason").write_text(reason)
    (site.base / ".belay/active").write_text("one\n")


def leave_incoming(site: Site) -> None:
    """Leave half a backup."""
    (site.base / ".belay/backups/.incoming-x").mkdir(parents=True)


HARM: dict[str, tuple[Callable[[Site], None], str]] = {
    "a row less": (sql("DELETE FROM changes WHERE id = 2"), "rows of"),
    "a row changed": (sql("UPDATE changes SET what = 'x' WHERE id = 1"), "rows of"),
    "a column more": (sql("ALTER TABLE orders ADD COLUMN half INTEGER"), "half"),
    "no view": (sql("DROP VIEW order_names"), "order_names"),
    "another trigger": (sql("DROP TRIGGER orders_added"), "orders_added"),
    "half a migration's row": (sql("INSERT INTO migrations (migration, batch) VALUES ('2030_x', 9)"), "2030_x"),
    "code changed": (edit_code, "code"),
    "another release": (relink, "current"),
    "still down": (close, "maintenance"),
    "held, but up": (lambda site: hold(site, "because of a good reason"), "visitors get 200"),
    "held without a reason": (lambda site: hold(site, "", down=True), "without a reason"),
    "half a backup": (leave_incoming, "unfinished backup"),
}


@pytest.mark.parametrize("harm", HARM)
def test_the_checker_sees_harm(stage: Stage, harm: str) -> None:
    """P2: a site that is neither as before, nor new and whole, nor held with a reason, is a violation."""
    do, words = HARM[harm]
    with stage.lab.site("sqlite") as site:
        before = snapshot.facts(site)
        assert checker.judge(site, before).kind == checker.AS_BEFORE
        do(site)
        with pytest.raises(Violation, match=words):
            checker.judge(site, before)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "sqlite"])
def test_the_checker_sees_into_every_engine(stage: Stage, engine: str) -> None:
    """P2: rows, columns, views, triggers and functions of the servers' databases."""
    with stage.lab.site(engine) as site:
        before = snapshot.facts(site)
        drop = "DROP TRIGGER orders_added" + (" ON orders" if engine == "postgresql" else "")
        for statement in (
            "DELETE FROM changes WHERE id = 2",
            "ALTER TABLE orders ADD COLUMN half INTEGER",
            drop,
            "DROP FUNCTION order_count",
            "DROP VIEW order_names",
        ):
            seen = snapshot.facts(site)
            sql(statement)(site)
            assert snapshot.facts(site) != seen, f"{statement} was not seen"
        with pytest.raises(Violation):
            checker.judge(site, before)


def test_the_checker_sees_a_process_that_was_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: whatever a deploy started is gone when it is over."""
    monkeypatch.setattr(checker, "STRAY_SECONDS", 0.5)
    with stage.lab.site("sqlite", kind="plain") as site:
        before = snapshot.facts(site)
        environment = {"BELAY_BASE": str(site.base)}
        left = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE)
        try:
            with pytest.raises(Violation, match="left running"):
                checker.judge(site, before)
        finally:
            left.kill()
            left.communicate()
