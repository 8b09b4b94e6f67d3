"""Which commit a run is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhelpers.errors import BadInput
from pyhelpers.gate.history import Repository
from pyhelpers.runner.environment import Runner

_FETCH = "Check out with `fetch-depth: 0`, so that the commit is there to be compared with."
_NO_COMMIT = "0" * 40


@dataclass(frozen=True, kw_only=True)
class Event:
    """What set the workflow off, as far as the gate needs it."""

    name: str = ""
    pull_request: int = 0  # its number; 0: none
    head_sha: str = ""  # the commit that people see the verdict on
    base_sha: str = ""  # the commit that the event itself names
    default_branch: str = ""
    branch: str = ""  # the branch that the change goes into, or that was pushed to


def event_of(runner: Runner) -> Event:
    """Return the event of this run; an empty one off GitHub. Raises `BadInput` for a payload that can't be read."""
    payload = _payload(runner.event_path)
    default = str(_get(payload, "repository", "default_branch") or "")
    if pull := payload.get("pull_request"):
        return Event(
            name=runner.event_name,
            pull_request=_number(_get(pull, "number")),
            head_sha=str(_get(pull, "head", "sha") or runner.sha),
            base_sha=str(_get(pull, "base", "sha") or ""),
            default_branch=default,
            branch=str(_get(pull, "base", "ref") or ""),
        )
    if group := payload.get("merge_group"):
        return Event(
            name=runner.event_name,
            head_sha=str(_get(group, "head_sha") or runner.sha),
            base_sha=str(_get(group, "base_sha") or ""),
            default_branch=default,
            branch=str(_get(group, "base_ref") or "").removeprefix("refs/heads/"),
        )
    before = str(payload.get("before") or "")
    return Event(
        name=runner.event_name,
        head_sha=runner.sha,
        base_sha="" if before == _NO_COMMIT else before,
        default_branch=default,
        branch=runner.ref.removeprefix("refs/heads/"),
    )


def base_commit(repository: Repository, event: Event, given: str) -> str | None:
    """Return the commit to compare with, or None where there is nothing before this one.

    An input wins. A pull request is compared with the commit that GitHub merged it into (the merge commit's first
    parent), or else with where it left its base; a merge group with its base; a push to the default branch with what was
    there before; any other run with where it left the default branch. Raises `BadInput` when the checkout lacks it: a
    comparison that silently doesn't happen would let everything through.
    """
    head = repository.commit("HEAD")
    if head is None:
        raise BadInput("working-directory", "the checkout has no commit yet", remedy="Commit first.")
    if given:
        base = _left(repository, head, given, "base-ref")
        own = repository.commit(event.base_sha) if event.pull_request else None
        if own and repository.merge_base(base, own) != base:
            raise BadInput(
                "base-ref",
                f"{given} is a commit of the change itself, so most of it would not be compared",
                remedy="Leave it out: the pull request's base is known.",
            )
        return base
    if event.pull_request and event.base_sha:
        parents = repository.parents(head)
        if head != event.head_sha and len(parents) == 2:  # noqa: PLR2004  # GitHub's own merge of head into base
            return parents[0]
        return _left(repository, head, event.base_sha, "base-ref")
    if event.base_sha and (event.name == "merge_group" or event.branch == event.default_branch):
        return _left(repository, head, event.base_sha, "base-ref")
    return _from_default(repository, head, event)


def _from_default(repository: Repository, head: str, event: Event) -> str | None:
    names = [event.default_branch] if event.default_branch else ["HEAD", "main", "master"]
    for name in names:
        for reference in (f"refs/remotes/origin/{name}", f"refs/heads/{name}" if name != "HEAD" else ""):
            tip = repository.commit(reference) if reference else None
            if tip is None:
                continue
            base = repository.merge_base(head, tip)
            if base and base != head:
                return base
            if base is None and event.default_branch and event.branch != event.default_branch:
                raise BadInput(
                    "base-ref", f"{name} and the checked-out commit have no history in common", remedy=_FETCH
                )
            return _before(repository, head)
    if event.default_branch and event.branch != event.default_branch:
        raise BadInput("base-ref", f"the checkout doesn't have the branch {event.default_branch}", remedy=_FETCH)
    return _before(repository, head)


def _before(repository: Repository, head: str) -> str | None:
    parents = repository.parents(head)
    return parents[0] if parents else None


def _left(repository: Repository, head: str, revision: str, name: str) -> str:
    tip = repository.commit(revision) or repository.commit(f"refs/remotes/origin/{revision}")
    if tip is None:
        raise BadInput(name, f"the checkout doesn't have the commit {revision}", remedy=_FETCH)
    base = repository.merge_base(head, tip)
    if base is None:
        raise BadInput(name, f"{revision} and the checked-out commit have no history in common", remedy=_FETCH)
    return base


def _payload(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput("GITHUB_EVENT_PATH", "the event's payload can't be read") from error
    return document if isinstance(document, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _get(document: Mapping[str, Any], *keys: str) -> object:
    value: object = document
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
