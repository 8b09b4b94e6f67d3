"""What every verb is given: the runner, the log, and a way to the host and its agent."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

import pyhelpers
from pyhelpers.deploy.settings import Trace
from pyhelpers.errors import BelayError
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.connect import Connection, open_host
from pyhelpers.hosts.fleet import AT_ONCE, at_once
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from pyhelpers.runner.masks import PROCESS, Masks
from pyhelpers.runner.outputs import Value, write_outputs

HOST_FILES = tuple(Path(pyhelpers.__file__).parent / room for room in ("app", "databases", "backups", "deploy"))


@dataclass(frozen=True)
class Session:
    """The runner as it is, and the log."""

    runner: Runner
    log: Log

    @property
    def trace(self) -> Trace:
        """Where this run comes from."""
        runner = self.runner
        return Trace(
            actor=runner.actor or _login(),
            run_id=runner.run_id,
            run_attempt=runner.run_attempt,
            run_url=runner.run_url,
            git_sha=runner.sha,
        )

    def publish(self, values: Mapping[str, Value], *, known: Masks = PROCESS) -> None:
        """Write the step's outputs; while another error is on its way, a failure to do so is only told.

        It must not hide how the deploy ended. Secrets that are `known` don't get into an output.
        """
        failing = sys.exc_info()[1] is not None
        try:
            write_outputs(values, self.runner, known=known)
        except BelayError as error:
            if not failing:
                raise
            self.log.warning(f"{error.message}. {error.remedy}", title="Outputs not written")

    @contextmanager
    def agent(self, connection: Connection) -> Iterator[Agent]:
        """Open the host for a `with` block and give its agent; nothing is installed yet."""
        with self.agents([connection]) as agents:
            yield agents[0]

    @contextmanager
    def agents(self, connections: Sequence[Connection], *, limit: int = AT_ONCE) -> Iterator[list[Agent]]:
        """Open all hosts for a `with` block, `limit` of them at once, and give their agents in the same order."""
        for key in {connection.ssh_key for connection in connections if connection.ssh_key}:
            self.log.mask(key)
        bundle = Bundle.of(HOST_FILES)
        agents: list[Agent] = []  # of the hosts that could be opened, also when another one can't

        def opened(connection: Connection) -> Agent:
            agents.append(Agent(open_host(connection), connection.path, bundle))
            return agents[-1]

        try:
            yield at_once(connections, opened, limit=limit)
        finally:
            for agent in agents:
                agent.host.close()


def _login() -> str:
    import getpass  # noqa: PLC0415  # only by hand

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


pass_session = click.make_pass_decorator(Session)
