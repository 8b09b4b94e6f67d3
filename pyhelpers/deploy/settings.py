"""What a deploy was asked to do: the inputs as one frozen value, and what in them contradicts itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pyhelpers.app.services import check_services
from pyhelpers.deploy.policy import Choice
from pyhelpers.errors import BadInput
from pyhelpers.hosts.fleet import AT_ONCE
from pyhelpers.watch.health import Health


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Where the deploy comes from, for the people who read the host's history."""

    actor: str = ""
    run_id: str = ""
    run_attempt: int = 1
    run_url: str = ""
    git_sha: str = ""

    def deployment_id(self) -> str:
        """Return an id that no other deploy has: `<run>-<attempt>-<16 hex>`, or `local-1-…` by hand."""
        return f"{self.run_id or 'local'}-{self.run_attempt}-{secrets.token_hex(8)}"

    def mine(self, owner: dict[str, object]) -> bool:
        """Whether `owner` is an earlier step of this very job."""
        return bool(self.run_id) and (owner.get("run-id"), owner.get("run-attempt")) == (self.run_id, self.run_attempt)

    def as_owner(self, verb: str) -> dict[str, object]:
        """Return the fields that the host keeps of the one who holds it."""
        return {
            "verb": verb,
            "actor": self.actor,
            "run-id": self.run_id,
            "run-attempt": self.run_attempt,
            "run-url": self.run_url,
            "sha": self.git_sha,
        }


@dataclass(frozen=True, kw_only=True)
class DeploySettings:
    """The inputs of the root action; times in seconds."""

    environment: str
    path: str
    choice: Choice
    source: Path
    build_command: str = ""
    deploy_command: str = ""
    services: str = ""
    health: Health | None = None
    secret: str = ""  # the bypass path; the verb makes one where the user gave none, and masks it either way
    retry: int = 60
    refresh: int = 0
    render: str = ""
    lease: int = 120
    hosts_at_once: int = AT_ONCE
    keep_releases: int = 5
    keep_backups: int = 5
    dry_run: bool = False
    trace: Trace = field(default_factory=Trace)


def check_inputs(settings: DeploySettings, hosts: int = 1) -> None:
    """Refuse what can't work before the `hosts` are asked anything; raises `BadInput`."""
    check_services(settings.services)
    choice = settings.choice
    if choice.rollout != "all" and not (choice.compatible or choice.migrate == "never"):
        raise BadInput(
            "rollout",
            f"is `{choice.rollout}`, which lets two releases serve on one database, and that isn't declared safe",
            remedy="Declare it by `schema: compatible`, or deploy without migrations (`migrate: never`).",
        )
    if hosts > 1 and choice.layout == "in-place":
        raise BadInput(
            "layout",
            f"is `in-place`, and `host` names {hosts} hosts: what your own command does to the database they share can't be known",
            remedy="Use `layout: releases` for an app on several hosts.",
        )
    if settings.choice.layout == "in-place" and not settings.deploy_command:
        raise BadInput(
            "deploy-command",
            "is empty, but `layout: in-place` changes the code by it",
            remedy="Give the command that updates the folder, e.g. `git pull --ff-only && composer install --no-dev`.",
        )
    if settings.choice.layout == "releases" and not settings.source.is_dir():
        raise BadInput("source", f"`{settings.source}` is not a folder", remedy="Give the folder with the built app.")
    if settings.choice.layout == "releases" and not any(settings.source.iterdir()):
        raise BadInput(
            "source", f"`{settings.source}` is empty", remedy="Check out and build the app before this step."
        )
