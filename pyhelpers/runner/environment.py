"""What the step's environment says, read once into one frozen value.

Apart from click's own `envvar` (the inputs), nothing in Belay reads `os.environ`: the verb calls
`Runner.from_environment(os.environ)` and hands the value on, so that a test can be on GitHub by writing a dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Runner:
    """The runner of this step, or a person's own machine (`on_github` is false and most texts are empty)."""

    on_github: bool = False
    run_id: str = ""
    run_attempt: int = 1
    repository: str = ""  # owner/name
    sha: str = ""
    ref: str = ""
    actor: str = ""
    workflow: str = ""
    job: str = ""
    event_name: str = ""
    event_path: Path | None = None  # the webhook's payload, as JSON
    server_url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    output: Path | None = None  # GITHUB_OUTPUT
    summary: Path | None = None  # GITHUB_STEP_SUMMARY
    temp: Path = Path("/tmp")  # noqa: S108 - only the last resort; files in it are made by the tempfile module
    tool_cache: Path | None = None
    debug: bool = False
    colour: bool | None = None  # None: coloured when the stream is a terminal
    config: Path | None = None  # BELAY_CONFIG: a belay.toml somewhere else
    base_report: Path | None = None  # BELAY_BASE_REPORT: the gate's report.json of the base

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Runner:
        """Return what `environment` (usually `os.environ`) says; a variable that is empty counts as missing.

        Names and meanings: GitHub's "Default environment variables". Never raises: odd values count as missing, since
        on a person's machine any of these names may hold anything.
        """

        def text(name: str, default: str = "") -> str:
            return environment.get(name) or default

        def path(name: str) -> Path | None:
            return Path(environment[name]) if environment.get(name) else None

        attempt = text("GITHUB_RUN_ATTEMPT", "1")
        return cls(
            on_github=text("GITHUB_ACTIONS") == "true",
            run_id=text("GITHUB_RUN_ID"),
            run_attempt=int(attempt) if re.fullmatch("[0-9]{1,9}", attempt) else 1,
            repository=text("GITHUB_REPOSITORY"),
            sha=text("GITHUB_SHA"),
            ref=text("GITHUB_REF"),
            actor=text("GITHUB_ACTOR"),
            workflow=text("GITHUB_WORKFLOW"),
            job=text("GITHUB_JOB"),
            event_name=text("GITHUB_EVENT_NAME"),
            event_path=path("GITHUB_EVENT_PATH"),
            server_url=text("GITHUB_SERVER_URL", "https://github.com").rstrip("/"),
            api_url=text("GITHUB_API_URL", "https://api.github.com").rstrip("/"),
            output=path("GITHUB_OUTPUT"),
            summary=path("GITHUB_STEP_SUMMARY"),
            temp=path("RUNNER_TEMP") or path("TMPDIR") or Path("/tmp"),  # noqa: S108 - as above
            tool_cache=path("RUNNER_TOOL_CACHE"),
            debug=text("RUNNER_DEBUG") == "1",
            colour=_colour(environment),
            config=path("BELAY_CONFIG"),
            base_report=path("BELAY_BASE_REPORT"),
        )

    @property
    def run_url(self) -> str:
        """The page of this attempt of the workflow run; empty off GitHub."""
        if not (self.repository and self.run_id):
            return ""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}/attempts/{self.run_attempt}"


def _colour(environment: Mapping[str, str]) -> bool | None:
    """Return what the user asked for: NO_COLOR (no-color.org) wins over FORCE_COLOR (force-color.org), as in CPython."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return environment["FORCE_COLOR"] != "0"
    return False if environment.get("TERM") == "dumb" else None
