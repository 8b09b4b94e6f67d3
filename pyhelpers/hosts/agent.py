"""The client of the agent on the host: one method per verb of `agent.sh`.

Each call is a short command over the link. Where the link is lost, the answer is *unknown*: the call is made again over
a new link when repeating it does no harm, and the host's own account of the deploy decides, never a guess.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pyhelpers.errors import BelayError, CommandFailed, Fenced, HostUnreachable, NothingChanged, Unknown
from pyhelpers.hosts.bundle import INSTALL, Bundle, Scripts
from pyhelpers.hosts.protocol import Host, Result
from pyhelpers.hosts.status import Status, StepEnd, Token, events_in, history_in, locked

LOCKED, FENCED, EXPIRED, UNARMED, ABSENT = 75, 76, 77, 78, 73
RECONNECT_SECONDS = 60.0  # half a default lease: as long as that, asking again may still find the lease alive
REAP_SECONDS = 3600.0  # an undo may restore a large database
NUDGE_SECONDS = 15.0  # between two requests to settle an abandoned deploy; the second waits for the first
WATCH_SECONDS = 15  # one long poll of `wait`; well below the link's own deadline
LONGEST_REASON = 2000  # characters
Answer = TypeVar("Answer")
_HEADER = re.compile(rb"^state=(\w+) rc=(\S+) offset=(\d+) status=(\S*)\n")


class Agent:
    """The agent of one app (`base`, its folder on the host) on one host."""

    def __init__(self, host: Host, base: str, bundle: Bundle, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the link, the app's base folder, and the files of this version."""
        self.host = host
        self.base = base
        self._bundle = bundle
        self._sleep = sleep
        self._path = f"{base}/.belay/{bundle.agent_name}"
        self.scripts = Scripts(f"{base}/.belay/{bundle.scripts_name}")

    def another(self) -> Agent:
        """Return the same agent over a link of its own (for the heartbeat)."""
        return Agent(self.host.another(), self.base, self._bundle, sleep=self._sleep)

    def folder(self, deployment: str) -> str:
        """Return the deploy's folder on the host."""
        return f"{self.base}/.belay/deploys/{deployment}"

    def install(self) -> None:
        """Put this version's files on the host, unless they are there; raises `NothingChanged` when it refuses."""
        names = [self.base, self._bundle.agent_name, self._bundle.scripts_name]
        test = ["sh", "-c", '[ -f "$1/.belay/$2" ] && [ -d "$1/.belay/$3" ]', "test", *names]
        if self.ask(test).ok:
            return
        result = self.ask(["sh", "-c", INSTALL.read_text(), "install", *names], stdin=self._bundle.tar())
        if not result.ok:
            raise NothingChanged(
                f"the agent can't be installed in {self.base}/.belay on {self.host.name}: {result.error_text.strip()}",
                remedy="Give `path` a folder that the deploy user owns or may make, on a disk that is not read-only.",
            )

    def installed(self) -> bool:
        """Return whether the host knows Belay at all."""
        return self.ask(["test", "-d", f"{self.base}/.belay"]).ok

    def begin(self, deployment: str, owner: dict[str, Any], *, ttl: int, watchdog: bool) -> Token:
        """Take the host's lock, raise its epoch, start the lease of `ttl` seconds, arm the reaper.

        A holder whose runner is gone is settled first. Raises `Locked` (naming the holder) or `NothingChanged`.
        """
        stdin = json.dumps(owner).encode()
        switch = "on" if watchdog else "off"
        for _ in range(3):
            try:
                result = self._run("begin", deployment, str(ttl), switch, stdin=stdin)
            except HostUnreachable:
                self._reconnect()
                status = self.status()
                if status.deployment == deployment and status.holder == deployment:
                    return Token(deployment=deployment, epoch=status.epoch)
                continue
            if result[0] == 0:
                return Token(deployment=deployment, epoch=int(result[1].strip().removeprefix("epoch=")))
            if result[0] == LOCKED:
                raise locked(self.status(result[2].strip()), self.host.name)
            if result[0] != EXPIRED:
                raise NothingChanged(
                    f"{self.host.name} refused to begin: {result[2].strip()}",
                    remedy="Run `doctor` to see what the host lacks; `watchdog: off` deploys without a reaper.",
                )
            self.reap()
        raise locked(self.status(), self.host.name)

    def step(self, token: Token, name: str, *, command: str = "", undo: str = "") -> None:
        """Start the step `name` detached, its undo on disk before it; both are sh text. Repeating it starts nothing."""
        lines = undo.rstrip("\n").count("\n") + 1 if undo else 0
        text = (undo.rstrip("\n") + "\n" if undo else "") + command
        stdin = text.encode()
        self._must("step", token, name, str(lines), str(len(stdin)), stdin=stdin)

    def watch(
        self,
        token: Token,
        name: str,
        *,
        timeout: float,
        on_output: Callable[[str], None],
        alive: Callable[[], None],
    ) -> StepEnd:
        """Follow a step to its end, over lost links too, for `timeout` seconds at most.

        `alive` is asked between two looks and raises when the deploy was lost or cancelled. Raises `Unknown` when the
        step is still running after `timeout`, `Fenced` when the host gave the deploy up meanwhile.
        """
        deadline = time.monotonic() + timeout
        offset, seen = 0, bytearray()
        while True:
            alive()
            code, out, error = self._again("wait", token.deployment, name, str(offset), str(WATCH_SECONDS))
            header = _HEADER.match(out.encode("utf-8", "surrogateescape"))
            if code != 0 or header is None:
                raise Unknown(f"step {name} can't be watched: {error.strip()}", details=out)
            body = out.encode("utf-8", "surrogateescape")[header.end() :]
            state, exit_code, offset = header[1].decode(), header[2].decode(), int(header[3])
            seen += body
            if body:
                on_output(body.decode("utf-8", "replace"))
            if state == "ended" and not body:
                return StepEnd(exit_code=int(exit_code), output=seen.decode("utf-8", "replace"))
            if state in {"lost", "none"}:
                self._lost(token, name)
            if time.monotonic() > deadline:
                raise Unknown(f"step {name} still runs after {timeout:.0f} s", remedy="The rollback stops it first.")

    def _lost(self, token: Token, name: str) -> NoReturn:
        """Raise what it means that a step is neither running nor ended.

        With the lease alive nobody on the host undoes anything: the runner has to ask for it.
        """
        status = self.status(token.deployment)
        if status.holder == token.deployment and not status.over:
            raise BelayError(
                f"step {name} is not there any more: something on the host killed it",
                remedy="Look into the host's kernel log: memory or disk may have run out.",
            )
        raise Fenced(f"step {name} is not there any more: the host was rebooted, or something killed it")

    def renew(self, token: Token) -> None:
        """Renew the lease once; raises `Fenced` when the host gave this deploy up, `HostUnreachable` when unknown."""
        self._check(token, self._run("renew", token.deployment, str(token.epoch)))

    def phase(self, token: Token, name: str, *, limit: int) -> None:
        """Tell the host where the deploy is; it trips after `limit` seconds even if heartbeats go on."""
        self._must("phase", token, name, str(limit))

    def register(self, token: Token, name: str, script: str) -> None:
        """Leave a script that completes the deploy, should the runner die after `precommit`."""
        stdin = script.encode()
        self._must("register", token, name, str(len(stdin)), stdin=stdin)

    def precommit(self, token: Token) -> None:
        """From here on, an expired lease keeps the new release."""
        self._reach("precommit", token, {"precommit"})

    def confirm(self, token: Token) -> None:
        """End the deploy; raises `Fenced` when the reaper was quicker."""
        self._reach("confirm", token, {"confirmed", "kept"})

    def complete(self, token: Token) -> None:
        """Give the lease back after `precommit`: the reaper completes the deploy now, not when the lease would run out."""
        self._check(token, self._run("phase", token.deployment, str(token.epoch), "open", "0"))
        self._start_reap(token.deployment)  # where no reaper is armed, nobody else would

    def abort(self, token: Token, reason: str) -> None:
        """Hand the undoing to the host; returns at once, `settle` waits for the end."""
        self._reach("abort", token, {"aborting", "rolled-back", "held"}, _told(reason))

    def hold(self, token: Token, reason: str) -> None:
        """Stay as it is, keep the lock, say why."""
        self._reach("hold", token, {"held"}, _told(reason))

    def settle(
        self,
        deployment: str,
        *,
        timeout: float,
        patient: Callable[[], None] = lambda: None,
        enough: Callable[[Status], bool] = lambda status: status.settled,
    ) -> Status:
        """Wait until the deploy ended and return how; raises `Unknown` after `timeout` seconds.

        Where nobody is left on the host who would end it (a reboot took the reaper along), it is asked to do so.
        """
        deadline = time.monotonic() + timeout
        asked = -NUDGE_SECONDS
        while True:
            status = self.status(deployment)
            if enough(status):
                return status
            now = time.monotonic()
            if now > deadline:
                raise Unknown(
                    f"{self.host.name} is still {status.status} after {timeout:.0f} s",
                    remedy="It goes on by itself; ask again with the verb `status`.",
                )
            if status.abandoned and now - asked >= NUDGE_SECONDS:
                self._start_reap(deployment)
                asked = now
            patient()
            self._sleep(0.2)

    def reap(self) -> Status:
        """Let the host settle what a dead runner or a reboot left behind, and return what it is now.

        The undoing itself may be long, so it is only started here and waited for by `settle`.
        """
        holder = self.status()
        if not holder.holder:
            return holder
        self._start_reap(holder.holder)
        return self.settle(holder.holder, timeout=REAP_SECONDS, enough=lambda status: status.settled or not status.over)

    def _start_reap(self, deployment: str) -> None:
        start = f'setsid sh "$1" "$2" reap </dev/null >>"$2/.belay/deploys/{deployment}/reaper.log" 2>&1 &'
        self.host.run(["sh", "-c", start, "reap", self._path, self.base])

    def unlock(self, deployment: str, *, force: bool) -> None:
        """Take the host back from a deploy on hold, or by force from one that still holds it."""
        code, _, error = self._again("unlock", deployment, *(["force"] if force else []))
        if code != 0:
            raise NothingChanged(error.strip(), remedy="Only a deploy on hold is unlocked; `--force` takes any.")

    def status(self, deployment: str = "") -> Status:
        """Return what the host knows of a deploy (default: of the holder, else of the last one)."""
        code, out, error = self._again("status", *([deployment] if deployment else []))
        if code == ABSENT:
            return Status()
        if code != 0:
            raise Unknown(f"{self.host.name} can't tell its state: {error.strip()}")
        return Status.from_json(out)

    def journal(self, deployment: str) -> list[dict[str, Any]]:
        """Return the deploy's journal; lines that a crash tore are left out."""
        code, out, _ = self._again("journal", deployment)
        return events_in(out) if code == 0 else []

    def history(self) -> list[dict[str, Any]]:
        """Return how every deploy on this host ended, the oldest first."""
        result = self.ask(["cat", f"{self.base}/.belay/history.jsonl"])
        return history_in(result.text) if result.ok else []

    def read(self, *argv: str, timeout: float = 60.0) -> str:
        """Run a short command that changes nothing and return its output; raises `CommandFailed`."""
        result = self.ask(list(argv), timeout=timeout)
        if not result.ok:
            raise CommandFailed(argv[1].rsplit("/", 1)[-1], result.exit_code, result.error_text + result.text)
        return result.text

    def ask(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run a short command that may be repeated (it only looks, or does the same again), over a new link if one was lost."""
        return self._repeated(lambda: self.host.run(argv, stdin=stdin, timeout=timeout))

    def put(self, content: bytes, path: str) -> None:
        """Write a small file whole, as `Host.put` says; again over a new link if one was lost."""
        self._repeated(lambda: self.host.put(content, path))

    def send_tree(self, source: Path, destination: str, *, exclude: Sequence[str] = ()) -> None:
        """Copy a folder, as `Host.send_tree` says; all of it again over a new link if one was lost."""
        self._repeated(lambda: self.host.send_tree(source, destination, exclude=exclude))

    # --- how a call is made -----------------------------------------------------------------------------------------

    def _run(self, verb: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        result = self.host.run(["sh", self._path, self.base, verb, *arguments], stdin=stdin)
        return result.exit_code, result.stdout.decode("utf-8", "surrogateescape"), result.error_text

    def _reconnect(self) -> None:
        deadline = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                fresh = self.host.another()
                fresh.run(["true"], timeout=20.0)
            except HostUnreachable:
                if time.monotonic() > deadline:
                    raise
                self._sleep(2.0)
            else:
                self.host.close()
                self.host = fresh
                return

    def _again(self, verb: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Make a call that may be repeated, over a new link if the first was lost."""
        return self._repeated(lambda: self._run(verb, *arguments, stdin=stdin))

    def _repeated(self, call: Callable[[], Answer]) -> Answer:
        """Do what may be repeated, over new links while they are torn; raises `HostUnreachable` when none lasts for a minute."""
        deadline = math.inf
        while True:
            try:
                return call()
            except HostUnreachable:
                deadline = min(deadline, time.monotonic() + RECONNECT_SECONDS)
                if time.monotonic() >= deadline:
                    raise
                self._reconnect()

    def _check(self, token: Token, result: tuple[int, str, str]) -> None:
        code, _, error = result
        if code in {FENCED, EXPIRED}:
            raise Fenced(
                f"{self.host.name} refused deploy {token.deployment}: {error.strip()}",
                remedy="The host settled the deploy by itself; `status` tells how.",
            )
        if code != 0:
            raise Unknown(f"{self.host.name} could not do it: {error.strip()}")

    def _must(self, verb: str, token: Token, *arguments: str, stdin: bytes = b"") -> None:
        self._check(token, self._again(verb, token.deployment, str(token.epoch), *arguments, stdin=stdin))

    def _reach(self, verb: str, token: Token, goals: set[str], *arguments: str) -> None:
        """Make a call that changes the status; after a lost link, look whether it did before repeating it."""
        calls = itertools.count()

        def reach() -> tuple[int, str, str]:
            if next(calls) and self.status(token.deployment).status in goals:
                return 0, "", ""
            return self._run(verb, token.deployment, str(token.epoch), *arguments)

        result = self._repeated(reach)
        if result[0] == FENCED and self.status(token.deployment).status in goals:
            return
        self._check(token, result)


def _told(reason: str) -> str:
    """Return a reason as one line that any command line can hold.

    It may quote what an app answered (half a character, a NUL, a megabyte), and must never be why nothing is undone.
    """
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(reason.split()))
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"
