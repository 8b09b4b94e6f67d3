"""What a host says of who began a deploy reaches sentences, sets and comparisons: only plain values get in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyhelpers.deploy.which import changes, deployed_since, undone, way_back
from pyhelpers.errors import Unknown
from pyhelpers.hosts.status import Status, history_in, locked

LINE = {
    "id": "one", "active": "one", "status": "open", "phase": "", "epoch": 1, "reason": "", "lease": 9, "overdue": 0,
    "reaper": "off", "reboot": "none", "running": "",
}  # fmt: skip


@pytest.mark.parametrize("value", [["x"], {"x": 1}, None, 1.5, 7, True])
@pytest.mark.parametrize("name", ["run-url", "verb", "of", "actor", "since", "fleet"])
def test_any_owner_is_read_without_a_crash(name: str, value: object) -> None:
    owner = {"verb": "deploy", name: value}
    status = Status.from_json(json.dumps({**LINE, "owner": owner}))
    assert "is held by deploy one" in str(locked(status, "web1"))
    history = history_in(json.dumps({"id": "one", "verdict": "confirmed", "owner": owner}))
    _ = (undone(history), way_back(history), deployed_since(history, "one"), [changes(line) for line in history])


def test_a_fleet_is_a_list_of_names() -> None:
    owner: dict[str, Any] = {"verb": "deploy", "run-attempt": 2, "dry-run": False, "fleet": ["web1", "web2"]}
    assert Status.from_json(json.dumps({**LINE, "owner": owner})).owner == owner


def test_an_owner_that_is_no_object_is_unreadable() -> None:
    with pytest.raises(Unknown):
        Status.from_json(json.dumps({**LINE, "owner": ["ann"]}))
