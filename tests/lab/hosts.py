"""Hosts of the lab as a user would reach them, and the few things that tests ask of any host."""

from __future__ import annotations

import io
from typing import Any

from pyhelpers.hosts.connect import Connection, open_host
from pyhelpers.hosts.protocol import Host
from tests.lab.sshd import Sshd


def connection_to(server: Sshd, **changes: Any) -> Connection:
    """Return the right inputs for `server`, with `changes` to make some of them wrong."""
    right = {
        "path": server.base,
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "ssh_key": server.key,
        "known_hosts": server.known_hosts,
    }
    return Connection(**{**right, **changes})


def through(server: Sshd, jump: Sshd, **changes: Any) -> Connection:
    """Return the right inputs for `server` behind `jump`, with `changes`."""
    right = {
        "jump_host": f"{jump.user}@{jump.host}:{jump.port}",
        "known_hosts": server.known_hosts + jump.known_hosts,
    }
    return connection_to(server, **{**right, **changes})


def works(connection: Connection) -> None:
    """Assert that both clients, paramiko and OpenSSH, reach the host."""
    host = open_host(connection)
    try:
        assert host.run(["echo", "hello"]).text == "hello\n"
        sink = io.BytesIO()
        host.receive(["echo", "hello"], sink)
        assert sink.getvalue() == b"hello\n"
    finally:
        host.close()


def key_of(server: Sshd) -> str:
    """Return a server's public host key, `type base64`."""
    return server.known_hosts.split(" ", 1)[1]


def sh(host: Host, script: str, *arguments: str) -> str:
    """Run a script on the host and return what it printed; it must end well."""
    result = host.run(["sh", "-c", script, "sh", *arguments])
    assert result.ok, result.error_text
    return result.text
