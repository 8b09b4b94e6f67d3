"""What goes wrong in a chaos test, done as the world does it: signals to one process, links cut, hosts rebooted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import checker
from tests.lab.site import Run, Site
from tests.lab.sshd import Sshd

PATIENCE = 120.0
BOOT_ID = "/proc/sys/kernel/random/boot_id"
# actions/runner, ProcessInvoker: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL, all to the entry process alone.
CANCEL = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 30.0))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment in a deploy: right after the `number`-th line (from 0) of its journal that says `event` `name`."""

    event: str
    name: str
    number: int = 0
    later: float = 0.0  # seconds

    def __str__(self) -> str:
        """Return it as a test's name."""
        more = f"+{self.later:g}s" if self.later else ""
        return f"{self.event}-{self.name}{f'-{self.number}' if self.number else ''}{more}"


def at(event: str, name: str, *, later: float = 0.0) -> Moment:
    """Return the moment right after `event` `name`."""
    return Moment(event=event, name=name, later=later)


def reached(site: Site, run: Run, moment: Moment) -> bool:
    """Wait until the deploy has come to `moment`; false when the run ended before."""

    def there() -> bool:
        lines = [(event["event"], plain(event["name"])) for event in checker.journal(site)]
        return lines.count((moment.event, moment.name)) > moment.number

    until(lambda: there() or not run.running, f"the moment {moment}")
    time.sleep(moment.later)
    return there()


def plain(name: str) -> str:
    """Return an event's name without what is random in it: the mark of a backup, the id of a deploy."""
    for prefix in ("backup-", "prove-", "load-", "unload-", "discard-", "local-", "4242-"):
        if name.startswith(prefix):
            return prefix.rstrip("-")
    return name


def until(true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait, with an end."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what} in vain"
        time.sleep(0.005)


def kill(run: Run) -> None:
    """Kill the runner as a lost machine would: nothing can catch it."""
    run.signal(signal.SIGKILL)
    run.wait()


def cancel(run: Run) -> float:
    """Cancel the step as GitHub does; return the seconds from the first signal to its end."""
    begun = time.monotonic()
    for number, patience in CANCEL:
        run.signal(number)
        with suppress(subprocess.TimeoutExpired):
            run.wait(patience)
            break
    return time.monotonic() - begun


@dataclass(frozen=True, kw_only=True)
class Reboot:
    """A host after a reboot: every process of the deploy is gone, and the kernel has a new boot id."""

    boot_id: Path

    @property
    def prefix(self) -> list[str]:
        """Return the words that start a program on the rebooted machine: a mount namespace with the new boot id."""
        mount = f"mount --bind '{self.boot_id}' {BOOT_ID} && exec \"$@\""
        return [shutil.which("unshare") or "unshare", "--mount", "sh", "-c", mount, "sh"]


def reboot(site: Site) -> Reboot:
    """Take the power from the host: kill all that runs there for the deploy, at once and again until nothing is left."""
    until(lambda: not _killed(site), "the last process on the host to die")
    boot_id = site.sources / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    boot_id.chmod(0o644)
    return Reboot(boot_id=boot_id)


def _killed(site: Site) -> dict[int, str]:
    found = checker.processes(site)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def stop_server(server: Sshd) -> None:
    """Take an sshd away, with all its connections, as a machine that goes down does."""
    server.cut_links()
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGKILL)
    server.cut_links()


def freeze(run: Run) -> None:
    """Stop the runner's process, as a machine that is suspended does; it does not notice."""
    run.signal(signal.SIGSTOP)


def thaw(run: Run) -> None:
    """Let it go on."""
    run.signal(signal.SIGCONT)


def kill_one(site: Site, names: tuple[str, ...], seconds: float = 10.0) -> str:
    """Kill one process of the host that runs a program of these names, and what it forked; return its name.

    Waits for one to appear; returns nothing when none did, or when the deploy was over before.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and checker.holder(site) is not None:
        for pid, words in checker.processes(site).items():
            name = Path(words.split(" ")[0]).name
            if name in names or any(f" {each} " in f" {words} " for each in names):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    return name
        time.sleep(0.005)
    return ""


def fill_disk(site: Site, left: int) -> Path:
    """Leave `left` bytes of the site's own disk; return the ballast, whose removal makes room again."""
    ballast = site.base / "ballast"
    found = os.statvfs(site.base)
    size = found.f_bavail * found.f_frsize - left
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    return ballast


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A host's wall clock, by libfaketime in all that its sshd starts; uptime and pauses stay what they are."""

    file: Path

    @property
    def settings(self) -> list[str]:
        """Return the lines of sshd_config that put the host on this clock."""
        words = {
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        return ["SetEnv " + " ".join(f"{name}={value}" for name, value in words.items())]

    def set(self, days: int) -> None:
        """Put it so many days ahead, or back."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{days:+}d\n")
        new.chmod(0o644)
        new.replace(self.file)


# Python's own pauses fail under it (absolute times of the monotonic clock), so it is the host's alone, never the runner's.
FAKETIME = tuple(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))[:1]


def clock(folder: Path, days: int = 0) -> Clock:
    """Return a clock whose time is told by a file in `folder`."""
    made = Clock(file=folder / f"clock-{uuid.uuid4().hex}")
    made.set(days)
    return made


def let_the_lease_run_out(site: Site) -> None:
    """Make the lease's time be over, where waiting two minutes for it would show nothing more."""
    holder = checker.holder(site)
    if holder is not None:
        lease = holder / "lease"
        new = lease.with_suffix(".nemesis")
        new.write_text(f"{lease.read_text().split()[0]} 0\n")
        new.replace(lease)
