"""How an input becomes an option: its name, its environment variable, its help. Defaults live here and nowhere else.

Precedence: option > `INPUT_*` > belay.toml > default. An empty variable counts as not given, which is how GitHub passes
an optional input that nobody set. What an input may hold is checked here, before a host is asked anything.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pyhelpers.app.page import check_secret, check_view
from pyhelpers.errors import BadInput
from pyhelpers.hosts.connect import Connection, check_connection
from pyhelpers.hosts.fleet import Address, addresses_in

Command = TypeVar("Command", bound=Callable[..., Any])
Check = Callable[[str], object]


def variable(name: str) -> str:
    """Return the environment variable of the input `name`."""
    return "INPUT_" + name.upper().replace("-", "_")


def belay_option(
    name: str,
    *,
    help: str,  # noqa: A002  # click's word
    lines: bool = False,
    check: Check | None = None,
    **attributes: Any,
) -> Callable[[Command], Command]:
    """Return the decorator for the input `name` (kebab-case); `help` is one sentence that names the default.

    A text is one line, or `lines` of them; `check` raises `BadInput` for one that can't be right.
    """
    declaration = f"--{name}/--no-{name}" if attributes.pop("switch", False) else f"--{name}"

    def callback(_context: click.Context, _parameter: click.Parameter, value: object) -> object:
        if isinstance(value, float) and math.isnan(value):
            raise BadInput(name, "is not a number", remedy=f"What it is: {help}")
        if not isinstance(value, str):
            return value
        text = clean(name, value, lines=lines)
        if text and check is not None:
            check(text)
        return text

    return click.option(declaration, envvar=variable(name), help=help, callback=callback, **attributes)


def secret_option(
    name: str,
    *,
    help: str,  # noqa: A002  # click's word
    lines: bool = False,
    check: Check | None = None,
) -> Callable[[Command], Command]:
    """Return the decorator for a secret input: from its environment variable alone, since an argv is public."""

    def callback(context: click.Context, parameter: click.Parameter, value: str) -> str:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            remedy = f"Give it in the environment variable {variable(name)}."
            raise BadInput(name, "is a secret, and everyone on the machine can read a command line", remedy=remedy)
        text = clean(name, value, lines=lines)
        if text and check is not None:
            check(text)
        return text

    return click.option(f"--{name}", envvar=variable(name), default="", help=help, callback=callback)


def clean(name: str, text: str, *, lines: bool) -> str:
    """Return `text` without the white space around it; raises `BadInput` for characters that no input means to hold.

    A secret that was pasted with its line's end is usual, and means the same. A control character inside would reach
    paths, command lines and logs, where it means something else than it shows.
    """
    text = text.replace("\r\n", "\n").strip()
    for char in text:
        if unicodedata.category(char) == "Cs":
            raise BadInput(name, "is not UTF-8", remedy="Save it in UTF-8.")
        if unicodedata.category(char) == "Cc" and not (lines and char in "\n\t"):
            what = "a line's end" if char == "\n" else f"the control character U+{ord(char):04X}"
            remedy = "" if lines else "It is one line of plain text."
            raise BadInput(name, f"holds {what}", remedy=remedy)
    return text


CONNECTION: tuple[Callable[[Any], Any], ...] = (
    belay_option(
        "environment",
        default="production",
        help="Names the environment and chooses its table in belay.toml, e.g. `staging`; the default is `production`.",
    ),
    belay_option(
        "host",
        lines=True,
        default="",
        help="Names the server that runs the app, e.g. `app.example.com`, or several, one per line, the leader first; by default it is the machine that this runs on.",
    ),
    belay_option(
        "inventory",
        default="",
        help="Names an Ansible inventory to take the hosts from, and the group in it, e.g. `hosts.yml#web`; by default `host` names them.",
    ),
    belay_option(
        "port", type=click.IntRange(1, 65535), default=22, help="Sets the port of the server's sshd; the default is 22."
    ),
    belay_option(
        "user",
        default="",
        help="Names the user who logs in on the server, e.g. `deploy`; required with `host` unless its line names one, by default none.",
    ),
    secret_option(
        "ssh-key",
        lines=True,
        help="Holds that user's private key, whole, with its first and last line; required with `host`, by default none.",
    ),
    belay_option(
        "known-hosts",
        lines=True,
        default="",
        help="Holds the server's lines of a known_hosts file, since no key is trusted on first use; required with `host`, by default none.",
    ),
    belay_option(
        "jump-host", default="", help="Names a server to go through, e.g. `jump@gate.example.com:22`; by default none."
    ),
    belay_option(
        "path",
        default="",
        help="Names the app's base folder on the host, e.g. `/var/www/app`; required, here or in belay.toml.",
    ),
    belay_option(
        "connect-timeout",
        type=click.FloatRange(0.1, 600),
        default=10.0,
        help="Limits how many seconds making the link may take; the default is 10.",
    ),
)


PAGE: tuple[Callable[[Any], Any], ...] = (
    secret_option(
        "secret",
        check=check_secret,
        help="Sets the secret path that passes the maintenance page; by default a random one.",
    ),
    belay_option(
        "retry",
        type=click.IntRange(1, 86400),
        default=60,
        help="Sets the seconds in the maintenance page's Retry-After header; the default is 60.",
    ),
    belay_option(
        "refresh",
        type=click.IntRange(0, 86400),
        default=0,
        help="Sets after how many seconds a visitor's maintenance page reloads by itself, 0 for never; the default is 0.",
    ),
    belay_option(
        "render",
        check=check_view,
        default="",
        help="Names the Laravel view to show while the app is down, e.g. `errors::503`; by default none.",
    ),
)


def page_options(command: Command) -> Command:
    """Add the inputs of the maintenance page, the same wherever one is put up."""
    for option in reversed(PAGE):
        command = option(command)
    return command


def connection_options(command: Command) -> Command:
    """Add the connection inputs, the same for every verb that touches a host."""
    for option in reversed(CONNECTION):
        command = option(command)
    return command


def connections_from(values: dict[str, Any]) -> list[Connection]:
    """Take the connection inputs out of a verb's values: one for each host, the leader's first.

    Raises `BadInput` naming the input that can't be right; nothing is contacted.
    """
    hosts = _hosts(values.pop("host"), values.pop("inventory"))
    values.pop("environment", None)
    common = Connection(
        path=values.pop("path").rstrip("/") or "",
        port=values.pop("port"),
        user=values.pop("user"),
        ssh_key=values.pop("ssh_key"),
        known_hosts=values.pop("known_hosts"),
        jump_host=values.pop("jump_host"),
        connect_timeout=values.pop("connect_timeout"),
    )
    connections = [
        replace(common, host=each.host, port=each.port or common.port, user=each.user or common.user) for each in hosts
    ] or [common]
    _here_on_purpose(connections[0])
    for connection in connections:
        check_connection(connection)
    return connections


def _hosts(lines: str, inventory: str) -> list[Address]:
    if not inventory:
        return addresses_in(lines)
    if lines:
        raise BadInput("inventory", "is given, and `host` is too", remedy="Name the hosts in one of the two.")
    from pyhelpers.hosts.inventory import hosts_in  # noqa: PLC0415  # paid only where there is one

    return hosts_in(inventory)


def connection_from(values: dict[str, Any]) -> Connection:
    """Take the connection inputs out of the values of a verb that works on one host; raises `BadInput` for a fleet."""
    source = "inventory" if values.get("inventory") else "host"
    connections = connections_from(values)
    if len(connections) > 1:
        raise BadInput(
            source, f"names {len(connections)} hosts, and this verb works on one", remedy="Name one, e.g. the leader."
        )
    return connections[0]


def _here_on_purpose(connection: Connection) -> None:
    """Raise `BadInput` when the inputs speak of a server and none is named.

    A secret whose name is misspelled arrives empty; an empty `host` means this machine, and the deploy would go there.
    """
    given = {
        "user": connection.user,
        "ssh-key": connection.ssh_key,
        "known-hosts": connection.known_hosts,
        "jump-host": connection.jump_host,
    }
    names = [f"`{name}`" for name, value in given.items() if value]
    if names and not connection.host:
        raise BadInput(
            "host",
            f"is empty, but {', '.join(names)} {'is' if len(names) == 1 else 'are'} given",
            remedy="Is the secret or variable that it comes from spelled right? To use this machine, leave those out too.",
        )
