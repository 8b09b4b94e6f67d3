"""Writing to standard output must never be the reason why a deploy dies half-way (P2)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pyhelpers.runner.console import Console

ROOT = Path(__file__).parents[3]


def run(program: str, stdout: int) -> subprocess.CompletedProcess[bytes]:
    """Run a Python program with Belay importable, its standard output where the test wants it.

    Isolated, as the launcher does it: with PYTHONUNBUFFERED set nothing would be left to flush at exit.
    """
    return subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"],
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


STORY = """
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
log = Log(Runner(on_github=True), sys.stdout)
for number in range(2000):
    log.step(f"line {number} " + 100 * "x")
with log.group("g"):
    log.error("e")
sys.stderr.write("the deploy went on")
"""


def test_a_closed_pipe_silences_the_log_and_changes_neither_work_nor_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = run(STORY, writer)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"the deploy went on")


def test_a_standard_output_that_was_closed_from_the_start_does_the_same() -> None:
    """Started as `run deploy … >&-`, as some daemons start their children."""
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{STORY}"]
    ended = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"the deploy went on")


def test_a_full_disk_under_the_log_does_the_same() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run(STORY, full.fileno())
    assert (ended.returncode, ended.stderr) == (0, b"the deploy went on")


def test_a_reader_that_leaves_in_the_middle_is_no_reason_to_stop() -> None:
    reader, writer = os.pipe()
    try:
        with subprocess.Popen(["head", "-c", "1000"], stdin=reader, stdout=subprocess.DEVNULL):
            os.close(reader)
            ended = run(STORY, writer)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"the deploy went on")


def test_a_stream_that_failed_once_is_left_alone() -> None:
    class Failing(io.StringIO):
        """A stream that fails at its first write, and would take the second."""

        calls = 0

        def write(self, text: str) -> int:
            self.calls += 1
            if self.calls == 1:
                raise BrokenPipeError
            return super().write(text)

    stream = Failing()
    console = Console(stream)
    console.write("first\n")
    console.write("second\n")
    assert stream.getvalue() == ""


def test_a_closed_stream_is_silent() -> None:
    stream = io.StringIO()
    console = Console(stream)
    stream.close()
    console.write("x")
    assert not console.is_terminal


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", b"\\u2713 \\xe9 \\ud800\n"), ("latin-1", b"\\u2713 \xe9 \\ud800\n")]
)
def test_what_the_stream_can_not_encode_is_spelled_out(encoding: str, shown: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Console(stream).write("✓ é \ud800\n")
    assert raw.getvalue() == shown


def test_a_signal_handler_that_interrupts_a_write_loses_its_line_and_nothing_else() -> None:
    class Interrupted(io.StringIO):
        """What CPython's buffers do when a handler writes while its own thread is inside a write."""

        calls = 0

        def write(self, text: str) -> int:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stdout>'>")
            return super().write(text)

    stream = Interrupted()
    console = Console(stream)
    console.write("lost\n")
    console.write("kept\n")
    assert stream.getvalue() == "kept\n"


def test_texts_of_several_threads_never_mix() -> None:
    class Slow(io.StringIO):
        """A stream that takes a text character by character, so that a missing lock shows."""

        def write(self, text: str) -> int:
            for char in text:
                super().write(char)
                time.sleep(0.0001)  # lets another thread in
            return len(text)

    stream = Slow()
    console = Console(stream)

    def work(letter: str) -> None:
        for _ in range(5):
            console.write(letter * 20 + "\n")

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stream.getvalue().splitlines()) == sorted(letter * 20 for letter in "abcd" for _ in range(5))
