"""Where an app lies on its host, and what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyhelpers.hosts.agent import Agent


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where an app lies on its host and what kind it is (`laravel` or `plain`)."""

    base: str
    layout: str  # releases | in-place
    kind: str

    def code_folder(self, release: str) -> str:
        """Return the folder of a release's code; in place there is only one."""
        return f"{self.base}/releases/{release}" if self.layout == "releases" else self.base

    @property
    def live_folder(self) -> str:
        """The folder of the code that serves now."""
        return f"{self.base}/current" if self.layout == "releases" else self.base

    @property
    def shared_folder(self) -> str:
        """The folder of what outlives a release: .env, storage, the maintenance flag of an app that isn't Laravel's."""
        return f"{self.base}/shared" if self.layout == "releases" else self.base

    @property
    def env_file(self) -> str:
        """The file that holds the app's settings."""
        return f"{self.shared_folder}/.env"


def inspect(agent: Agent, base: str, layout: str, source: Path | None = None) -> Site:
    """Return what kind of app is deployed: by its sources where they are given, else by what is live on the host."""
    if layout == "releases" and source is not None:
        kind = "laravel" if (source / "artisan").is_file() else "plain"
    else:
        live = f"{base}/current" if layout == "releases" else base
        kind = "laravel" if agent.ask(["test", "-f", f"{live}/artisan"]).ok else "plain"
    return Site(base=base, layout=layout, kind=kind)
