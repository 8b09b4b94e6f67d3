"""Workflow commands, as the runner would read them."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyhelpers.runner import commands
from pyhelpers.runner.commands import Commands
from pyhelpers.runner.console import Console
from tests.unit.runner.github_runner import KNOWN, parse_command, read_log

anything = st.text(st.characters(exclude_categories=["Cs"]))
hostile = st.lists(
    st.sampled_from(
        [
            *[
                "::",
                "##[",
                "]",
                "\n",
                "\r",
                "\r\n",
                " ",
                "\t",
                "\u00a0",
                "\u3000",
                "\u00ad",
                "#",
                ":",
                "[",
                "%0A",
                "%",
                ",",
            ],
            *[
                "error",
                "add-mask",
                "set-output name=rolled-back",
                "stop-commands",
                "endgroup",
                "::error::x",
                "##[error]x",
            ],
        ]
    ),
    max_size=12,
).map("".join)


def printed() -> tuple[Commands, io.StringIO]:
    """Return commands on an empty log, and the log."""
    stream = io.StringIO()
    return Commands(Console(stream)), stream


@given(message=anything | hostile, title=anything | hostile)
def test_message_and_title_arrive_unchanged(message: str, title: str) -> None:
    line = commands.command("error", message, title=title)
    assert line.endswith("\n")
    assert "\n" not in line[:-1]
    assert "\r" not in line
    parsed = parse_command(line[:-1], KNOWN)
    assert parsed
    assert (parsed.name, parsed.data) == ("error", message)
    if title.strip():  # the runner trims the blanks around all properties
        assert parsed.properties["title"].rstrip() == title.rstrip()


@given(line=hostile | anything)
@example("::error::x")
@example(" \t::add-mask::x")
@example("10:00 ##[add-mask]x")
@example("##[##[error]")
def test_a_defused_line_is_no_command(line: str) -> None:
    for part in commands.lines(line):
        assert parse_command(commands.defused(part), KNOWN) is None


@given(line=hostile)
def test_characters_without_a_shape_do_not_hide_a_command(line: str) -> None:
    """.NET compares by culture, where a soft hyphen is nothing."""
    for part in commands.lines(line.replace("#", "\u00ad#").replace(":", "\u00ad:")):
        assert parse_command(commands.defused(part).replace("\u00ad", ""), KNOWN) is None


@given(line=st.text(st.characters(exclude_characters="#:\r\n")))
def test_a_harmless_line_stays_as_it_is(line: str) -> None:
    assert commands.defused(line) == line


@given(text=hostile | anything)
def test_untrusted_text_is_shown_as_it_is_and_does_nothing(text: str) -> None:
    github, stream = printed()
    github.untrusted(text)
    github.notice("after", "commands work again")
    acted, plain = read_log(stream.getvalue())
    assert [command.name for command in acted] == ["notice"]
    assert plain[:-1] == commands.lines(text.removesuffix("\r"))  # a last CR and our LF are one line's end


def test_the_switch_is_another_one_each_time() -> None:
    assert commands.inert("x") != commands.inert("x")


def test_a_message_is_cut_at_githubs_limit_and_follows_whole_in_the_log() -> None:
    github, stream = printed()
    github.error("Too long", "😀" * 5000)
    acted, plain = read_log(stream.getvalue())
    assert len(acted[0].data.encode("utf-16-le")) // 2 in {4095, 4096}
    assert acted[0].data.endswith("😀 … (cut here; the whole text is in the log)")
    assert plain[0] == "😀" * 5000


@given(text=st.text(), limit=st.integers(1, 60))
def test_shortened_text_fits_and_holds_no_half_character(text: str, limit: int) -> None:
    short = commands.shortened(text, limit)
    short.encode()
    assert len(short.encode("utf-16-le")) // 2 <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_a_title_is_cut_at_githubs_limit() -> None:
    github, stream = printed()
    github.warning("t" * 300, "message")
    assert len(read_log(stream.getvalue())[0][0].properties["title"]) == 255


def test_from_the_tenth_on_annotations_are_plain_lines_and_kept_for_the_summary() -> None:
    github, stream = printed()
    for number in range(12):
        github.error("Bad", f"error {number}\nmore", file="app/a.php", line=number)
        github.warning("", f"warning {number}")
    acted, plain = read_log(stream.getvalue())
    assert [command.data for command in acted if command.name == "error"] == [f"error {n}\nmore" for n in range(9)]
    assert [command.data for command in acted if command.name == "warning"] == [f"warning {n}" for n in range(9)]
    assert plain == [
        "error: Bad: app/a.php:9: error 9 (GitHub shows 10 errors per step; more follow here and in the summary)",
        "  | more",
        "warning: warning 9 (GitHub shows 10 warnings per step; more follow here and in the summary)",
        "error: Bad: app/a.php:10: error 10",
        "  | more",
        "warning: warning 10",
        "error: Bad: app/a.php:11: error 11",
        "  | more",
        "warning: warning 11",
        "",
    ]
    assert [annotation.message for annotation in github.diverted if annotation.level == "error"] == [
        f"error {n}\nmore" for n in (9, 10, 11)
    ]


def test_the_error_that_ends_the_step_always_has_a_place() -> None:
    github, stream = printed()
    for number in range(30):
        github.error("Bad", str(number))
    github.error("Rolled back", "the migration failed", final=True)
    assert read_log(stream.getvalue())[0][-1].properties == {"title": "Rolled back"}


def test_file_and_line_are_properties_only_when_given() -> None:
    github, stream = printed()
    github.error("", "m")
    github.error("T", "m", file="a b,c:d.php", line=7)
    bare, placed = read_log(stream.getvalue())[0]
    assert bare.properties == {}
    assert placed.properties == {"title": "T", "file": "a b,c:d.php", "line": "7"}


@given(text=hostile)
def test_a_diverted_annotation_does_nothing_either(text: str) -> None:
    github, stream = printed()
    for _ in range(11):
        github.error(text, text, file=text)
    acted, _ = read_log(stream.getvalue())
    assert [command.name for command in acted] == ["error"] * 9


def test_a_group_ends_also_when_the_work_in_it_fails() -> None:
    github, stream = printed()
    with pytest.raises(ZeroDivisionError), github.group("Backup: 1\n2"):
        raise ZeroDivisionError
    assert [(command.name, command.data) for command in read_log(stream.getvalue())[0]] == [
        ("group", "Backup: 1\n2"),
        ("endgroup", ""),
    ]


def test_a_group_in_a_group_is_a_headline() -> None:
    github, stream = printed()
    with github.group("outer"), github.group("##[error]inner"):
        pass
    with github.group("next"):
        pass
    acted, plain = read_log(stream.getvalue())
    assert [command.name for command in acted] == ["group", "endgroup", "group", "endgroup"]
    assert plain == ["## [error]inner", ""]
