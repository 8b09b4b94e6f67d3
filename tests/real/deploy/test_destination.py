"""Where a rollback by hand goes, when there is more than one way to understand it."""

from __future__ import annotations

from tests.chaos import snapshot
from tests.lab.site import Site


def live(site: Site) -> str:
    """The release that `current` names."""
    return (site.base / "current").resolve().name


def test_a_release_that_is_named_is_gone_back_to_although_the_last_deploy_is_back_already(site: Site) -> None:
    """P7: "rolled back" is said only of what is so. P8: once there, naming it again changes nothing."""
    assert site.deploy(site.release("two"), migrate="never").code == 0
    assert site.deploy(site.release("three"), migrate="never").code == 0
    assert site.rollback().code == 0
    back = site.rollback(release="1")
    assert back.code == 0, back.text
    assert live(site) == "1"
    before = snapshot.facts(site)
    again = site.rollback(release="1")
    assert again.code == 0, again.text
    assert snapshot.facts(site) == before


def test_a_time_in_maintenance_that_changed_nothing_is_not_what_a_rollback_undoes(site: Site) -> None:
    """P2: behind it stands the deploy that is meant; a release that was undone before is never taken for the one before."""
    assert site.deploy(site.release("two"), migrate="never").code == 0
    two = live(site)
    assert site.deploy(site.release("three"), migrate="never").code == 0
    assert site.rollback().code == 0
    assert site.deploy(site.release("four"), migrate="never").code == 0
    for mode in ("on", "off"):
        assert site.run("maintenance", mode, lease="300").code == 0
    back = site.rollback()
    assert back.code == 0, back.text
    assert live(site) == two


def test_a_step_of_the_jobs_own_in_maintenance_is_undone(site: Site) -> None:
    """P2: in pieces, what stands between `on` and `off` is the deploy, if `current` names another release after it."""
    assert site.deploy(site.release("two"), migrate="never").code == 0
    two = live(site)
    assert site.run("maintenance", "on", lease="300").code == 0
    (site.base / "current").unlink()
    (site.base / "current").symlink_to("releases/1")
    assert site.run("maintenance", "off", lease="300").code == 0
    back = site.rollback()
    assert back.code == 0, back.text
    assert live(site) == two


def test_a_release_before_several_deploys_is_weighed_against_the_first_backup_since(site: Site) -> None:
    """P2: the last deploy changed no schema, the one before it did: old code is not put on its schema unasked."""
    assert site.deploy(site.release("two", migration="good")).code == 0
    assert site.deploy(site.release("three", migration="good"), migrate="never").code == 0
    before = snapshot.facts(site)
    asked = site.rollback(release="1")
    assert asked.code == 1, asked.text
    assert "the list of migrations changed" in asked.text
    assert snapshot.facts(site) == before


def test_a_release_whose_database_nobody_knows_is_not_guessed_at(site: Site) -> None:
    """P2: the deploy that brought it was undone, so its schema is gone; with the code alone it needs a person's word."""
    assert site.deploy(site.release("two", migration="good")).code == 0
    two = live(site)
    assert site.rollback(database="always", accept_loss="1000").code == 0
    before = snapshot.facts(site)
    asked = site.rollback(release=two)
    assert asked.code == 1, asked.text
    assert snapshot.facts(site) == before
    assert site.rollback(release=two, database="never").code == 0
    assert live(site) == two
