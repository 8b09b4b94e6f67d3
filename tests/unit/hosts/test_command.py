"""A command's words become one shell line, and what no line can hold is refused before it is sent."""

from __future__ import annotations

import pytest

from pyhelpers.hosts.command import LONGEST, caption, command_line


def test_words_are_quoted_and_the_shell_gives_way_to_the_command() -> None:
    assert command_line(["printf", "%s", "a b'c", "$HOME", ""]) == b"exec printf %s 'a b'\"'\"'c' '$HOME' ''"


@pytest.mark.parametrize("argv", [[], [""], ["a", "b\0c"], ["a", "x" * LONGEST]])
def test_what_no_line_can_hold_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match="command"):
        command_line(argv)


def test_a_caption_is_one_short_line() -> None:
    assert caption(["sh", "-c", "a\n  b\tc"]) == "sh -c 'a b c'"
    assert len(caption(["x" * 500])) == 80
