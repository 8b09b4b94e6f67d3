"""Findings of base and head are the same whatever became of their lines; and what git says of the lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhelpers.gate.finding import Finding
from pyhelpers.gate.history import Change, Diff, Repository
from pyhelpers.gate.matching import Kind, match
from tests.lab.php_repository import PhpRepository, make_repository


def at(line: int, message: str = "Broken.", path: str = "a.php", context: str = "") -> Finding:
    return Finding(path=path, line=line, message=message, identifier="x.y", context=context)


def kinds(head: list[Finding], base: list[Finding], diff: Diff | None = None) -> list[Kind]:
    return [matched.kind for matched in match(head, base, diff or Diff())[0]]


TOUCHED = Diff(changes=(Change(old="a.php", new="a.php"),), added={"a.php": frozenset({5})})


def test_a_moved_line_is_no_new_finding() -> None:
    assert kinds([at(9)], [at(3)]) == [Kind.OLD]


def test_of_several_alike_those_on_the_changed_lines_are_new() -> None:
    assert kinds([at(1), at(5), at(9)], [at(1), at(8)], TOUCHED) == [Kind.OLD, Kind.IN_DIFF, Kind.OLD]


def test_what_broke_without_being_touched_is_new_elsewhere() -> None:
    """Recorded: cross-file."""
    assert kinds([at(7)], [], TOUCHED) == [Kind.ELSEWHERE]


def test_a_finding_about_a_whole_file_is_new_in_the_diff_when_the_file_was_touched() -> None:
    assert kinds([at(0)], [], TOUCHED) == [Kind.IN_DIFF]
    assert kinds([at(0, path="b.php")], [], TOUCHED) == [Kind.ELSEWHERE]


def test_files_are_followed_by_their_renames() -> None:
    renamed = Diff(changes=(Change(old="a.php", new="b.php"),))
    assert kinds([at(1, path="b.php")], [at(1)], renamed) == [Kind.OLD]
    assert kinds([at(1, path="b.php")], [at(1)]) == [Kind.ELSEWHERE]


def test_each_class_that_uses_a_trait_counts_by_itself() -> None:
    assert kinds([at(1, context="A"), at(1, context="B")], [at(1, context="A")]) == [Kind.OLD, Kind.ELSEWHERE]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "Property class@anonymous/src/A.php:12::$x is unused.",
            "Property class@anonymous/src/A.php:30::$x is unused.",
        ),
        ("Cannot redeclare f() on line 7.", "Cannot redeclare f() on line 9."),
    ],
)
def test_a_line_in_a_message_means_nothing(old: str, new: str) -> None:
    assert kinds([at(1, new)], [at(1, old)]) == [Kind.OLD]


def test_another_number_in_a_message_is_another_finding() -> None:
    assert kinds([at(1, "Takes 3 parameters.")], [at(1, "Takes 2 parameters.")]) == [Kind.ELSEWHERE]


def test_fixed_ones_are_counted() -> None:
    assert match([at(1)], [at(1), at(2), at(3, "Other.")], Diff())[1] == 2


def test_without_a_base_nothing_is_called_new_or_old() -> None:
    assert [matched.kind for matched in match([at(1)], None, Diff())[0]] == [Kind.UNKNOWN]


@pytest.fixture
def app(tmp_path: Path) -> PhpRepository:
    return make_repository(tmp_path)


def test_the_numbers_of_new_lines_are_gits(app: PhpRepository) -> None:
    app.change("src/Order.php", "\t\t$sum = 0;\n", "\t\t$sum = 0;\n\t\t$sum += 0;\n")
    app.write("src/New.php", "<?php\nf();\n")
    app.write('src/odd "name"\té.php', "<?php\n")
    diff = Repository(app.root).diff(app.git("rev-parse", "main"))
    assert diff.added["src/Order.php"] == {18}
    assert {1, 2} <= diff.added["src/New.php"]
    assert 1 in diff.added['src/odd "name"\té.php']
    app.commit()
    committed = Repository(app.root).diff(app.git("rev-parse", "main"))
    assert committed.added["src/New.php"] == {1, 2}
    assert committed.added['src/odd "name"\té.php'] == {1}


@pytest.mark.parametrize(
    "attributes", ["*.php -diff\n", "*.php binary\n", "*.php diff=hidden\n", "*.php -text -diff\n"]
)
def test_attributes_of_the_change_hide_no_lines(app: PhpRepository, attributes: str) -> None:
    """P7: `.gitattributes` is the change's own."""
    app.git("config", "diff.hidden.textconv", "true")
    app.git("config", "diff.hidden.command", "true")
    app.write(".gitattributes", attributes)
    app.change("src/Order.php", "\t\t$sum = 0;\n", "\t\t$sum = 0;\n\t\t$sum += 0;\n")
    app.commit()
    assert Repository(app.root).diff(app.git("rev-parse", "main")).added["src/Order.php"] == {18}


def test_lines_that_look_like_a_diffs_headers_are_content(app: PhpRepository) -> None:
    app.write("src/Odd.txt", "++ b/src/Other.php\n@@ -1 +1,99 @@\n-- a/x\n")
    app.commit()
    added = Repository(app.root).diff(app.git("rev-parse", "main")).added
    assert added == {"src/Odd.txt": {1, 2, 3}}


def test_the_bases_files_are_written_whole(app: PhpRepository, tmp_path: Path) -> None:
    """`git archive` would leave out what `export-ignore` names, and a change to that would be one to the comparison."""
    app.write(".gitattributes", "src export-ignore\n")
    base = app.commit()
    Repository(app.root).export(base, tmp_path / "base")
    assert (tmp_path / "base/src/Order.php").read_text() == app.read("src/Order.php")
    assert not app.git("status", "--porcelain")


def test_the_changes_attributes_do_not_say_how_the_base_is_written(app: PhpRepository, tmp_path: Path) -> None:
    """P7: a base whose configuration nobody can read would have nothing to lower."""
    base, text = app.git("rev-parse", "main"), app.read("phpstan.neon")
    app.git("rm", "-q", "phpstan.neon")
    app.write(".gitattributes", "phpstan.neon working-tree-encoding=UTF-16\n")
    app.commit()
    Repository(app.root).export(base, tmp_path / "base")
    assert (tmp_path / "base" / "phpstan.neon").read_bytes() == text.encode()


def test_what_git_starts_sees_no_secret(app: PhpRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: PHPStan runs code of the pull request, which may give git a filter to run."""
    for name in ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(name, "hunter2")
    seen = tmp_path / "seen"
    app.git("config", "filter.x.smudge", f"env >'{seen}'; cat")
    (app.root / ".git" / "info" / "attributes").write_text("*.php filter=x\n")
    Repository(app.root).export(app.git("rev-parse", "main"), tmp_path / "base")
    assert "PATH=" in seen.read_text()
    assert "hunter2" not in seen.read_text()
