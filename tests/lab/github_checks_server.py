"""The stand-in for GitHub's REST API, with what a merge gate asks: check runs, rules, rulesets, branch protection.

GitHub itself can't be had in a test. Shapes and limits are those of GitHub's OpenAPI description (version 2022-11-28):
checks/create, checks/update, checks/list-for-ref, repos/get-branch-rules, repos/get-repo-rulesets, repos/get-repo-ruleset,
repos/get-branch, repos/get-branch-protection. As its base, it is stricter than GitHub: what isn't documented is refused and
complained about. What it can't show: which of two check runs of one name GitHub lets decide, how soon a list shows what was
written, and what GitHub does to texts that it takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.lab.github_http import serving
from tests.lab.github_server import REPOSITORY, TOKEN, GitHub, stamp

SHA = "4f0c1d2e3b5a69788796a5b4c3d2e1f001122334"
ACTIONS = {"id": 15368, "slug": "github-actions", "name": "GitHub Actions"}
OTHER_APP = {"id": 99, "slug": "another-app", "name": "Another app"}
STATUSES = {"queued", "in_progress", "completed"}
CONCLUSIONS = {"action_required", "cancelled", "failure", "neutral", "skipped", "success", "timed_out"}
LEVELS = {"notice", "warning", "failure"}
RUN: dict[str, type] = {
    "name": str,
    "head_sha": str,
    "details_url": str,
    "external_id": str,
    "status": str,
    "started_at": str,
    "conclusion": str,
    "completed_at": str,
    "output": dict,
    "actions": list,
}
OUTPUT: dict[str, type] = {"title": str, "summary": str, "text": str, "annotations": list, "images": list}
ANNOTATION: dict[str, type] = {
    "path": str,
    "start_line": int,
    "end_line": int,
    "start_column": int,
    "end_column": int,
    "annotation_level": str,
    "message": str,
    "title": str,
    "raw_details": str,
}
FORBIDDEN = {"message": "Resource not accessible by integration"}
NOT_FOUND = {"message": "Not Found"}


@dataclass
class GitHubChecks(GitHub):
    """The repository with its check runs, and with the rules for its branches."""

    check_runs: list[dict[str, Any]] = field(default_factory=list)
    annotations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    commits: set[str] = field(default_factory=lambda: {SHA})
    renames: bool = True  # whether a PATCH with a name gives a check run that name
    # What the token may: GitHub answers 403 to a read of administration without it.
    permissions: set[str] = field(default_factory=lambda: {"checks", "comments", "administration"})
    rules: list[dict[str, Any]] = field(default_factory=list)  # of the branch main, those in force
    rulesets: list[dict[str, Any]] = field(default_factory=list)  # as a read of one of them gives them
    protection: dict[str, Any] | None = None  # the classic one of the branch main

    def named(self, name: str) -> list[dict[str, Any]]:
        """The check runs that bear a name."""
        return [run for run in self.check_runs if run["name"] == name]

    def add_check_run(self, *, app: dict[str, Any] | None = None, **said: Any) -> dict[str, Any]:
        """Put a check run there, as a job or an app does."""
        with self.lock:
            number = next(self._ids)
            address = f"{self.url}/repos/{REPOSITORY}/check-runs/{number}"
            run: dict[str, Any] = {
                "id": number,
                "url": address,
                "html_url": f"https://github.com/{REPOSITORY}/runs/{number}",
                "head_sha": SHA,
                "external_id": "",
                "details_url": "",
                "status": "queued",
                "conclusion": None,
                "started_at": stamp(),
                "completed_at": None,
                "app": app or ACTIONS,
                "pull_requests": [],
                "output": {
                    "title": None,
                    "summary": None,
                    "text": None,
                    "annotations_count": 0,
                    "annotations_url": f"{address}/annotations",
                },
            }
            self.check_runs.append(run)
            self.annotations[number] = []
            self._change(run, said)
            return run

    def _change(self, run: dict[str, Any], said: dict[str, Any]) -> None:
        output = dict(said.get("output", {}))
        self.annotations[run["id"]] += output.pop("annotations", [])
        run["output"].update(output, annotations_count=len(self.annotations[run["id"]]))
        run.update({key: value for key, value in said.items() if key not in {"output", "actions"}})
        if "conclusion" in said:  # "Providing conclusion will automatically set the status parameter to completed."
            run.update(status="completed", completed_at=stamp())
        if run["status"] != "completed":
            run.update(conclusion=None, completed_at=None)

    def routes(self) -> dict[tuple[str, str], Callable[..., tuple[int, Any]]]:
        """Return what answers which request."""
        return {
            **super().routes(),
            ("GET", r"/commits/([^/]+)/check-runs"): self._list_runs,
            ("POST", r"/check-runs"): self._create_run,
            ("GET", r"/check-runs/(\d+)"): self._get_run,
            ("PATCH", r"/check-runs/(\d+)"): self._edit_run,
            ("GET", r"/rules/branches/([^/]+)"): self._list_rules,
            ("GET", r"/rulesets"): self._list_rulesets,
            ("GET", r"/rulesets/(\d+)"): self._get_ruleset,
            ("GET", r"/branches/([^/]+)"): self._get_branch,
            ("GET", r"/branches/([^/]+)/protection"): self._get_protection,
        }

    # --- check runs ---------------------------------------------------------------------------------------------------

    def _list_runs(self, query: dict[str, str], _body: object, ref: str) -> tuple[int, Any]:
        if set(query) - {"check_name", "status", "filter", "app_id", "per_page", "page"}:
            return self.refuse(422, f"check-runs?{query}")
        if "checks" not in self.permissions and "checks:read" not in self.permissions:
            return 403, FORBIDDEN
        if ref not in self.commits | {"main"}:
            return 422, {"message": f"No commit found for SHA: {ref}"}
        runs = [run for run in reversed(self.check_runs) if ref in {run["head_sha"], "main"}]
        for key, value in {"name": query.get("check_name"), "status": query.get("status")}.items():
            runs = [run for run in runs if value in {None, run[key]}]
        runs = [run for run in runs if query.get("app_id", str(run["app"]["id"])) == str(run["app"]["id"])]
        if query.get("filter", "latest") == "latest":
            runs = list({(run["name"], run["app"]["id"]): run for run in reversed(runs)}.values())
        return 200, {"total_count": len(runs), "check_runs": runs}

    def _create_run(self, _query: dict[str, str], body: Any) -> tuple[int, Any]:
        if "checks" not in self.permissions:
            return 403, FORBIDDEN
        if wrong := wrong_run(body, {"name", "head_sha"}, {"title", "summary"}):
            return self.refuse(422, wrong)
        if body["head_sha"] not in self.commits:
            return 422, {"message": f"No commit found for SHA: {body['head_sha']}"}
        return 201, self.add_check_run(**body)

    def _run(self, number: int) -> dict[str, Any] | None:
        return next((run for run in self.check_runs if run["id"] == number), None)

    def _get_run(self, _query: dict[str, str], _body: object, number: int) -> tuple[int, Any]:
        run = self._run(number)
        return (200, run) if run else (404, NOT_FOUND)

    def _edit_run(self, _query: dict[str, str], body: Any, number: int) -> tuple[int, Any]:
        run = self._run(number)
        if "checks" not in self.permissions or (run and run["app"] != ACTIONS):
            return 403, FORBIDDEN
        if wrong := wrong_run(body, set(), {"summary"}):
            return self.refuse(422, wrong)
        if run is None:
            return 404, NOT_FOUND
        self._change(run, body if self.renames else {key: value for key, value in body.items() if key != "name"})
        return 200, run

    # --- comments -----------------------------------------------------------------------------------------------------

    def _create_comment(self, query: dict[str, str], body: Any, number: int) -> tuple[int, Any]:
        if "comments" not in self.permissions:
            return 403, FORBIDDEN
        return super()._create_comment(query, body, number)

    # --- rules --------------------------------------------------------------------------------------------------------

    def _list_rules(self, query: dict[str, str], _body: object, _branch: str) -> tuple[int, Any]:
        if set(query) - {"per_page", "page"}:
            return self.refuse(422, f"rules?{query}")
        return 200, self.rules

    def _list_rulesets(self, query: dict[str, str], _body: object) -> tuple[int, Any]:
        if set(query) - {"per_page", "page", "includes_parents", "targets"}:
            return self.refuse(422, f"rulesets?{query}")
        parts = {"id", "name", "target", "source_type", "source", "enforcement"}
        return 200, [{key: value for key, value in each.items() if key in parts} for each in self.rulesets]

    def _get_ruleset(self, query: dict[str, str], _body: object, number: int) -> tuple[int, Any]:
        if set(query) - {"includes_parents"}:
            return self.refuse(422, f"ruleset?{query}")
        found = next((each for each in self.rulesets if each["id"] == number), None)
        if found is None:
            return 404, NOT_FOUND
        # GitHub on bypass_actors: "This property is only returned if the user making the API request has write access".
        hidden = set() if "administration" in self.permissions else {"bypass_actors"}
        return 200, {key: value for key, value in found.items() if key not in hidden}

    def _get_branch(self, _query: dict[str, str], _body: object, branch: str) -> tuple[int, Any]:
        if branch != "main":
            return 404, {"message": "Branch not found"}
        classic = self.protection or {}
        checks = classic.get("required_status_checks") or {}
        everyone = classic.get("enforce_admins", {}).get("enabled")
        level = ("everyone" if everyone else "non_admins") if checks else "off"
        summary = {
            "enabled": self.protection is not None,
            "required_status_checks": {
                "enforcement_level": level,
                "contexts": checks.get("contexts", []),
                "checks": checks.get("checks", []),
            },
        }
        return 200, {
            "name": branch,
            "commit": {"sha": SHA, "url": f"{self.url}/repos/{REPOSITORY}/commits/{SHA}"},
            "protected": bool(self.protection or self.rules),
            "protection": summary,
            "protection_url": f"{self.url}/repos/{REPOSITORY}/branches/{branch}/protection",
        }

    def _get_protection(self, _query: dict[str, str], _body: object, _branch: str) -> tuple[int, Any]:
        if "administration" not in self.permissions:
            return 403, FORBIDDEN
        return (200, self.protection) if self.protection is not None else (404, {"message": "Branch not protected"})


def wrong_run(body: object, needed: set[str], needed_output: set[str]) -> str:
    """Return what the documentation doesn't allow in the body of a check run's POST or PATCH; nothing where it is right."""
    if wrong := wrong_keys("check run", body, RUN, needed):
        return wrong
    assert isinstance(body, dict)
    status, conclusion = body.get("status", "queued"), body.get("conclusion", "success")
    rules = {
        f"{status} {conclusion}": status in STATUSES and conclusion in CONCLUSIONS,
        "completed and no conclusion, or the other way round": (status == "completed") == ("conclusion" in body),
        "head_sha": re.fullmatch(r"[0-9a-f]{40}", body.get("head_sha", SHA)),
        "details_url": re.match(r"https?://", body.get("details_url", "https://")),
    }
    broken = next((f"check run: {rule}" for rule, kept in rules.items() if not kept), "")
    return broken or (wrong_output(body["output"], needed_output) if "output" in body else "")


def wrong_output(output: object, needed: set[str]) -> str:
    """Return what the documentation doesn't allow in the output of a check run."""
    if wrong := wrong_keys("output", output, OUTPUT, needed):
        return wrong
    assert isinstance(output, dict)
    if max(len(output["summary"]), len(output.get("text", ""))) > 65535 or not output["summary"].strip():
        return "output: too long, or blank"
    annotations = output.get("annotations", [])
    if len(annotations) > 50:
        return f"annotations exceeds a maximum quantity of 50: {len(annotations)}"
    return next((wrong for each in annotations if (wrong := wrong_annotation(each))), "")


def wrong_annotation(annotation: object) -> str:
    """Return what the documentation doesn't allow in an annotation; any path will do, in the repository or not."""
    needed = {"path", "start_line", "end_line", "annotation_level", "message"}
    if wrong := wrong_keys("annotation", annotation, ANNOTATION, needed):
        return wrong
    assert isinstance(annotation, dict)
    start, end = annotation["start_line"], annotation["end_line"]
    sizes = [len(annotation.get(key, "").encode("utf-8", "surrogatepass")) for key in ("message", "raw_details")]
    text = "".join(value for value in annotation.values() if isinstance(value, str))
    rules = {
        annotation["annotation_level"]: annotation["annotation_level"] in LEVELS,
        f"lines {start} to {end}": 1 <= start <= end,
        "columns over several lines": start == end or not {"start_column", "end_column"} & set(annotation),
        "too long": max(sizes) <= 64 * 1024 and len(annotation.get("title", "")) <= 255,
        "a character that is none": not re.search("[\0\ud800-\udfff]", text),
        "blank": annotation["message"].strip() and annotation["path"].strip("/"),
    }
    return next((f"annotation: {rule}" for rule, kept in rules.items() if not kept), "")


def wrong_keys(kind: str, body: object, known: dict[str, type], needed: set[str]) -> str:
    """Return which keys are unknown, of another type, or missing."""
    if not isinstance(body, dict):
        return f"{kind}: no JSON object"
    wrong = [key for key, value in body.items() if key not in known or type(value) is not known[key]]
    missing = sorted(needed - set(body))
    return f"{kind}: {wrong} {missing}" if wrong or missing else ""


def running_checks() -> AbstractContextManager[GitHubChecks]:
    """Serve a repository without check runs and rules on a free port of 127.0.0.1 for a `with` block."""
    return serving(GitHubChecks(), TOKEN)
