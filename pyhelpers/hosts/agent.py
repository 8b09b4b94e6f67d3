"""The client of the agent on the host: one method per verb of `agent.sh`.

Each call is a short command over the link. Where the link is lost, the answer is *unknown*: the call is made again over
a new link when repeating it does no harm, and the host's own account of the deploy decides, never a guess.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyhelpers.errors import CommandFailed, Fenced, HostUnreachable, NothingChanged, Unknown
from pyhelpers.hosts.bundle import INSTALL, Bundle, Scripts
from pyhelpers.hosts.protocol import Host, Result
from pyhelpers.hosts.status import News, Status, Token, events_in, history_in, locked
from pyhelpers.hosts.steady import SteadyLink

LOCKED, FENCED, EXPIRED, UNARMED, ABSENT = 75, 76, 77, 78, 73
ARM_SECONDS = 20.0  # twice what the host's fire drill may take, should its `begin` still be at it
REAP_SECONDS = 3600.0  # an undo may restore a large database
NUDGE_SECONDS = 15.0  # between two requests to settle an abandoned deploy; the second waits for the first
WATCH_SECONDS = 15  # one long poll of `wait`; well below the link's own deadline
LONGEST_REASON = 2000  # characters


class Agent:
    """The agent of one app (`base`, its folder on the host) on one host."""

    def __init__(self, host: Host, base: str, bundle: Bundle, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the link, the app's base folder, and the files of this version."""
        self._link = SteadyLink(host, sleep)
        self.base = base
        self._bundle = bundle
        self._sleep = sleep
        self._path = f"{base}/.belay/{bundle.agent_name}"
        self.scripts = Scripts(f"{base}/.belay/{bundle.scripts_name}")

    @property
    def host(self) -> Host:
        """The host, over the link that leads to it now."""
        return self._link.host

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
        torn = False
        for _ in range(3):
            try:
                code, out, error = self._run("begin", deployment, str(ttl), switch, stdin=stdin)
            except HostUnreachable:
                self._link.reconnect()
                torn = True
                if token := self._begun(deployment, watchdog=watchdog):
                    return token
                continue
            if code == 0:
                return Token(deployment=deployment, epoch=int(out.strip().removeprefix("epoch=")))
            if code == LOCKED:
                if torn and error.strip() == deployment and (token := self._begun(deployment, watchdog=watchdog)):
                    return token  # the call that was lost came through after all
                raise locked(self.status(error.strip()), self.host.name)
            if code != EXPIRED:
                raise self._refused(error.strip())
            self.reap()
        raise locked(self.status(), self.host.name)

    def _begun(self, deployment: str, *, watchdog: bool) -> Token | None:
        """Return the token of a deploy whose `begin` gave no answer, once its reaper lives; None when it never began.

        The call may be at its fire drill still, or it was killed before that, and then nobody else arms the reaper.
        Raises `NothingChanged` when it isn't armed in time.
        """
        deadline = time.monotonic() + ARM_SECONDS
        while True:
            status = self.status(deployment)
            if status.status == "refused":
                raise self._refused(status.reason)
            if status.holder != deployment:
                return None
            token = Token(deployment=deployment, epoch=status.epoch)
            if not watchdog or status.reaper == "alive":
                return token
            if time.monotonic() > deadline:
                self.abort(token, "the reaper was not armed")
                self.settle(deployment, timeout=REAP_SECONDS)
                raise self._refused("the link was lost as it began, and its reaper was not armed")
            self._sleep(0.2)

    def _refused(self, reason: str) -> NothingChanged:
        remedy = "Run `doctor` to see what the host lacks; `watchdog: off` deploys without a reaper."
        return NothingChanged(f"{self.host.name} refused to begin: {reason}", remedy=remedy)

    def step(self, token: Token, name: str, *, command: str = "", undo: str = "") -> None:
        """Start the step `name` detached, its undo on disk before it; both are sh text. Repeating it starts nothing."""
        lines = undo.rstrip("\n").count("\n") + 1 if undo else 0
        text = (undo.rstrip("\n") + "\n" if undo else "") + command
        stdin = text.encode()
        self._must("step", token, name, str(lines), str(len(stdin)), stdin=stdin)

    def news(self, token: Token, name: str, offset: int) -> News:
        """Wait for what a step does or prints beyond `offset` bytes, some seconds at most; raises `Unknown`."""
        code, text, error = self._again("wait", token.deployment, name, str(offset), str(WATCH_SECONDS))
        if code != 0:
            raise Unknown(f"step {name} can't be watched: {error.strip()}", details=text)
        return News.from_text(text)

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
        """Hand the undoing to the host, once more if it is on hold; returns at once, `settle` waits for the end."""
        self._reach("abort", token, {"aborting", "rolled-back"}, _told(reason))

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
        start = 'setsid sh "$1" "$2" reap </dev/null >>"$2/.belay/deploys/$3/reaper.log" 2>&1 &'
        self.host.run(["sh", "-c", start, "reap", self._path, self.base, deployment])

    def unlock(self, deployment: str, *, force: bool) -> None:
        """Take the host back from a deploy on hold, or by force from one that still holds it."""
        code, _, error = self._again("unlock", deployment, *(["force"] if force else []))
        if code == FENCED and self.status(deployment).status == "released":
            return  # the answer to a first call was lost
        if code != 0:
            raise NothingChanged(
                error.strip(),
                remedy="Only a deploy on hold is unlocked; `--force` takes any: its steps are stopped, and nothing is undone.",
            )

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
        return self._link.repeated(lambda: self.host.run(argv, stdin=stdin, timeout=timeout))

    def put(self, content: bytes, path: str) -> None:
        """Write a small file whole, as `Host.put` says; again over a new link if one was lost."""
        self._link.repeated(lambda: self.host.put(content, path))

    def send_tree(self, source: Path, destination: str, *, exclude: Sequence[str] = ()) -> None:
        """Copy a folder, as `Host.send_tree` says; all of it again over a new link if one was lost."""
        self._link.repeated(lambda: self.host.send_tree(source, destination, exclude=exclude))

    # --- how a call is made -----------------------------------------------------------------------------------------

    def _run(self, verb: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        result = self.host.run(["sh", self._path, self.base, verb, *arguments], stdin=stdin)
        return result.exit_code, result.stdout.decode("utf-8", "surrogateescape"), result.error_text

    def _again(self, verb: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Make a call that may be repeated, over a new link if the first was lost."""
        return self._link.repeated(lambda: self._run(verb, *arguments, stdin=stdin))

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

        result = self._link.repeated(reach)
        if result[0] == FENCED and self.status(token.deployment).status in goals:
            return
        self._check(token, result)


def _told(reason: str) -> str:
    """Return a reason as one line that any command line can hold.

    It may quote what an app answered (half a character, a NUL, a megabyte), and must never be why nothing is undone.
    """
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(reason.split()))
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"
