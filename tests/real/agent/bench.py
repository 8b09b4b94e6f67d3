"""A bench for the agent: a folder as the app's base, the real `agent.sh` driven as the client drives it, by its verbs.

Scripts that the tests leave as steps and undos write to one log, `$BELAY_BASE/log`: its order is what most tests judge.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.lab.private_mounts import private_mounts

AGENT = Path(__file__).resolve().parents[3] / "pyhelpers" / "hosts" / "agent.sh"
LOCKED, FENCED, EXPIRED, REFUSED, ABSENT, BROKEN, WRONG = 75, 76, 77, 78, 73, 70, 2
ENDED = {"confirmed", "rolled-back", "kept", "held", "released", "refused"}
Found = TypeVar("Found")
PATIENCE = 60.0  # seconds after which waiting is given up; no test depends on how long something really takes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a call ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One app's base folder and the agent that serves it. A value: `with_` gives a variant of the same bench."""

    base: Path
    agent: Path = AGENT
    path: str = field(default_factory=lambda: os.environ["PATH"])
    shell: tuple[str, ...] = ("dash",)
    prefix: tuple[str, ...] = ()  # words before every call, such as those that enter a mount namespace
    environment: Mapping[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: f"{uuid.uuid4().hex}/")

    @property
    def state(self) -> Path:
        """The agent's folder."""
        return self.base / ".belay"

    def with_(self, **changes: Any) -> Bench:
        """The same bench, called in another way."""
        return replace(self, **changes)

    # --- calls ------------------------------------------------------------------------------------------------------

    def words(self, verb: str, *arguments: str | int) -> list[str]:
        """The command line of a call."""
        return [*self.prefix, *self.shell, str(self.agent), str(self.base), verb, *map(str, arguments)]

    def environ(self) -> dict[str, str]:
        """What a call's processes find in their environment; the mark is how `sweep` knows them."""
        return {"PATH": self.path, "HOME": "/", "BELAY_BENCH": self.mark, **self.environment}

    def start(self, verb: str, *arguments: str | int, **options: Any) -> subprocess.Popen[bytes]:
        """Start a call in a session of its own, as sshd does."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.words(verb, *arguments), env=self.environ(), start_new_session=True, **pipes)

    def call(self, verb: str, *arguments: str | int, stdin: bytes = b"") -> Answer:
        """Make a call to its end."""
        done = subprocess.run(
            self.words(verb, *arguments),
            input=stdin,
            env=self.environ(),
            start_new_session=True,
            capture_output=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        out, err = done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "replace")
        return Answer(code=done.returncode, out=out, err=err)

    def must(self, verb: str, *arguments: str | int, stdin: bytes = b"") -> Answer:
        """Make a call that has to succeed."""
        answer = self.call(verb, *arguments, stdin=stdin)
        assert answer.code == 0, (verb, arguments, answer)
        return answer

    def try_begin(
        self, name: str = "one", *, ttl: int = 100, watchdog: bool = False, owner: str = '{"actor":"ann"}'
    ) -> Answer:
        """Call begin."""
        return self.call("begin", name, ttl, "on" if watchdog else "off", stdin=owner.encode())

    def begin(
        self, name: str = "one", *, ttl: int = 100, watchdog: bool = False, owner: str = '{"actor":"ann"}'
    ) -> int:
        """Begin a deploy and return its epoch."""
        answer = self.try_begin(name, ttl=ttl, watchdog=watchdog, owner=owner)
        assert answer.code == 0, answer
        return int(answer.out.strip().removeprefix("epoch="))

    def try_step(self, name: str, command: str = "", *, undo: str = "", epoch: int = 1, deploy: str = "one") -> Answer:
        """Call step."""
        script, lines = request(command, undo)
        return self.call("step", deploy, epoch, name, lines, len(script), stdin=script)

    def step(self, name: str, command: str = "", *, undo: str = "", epoch: int = 1, deploy: str = "one") -> None:
        """Start a step that has to be accepted."""
        answer = self.try_step(name, command, undo=undo, epoch=epoch, deploy=deploy)
        assert answer.code == 0, answer

    def register(self, name: str, script: str, *, epoch: int = 1, deploy: str = "one") -> None:
        """Leave a finish script."""
        self.must("register", deploy, epoch, name, len(script.encode()), stdin=script.encode())

    def wait_step(self, name: str, *, deploy: str = "one") -> tuple[str, int, str]:
        """Follow a step to its end as the client does; return how (`ended`, `lost`…), its exit code, its output."""
        offset, seen = 0, ""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            head, _, body = self.must("wait", deploy, name, offset, 5).out.partition("\n")
            facts = dict(word.split("=", 1) for word in head.split())
            offset, seen = int(facts["offset"]), seen + body
            if facts["state"] != "running" and not body:
                return facts["state"], int(facts["rc"].replace("-", "-1")), seen
        raise AssertionError(f"step {name} did not end: {seen}")

    def finished_step(
        self, name: str, command: str = "", *, undo: str = "", epoch: int = 1, deploy: str = "one"
    ) -> None:
        """Run a step to its good end."""
        self.step(name, command, undo=undo, epoch=epoch, deploy=deploy)
        assert self.wait_step(name, deploy=deploy)[:2] == ("ended", 0)

    def expire(self, *, epoch: int = 1, deploy: str = "one") -> None:
        """Let the lease run out within a second, by a phase whose limit is over at once."""
        self.call("phase", deploy, epoch, "over", 0)

    # --- looks ------------------------------------------------------------------------------------------------------

    def status(self, name: str = "") -> dict[str, Any]:
        """The status as the client reads it: strict JSON in one line."""
        out = self.must("status", *([name] if name else [])).out
        assert out.count("\n") == 1, out
        found: dict[str, Any] = json.loads(out.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        return found

    def ended(self, name: str = "one") -> dict[str, Any]:
        """Wait until the deploy has ended (held counts), the host is free where it will be, and return the status."""

        def end() -> dict[str, Any]:
            found = self.status(name)
            over = found["status"] in ENDED and (found["status"] == "held" or found["active"] != name)
            return found if over else {}

        return until(end, f"the end of {name}")

    def read(self, name: str) -> str:
        """A file below the base, empty when it isn't there; seen from where the agent runs."""
        if self.prefix:
            words = [*self.prefix, "cat", str(self.base / name)]
            return subprocess.run(words, capture_output=True, check=False).stdout.decode("utf-8", "replace")
        path = self.base / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def log(self) -> list[str]:
        """What the test's scripts wrote, in order."""
        return self.read("log").split("\n")[:-1]

    def journal(self, name: str = "one") -> list[tuple[str, str]]:
        """The (event, name) pairs of the journal; lines that a crash tore are left out, as the client does."""
        return [
            (str(line["event"]), str(line["name"]))
            for line in lines_of(self.read(f".belay/deploys/{name}/journal.jsonl"))
        ]

    def history(self) -> list[tuple[str, str]]:
        """The (id, verdict) pairs of all deploys that ended."""
        return [(str(line["id"]), str(line["verdict"])) for line in lines_of(self.read(".belay/history.jsonl"))]

    def files(self) -> dict[str, bytes]:
        """All files of the state with their content: equal before and after means that nothing was changed."""
        return {
            str(path.relative_to(self.state)): path.read_bytes() for path in self.state.rglob("*") if path.is_file()
        }

    def inside(self, script: str) -> str:
        """The output of an sh script that runs where the agent runs."""
        words = [*self.prefix, "sh", "-c", script]
        return subprocess.run(words, env=self.environ(), capture_output=True, text=True, check=False).stdout

    def copy(self, target: Path) -> Bench:
        """A twin with the same state in another base, so that many trials can start from one preparation."""
        shutil.copytree(self.base, target, symlinks=True)
        return replace(self, base=target, mark=f"{self.mark}{target.name}/")

    # --- processes --------------------------------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """All live processes that came from this bench and its twins, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"\0BELAY_BENCH={self.mark}".encode() in b"\0" + (folder / "environ").read_bytes():
                    found[int(folder.name)] = (
                        (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    )
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def pid(self, *words: str) -> int:
        """The session's leader of this bench whose command line holds all these words; waits until it is there."""

        def leads(pid: int) -> bool:  # its forks have its command line too, until they become something else
            with contextlib.suppress(ProcessLookupError):
                return os.getsid(pid) == pid
            return False

        def found() -> int:
            hits = [
                pid
                for pid, line in self.processes().items()
                if all(word in line for word in (str(self.base), *words)) and leads(pid)
            ]
            return hits[0] if len(hits) == 1 else 0

        return until(found, f"a process with {words}")

    def signal(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process of this bench; one that is gone already is none."""
        if pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def sweep(self, *, keep: str = "") -> None:
        """Kill whatever this bench left running (by its mark), but for the command line `keep`; returns when it is gone."""

        def gone() -> bool:
            left = [pid for pid, line in self.processes().items() if line.strip() != keep]
            for pid in left:
                self.signal(pid)
            return not left

        until(gone, "the end of all processes")


def request(command: str, undo: str) -> tuple[bytes, int]:
    """What a step is given on standard input, and how many lines of it are undo, as the client makes it."""
    undo = undo.rstrip("\n") + "\n" if undo else ""
    return (undo + command).encode(), undo.count("\n")


def says(word: str) -> str:
    """A script that writes one line to the log."""
    return f'echo {shlex.quote(word)} >>"$BELAY_BASE/log"'


def chatters(word: str, times: int = 100, *, ignore: str = "") -> str:
    """A script that writes a line to the log every 20 ms."""
    trap = f"trap '' {ignore}; " if ignore else ""
    return f"{trap}i=0; while [ $i -lt {times} ]; do i=$((i+1)); {says(word)}; sleep 0.02; done"


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines of a JSONL file that can be read."""
    found = []
    for line in text.split("\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def until(condition: Callable[[], Found], what: str, *, patience: float = PATIENCE) -> Found:
    """Ask until the answer is true, and return it; fails after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {patience:.0f} s in vain for {what}")


def tools(folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """A folder with links to all tools of the machine but `crontab` and some more: on this PATH those can't be found."""
    folder.mkdir()
    for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for tool in Path(place).glob("*"):
            link = folder / tool.name
            if tool.name not in {"crontab", *without} and not link.is_symlink():
                link.symlink_to(tool)
    return folder


@contextmanager
def namespace(mounts: str, mark: str) -> Iterator[tuple[str, ...]]:
    """A mount namespace that lasts; yields the words that run a command inside. Skips where that is not allowed."""
    words = private_mounts(mounts)
    keeper = subprocess.Popen(
        [*words, "sh", "-c", "echo $$; exec sleep 1000"],
        stdout=subprocess.PIPE,
        env={**os.environ, "BELAY_BENCH": mark},
        start_new_session=True,
    )
    try:
        assert keeper.stdout is not None
        pid = keeper.stdout.readline().decode().strip()
        if not pid:
            pytest.skip(f"these mounts aren't allowed here: {mounts}")
        enter = ["nsenter", "--target", pid, "--mount"]
        if "--map-root-user" in words:
            enter += ["--user", "--preserve-credentials"]
        if words[0].endswith("sudo"):
            enter = ["sudo", "-nE", *enter]
        yield (*enter, "--")
    finally:
        keeper.kill()
        keeper.communicate()
