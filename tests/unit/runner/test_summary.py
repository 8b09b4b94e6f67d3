"""The summary of a step: always within GitHub's limit, and nobody's name changes its form."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyhelpers.errors import BelayError
from pyhelpers.runner import summary
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.masks import Masks
from pyhelpers.runner.summary import Bar, Markdown

hostile = st.text(st.sampled_from("ab1 |\\`*_<>&[]()!#@:;~$\n\r\t\"'{}=+-.é\u202e/%wW"), max_size=30)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    file = tmp_path / "summary"
    file.touch()
    return Runner(on_github=True, summary=file)


def content(runner: Runner) -> str:
    """Return the summary as GitHub would get it; a half character would fail here."""
    assert runner.summary
    return runner.summary.read_bytes().decode()


def test_paragraphs_follow_each_other_with_an_empty_line_between(runner: Runner) -> None:
    summary.append("# Deployed", runner)
    summary.append("All well.\n\n", runner)
    assert content(runner) == "# Deployed\n\nAll well.\n"


def test_a_line_without_an_end_from_the_users_own_command_stays_whole(runner: Runner) -> None:
    assert runner.summary
    runner.summary.write_text("theirs")
    summary.append("ours", runner)
    assert content(runner) == "theirs\n\nours\n"


def test_off_github_there_is_no_summary() -> None:
    summary.append("# Deployed", Runner())


def test_a_missing_file_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BelayError, match="GITHUB_STEP_SUMMARY"):
        summary.append("x", Runner(summary=tmp_path / "missing"))
    assert not (tmp_path / "missing").exists()


def test_a_secret_does_not_reach_the_summary(runner: Runner) -> None:
    """P6."""
    known = Masks()
    known.register("hunter2secret")
    summary.append("with hunter2secret", runner, known=known)
    assert content(runner) == "with ***\n"


def test_a_summary_that_is_too_long_is_cut_below_the_limit_and_says_so_once(runner: Runner) -> None:
    for number in range(30):
        summary.append(f"{number} " + "€uro line\n" * 5000, runner)
    assert len(content(runner).encode()) < summary.LIMIT
    assert content(runner).count("This summary was cut here") == 1
    assert content(runner).endswith(summary.NOTICE)


def test_one_endless_line_is_cut_inside_but_never_inside_a_character(runner: Runner) -> None:
    summary.append("x" + "😀" * summary.LIMIT, runner)
    assert content(runner).startswith("x😀😀")
    assert content(runner).endswith("😀" + summary.NOTICE)


def test_a_code_block_or_fold_that_was_cut_open_is_closed_before_the_notice(runner: Runner) -> None:
    summary.append("<details><summary>log</summary>\n\n```\n" + "line\n" * summary.LIMIT, runner)
    assert content(runner).endswith("line\n```\n</details>" + summary.NOTICE)


@settings(max_examples=200)
@given(text=st.text(st.sampled_from("é😀x\n`")), repeat=st.integers(1, 400), room=st.integers(-10, 5000))
def test_whatever_is_appended_fits_the_room(text: str, repeat: int, room: int) -> None:
    block = summary.fitted(text * repeat, room)
    assert len(block) < max(room, 1)
    block.decode()
    if block and block != (text * repeat).encode():
        assert block.endswith(summary.NOTICE.encode())


@given(value=hostile)
@example(value="see WWW.evil.example, @all #1")
def test_plain_words_hold_no_markup_and_read_the_same(value: str) -> None:
    escaped = summary.text(value)
    without_entities = re.sub(r"&#\d+;", "", escaped)
    assert not re.search(r"[|\\`*<>&\[\]!#@:~$\n\r\t\"']", without_entities)
    assert not re.search(r"www\.", without_entities, re.IGNORECASE)
    expected = re.sub("\r\n|[\r\n\t]", " ", value).replace("\u202e", "\N{REPLACEMENT CHARACTER}")
    assert html.unescape(escaped).replace("\u200b", "") == expected


@given(rows=st.lists(st.lists(hostile, max_size=4), max_size=4))
def test_a_hostile_cell_adds_no_column_and_no_row(rows: list[list[str]]) -> None:
    lines = summary.table(["Table", "Rows"], rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert {line.count("|") for line in lines} == {3}


def test_cells_that_are_markdown_keep_their_markup_but_not_their_pipes_and_breaks() -> None:
    assert summary.table(["a|b", "c"], [[summary.code("x`|y"), Markdown("**d**\ne|f")], ["failed_jobs", "*d*"]]) == (
        "| a&#124;b | c |\n| --- | --- |\n| <code>x&#96;&#124;y</code> | **d**<br>e&#124;f |\n| failed_jobs | &#42;d&#42; |\n"
    )


def test_a_row_that_is_too_short_is_filled_up_and_one_too_long_is_cut() -> None:
    assert summary.table(["a", "b"], [["1"], ["1", "2", "3"]]).splitlines()[2:] == ["| 1 |  |", "| 1 | 2 |"]


def test_an_empty_name_is_no_code() -> None:
    assert summary.code("") == ""


def test_a_gantt_chart_shows_each_bar_with_its_state() -> None:
    chart = summary.gantt(
        "Deploy 7: production",
        [
            ("Before", [Bar(name="backup; #1", start=0, end=61.5)]),
            ("During", [Bar(name="migrate", start=61.5, end=61.5, state="failed"), Bar(name="", start=62, end=63)]),
        ],
    )
    assert chart == (
        "```mermaid\n"
        "gantt\n"
        "  title Deploy 7 production\n"
        "  dateFormat YYYY-MM-DD HH:mm:ss.SSS\n"
        "  axisFormat %M:%S\n"
        "  section Before\n"
        "  backup 1 :done, 2000-01-01 00:00:00.000, 61500ms\n"
        "  section During\n"
        "  migrate :crit, 2000-01-01 00:01:01.500, 1ms\n"
        "  unnamed :done, 2000-01-01 00:01:02.000, 1000ms\n"
        "```\n"
    )


def test_a_long_chart_counts_hours_and_an_empty_one_is_left_out() -> None:
    long = summary.gantt("t", [("s", [Bar(name="n", start=90_000, end=93_600, state="undone")])])
    assert "axisFormat %H:%M:%S" in long
    assert "n :active, 2000-01-02 01:00:00.000, 3600000ms" in long
    assert summary.gantt("t", [("s", [])]) == ""


@given(
    name=hostile | st.sampled_from(["title x", "Section", "click a href", "2026-11-21 x", "%%{init}%%", "gantt", "```"])
)
def test_a_hostile_name_adds_no_line_and_no_field_to_a_chart(name: str) -> None:
    chart = summary.gantt(name, [(name, [Bar(name=name, start=0, end=1)])])
    lines = chart.splitlines()
    assert len(lines) == 8
    assert lines[2].startswith("  title ")
    assert lines[5].startswith("  section ")
    assert re.fullmatch(r"  [^:;,#%`<>]+ :done, 2000-01-01 00:00:00.000, 1000ms", lines[6])
    assert not re.match(r" *(title|section|click|gantt|\d{4}-)", lines[6], re.IGNORECASE)
