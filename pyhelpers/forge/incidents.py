"""Incidents as GitHub issues: one for each place that is in trouble, opened, updated by comments, closed on recovery.

An issue is known again by a mark in its body, not by its title (people edit those) and not by GitHub's search (it lags
behind by minutes). The mark names the place and the state that was told last, so telling the same twice tells it once.
Anybody may open an issue in a public repository: only those count that a bot or a member wrote.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from pyhelpers.forge.github_api import listed

if TYPE_CHECKING:
    from github.Issue import Issue
    from github.IssueComment import IssueComment
    from github.Repository import Repository

LABEL = "belay-incident"
MOST = 1000  # issues, or comments of one, that are looked at: ten requests
LONGEST = 60_000  # characters; GitHub takes 65,536 in a body
MEMBERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_MARK = re.compile(r"<!-- belay place=([0-9a-f]{24}) state=([0-9a-f]{24}) -->")


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What is told of one place; the texts are finished Markdown without any mark."""

    place: str  # from `place_of`
    state: str  # from `state_of`
    title: str
    text: str
    opens: bool = True  # whether it is reason enough to open an issue; else only one that is open is updated
    since: datetime | None = None  # no issue of this state can be older


def place_of(host: str, path: str, environment: str) -> str:
    """Return the key of a place: an app on a host, for an environment."""
    return _digest(host, path, environment)


def state_of(*words: str) -> str:
    """Return the key of a state: equal words are the same news."""
    return _digest(*words)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def report(repository: Repository, incident: Incident) -> int | None:
    """Tell of an incident, in its open issue or in a new one; return the issue's number, None when there is none to tell in.

    An issue that a person closed in this very state stays closed. Raises what PyGithub raises; run again, it converges.
    """
    found = open_issues(repository, incident.place)
    if not found:
        if not incident.opens or _closed_as_told(repository, incident):
            return None
        made = _create(repository, incident)
        # Another janitor may have done the same at the same moment: the older issue is the one.
        found = open_issues(repository, incident.place) or [made]
    first, *others = found
    for issue in others:
        issue.create_comment(f"The same incident as #{first.number}.")
        issue.edit(state="closed", state_reason="not_planned")
    _tell(first, incident)
    return int(first.number)


def resolve(repository: Repository, incident: Incident) -> list[int]:
    """Close every open issue of the place, with `incident.text` as the last comment; return their numbers."""
    closed = []
    for issue in open_issues(repository, incident.place):
        _tell(issue, incident)
        issue.edit(state="closed", state_reason="completed")
        closed.append(int(issue.number))
    return closed


def open_issues(repository: Repository, place: str) -> list[Issue]:
    """Return the open issues of the place, the oldest first.

    First those with our label; then all, because a token may be allowed to open issues and not to label them.
    """
    for issues in (repository.get_issues(state="open", labels=[LABEL]), repository.get_issues(state="open")):
        first: Iterator[Issue] = islice(issues, MOST)
        found = [issue for issue in first if written_by_us(issue) and (mark := _mark(issue.body)) and mark[1] == place]
        if found:
            return sorted(found, key=lambda issue: issue.number)
    return []


def _closed_as_told(repository: Repository, incident: Incident) -> bool:
    """Whether somebody closed the issue that tells exactly this: a person has seen it, and decides."""
    closed = repository.get_issues(state="closed", since=incident.since or datetime(2008, 1, 1, tzinfo=UTC))
    for issue in islice(closed, MOST):
        mark = _mark(issue.body)
        if mark and mark.groups() == (incident.place, incident.state) and written_by_us(issue):
            return True
    return False


def _create(repository: Repository, incident: Incident) -> Issue:
    from github import GithubException  # noqa: PLC0415  # only where GitHub is told something

    body = _body(incident)
    try:
        return repository.create_issue(incident.title, body, labels=[LABEL])
    except GithubException as error:
        if error.status not in {403, 422}:  # the two refusals of a label
            raise
        return repository.create_issue(incident.title, body)


def _tell(issue: Issue, incident: Incident) -> None:
    """Add what is new as a comment, then write down that it was told; cut off between the two, the comment is found."""
    mark = _mark(issue.body)
    if mark is None or mark[2] == incident.state:
        return
    told = (other for other in islice(issue.get_comments(), MOST) if written_by_us(other))
    if not any((found := _mark(other.body)) and found.groups() == (incident.place, incident.state) for other in told):
        issue.create_comment(_body(incident))
    # The rest of the body may hold notes of people.
    issue.edit(title=incident.title, body=issue.body.replace(mark[0], _written(incident)))


def written_by_us(thing: Issue | IssueComment) -> bool:
    """Whether an issue or a comment was written by a bot or a member, and is no pull request."""
    said = listed(thing)
    author = said.get("user")
    if said.get("pull_request") or not isinstance(author, dict):
        return False
    return author.get("type") == "Bot" or said.get("author_association") in MEMBERS


def _mark(body: str | None) -> re.Match[str] | None:
    """Return the last mark in a text: texts from a host stand before ours."""
    return max(_MARK.finditer(body or ""), key=lambda match: match.start(), default=None)


def _written(incident: Incident) -> str:
    return f"<!-- belay place={incident.place} state={incident.state} -->"


def _body(incident: Incident) -> str:
    text = incident.text
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition("\n")[0] + "\n\nThe rest is cut here; `status` shows it whole.\n"
    return f"{text}\n\n{_written(incident)}\n"
