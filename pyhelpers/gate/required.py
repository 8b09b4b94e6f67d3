"""Whether a merge really waits for the gate's check: GitHub's rules for the branch, read by whatever the token may read.

Two systems say what a branch requires, and both hold: rulesets (of the repository and its organization), and the classic
branch protection. What can't be read is told as unknown, with the permission that is missing. All of it is reported and
decides nothing: a gate that nobody waits for can't make anybody wait by failing, and who sent the change can't mend it.

Sources: GitHub's REST reference, "Rules" (evaluated and disabled rulesets are left out of a branch's rules; who may bypass
one is shown to those who may change it) and "Branch protection"; "About status checks" (skipped and neutral count as passed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyhelpers.errors import ForgeFailed
from pyhelpers.forge.github_api import PAUSE_SECONDS, ask
from pyhelpers.forge.permissions import (
    ADMINISTRATION_READ,
    ADMINISTRATION_WRITE,
    CHECKS_READ,
    CONTENTS_READ,
    METADATA_READ,
    Permission,
)
from pyhelpers.gate.bypass import Bypass

if TYPE_CHECKING:
    from github.Repository import Repository

PAGE = 100
MOST_PAGES = 10
ANY_APP = frozenset({None, -1})  # what the two systems say of a check that any app may write
PASSED_UNSEEN = frozenset({"skipped", "neutral"})
NO_PLAN = (
    "Upgrade to GitHub"  # GitHub's words where the plan has no rules for private repositories: there are none then
)


@dataclass(frozen=True, kw_only=True)
class _Demand:
    """One place that requires the check."""

    where: str
    app: int | None  # the one that has to write it
    strict: bool | None  # whether the branch must be up to date; None where it isn't known


def audit_required(
    repository: Repository, *, branch: str, check_name: str, pause: float = PAUSE_SECONDS
) -> list[Bypass]:
    """Return what keeps the check `check_name` from being waited for in merges to `branch`; all of it as "report".

    An answer that GitHub doesn't give is one of the findings (`required-unknown`), and raises nothing.
    """
    audit = _Audit(repository=repository, branch=branch, name=check_name, pause=pause)
    return list(audit.findings())


def has_merge_queue(repository: Repository, *, branch: str, pause: float = PAUSE_SECONDS) -> bool:
    """Return whether rules put a merge queue before the branch; False where they can't be read."""
    try:
        rules = ask(partial(_pages, repository, _rules_of(branch)), pause=pause, needs=METADATA_READ)
    except ForgeFailed:
        return False
    return any(rule.get("type") == "merge_queue" for rule in rules)


@dataclass(frozen=True, kw_only=True)
class _Audit:
    repository: Repository
    branch: str
    name: str
    pause: float

    def findings(self) -> Iterator[Bypass]:
        """Yield what is to be told, the most important first."""
        unknown: list[Bypass] = []
        rules = self._read(partial(_pages, self.repository, _rules_of(self.branch)), METADATA_READ, "rules", unknown)
        path = f"/branches/{quote(self.branch, safe='')}"
        summary = self._read(partial(_get, self.repository, path), CONTENTS_READ, "protection", unknown)
        demands = [*_of_rules(rules or [], self.name), *_of_summary(summary or {}, self.name)]
        if not demands and not unknown:
            yield from self._not_required(rules, summary, unknown)
        elif demands:
            yield from self._loopholes(demands, rules or [], summary or {}, unknown)
        yield from self._skipped(unknown)
        yield from unknown

    def _read(self, work: Callable[[], Any], needs: Permission, what: str, unknown: list[Bypass]) -> Any:  # noqa: ANN401  # GitHub's JSON
        """Return GitHub's answer; None where it gives none, and then a finding stands in `unknown`."""
        try:
            return ask(work, pause=self.pause, needs=needs)
        except ForgeFailed as error:
            if NO_PLAN not in error.message:
                text = f"It isn't known what the {what} of {self.branch} say: {error.message.rstrip('.')}."
                unknown.append(_finding("required-unknown", text, error.remedy))
            return None

    def _not_required(self, rules: Any, summary: Any, unknown: list[Bypass]) -> Iterator[Bypass]:  # noqa: ANN401  # GitHub's JSON
        path = "/rulesets?includes_parents=true&targets=branch"
        rulesets = self._read(partial(_pages, self.repository, path), METADATA_READ, "rulesets", unknown) or []
        for ruleset in rulesets:
            if ruleset.get("enforcement") == "active":
                continue
            whole = self._ruleset(ruleset.get("id"), unknown)
            if whole and any(_demanded(rule, self.name) for rule in whole.get("rules") or []):
                yield _finding(
                    "required-not-enforced",
                    f"The ruleset {whole.get('name')} would require {self.name}, and is {whole.get('enforcement')}: "
                    "nothing waits for it.",
                    "Set its enforcement to active.",
                )
        others = sorted({*_contexts(rules or []), *_summary_contexts(summary or {})})
        also = f" Required are: {', '.join(others)[:300]}; the names must be equal." if others else ""
        yield _finding(
            "required-not",
            f"No rule of {self.branch} requires the check {self.name}: a merge doesn't wait for it.{also}",
            f"Require the status check {self.name} in a ruleset for {self.branch}, with GitHub Actions as its source.",
        )

    def _ruleset(self, number: object, unknown: list[Bypass]) -> dict[str, Any] | None:
        path = f"/rulesets/{number}?includes_parents=true"
        found = self._read(partial(_get, self.repository, path), METADATA_READ, "rulesets", unknown)
        return found if isinstance(found, dict) else None

    def _loopholes(
        self, demands: list[_Demand], rules: list[dict[str, Any]], summary: dict[str, Any], unknown: list[Bypass]
    ) -> Iterator[Bypass]:
        by_rules = {rule.get("ruleset_id") for rule in rules if _demanded(rule, self.name)}
        classic = {} if by_rules else self._classic(unknown)
        strict = (classic.get("required_status_checks") or {}).get("strict")
        if all(demand.app in ANY_APP for demand in demands):
            yield _finding(
                "required-not-pinned",
                f"The check {self.name} may be written by anybody who may write to the repository: its source isn't pinned.",
                "Choose GitHub Actions as the source of the required check.",
            )
        if strict is False or all(demand.strict is False for demand in demands):
            yield _finding(
                "required-not-strict",
                f"{self.branch} may have moved on since {self.name} was green: branches needn't be up to date.",
                "Require branches to be up to date before merging, or use a merge queue.",
            )
        if by_rules:
            for number in sorted(by_rules, key=str):
                yield from self._actors(number, unknown)
        elif _exempt(classic, summary):
            yield _finding(
                "required-not-for-admins",
                f"The protection of {self.branch} doesn't hold for administrators: they may merge past {self.name}.",
                "Switch on “Do not allow bypassing the above settings”.",
            )
        queue = next((rule.get("parameters") or {} for rule in rules if rule.get("type") == "merge_queue"), {})
        if queue.get("grouping_strategy") == "HEADGREEN":
            yield _finding(
                "required-head-only",
                f"The merge queue of {self.branch} looks at the last change of a group only; one before it may be red.",
                "Set the queue to require that all of its changes pass.",
            )

    def _classic(self, unknown: list[Bypass]) -> dict[str, Any]:
        """Return the classic protection as only some may see it; nothing where this token may not."""
        path = f"/branches/{quote(self.branch, safe='')}/protection"
        whole = self._read(partial(_get, self.repository, path), ADMINISTRATION_READ, "protection's details", unknown)
        return whole if isinstance(whole, dict) else {}

    def _actors(self, number: object, unknown: list[Bypass]) -> Iterator[Bypass]:
        ruleset = self._ruleset(number, unknown)
        if ruleset is None:
            return
        if "bypass_actors" not in ruleset:
            unknown.append(
                _finding(
                    "required-unknown",
                    f"It isn't known who may bypass the ruleset {ruleset.get('name')}: GitHub shows it to those only who may "
                    "change it.",
                    ADMINISTRATION_WRITE.remedy(403),
                )
            )
            return
        actors = [_named(actor) for actor in ruleset["bypass_actors"] or []]
        if actors:
            yield _finding(
                "required-bypass-actors",
                f"The ruleset {ruleset.get('name')} may be bypassed by {', '.join(actors)[:300]}.",
                "Take them off its bypass list, or let them bypass it by pull requests only.",
            )

    def _skipped(self, unknown: list[Bypass]) -> Iterator[Bypass]:
        path = f"/commits/{quote(self.branch, safe='')}/check-runs?check_name={quote(self.name, safe='')}"
        found = self._read(partial(_get, self.repository, path), CHECKS_READ, "check runs", unknown)
        runs = (found or {}).get("check_runs") or []
        for run in runs:
            if run.get("conclusion") in PASSED_UNSEEN:
                yield _finding(
                    "required-skipped",
                    f"On {self.branch} the check {self.name} is {run.get('conclusion')}, and that counts as passed.",
                    "Let the check be written by the gate itself (its `token` and `check-run`), not by a job that may be skipped.",
                )


def _finding(rule: str, what: str, remedy: str) -> Bypass:
    return Bypass(rule=rule, severity="report", place="", what=what, remedy=remedy)


def _rules_of(branch: str) -> str:
    return f"/rules/branches/{quote(branch, safe='')}"


def _get(repository: Repository, path: str) -> Any:  # noqa: ANN401  # GitHub's JSON
    _headers, data = repository.requester.requestJsonAndCheck("GET", f"{repository.url}{path}")
    return data


def _pages(repository: Repository, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    sign = "&" if "?" in path else "?"
    for page in count(1):
        part = _get(repository, f"{path}{sign}per_page={PAGE}&page={page}")
        if not isinstance(part, list):
            raise TypeError(path)
        found += [each for each in part if isinstance(each, dict)]
        if len(part) < PAGE or page == MOST_PAGES:
            break
    return found


def _checks(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the checks that a rule requires."""
    if rule.get("type") != "required_status_checks":
        return []
    checks = (rule.get("parameters") or {}).get("required_status_checks")
    return [check for check in checks or [] if isinstance(check, dict)]


def _demanded(rule: dict[str, Any], name: str) -> bool:
    return any(check.get("context") == name for check in _checks(rule))


def _contexts(rules: list[dict[str, Any]]) -> set[str]:
    return {str(check.get("context")) for rule in rules for check in _checks(rule)}


def _of_rules(rules: list[dict[str, Any]], name: str) -> Iterator[_Demand]:
    for rule in rules:
        for check in _checks(rule):
            if check.get("context") == name:
                strict = (rule.get("parameters") or {}).get("strict_required_status_checks_policy")
                where = f"{rule.get('ruleset_source')}, ruleset {rule.get('ruleset_id')}"
                yield _Demand(where=where, app=check.get("integration_id"), strict=bool(strict))


def _summary_checks(summary: dict[str, Any]) -> dict[str, Any]:
    protection = summary.get("protection") or {}
    checks = protection.get("required_status_checks") or {}
    return checks if protection.get("enabled") and checks.get("enforcement_level") != "off" else {}


def _summary_contexts(summary: dict[str, Any]) -> set[str]:
    checks = _summary_checks(summary)
    return {*(checks.get("contexts") or []), *(str(check.get("context")) for check in checks.get("checks") or [])}


def _of_summary(summary: dict[str, Any], name: str) -> Iterator[_Demand]:
    if name in _summary_contexts(summary):
        named = [check for check in _summary_checks(summary).get("checks") or [] if check.get("context") == name]
        app = next((check.get("app_id") for check in named), None)
        yield _Demand(where="branch protection", app=app, strict=None)


def _exempt(classic: dict[str, Any], summary: dict[str, Any]) -> bool:
    """Whether administrators are exempt from the classic protection, as far as either of its views shows."""
    admins = classic.get("enforce_admins")
    if isinstance(admins, dict):
        return not admins.get("enabled")
    return bool(_summary_checks(summary).get("enforcement_level") == "non_admins")


def _named(actor: dict[str, Any]) -> str:
    kind = {"OrganizationAdmin": "the organization's administrators", "DeployKey": "deploy keys"}.get(
        str(actor.get("actor_type")), f"{actor.get('actor_type')} {actor.get('actor_id')}"
    )
    return kind if actor.get("bypass_mode") == "always" else f"{kind} (by {actor.get('bypass_mode')})"
