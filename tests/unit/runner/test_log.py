"""The story of a deploy, on GitHub and at a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from pyhelpers.runner.masks import Masks
from tests.unit.runner.github_runner import read_log

GITHUB = Runner(on_github=True)
hostile = st.lists(
    st.sampled_from(
        ["::error::x", "##[add-mask]x", "\n", "\r", "::", " ", "\x1b]0;t\x07", "\u202e", "x", "::endgroup::"]
    )
).map("".join)


def telling(runner: Runner, *, known: Masks | None = None) -> tuple[Log, io.StringIO]:
    """Return a log whose clock goes on by a second each time it is asked, and where it writes."""
    stream = io.StringIO()
    seconds = iter(range(1000))
    return Log(runner, stream, clock=lambda: float(next(seconds)), known=known or Masks()), stream


def tell(log: Log) -> None:
    """Tell a short story with every verb."""
    log.step("Backing up")
    log.detail("mariadb-dump\n11.4")
    with log.group("Details"):
        log.output("Dumping…\r\n::error::from the host\n\n")
    log.done("Backup proven")
    log.notice("new release", title="Deployed")
    log.warning("disk is 91 % full")
    log.error("it failed\nbadly", title="Rolled back")


def test_an_error_is_shown_beside_the_code_that_it_names() -> None:
    for runner, line in (
        (GITHUB, "::error title=a.b,file=src/A.php,line=7::Wrong.\n"),
        (Runner(), "    1.0s error: src/A.php:7: a.b: Wrong.\n"),
    ):
        log, stream = telling(runner)
        log.error("Wrong.", title="a.b", file="src/A.php", line=7)
        assert stream.getvalue() == line


def test_off_github_it_is_plain_text_with_the_seconds_since_the_start() -> None:
    log, stream = telling(Runner())
    tell(log)
    assert stream.getvalue().splitlines() == [
        "    1.0s ==> Backing up",
        "    2.0s     mariadb-dump",
        "    2.0s     11.4",
        "    3.0s ==> Details",
        "    4.0s   | Dumping…",
        "    4.0s   | ::error::from the host",
        "    5.0s  ok Backup proven",
        "    6.0s notice: Deployed: new release",
        "    7.0s warning: disk is 91 % full",
        "    8.0s error: Rolled back: it failed",
        "    8.0s badly",
    ]


def test_on_github_it_uses_groups_and_annotations() -> None:
    log, stream = telling(GITHUB)
    tell(log)
    acted, plain = read_log(stream.getvalue())
    assert [(command.name, command.data, command.properties) for command in acted] == [
        ("group", "Details", {}),
        ("endgroup", "", {}),
        ("notice", "new release", {"title": "Deployed"}),
        ("warning", "disk is 91 % full", {}),
        ("error", "it failed\nbadly", {"title": "Rolled back"}),
    ]
    assert plain == [
        "    1.0s ==> Backing up",
        "    2.0s     mariadb-dump",
        "    2.0s     11.4",
        "Dumping…",
        "::error::from the host",
        "    3.0s  ok Backup proven",
        "",
    ]


VERBS: list[Callable[[Log, str], None]] = [Log.step, Log.done, Log.detail, Log.output]


@given(text=hostile)
@pytest.mark.parametrize("verb", VERBS)
def test_a_hosts_text_never_acts_as_a_command(verb: Callable[[Log, str], None], text: str) -> None:
    log, stream = telling(GITHUB)
    verb(log, text)
    acted, _ = read_log(stream.getvalue())
    assert acted == []


@given(text=hostile)
@pytest.mark.parametrize("verb", VERBS)
def test_a_hosts_text_can_not_play_tricks_on_a_terminal(verb: Callable[[Log, str], None], text: str) -> None:
    log, stream = telling(Runner())
    verb(log, text)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", stream.getvalue())


def test_no_verb_tells_a_secret() -> None:
    """P6."""
    for runner in (GITHUB, Runner()):
        log, stream = telling(runner)
        log.mask("hunter2secret")
        told = stream.getvalue()
        for verb in (log.step, log.done, log.detail, log.output, log.notice, log.warning, log.error):
            verb("with hunter2secret and mysql://u:pw@h/")
        log.error("m", title="hunter2secret")
        with log.group("hunter2secret"):
            pass
        after = stream.getvalue().removeprefix(told)
        assert "hunter2secret" not in after
        assert "pw@" not in after
        assert told == ("::add-mask::hunter2secret\n" if runner.on_github else "")


def test_what_github_would_drop_is_kept_for_the_summary_without_secrets() -> None:
    log, _ = telling(GITHUB)
    log.mask("hunter2secret")
    for number in range(11):
        log.warning(" ".join([str(number), "hunter2secret"]))
    assert [annotation.message for annotation in log.diverted] == ["9 ***", "10 ***"]


@pytest.mark.parametrize(("colour", "coloured"), [(True, True), (False, False), (None, False)])
def test_a_pipe_gets_colour_only_when_forced(colour: bool | None, coloured: bool) -> None:  # noqa: FBT001
    log, stream = telling(Runner(colour=colour))
    log.step("one\ntwo")
    assert stream.getvalue().count("\x1b[1m") == (2 if coloured else 0)  # again on each line: GitHub forgets
    assert stream.getvalue().count("\x1b[0m") == (2 if coloured else 0)


@pytest.mark.parametrize(("colour", "coloured"), [(None, True), (False, False)])
def test_a_terminal_gets_colour_unless_refused(colour: bool | None, coloured: bool) -> None:  # noqa: FBT001
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w") as terminal:
            Log(Runner(colour=colour), terminal).done("done")
            shown = os.read(master, 1000)
        assert (b"\x1b[32m" in shown) == coloured
    finally:
        os.close(master)


def test_each_line_leaves_at_once() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb", buffering=0) as log:
        Log(Runner(), stream).step("now")
        assert log.read(100).endswith(b"==> now\n")


def test_threads_of_a_fleet_share_one_log() -> None:
    log, stream = telling(GITHUB)

    def work(name: str) -> None:
        for number in range(20):
            with log.group(f"{name} {number}"):
                log.output(f"::error::{name}")
                log.warning(" ".join([name, str(number)]))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("web1", "web2", "web3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acted, plain = read_log(stream.getvalue())
    assert sum(command.name == "warning" for command in acted) == 9
    assert not any(command.name == "error" for command in acted)
    assert len(log.diverted) == 60 - 9
    assert sum(line.startswith("::error::") for line in plain) == 60
    opened = [command.name for command in acted if command.name in {"group", "endgroup"}]
    assert opened == ["group", "endgroup"] * (len(opened) // 2)


def test_nothing_said_is_nothing_shown() -> None:
    for runner in (GITHUB, Runner()):
        log, stream = telling(runner)
        log.output("\n \n")
        assert stream.getvalue() == ""
