"""Which deploy a rollback may undo, read from the host's history."""

from __future__ import annotations

from pyhelpers.deploy.which import deployed_since, undone, way_back


def entry(name: str, verb: str = "deploy", verdict: str = "confirmed", of: str = "") -> dict[str, object]:
    return {"id": name, "verdict": verdict, "owner": {"verb": verb, **({"of": of} if of else {})}}


def test_a_deploy_is_undone_by_a_rollback_that_ended_well() -> None:
    """P8: rolling back twice is the same as once."""
    history = [entry("a"), entry("b"), entry("r", "rollback", of="b"), entry("f", "rollback", "rolled-back", of="a")]
    assert undone(history) == {"b"}


def test_an_undo_of_an_undo_of_a_rollback_is_that_rollback() -> None:
    """P8: which deploys stand is told from the end: the last rollback counts, and decides on those before it."""
    history = [entry("a"), entry("r", "rollback", of="a"), entry("s", "rollback", of="r")]
    assert undone(history) == {"r"}
    history.append(entry("t", "rollback", of="s"))
    assert undone(history) == {"a", "s"}
    assert undone([*history, entry("u", "rollback", of="t")]) == {"r", "t"}


def test_what_was_deployed_since_is_not_undone_in_passing() -> None:
    """P9: a later deploy that still stands would go with it, unasked."""
    history = [
        entry("a"),
        entry("b"),
        entry("save", "backup"),
        entry("failed", verdict="rolled-back"),
        entry("c", "maintenance", "kept"),
    ]
    assert deployed_since(history, "a") == "c"
    assert deployed_since(history, "c") == ""
    assert deployed_since([*history, entry("r", "rollback", of="c")], "a") == "b"
    assert deployed_since(history, "unknown") == ""


def test_the_way_back_is_the_last_two_deploys_that_still_stand() -> None:
    """P4: their backups are pinned; what was rolled back or never deployed isn't in the way."""
    history = [
        {"id": "one", "verdict": "confirmed", "owner": {"verb": "deploy"}},
        {"id": "two", "verdict": "kept", "owner": {"verb": "deploy"}},
        {"id": "backup", "verdict": "confirmed", "owner": {"verb": "backup"}},
        {"id": "three", "verdict": "confirmed", "owner": {"verb": "deploy"}},
        {"id": "back", "verdict": "confirmed", "owner": {"verb": "rollback", "of": "three"}},
        {"id": "four", "verdict": "rolled-back", "owner": {"verb": "deploy"}},
    ]
    assert way_back(history) == ["one", "two"]
