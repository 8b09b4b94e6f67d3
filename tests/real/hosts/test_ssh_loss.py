"""P7 over a real link that breaks: unknown is unknown, the command over there goes on, and nothing is run twice."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyhelpers.errors import HostUnreachable
from pyhelpers.hosts import link
from pyhelpers.hosts.connect import open_host
from pyhelpers.hosts.protocol import Host
from pyhelpers.hosts.ssh import SshHost, _converse, _send_some
from tests.lab.hosts import connection_to, key_of
from tests.lab.sshd import Sshd, free_port, running_sshd

# paramiko's own threads may die loudly on links that are cut here on purpose; what counts is what `run` says of it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server of this module's own, since its links are cut."""
    with running_sshd(tmp_path_factory.mktemp("frail")) as server:
        yield server


@pytest.fixture
def host(frail: Sshd) -> Iterator[Host]:
    """A fresh link to it."""
    host = open_host(connection_to(frail, connect_timeout=5))
    yield host
    host.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is on its way."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it never happened")


def count(path: Path) -> int:
    """Return how many lines a file has, none if it is missing."""
    return len(path.read_text().splitlines()) if path.exists() else 0


class CutAfterABit(io.BytesIO):
    """An endless source, or a sink without bottom, that cuts the link when a megabyte has passed."""

    def __init__(self, server: Sshd) -> None:
        """Take the server whose links are cut."""
        super().__init__()
        self.server = server
        self.passed = 0

    def meet(self, size: int) -> None:
        """Count, and cut in time."""
        self.passed += size
        if 1_000_000 < self.passed < 2_500_000:
            self.server.cut_links()

    def write(self, data: object, /) -> int:
        """Forget the data."""
        assert isinstance(data, bytes)
        self.meet(len(data))
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Make up the data."""
        self.meet(size or 0)
        return b"x" * (size or 0)


STEP = 'echo begun >> "$1/begun"; sleep 2; echo done >> "$1/done"'


def test_after_a_timeout_the_command_goes_on_over_there(host: Host, frail: Sshd) -> None:
    with pytest.raises(HostUnreachable, match="may still run"):
        host.run(["sh", "-c", STEP, "sh", frail.base], timeout=1)
    until(lambda: count(Path(frail.base, "done")) == 1)
    assert host.run(["true"]).ok


def test_a_cut_link_is_unknown_and_the_command_is_never_run_again(host: Host, frail: Sshd) -> None:
    folder = Path(frail.base, "cut")
    host.run(["mkdir", str(folder)])

    def cut() -> None:
        until(lambda: count(folder / "begun") == 1)
        assert frail.cut_links()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(HostUnreachable, match="the link was lost"):
        host.run(["sh", "-c", STEP, "sh", str(folder)])
    cutter.join()
    until(lambda: count(folder / "done") == 1)
    assert host.run(["true"]).ok, "the next command gets a new link"
    assert count(folder / "begun") == 1
    assert count(folder / "done") == 1


def test_a_link_that_was_cut_while_idle_is_made_anew(host: Host, frail: Sshd) -> None:
    assert host.run(["echo", "before"]).ok
    assert frail.cut_links()
    assert host.run(["echo", "after"]).text == "after\n"


def test_a_link_that_cannot_be_made_anew_is_unreachable(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as server:
        host = open_host(connection_to(server, connect_timeout=5))
        assert host.run(["true"]).ok
    for _ in range(2):
        with pytest.raises(HostUnreachable):
            host.run(["true"], timeout=5)
    host.close()


def test_output_that_was_cut_short_is_never_a_result(host: Host, frail: Sshd) -> None:
    """The exit status alone isn't enough: the output that goes with it must have come to its end."""
    threading.Timer(0.4, frail.cut_links).start()
    with pytest.raises(HostUnreachable):
        host.run(["sh", "-c", "(sleep 2; echo late) & exit 0"])


def test_a_link_that_fell_silent_is_given_up_and_made_anew(host: Host, frail: Sshd) -> None:
    """No reset, no end: what a dropped network looks like. Stopped processes acknowledge nothing either."""
    assert host.run(["true"]).ok
    stopped = frail.session_processes()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(HostUnreachable):
            host.run(["true"], timeout=1)
        assert host.run(["echo", "anew"], timeout=20).text == "anew\n"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may drop packets")
def test_a_network_that_drops_everything_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives the link up long before the command's own deadline; with shorter times, not to wait for them."""
    monkeypatch.setattr(link, "KEEPALIVE", 1)
    monkeypatch.setattr(link, "DEAD_AFTER", 3)
    address, port = "127.66.66.66", free_port()
    with running_sshd(tmp_path, port=port, settings=[f"ListenAddress {address}:{port}"]) as server:
        pins = f"[{address}]:{port} {key_of(server)}"
        host = open_host(connection_to(server, host=address, known_hosts=pins, connect_timeout=5))
        drop = ["blackhole", f"{address}/32", "table", "local"]
        dropper = threading.Timer(0.5, lambda: subprocess.run(["ip", "route", "add", *drop], check=True))
        dropper.start()
        try:
            with pytest.raises(HostUnreachable, match="the link was lost"):
                host.run(["sleep", "100"], timeout=120)
        finally:
            dropper.join()
            subprocess.run(["ip", "route", "del", *drop], check=True)
        assert host.run(["echo", "back"]).text == "back\n"
        host.close()


def test_silence_just_before_a_command_starts_ends_at_the_deadline(host: Host, frail: Sshd) -> None:
    """Paramiko itself would wait for ever for the answer to `exec`."""
    assert isinstance(host, SshHost)
    with host._link.session(time.monotonic() + 20) as channel:
        stopped = frail.session_processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                _converse(channel, b"true", b"", time.monotonic() + 0.5)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)


def test_a_channel_that_closes_while_we_send_leaves_the_verdict_to_the_exit_status(host: Host) -> None:
    """It happens between two looks at the channel, hence the look from inside."""
    assert isinstance(host, SshHost)
    with host._link.session(time.monotonic() + 20) as channel:
        channel.close()
        assert not _send_some(channel, memoryview(b"too late"))


def test_a_server_with_a_single_session_serves_one_command_after_the_other(tmp_path: Path) -> None:
    """A hardened sshd has a small MaxSessions; a refused session has run nothing, so asking again is safe."""
    with running_sshd(tmp_path, settings=["MaxSessions 1"]) as server:
        host = open_host(connection_to(server))
        answers: list[str] = []
        ask = lambda: answers.append(host.run(["sh", "-c", "sleep 0.2; echo done"]).text)  # noqa: E731
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["done\n"] * 4
        host.close()


def test_a_cut_link_is_unknown_for_bulk_in_both_directions(host: Host, frail: Sshd) -> None:
    with pytest.raises(HostUnreachable, match="lost"):
        host.receive(["cat", "/dev/zero"], CutAfterABit(frail))
    with pytest.raises(HostUnreachable, match="lost"):
        host.send(["sh", "-c", "cat > /dev/null"], CutAfterABit(frail))
