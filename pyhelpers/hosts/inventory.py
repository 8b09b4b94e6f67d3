"""The hosts of an Ansible inventory: `file`, or `file#group`.

The JSON of `ansible-inventory --list` is read here. INI and YAML have many rules (ranges, children, variables that are
merged), so Ansible's own loader reads those where it is installed, and nothing guesses where it isn't. Of an inventory
come names, addresses, ports and users; what could be run in one (scripts, plugins, templates) never is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyhelpers.errors import BadInput
from pyhelpers.hosts.fleet import Address

LOADER = "ansible-inventory"
LOADER_SECONDS = 120
LARGEST = 16 << 20  # bytes; some ten thousand hosts
HIGHEST_PORT = 65_535
LONGEST_PORT = 5  # digits


def hosts_in(source: str) -> list[Address]:
    """Return the hosts of the inventory `file` or `file#group`, in its order; the first is the leader.

    Raises `BadInput` when the file can't be read, there is no such group, or a host has no plain address.
    """
    name, _, group = source.partition("#")
    tree = _groups(Path(name))
    wanted = group or "all"
    if wanted not in tree:
        known = ", ".join(sorted(each for each in tree if each not in {"_meta", "all", "ungrouped"})[:20]) or "none"
        raise BadInput("inventory", f"has no group `{wanted[:80]}`", remedy=f"Its groups are: {known}.")
    names = list(dict.fromkeys(_members(tree, wanted)))
    if not names:
        raise BadInput("inventory", f"has no host in the group `{wanted[:80]}`", remedy="Is it the right file?")
    variables = _mapping(_mapping(tree.get("_meta", {})).get("hostvars", {}))
    return [_address(each, _mapping(variables.get(each, {}))) for each in names]


def _members(tree: Mapping[str, Any], wanted: str) -> list[str]:
    """Return the names of the hosts in a group and its children, each group's once: a child may have many parents."""
    found: list[str] = []
    above: list[str] = []  # the groups that `wanted` leads to, down to the one that is looked at
    seen: set[str] = set()
    waiting = [(wanted, 0)]
    while waiting:
        group, depth = waiting.pop()
        del above[depth:]
        if group in above:
            raise BadInput(
                "inventory", f"has a group that is its own child: `{group[:80]}`", remedy="Mend the inventory."
            )
        if group in seen:
            continue
        seen.add(group)
        above.append(group)
        hosts, children = _parts(tree, group)
        found += hosts
        waiting += [(child, depth + 1) for child in reversed(children)]
    return found


def _parts(tree: Mapping[str, Any], group: str) -> tuple[list[str], list[str]]:
    """Return the hosts and the children of one group."""
    listed = _mapping(tree.get(group, {}))
    hosts, children = listed.get("hosts", []), listed.get("children", [])
    if not isinstance(hosts, list) or not isinstance(children, list):
        raise _unreadable(f"has a group `{group[:80]}` whose hosts or children are no list")
    if not all(isinstance(each, str) for each in (*hosts, *children)):
        raise _unreadable("names a host by something that is no text")
    return hosts, children


def _address(name: str, variables: Mapping[str, Any]) -> Address:
    """Return where a host is; what is no plain value (a template, say) is refused, as nothing here is evaluated."""
    host = variables.get("ansible_host", name)
    user = variables.get("ansible_user", "")
    port = variables.get("ansible_port", 0)
    for key, value in {"ansible_host": host, "ansible_user": user, "ansible_port": port}.items():
        if isinstance(value, bool) or not isinstance(value, str | int) or "{{" in str(value) or "{%" in str(value):
            raise BadInput(
                "inventory",
                f"gives {name[:80]!r} no plain {key}",
                remedy="Write the value; templates aren't evaluated.",
            )
    number = str(port)
    if not (number.isascii() and number.isdigit() and len(number) <= LONGEST_PORT and int(number) <= HIGHEST_PORT):
        raise BadInput("inventory", f"gives {name[:80]!r} a port that is none", remedy="A port is 1 to 65535.")
    return Address(host=str(host), user=str(user), port=int(number))


def _groups(file: Path) -> Mapping[str, Any]:
    """Return the inventory as `ansible-inventory --list` tells it."""
    try:
        if file.stat().st_size > LARGEST:
            raise BadInput("inventory", f"`{file}` is larger than {LARGEST >> 20} MiB", remedy="Is it the right file?")
        text = file.read_text()
    except (OSError, ValueError) as error:
        why = "is not UTF-8" if isinstance(error, ValueError) else error.strerror
        raise BadInput("inventory", f"`{file}` can't be read: {why}", remedy="Give a file of the workspace.") from None
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = _loaded(file)
    if not isinstance(tree, dict) or "_meta" not in tree:
        # JSON is YAML too, and an inventory in YAML has another form than the list that Ansible makes of it.
        tree = _loaded(file)
    if not isinstance(tree, dict):
        raise _unreadable("is no inventory")
    return tree


def _loaded(file: Path) -> object:
    """Return what Ansible's own loader says of a file in INI or YAML.

    Only those two of its plugins are allowed, so a file with the executable bit is parsed and not run; no ansible.cfg
    and none of our environment is read, and the variables' plugins, which could be anybody's, are off but for its own.
    """
    loader = shutil.which(LOADER)
    if loader is None:
        raise BadInput(
            "inventory",
            f"`{file}` is in INI or YAML, which only Ansible reads right, and it isn't installed here",
            remedy="Install ansible-core on the runner, or give the JSON of `ansible-inventory --list --export`.",
        )
    with tempfile.TemporaryDirectory(prefix="belay-inventory-") as empty:
        config = Path(empty) / "ansible.cfg"
        config.touch()
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": empty,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_HOME": empty,
            "ANSIBLE_LOCAL_TEMP": empty,
            "ANSIBLE_INVENTORY_ENABLED": "ini,yaml",
            "ANSIBLE_INVENTORY_PLUGINS": empty,
            "ANSIBLE_VARS_PLUGINS": empty,
            "ANSIBLE_VARS_ENABLED": "host_group_vars",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_NOCOLOR": "1",
        }
        try:
            done = subprocess.run(
                [loader, "--inventory", str(file.absolute()), "--list"],
                cwd=empty,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=LOADER_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _unreadable(f"can't be read by {LOADER}: {type(error).__name__}") from None
    if done.returncode != 0:
        last = " ".join(done.stderr.split())[-300:]
        raise _unreadable(f"can't be read by {LOADER}: {last or f'exit status {done.returncode}'}")
    try:
        return json.loads(done.stdout)
    except (ValueError, RecursionError):
        raise _unreadable(f"can't be read: {LOADER} printed no JSON") from None


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable("has a part that is no mapping")
    return value


def _unreadable(problem: str) -> BadInput:
    return BadInput("inventory", problem, remedy="See whether `ansible-inventory --list` reads it.")
