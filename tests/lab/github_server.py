"""A small stand-in for GitHub's REST API on this machine: GitHub itself can't be had in a test.

It speaks the few endpoints that Belay asks, with the shapes that GitHub documents (REST API, version 2022-11-28: issues,
issue comments, deployments, deployment statuses), and is stricter than GitHub: a path, method, header, query or JSON key
that the documentation doesn't have is an answer of 4xx and a line in `complaints`, which every test looks at. What it
can't show: GitHub's permissions in detail, and how soon a list there shows what was just written.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.lab.github_http import Fault, serving

REPOSITORY = "acme/shop"
TOKEN = "ghs_canaryCanaryCanaryCanaryCanary0123456789"
BOT = {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}
STATES = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
# Body of each write: key -> type, and which must be there.
SHAPES: dict[str, tuple[dict[str, type], set[str]]] = {
    "issue": ({"title": str, "body": str, "labels": list}, {"title"}),
    "edit": ({"title": str, "body": str, "state": str, "state_reason": str}, set()),
    "comment": ({"body": str}, {"body"}),
    "status": (
        {
            "state": str,
            "target_url": str,
            "log_url": str,
            "description": str,
            "environment": str,
            "environment_url": str,
            "auto_inactive": bool,
        },
        {"state"},
    ),
}


@dataclass
class GitHub:
    """The repository as it is, what was complained about, and the faults that the next requests meet."""

    url: str = ""
    labels_allowed: bool = True
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    # The faults, and how the wire behaves: see `github_http`.
    faults: list[tuple[str, str, int, dict[str, Any]]] = field(default_factory=list)
    faults_at: dict[int, Fault] = field(default_factory=dict)
    fault_headers: dict[str, str] = field(default_factory=dict)
    stall: threading.Event = field(default_factory=threading.Event)
    drip: bool = False
    page: int = 100
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.RLock = field(default_factory=threading.RLock)

    def writes(self) -> list[tuple[str, str]]:
        """The requests that were no reads."""
        return [request for request in self.requests if request[0] != "GET"]

    def open_issues(self) -> list[dict[str, Any]]:
        """The issues that are open."""
        return [issue for issue in self.issues if issue["state"] == "open"]

    def add_issue(self, *, title: str, body: str, user: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Put an issue there, as somebody else would."""
        with self.lock:
            number, now = len(self.issues) + 1, stamp()
            issue = {
                "id": next(self._ids),
                "number": number,
                "url": f"{self.url}/repos/{REPOSITORY}/issues/{number}",
                "comments_url": f"{self.url}/repos/{REPOSITORY}/issues/{number}/comments",
                "html_url": f"https://github.com/{REPOSITORY}/issues/{number}",
                "title": title,
                "body": body,
                "state": "open",
                "state_reason": None,
                "user": user or BOT,
                "author_association": "NONE",
                "labels": [],
                "created_at": now,
                "updated_at": now,
                "closed_at": None,
                **more,
            }
            self.issues.append(issue)
            self.comments[number] = []
            return issue

    def add_comment(
        self, issue: int, body: str, *, user: dict[str, Any] | None = None, association: str = "NONE"
    ) -> dict[str, Any]:
        """Put a comment there, as somebody would."""
        with self.lock:
            number = next(self._ids)
            comment = {
                "id": number,
                "url": f"{self.url}/repos/{REPOSITORY}/issues/comments/{number}",
                "user": user or BOT,
                "author_association": association,
                "body": body,
                "created_at": stamp(),
                "updated_at": stamp(),
            }
            self.comments[issue].append(comment)
            return comment

    def add_deployment(
        self,
        *,
        sha: str,
        environment: str,
        run_id: str = "",
        state: str = "",
        payload: object = "",
        created_at: str = "",
    ) -> int:
        """Put a Deployment there, as a job with an `environment:` does; return its id."""
        with self.lock:
            number = next(self._ids)
            self.deployments.append(
                {
                    "id": number,
                    "url": f"{self.url}/repos/{REPOSITORY}/deployments/{number}",
                    "statuses_url": f"{self.url}/repos/{REPOSITORY}/deployments/{number}/statuses",
                    "sha": sha,
                    "ref": "main",
                    "task": "deploy",
                    "environment": environment,
                    "payload": payload,
                    "creator": BOT,
                    "created_at": created_at or stamp(),
                    "updated_at": created_at or stamp(),
                }
            )
            self.statuses[number] = []
            if state:
                address = f"https://github.com/{REPOSITORY}/actions/runs/{run_id}/job/77" if run_id else ""
                self._add_status(number, {"state": state, "log_url": address, "target_url": address})
            return number

    def state(self, deployment: int) -> str:
        """The state that GitHub shows of a Deployment."""
        return str(self.statuses[deployment][0]["state"]) if self.statuses[deployment] else ""

    def _add_status(self, deployment: int, given: dict[str, Any]) -> dict[str, Any]:
        status = {"id": next(self._ids), "creator": BOT, "description": "", "created_at": stamp(), **given}
        status.setdefault("log_url", given.get("target_url", ""))
        if given["state"] == "success" and given.get("auto_inactive", True):
            environment = next(each["environment"] for each in self.deployments if each["id"] == deployment)
            for other in self.deployments:
                if (
                    other["id"] != deployment
                    and other["environment"] == environment
                    and self.state(other["id"]) == "success"
                ):
                    self.statuses[other["id"]].insert(0, {**status, "id": next(self._ids), "state": "inactive"})
        self.statuses[deployment].insert(0, status)
        return status

    # --- what a request does ------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: object) -> tuple[int, Any]:
        """Return the status and the JSON of one request."""
        prefix = f"/repos/{REPOSITORY}"
        for (verb, pattern), route in self.routes().items():
            match = re.fullmatch(re.escape(prefix) + pattern, path)
            if match and verb == method:
                return route(query, body, *(int(word) if word.isdigit() else word for word in match.groups()))
        return self.refuse(404, f"{method} {path}")

    def routes(self) -> dict[tuple[str, str], Callable[..., tuple[int, Any]]]:
        """Return what answers which request."""
        return {
            ("GET", r"/issues"): self._list_issues,
            ("POST", r"/issues"): self._create_issue,
            ("PATCH", r"/issues/(\d+)"): self._edit_issue,
            ("GET", r"/issues/(\d+)/comments"): self._list_comments,
            ("POST", r"/issues/(\d+)/comments"): self._create_comment,
            ("PATCH", r"/issues/comments/(\d+)"): self._edit_comment,
            ("DELETE", r"/issues/comments/(\d+)"): self._delete_comment,
            ("GET", r"/deployments"): self._list_deployments,
            ("GET", r"/deployments/(\d+)/statuses"): self._list_statuses,
            ("POST", r"/deployments/(\d+)/statuses"): self._create_status,
        }

    def refuse(self, status: int, why: str) -> tuple[int, Any]:
        """Complain, and return the answer that says so."""
        self.complaints.append(why)
        return status, {"message": why, "documentation_url": "https://docs.github.com/rest"}

    def _shaped(self, kind: str, body: object) -> str:
        known, needed = SHAPES[kind]
        if not isinstance(body, dict):
            return f"{kind}: no JSON object"
        wrong = [key for key, value in body.items() if key not in known or not isinstance(value, known[key])]
        if wrong or not needed <= set(body):
            return f"{kind}: {wrong or 'incomplete'}"
        too_long = len(str(body.get("body", ""))) > 65536 or len(str(body.get("title", ""))) > 256
        return f"{kind}: too long" if too_long or len(str(body.get("description", ""))) > 140 else ""

    def _list_issues(self, query: dict[str, str], _body: object) -> tuple[int, Any]:
        if set(query) - {"state", "labels", "since", "per_page", "page", "sort", "direction"}:
            return self.refuse(422, f"issues?{urlencode(query)}")
        found = [issue for issue in reversed(self.issues) if query.get("state", "open") in {issue["state"], "all"}]
        if query.get("labels"):
            wanted = set(query["labels"].split(","))
            found = [issue for issue in found if wanted <= {label["name"] for label in issue["labels"]}]
        return 200, [issue for issue in found if issue["updated_at"] >= query.get("since", "")]

    def _create_issue(self, _query: dict[str, str], body: Any) -> tuple[int, Any]:
        if wrong := self._shaped("issue", body):
            return self.refuse(422, wrong)
        # "Only users with push access can set labels for new issues. Labels are silently dropped otherwise."
        labels = [{"name": name} for name in body.get("labels", [])] if self.labels_allowed else []
        return 201, self.add_issue(title=body["title"], body=body.get("body"), labels=labels)

    def _edit_issue(self, _query: dict[str, str], body: Any, number: int) -> tuple[int, Any]:
        if wrong := self._shaped("edit", body):
            return self.refuse(422, wrong)
        issue = self.issues[number - 1]
        issue.update(body, updated_at=stamp())
        return 200, issue

    def _list_comments(self, _query: dict[str, str], _body: object, number: int) -> tuple[int, Any]:
        return 200, self.comments[number]

    def _create_comment(self, _query: dict[str, str], body: Any, number: int) -> tuple[int, Any]:
        if wrong := self._shaped("comment", body):
            return self.refuse(422, wrong)
        return 201, self.add_comment(number, body["body"])

    def _comment(self, number: int) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == number:
                    return comments, comment
        return None

    def _edit_comment(self, _query: dict[str, str], body: Any, number: int) -> tuple[int, Any]:
        if wrong := self._shaped("comment", body):
            return self.refuse(422, wrong)
        if not (found := self._comment(number)):
            return 404, {"message": "Not Found"}
        found[1].update(body, updated_at=stamp())
        return 200, found[1]

    def _delete_comment(self, _query: dict[str, str], _body: object, number: int) -> tuple[int, Any]:
        if not (found := self._comment(number)):
            return 404, {"message": "Not Found"}
        found[0].remove(found[1])
        return 204, None

    def _list_deployments(self, query: dict[str, str], _body: object) -> tuple[int, Any]:
        if set(query) - {"sha", "ref", "task", "environment", "per_page", "page"}:
            return self.refuse(422, f"deployments?{urlencode(query)}")
        return 200, [
            each
            for each in reversed(self.deployments)
            if all(each[name] == query[name] for name in ("sha", "environment") if name in query)
        ]

    def _list_statuses(self, _query: dict[str, str], _body: object, number: int) -> tuple[int, Any]:
        return 200, self.statuses[number]

    def _create_status(self, _query: dict[str, str], body: Any, number: int) -> tuple[int, Any]:
        wrong = self._shaped("status", body)
        if wrong or body["state"] not in STATES:
            return self.refuse(422, wrong or f"status: {body['state']}")
        return 201, self._add_status(number, body)


def stamp() -> str:
    """Return the time as GitHub writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def running_github() -> AbstractContextManager[GitHub]:
    """Serve a repository without issues and Deployments on a free port of 127.0.0.1 for a `with` block."""
    return serving(GitHub(), TOKEN)
