"""Backups and restores by an account that may do more than the app's: `<path>/.belay/database.env` on the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos import checker, snapshot
from tests.chaos.checker import AS_BEFORE
from tests.lab import laravel
from tests.lab.site import Lab, Site

PASSWORD = "own-canary 'x' #%z"


@pytest.fixture
def site(lab: Lab) -> Iterator[Site]:
    """Laravel on MariaDB, whose own account may use its own database alone, and an account of Belay's."""
    with lab.site("mariadb") as opened:
        with lab.mariadb.connect() as link, link.cursor() as cursor:
            cursor.execute("CREATE USER keeper@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON *.* TO keeper@'127.0.0.1'")
        own = opened.base / ".belay" / "database.env"
        own.parent.mkdir(mode=0o700)
        own.write_text(f'DB_USERNAME=keeper\nDB_PASSWORD="{PASSWORD}"\n')
        own.chmod(0o600)
        assert opened.sshd is not None
        laravel.give_to(opened.base, opened.sshd.user)
        yield opened
        lab.mariadb.query("DROP USER keeper@'127.0.0.1'")


def test_a_failing_migration_is_undone_by_the_account_that_may(site: Site) -> None:
    """P2, P6: the restore has a database of its own beside the live one, and the password is nowhere."""
    before = snapshot.facts(site)
    run = site.deploy(site.release("next", migration="failing"))
    assert checker.judge(site, before, run).kind == AS_BEFORE
    (out,) = (site.base / ".belay" / "deploys").glob("*/restore/out")
    assert "mode=database" in out.read_text()
    assert "canary" not in run.text
    assert site.run("doctor").code == 0


def test_a_file_that_others_can_read_stops_the_deploy_before_anything_changes(site: Site) -> None:
    """P6."""
    (site.base / ".belay" / "database.env").chmod(0o644)
    before = snapshot.facts(site)
    run = site.deploy(site.release("next", migration="good"))
    assert (run.code, "0600" in run.text) == (1, True), run.text
    assert checker.judge(site, before).kind == AS_BEFORE
