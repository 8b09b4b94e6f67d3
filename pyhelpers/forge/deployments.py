"""GitHub's Deployment of a job whose runner is gone: its status is set to what the host says.

GitHub makes a Deployment by itself for every job with an `environment:`, and ends it with the job. Where the runner
was lost, it shows `in_progress` for long, and then a failure whatever became of the app.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyhelpers.forge.github_api import listed

if TYPE_CHECKING:
    from github.Deployment import Deployment
    from github.Repository import Repository

MOST = 100  # Deployments of one environment that are looked at: one request
SKEW = timedelta(minutes=10)  # between GitHub's clock and the one that wrote down when the deploy began
LONGEST = 140  # characters of a status' description
RED = frozenset({"failure", "error"})


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a deploy ended, as its host says."""

    environment: str
    sha: str
    run_id: str
    begun: datetime | None
    state: str  # success | failure | error
    description: str  # one plain line
    log_url: str


def mend(repository: Repository, ended: Ended) -> str:
    """Set the status of the deploy's Deployment, where it says something else; return the new state, or nothing.

    What a newer Deployment of the environment replaced stays replaced: an older one never takes its place again.
    """
    if not (ended.sha and ended.run_id.isdigit()):
        return ""
    same = islice(repository.get_deployments(sha=ended.sha, environment=ended.environment), MOST)
    found = _of_run(list(same), ended)
    if found is None:
        return ""
    deployment, states = found
    current = states[0] if states else ""
    wanted = ended.state
    newer = [
        other
        for other in islice(repository.get_deployments(environment=ended.environment), MOST)
        if other.id > deployment.id
    ]
    if current == "inactive":
        return ""
    if wanted == "success" and newer:
        wanted = "inactive"
    if current == wanted or (current in RED and wanted in RED):
        return ""
    extra: dict[str, Any] = {"auto_inactive": False} if newer else {}
    deployment.create_status(wanted, target_url=ended.log_url, description=ended.description[:LONGEST], **extra)
    return wanted


def _of_run(deployments: Sequence[Deployment], ended: Ended) -> tuple[Deployment, list[str]] | None:
    """Return the run's Deployment and its states, the newest first.

    A run that was started again has one for each attempt: the last that was made before the deploy began is ours.
    """
    for deployment in sorted(deployments, key=lambda each: each.id, reverse=True):
        if ended.begun is not None and deployment.created_at > ended.begun + SKEW:
            continue
        statuses = list(islice(deployment.get_statuses(), MOST))
        addresses = [str(listed(status).get(name) or "") for status in statuses for name in ("log_url", "target_url")]
        if _names_run(listed(deployment).get("payload"), addresses, ended.run_id):
            newest_first = sorted(statuses, key=lambda status: status.id, reverse=True)
            return deployment, [status.state for status in newest_first]
    return None


def _names_run(payload: object, addresses: Sequence[str], run_id: str) -> bool:
    if isinstance(payload, dict) and run_id in {str(payload.get(key)) for key in ("run-id", "run_id")}:
        return True
    return any(re.search(rf"/actions/runs/{run_id}(?:/|$)", address) for address in addresses)
