from __future__ import annotations

import pytest

from pyhelpers.gate.conditions import outcome


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", True),
        ("true", True),
        ("${{ false }}", False),
        ("always()", True),
        ("Always()", True),
        ("${{ !cancelled() }}", True),
        ("failure() || cancelled()", False),
        ("success() || failure()", True),
        ("github.event_name == 'pull_request'", True),
        ("GitHub.Event_Name == 'PULL_REQUEST'", True),
        ("github.event_name != 'pull_request'", False),
        ("'pull_request' == github.event_name", True),
        ("github.event_name == 'push' || github.event_name == 'pull_request'", True),
        ("github.event_name == 'push' && vars.X", False),
        ("vars.X && github.event_name == 'push'", False),
        ("github.event_name == 'pull_request' || vars.X", True),
        ("vars.X || vars.Y", None),
        ("!(github.event_name == 'push')", True),
        ("!!true", True),
        ("((true))", True),
        ("github.repository == 'acme/shop'", True),
        ("github.repository_owner != 'acme'", False),
        ("github.repository == vars.REPOSITORY", None),
        ("github.repository == github.event.pull_request.head.repo.full_name", None),
        ("github.repository == 'acme/shop' && vars.X", None),
        ("contains(github.event.pull_request.labels.*.name, 'x')", None),
        ("!contains(fromJSON('[1, 2]'), 1)", None),
        ("github.event.commits[0].message == 'x'", None),
        ("fromJSON('{}').a == 1", None),
        ("always(1)", None),
        ("1 < 2", None),
        ("'it''s' == 'it''s'", True),
        ("'' || false", False),
        ("0", False),
        ("'x'", True),
        ("${{ false }} or so", True),
        ("${{ false }}${{ false }}", True),
        ("github.event_name == 'push", None),
        ("&& true", None),
        ("true true", None),
        ("true)", None),
        ("(true", None),
        ("a ~ b", None),
        ("(" * 3000, None),
        ("a" * 6000, None),
        ("contains(", None),
        ("!", None),
    ],
)
def test_what_a_condition_comes_to_in_a_pull_request(condition: str, holds: bool | None) -> None:  # noqa: FBT001
    assert outcome(condition, {"github.event_name": "pull_request"}) is holds
