"""Inventories of Ansible's: what is in them is read, and nothing in them is run."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.errors import BadInput
from pyhelpers.hosts.fleet import Address
from pyhelpers.hosts.inventory import hosts_in

LISTED = {
    "_meta": {
        "hostvars": {
            "web1": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_user": "deploy", "secret": "x"},
            "web2": {"ansible_port": "22"},
            "db1": {"ansible_host": "2001:db8::1"},
        }
    },
    "all": {"children": ["ungrouped", "web", "db"]},
    "web": {"children": ["front"], "hosts": ["web2"]},
    "front": {"hosts": ["web1", "web2"]},
    "db": {"hosts": ["db1"]},
}
INI = "[web]\nweb1 ansible_host=10.0.0.1 ansible_port=2222 ansible_user=deploy\nweb2 ansible_port=22\n[db]\ndb1 ansible_host=2001:db8::1\n"
YAML = "web:\n  hosts:\n    web1: {ansible_host: 10.0.0.1, ansible_port: 2222, ansible_user: deploy}\n    web2: {ansible_port: 22}\ndb:\n  hosts:\n    db1: {ansible_host: '2001:db8::1'}\n"
WEB = [Address(host="10.0.0.1", user="deploy", port=2222), Address(host="web2", port=22)]

with_ansible = pytest.mark.skipif(shutil.which("ansible-inventory") is None, reason="ansible-core is not installed")


def written(folder: Path, text: str, name: str = "hosts") -> str:
    """Write an inventory and return its path."""
    file = folder / name
    file.write_text(text)
    return str(file)


def changed(folder: Path, **parts: Any) -> str:
    """Write LISTED with some parts of it replaced."""
    return written(folder, json.dumps({**LISTED, **parts}))


def test_the_json_of_ansible_is_read_with_groups_in_groups(tmp_path: Path) -> None:
    source = written(tmp_path, json.dumps(LISTED))
    assert hosts_in(f"{source}#front") == WEB
    assert hosts_in(f"{source}#web") == [WEB[1], WEB[0]]  # each once, in the order of the inventory
    assert hosts_in(source)[-1] == Address(host="2001:db8::1")


@pytest.mark.parametrize(
    "parts",
    [
        {"web": {"hosts": "web1"}},
        {"web": {"hosts": [5]}},
        {"web": ["web1"]},
        {"web": {"hosts": []}},
        {"web": {"children": ["web"]}},
        {"front": {"children": ["web"]}},
        {"_meta": []},
        {"_meta": {"hostvars": {"web2": "x"}}},
        {"_meta": {"hostvars": {"web2": {"ansible_host": "{{ lookup('pipe', 'id') }}"}}}},
        {"_meta": {"hostvars": {"web2": {"ansible_user": ["root"]}}}},
        {"_meta": {"hostvars": {"web2": {"ansible_port": "ssh"}}}},
        {"_meta": {"hostvars": {"web2": {"ansible_port": 99999}}}},
        {"_meta": {"hostvars": {"web2": {"ansible_port": True}}}},
        {"_meta": {"hostvars": {"web2": {"ansible_port": "9" * 5000}}}},
    ],
)
def test_what_is_no_plain_list_of_hosts_is_refused(tmp_path: Path, parts: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="inventory"):
        hosts_in(f"{changed(tmp_path, **parts)}#web")


def test_a_group_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no group `webs`") as caught:
        hosts_in(f"{changed(tmp_path)}#webs")
    assert "db, front, web" in caught.value.remedy


def test_groups_that_share_their_children_are_looked_at_once(tmp_path: Path) -> None:
    """Thirty groups, each twice the child of the one before, are a thousand million ways to one host."""
    chain = {f"g{number}": {"children": [f"g{number + 1}"] * 2} for number in range(30)}
    assert hosts_in(f"{changed(tmp_path, **chain, g30={'hosts': ['web2']})}#g0") == WEB[1:]


def test_groups_may_be_nested_as_deep_as_they_are(tmp_path: Path) -> None:
    chain = {f"g{number}": {"children": [f"g{number + 1}"]} for number in range(3000)}
    assert hosts_in(f"{changed(tmp_path, **chain, g3000={'hosts': ['web2']})}#g0") == WEB[1:]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["hosts", "children", "web", "_meta", "hostvars"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_no_json_crashes_it(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    source = written(tmp_path_factory.mktemp("inventory"), json.dumps({"_meta": {"hostvars": {}}, "web": tree}))
    with suppress(BadInput):
        hosts_in(f"{source}#web")


@pytest.mark.parametrize("text", [INI, YAML])
def test_ini_and_yaml_want_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="only Ansible reads right") as caught:
        hosts_in(f"{written(tmp_path, text)}#web")
    assert "ansible-core" in caught.value.remedy


@with_ansible
@pytest.mark.parametrize(("text", "name"), [(INI, "hosts"), (YAML, "hosts.yml")])
def test_ini_and_yaml_are_read_by_ansible_itself(tmp_path: Path, text: str, name: str) -> None:
    assert hosts_in(f"{written(tmp_path, text, name)}#web") == WEB


@with_ansible
def test_nothing_in_an_inventory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: neither a script, nor a plugin beside it that an ansible.cfg names, nor a template."""
    proof = tmp_path / "proof"
    script = Path(written(tmp_path, f"#!/bin/sh\ntouch {proof}\necho '{{}}'\n"))
    script.chmod(0o755)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "evil.py").write_text(f"open({str(proof)!r}, 'w')\n")
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\ninventory_plugins = plugins\nvars_plugins = plugins\n[inventory]\nenable_plugins = evil, script\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput):
        hosts_in(f"{script}#web")
    with pytest.raises(BadInput):
        hosts_in(
            f"{written(tmp_path, INI.replace('10.0.0.1', chr(34) + '{{ lookup(' + chr(39) + 'pipe' + chr(39) + ',' + chr(39) + 'touch ' + str(proof) + chr(39) + ') }}' + chr(34)), 'ini')}#web"
        )
    assert not proof.exists()
