from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyhelpers.forge import github_api
from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.required import audit_required, has_merge_queue
from tests.lab.github_checks_server import GitHubChecks
from tests.lab.github_server import REPOSITORY, TOKEN

if TYPE_CHECKING:
    from github.Repository import Repository

NAME = "phpstan-gate"
ACTIONS = 15368  # the app that github.token acts as


@pytest.fixture
def gated(checks: GitHubChecks) -> Repository:
    return github_api.open_repository(TOKEN, REPOSITORY, api_url=checks.url, pause=0)


def audit(repository: Repository, branch: str = "main") -> list[Bypass]:
    found = audit_required(repository, branch=branch, check_name=NAME, pause=0)
    assert {bypass.severity for bypass in found} <= {"report"}
    assert all(bypass.what.endswith(".") and bypass.remedy.endswith((".", "?")) for bypass in found)
    return found


def rules(repository: Repository, branch: str = "main") -> list[str]:
    return [bypass.rule for bypass in audit(repository, branch)]


def demand(*contexts: str, app: int | None = ACTIONS, strict: bool = True) -> dict[str, Any]:
    """Return a rule as a ruleset holds it."""
    required = [{"context": name, **({"integration_id": app} if app else {})} for name in contexts]
    parameters = {"required_status_checks": required, "strict_required_status_checks_policy": strict}
    return {"type": "required_status_checks", "parameters": parameters}


def require(checks: GitHubChecks, rule: dict[str, Any], *, enforcement: str = "active", **more: Any) -> None:
    """Put a ruleset for the branch main there; only one that is active is among the branch's rules."""
    number = 40 + len(checks.rulesets)
    ruleset = {
        "id": number,
        "name": f"rules {number}",
        "target": "branch",
        "source_type": "Repository",
        "source": REPOSITORY,
        "enforcement": enforcement,
        "rules": [rule],
        "bypass_actors": [],
        "current_user_can_bypass": "never",
        **more,
    }
    checks.rulesets.append(ruleset)
    if enforcement == "active":
        checks.rules.append(
            {"ruleset_id": number, "ruleset_source_type": "Repository", "ruleset_source": REPOSITORY, **rule}
        )


def protect(
    checks: GitHubChecks, *contexts: str, app: int | None = ACTIONS, strict: bool = True, admins: bool = True
) -> None:
    """Put a classic protection of the branch main there."""
    checks.protection = {
        "required_status_checks": {
            "strict": strict,
            "contexts": list(contexts),
            "checks": [{"context": name, "app_id": app} for name in contexts],
        },
        "enforce_admins": {"enabled": admins},
    }


def test_a_check_that_is_required_is_nothing_to_tell_of(checks: GitHubChecks, gated: Repository) -> None:
    require(checks, demand("tests", NAME))
    require(checks, {"type": "deletion"})
    assert audit(gated) == []


def test_a_check_that_the_classic_protection_requires_is_too(checks: GitHubChecks, gated: Repository) -> None:
    protect(checks, "tests", NAME)
    assert audit(gated) == []


def test_a_check_that_nothing_requires_is_told_of_with_those_that_are(checks: GitHubChecks, gated: Repository) -> None:
    require(checks, demand("tests", "PHPStan-Gate"))
    protect(checks, "lint")
    (found,) = audit(gated)
    assert found.rule == "required-not"
    assert "PHPStan-Gate, lint, tests" in found.what


def test_a_branch_without_any_rule(checks: GitHubChecks, gated: Repository) -> None:
    assert rules(gated) == ["required-not"]
    require(checks, {"type": "pull_request", "parameters": {"required_approving_review_count": 1}})
    assert rules(gated) == ["required-not"]


@pytest.mark.parametrize("enforcement", ["evaluate", "disabled"])
def test_a_ruleset_that_only_watches_is_no_rule(checks: GitHubChecks, gated: Repository, enforcement: str) -> None:
    require(checks, demand(NAME), enforcement=enforcement)
    require(checks, demand("tests"), enforcement=enforcement)
    found = audit(gated)
    assert [bypass.rule for bypass in found] == ["required-not-enforced", "required-not"]
    assert enforcement in found[0].what
    require(checks, demand(NAME))
    assert audit(gated) == [], "another one does require it"


def test_a_source_that_is_not_pinned(checks: GitHubChecks, gated: Repository) -> None:
    require(checks, demand(NAME, app=None))
    assert rules(gated) == ["required-not-pinned"]
    require(checks, demand(NAME))
    assert rules(gated) == [], "both hold, and the other one pins it"


@pytest.mark.parametrize("app", [None, -1])
def test_a_source_that_is_not_pinned_in_the_classic_protection(
    checks: GitHubChecks, gated: Repository, app: int | None
) -> None:
    protect(checks, NAME, app=app)
    assert rules(gated) == ["required-not-pinned"]


def test_a_branch_that_may_be_behind(checks: GitHubChecks, gated: Repository) -> None:
    require(checks, demand(NAME, strict=False))
    assert rules(gated) == ["required-not-strict"]
    require(checks, demand("tests", NAME))
    assert rules(gated) == []
    checks.rules.clear()
    protect(checks, NAME, strict=False)
    assert rules(gated) == ["required-not-strict"]


def test_who_may_bypass_a_ruleset_is_named(checks: GitHubChecks, gated: Repository) -> None:
    actors = [
        {"actor_id": 1, "actor_type": "OrganizationAdmin", "bypass_mode": "always"},
        {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "pull_request"},
        {"actor_id": None, "actor_type": "DeployKey", "bypass_mode": "always"},
    ]
    require(checks, demand(NAME), bypass_actors=actors)
    (found,) = audit(gated)
    assert found.rule == "required-bypass-actors"
    assert "administrators, RepositoryRole 5 (by pull_request), deploy keys" in found.what


def test_administrators_who_are_exempt(checks: GitHubChecks, gated: Repository) -> None:
    protect(checks, NAME, admins=False)
    assert rules(gated) == ["required-not-for-admins"]
    checks.permissions.discard("administration")
    assert rules(gated) == ["required-not-for-admins", "required-unknown"], "the short view shows it as well"
    require(checks, demand(NAME))
    checks.permissions.add("administration")
    assert rules(gated) == [], "a ruleset holds for them"


def test_a_queue_that_looks_at_the_last_of_a_group_only(checks: GitHubChecks, gated: Repository) -> None:
    assert not has_merge_queue(gated, branch="main", pause=0)
    require(checks, demand(NAME))
    require(checks, {"type": "merge_queue", "parameters": {"grouping_strategy": "ALLGREEN"}})
    assert has_merge_queue(gated, branch="main", pause=0)
    assert rules(gated) == []
    checks.rules[-1]["parameters"]["grouping_strategy"] = "HEADGREEN"
    assert rules(gated) == ["required-head-only"]


@pytest.mark.parametrize("conclusion", ["skipped", "neutral"])
def test_a_check_that_is_passed_by_being_skipped(checks: GitHubChecks, gated: Repository, conclusion: str) -> None:
    require(checks, demand(NAME))
    checks.add_check_run(name=NAME, status="completed", conclusion="success")
    assert rules(gated) == []
    checks.add_check_run(name=NAME, status="completed", conclusion=conclusion)
    assert rules(gated) == ["required-skipped"]


def test_what_the_token_may_not_read_is_unknown_and_never_fine(checks: GitHubChecks, gated: Repository) -> None:
    """P7: a job's own token can't read the administration."""
    checks.permissions.discard("administration")
    protect(checks, NAME)
    (found,) = audit(gated)
    assert found.rule == "required-unknown"
    assert "`administration: read`" in found.remedy
    assert "GitHub App" in found.remedy
    checks.protection = None
    require(checks, demand(NAME))
    (found,) = audit(gated)
    assert found.rule == "required-unknown"
    assert "bypass the ruleset" in found.what
    assert "`administration: write`" in found.remedy


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/rules/branches", "`metadata: read`"),
        ("/branches/main", "`contents: read`"),
        ("/check-runs", "`checks: read`"),
        ("/protection", "`administration: read`"),
    ],
)
@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "Resource not accessible by integration"), (404, "Not Found"), (429, "slow down"), (500, ""), (0, "")],
)
def test_each_read_that_fails_is_told_as_unknown(
    checks: GitHubChecks, gated: Repository, path: str, what: str, status: int, message: str
) -> None:
    """P7: and a permission that is missing is named."""
    protect(checks, NAME)
    checks.faults = [("GET", path, status, {"message": message})] * 40
    found = audit(gated)
    assert found[-1].rule == "required-unknown"
    assert "required-not" not in [bypass.rule for bypass in found]
    if status in {403, 404}:
        assert what in found[-1].remedy
    assert TOKEN not in str(found)


def test_a_read_that_failed_once_is_repeated(checks: GitHubChecks, gated: Repository) -> None:
    protect(checks, NAME)
    for number in range(4):
        checks.faults_at = {len(checks.requests) + number: (502, {})}
        assert audit(gated) == []


def test_a_plan_without_rules_has_none(checks: GitHubChecks, gated: Repository) -> None:
    text = "Upgrade to GitHub Pro or make this repository public to enable this feature."
    checks.faults = [
        ("GET", path, 403, {"message": text}) for path in ("/rules/branches", "/branches/main", "/rulesets")
    ]
    assert rules(gated) == ["required-not"]


def test_a_branch_of_any_name_and_a_rule_on_any_page(checks: GitHubChecks, gated: Repository) -> None:
    for _ in range(130):
        require(checks, {"type": "deletion"})
    require(checks, demand(NAME))
    assert rules(gated) == []
    assert rules(gated, "release/1.0 #1") == ["required-unknown", "required-unknown"]
    assert ("GET", f"/repos/{REPOSITORY}/rules/branches/release%2F1.0%20%231?page=1&per_page=100") in checks.requests


@pytest.mark.parametrize("answer", [{}, {"type": 5}, "x", 5])
def test_an_answer_that_is_no_list_is_unknown(checks: GitHubChecks, gated: Repository, answer: Any) -> None:
    """P7."""
    checks.rules = answer
    assert rules(gated) == ["required-unknown"]


@pytest.mark.parametrize("answer", [[[]], [5], [{}], [{"type": "required_status_checks", "parameters": None}]])
def test_rules_of_another_shape_require_nothing(checks: GitHubChecks, gated: Repository, answer: Any) -> None:
    checks.rules = answer
    assert rules(gated) == ["required-not"]


@pytest.mark.parametrize("name", ["PHPStan gate", "types: api & web (8.4)", "a/b", "100 %", "é+?#"])
def test_a_check_of_any_name(checks: GitHubChecks, gated: Repository, name: str) -> None:
    require(checks, demand(name))
    checks.add_check_run(name=name, status="completed", conclusion="skipped")
    checks.add_check_run(name="another", status="completed", conclusion="neutral")
    found = audit_required(gated, branch="main", check_name=name, pause=0)
    assert [bypass.rule for bypass in found] == ["required-skipped"]


def test_a_queue_that_cannot_be_asked_for_is_none(checks: GitHubChecks, gated: Repository) -> None:
    checks.faults = [("GET", "/rules", 403, {"message": "no"})]
    assert not has_merge_queue(gated, branch="main", pause=0)
