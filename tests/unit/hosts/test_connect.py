"""Connection inputs are checked before anything is contacted, and each error names the input."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.errors import BadInput
from pyhelpers.hosts.connect import Connection, check_path, open_host
from pyhelpers.hosts.local import LocalHost

RIGHT = Connection(path="/srv/app", host="app.example", user="deploy", ssh_key="k", known_hosts="app.example k k")


def refused(**changes: Any) -> BadInput:
    """Return the error that the changed inputs cause."""
    with pytest.raises(BadInput) as caught:
        open_host(dataclasses.replace(RIGHT, **changes))
    return caught.value


def test_without_a_host_it_is_this_machine() -> None:
    host = open_host(Connection(path="/srv/app"))
    assert isinstance(host, LocalHost)
    assert host.name == "this machine"


@pytest.mark.parametrize(
    "host",
    ["-oProxyCommand=x", "a b", "a\nb", "deploy@a.example", "a.example:22", "a;b", "$(x)", "a/b", "[::1]", "é", "a."],
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert refused(host=host).name == "host"


@pytest.mark.parametrize("user", ["", "-l", "a b", "a@b", "root\n", "a;b", "$HOME"])
def test_a_user_is_a_plain_name(user: str) -> None:
    assert refused(user=user).name == "user"


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_in_range(port: int) -> None:
    assert refused(port=port).name == "port"


@pytest.mark.parametrize(
    "jump", ["a.example", "-x@b", "a@-b", "a@b:c", "a@b:0", "a@b:99999", "a@b:22:23", "a@", "@b", "a@b c"]
)
def test_a_jump_host_is_user_and_host(jump: str) -> None:
    assert refused(jump_host=jump).name == "jump-host"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "app",
        "./app",
        "~/app",
        "//srv",
        "/srv/",
        "/srv//app",
        "/srv/../etc",
        "/srv/.",
        "/a b",
        "/a\nb",
        "/a\x1b",
        "-x",
    ],
)
def test_a_path_is_absolute_and_plain(path: str) -> None:
    assert refused(path=path).name == "path"
    assert refused(host="", path=path).name == "path"


@given(st.text(max_size=30).map(lambda text: f"/{text}"))
def test_an_accepted_path_is_one_word_below_the_root(path: str) -> None:
    try:
        check_path(path)
    except BadInput:
        return
    assert path.split() == [path]
    assert "/../" not in f"{path}/"
    assert path.strip("/")


def test_ssh_without_pins_is_refused() -> None:
    """No key is ever trusted on first use."""
    error = refused(known_hosts=" \n")
    assert error.name == "known-hosts"
    assert "ssh-keyscan" in error.remedy


def test_a_connect_timeout_is_above_zero() -> None:
    line = "app.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
    assert refused(known_hosts=line, connect_timeout=0).name == "connect-timeout"
    assert refused(known_hosts=line, ssh_key="").name == "ssh-key"


def test_secrets_are_not_in_the_repr() -> None:
    """P6."""
    assert "hush" not in repr(dataclasses.replace(RIGHT, ssh_key="hush"))
