"""Commands, alike on this machine and on a server: what goes in arrives, and only a known end is a result."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhelpers.errors import HostUnreachable
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Host
from tests.lab.hosts import sh

MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
    | st.text("'\"\\$`!*?[]{}~#;&|<>()= \t\n\r-", max_size=12),
    max_size=5,
)


@MANY
@given(words=WORDS, stdin=st.binary(max_size=500))
def test_every_word_and_every_byte_arrives_as_it_was(host: Host, words: list[str], stdin: bytes) -> None:
    """P6 leans on it: no value is ever read as shell, so none needs to be made harmless by its caller."""
    script = 'for word; do printf "%s\\0" "$word"; done; cat'
    result = host.run(["sh", "-c", script, "sh", *words], stdin=stdin)
    assert result.ok
    assert result.stdout == b"".join(word.encode() + b"\0" for word in words) + stdin


def test_a_name_that_is_not_unicode_arrives_as_it_was(host: Host) -> None:
    assert host.run(["printf", "%s", os.fsdecode(b"caf\xe9")]).stdout == b"caf\xe9"


def test_status_and_both_outputs_are_told_apart(host: Host) -> None:
    result = host.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.exit_code, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert not result.ok


def test_a_missing_command_is_a_status_and_no_surprise(host: Host) -> None:
    assert host.run(["/no/such/command"]).exit_code == 127
    assert host.run(["/etc/passwd"]).exit_code == 126


@pytest.mark.parametrize("status", [0, 1, 126, 127, 128, 137, 254, 255])
def test_every_status_comes_back(host: Host, status: int) -> None:
    assert host.run(["sh", "-c", f"exit {status}"]).exit_code == status


def test_much_input_and_much_output_at_once_do_not_block_each_other(host: Host) -> None:
    data = os.urandom(1 << 20) * 6  # three times an ssh channel's window
    result = host.run(["sh", "-c", "tee /dev/fd/2"], stdin=data)
    assert result.stdout == data
    assert result.stderr == data


def test_a_command_that_reads_nothing_of_much_input_ends_by_itself(host: Host) -> None:
    assert host.run(["sh", "-c", "exec <&-; echo done; exit 3"], stdin=b"x" * 8_000_000).exit_code == 3


def test_a_command_that_reads_late_and_says_nothing_gets_all_its_input(host: Host) -> None:
    """Nothing but the free window tells that more can be sent."""
    assert host.run(["sh", "-c", "sleep 0.3; wc -c"], stdin=b"x" * 8_000_000, timeout=30).text.strip() == "8000000"


def test_standard_input_is_empty_and_no_terminal(host: Host) -> None:
    assert sh(host, "[ ! -t 0 ] && [ ! -t 1 ] && wc -c").strip() == "0"


def test_a_command_sees_a_login_and_nothing_of_our_job(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: inputs and tokens of the job stay with us."""
    hush = "canary-4711"
    for name in ("INPUT_SSH_KEY", "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "PYTHONPATH", "BELAY_X", "AWS_SECRET"):
        monkeypatch.setenv(name, hush)
    seen = sh(host, "env; cat /proc/$PPID/cmdline | tr '\\0' ' '")
    assert hush not in seen
    assert "HOME=" in seen
    assert sh(host, "pwd").strip() == sh(host, "cd && pwd").strip()


def test_thirty_commands_at_once_keep_their_answers_apart(host: Host) -> None:
    """More than sshd's MaxSessions, which is 10 here as everywhere."""

    def ask(number: int) -> str:
        return sh(host, 'sleep 0.1; cat /dev/null; echo "$1"', str(number)).strip()

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(ask, range(30))) == [str(number) for number in range(30)]


def test_after_the_timeout_the_end_is_unknown(host: Host) -> None:
    """P7."""
    with pytest.raises(HostUnreachable, match=r"gave no end within 1 s"):
        host.run(["sleep", "30"], timeout=1)
    assert host.run(["true"]).ok


def test_on_this_machine_the_timeout_ends_all_that_was_started(tmp_path: Path) -> None:
    """Over ssh it would go on; here nobody else could ever end it."""
    script = 'sleep 1000 & echo $! > "$1/pid"; sleep 1000'
    with pytest.raises(HostUnreachable):
        LocalHost().run(["sh", "-c", script, "sh", str(tmp_path)], timeout=0.5)
    gone = 'for i in $(seq 100); do [ -d "/proc/$1" ] || exit 0; sleep 0.1; done; exit 1'
    sh(LocalHost(), gone, (tmp_path / "pid").read_text().strip())


def test_a_killed_command_is_unknown(host: Host) -> None:
    """P7: a signal, whoever sent it (the kernel short of memory), says nothing about what was done."""
    with pytest.raises(HostUnreachable, match="signal"):
        host.run(["sh", "-c", "kill -s KILL $$"])
    with pytest.raises(HostUnreachable, match="signal"):
        host.run(["sh", "-c", "echo partly; kill -s TERM $$"])


def test_what_runs_detached_goes_on_after_its_command(host: Host, place: str) -> None:
    script = 'cd "$1"; setsid sh -c "sleep 0.5; echo done > later" >/dev/null 2>&1 </dev/null & echo started'
    assert sh(host, script, place) == "started\n"
    sh(host, 'for i in $(seq 100); do [ -s "$1/later" ] && exit 0; sleep 0.1; done; exit 1', place)


def test_a_second_link_works_beside_the_first(host: Host) -> None:
    other = host.another()
    assert other.name == host.name
    assert sh(other, "echo two") == "two\n"
    other.close()
    assert sh(host, "echo one") == "one\n"
