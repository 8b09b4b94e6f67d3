"""The public contract of this version, written down once more: what an action is called, takes and gives.

Names never change after v1, so they stand here by hand. Who changes one has to change it here too, and think.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pyhelpers.cli.main import cli
from tests.contract.interpreter import load

TOP = Path(__file__).resolve().parents[2]
CONNECTION = ["environment", "host", "inventory", "port", "user", "ssh-key", "known-hosts", "jump-host", "path", "connect-timeout"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One action: its folder, its verb, the inputs of its own, its outputs."""

    folder: str
    verb: str
    inputs: str
    outputs: str
    connected: bool = True

    @property
    def all_inputs(self) -> list[str]:
        """Every input, the connection first."""
        return [*(CONNECTION if self.connected else []), *self.inputs.split()]

    @property
    def document(self) -> dict[str, Any]:
        """The action.yml."""
        return load((TOP / self.folder / "action.yml").read_text())


ACTIONS = (
    Surface(
        folder=".",
        verb="deploy",
        inputs="layout source build-command deploy-command migrate migrate-command maintenance backup-window verify"
        " offsite database-rollback services health-url health-expect secret retry refresh render lease watchdog"
        " keep-releases schema rollout hosts-at-once dry-run",
        outputs="result deployment-id release previous-release backup-filename healthy health-results rolled-back"
        " downtime-seconds seconds report",
    ),
    Surface(
        folder="actions/backup-before-migrate",
        verb="backup create",
        inputs="database-url verify compression directory keep only-if-pending",
        outputs="backup-filename backup-path backup-sha256 backup-bytes backup-verified backup-seconds manifest"
        " pending-migrations skipped",
    ),
    Surface(
        folder="actions/maintenance-mode",
        verb="maintenance",
        inputs="mode secret retry refresh render redirect status lease deployment-id",
        outputs="state changed since bypass-path deployment-id",
    ),
    Surface(
        folder="actions/auto-rollback",
        verb="rollback",
        inputs="deployment-id backup-filename release database accept-loss health-results dry-run",
        outputs="rolled-back restored-release restored-database discarded-rows attic healthy health-results seconds",
    ),
    Surface(
        folder="actions/restore-database",
        verb="restore",
        inputs="backup-filename from into verify-only confirm accept-loss",
        outputs="restored attic discarded-rows tables rows seconds",
    ),
    Surface(
        folder="actions/health-check",
        verb="health",
        inputs="url expect-status expect-json expect-release bypass-secret attempts successes interval providers"
        " cache-ttl cache-file connect-timeout timeout tls-warn",
        outputs="healthy health-results cached certificate-days failed-checks",
        connected=False,
    ),
    Surface(
        folder="actions/phpstan-gate",
        verb="gate phpstan",
        inputs="working-directory config level paths memory-limit php phpstan baseline base-ref suppressions comment"
        " check-run sarif token",
        outputs="passed errors new-errors fixed-errors baseline-size suppressions bypasses files report",
        connected=False,
    ),
)
# What the verdict step of the root action takes: the connection, and which deploy.
VERDICT_INPUTS = [*CONNECTION, "deployment-id"]


def verbs(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Give every verb and group with its words, e.g. `backup create`."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None, name
            words = f"{path} {name}".strip()
            yield words, command
            if isinstance(command, click.Group):
                yield from verbs(command, words)


def verb(words: str) -> click.Command:
    """Return the verb called `words`."""
    return dict(verbs())[words]


def options(command: click.Command) -> dict[str, click.Option]:
    """Return the inputs of a verb by name: the options that an environment variable can set."""
    found = [parameter for parameter in command.params if isinstance(parameter, click.Option) and parameter.envvar]
    return {max(option.opts, key=len).removeprefix("--"): option for option in found}
