from __future__ import annotations

import pytest

from pyhelpers.gate.triggers import passes


@pytest.mark.parametrize(
    ("name", "patterns", "passed"),
    [
        # GitHub's "Workflow syntax", "Filter pattern cheat sheet"
        ("main", ["main"], True),
        ("Main", ["main"], False),
        ("feature/a", ["feature/*"], True),
        ("feature/a/b", ["feature/*"], False),
        ("feature/a/b", ["feature/**"], True),
        ("main", ["*"], True),
        ("all/the/branches", ["*"], False),
        ("all/the/branches", ["**"], True),
        ("mona/octocat", ["**"], True),
        ("feature", ["*feature"], True),
        ("ver-10-feature", ["*feature"], True),
        ("v2", ["v2*"], True),
        ("v2.9", ["v2*"], True),
        ("v1.10.1", ["v[12].[0-9]+.[0-9]+"], True),
        ("v3.0.0", ["v[12].[0-9]+.[0-9]+"], False),
        ("main", ["mai?n"], True),
        ("man", ["mai?n"], True),
        ("maiin", ["mai?n"], False),
        ("docs/README.md", ["**/README.md"], True),
        ("README.md", ["**/README.md"], True),
        ("release/1-alpha", ["release/**", "!release/**-alpha"], False),
        ("release/1", ["release/**", "!release/**-alpha"], True),
        ("release/1-alpha", ["!release/**-alpha", "release/**"], True),
        ("main", [], False),
        ("a*b", ["a\\*b"], True),
        ("axb", ["a\\*b"], False),
        ("main", ["m+ain", "x"], True),
        ("mmain", ["m+ain"], True),
        ("ain", ["m+ain"], False),
    ],
)
def test_a_filter_is_read_as_github_reads_it(name: str, patterns: list[str], passed: bool) -> None:  # noqa: FBT001
    assert passes(name, patterns) is passed
