"""A transaction on a host: everything between `begin` and its end runs in here, and leaves it in one of few ways.

    with Transaction.begin(agent, ...) as deploy:
        deploy.run("down", "Maintenance on", command=..., undo=...)
        ...
        deploy.confirm()

Leaving the block by an error hands the undoing to the host and turns the host's verdict into the error that is raised:
`RolledBack`, `Held`, `Unknown`. Only when nothing that visitors could see was changed, the cause itself is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.heartbeat import Heartbeat
from pyhelpers.deploy.timeline import VISIBLE
from pyhelpers.errors import (
    BelayError,
    Cancelled,
    CommandFailed,
    Fenced,
    Held,
    HostUnreachable,
    NothingChanged,
    RolledBack,
    Unknown,
)
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.follow import follow
from pyhelpers.hosts.status import Status, StepEnd, Token

LEASE_SECONDS = 120  # six heartbeats; a lease must outlive a few missed ones
BEATS_PER_LEASE = 6
KEPT = frozenset({"confirmed", "kept"})  # the host's words for a deploy that stays
SETTLE_SECONDS = 3600.0  # a restore may take long; the host goes on without us in any case


class DryRun(BelayError):
    """Leaves a transaction that only looked: what it brought to the host is put away, and the verb ends well."""

    title = "Dry run"

    def __init__(self) -> None:
        """Say what it is."""
        super().__init__("dry run: nothing was changed")


class Story(Protocol):
    """Where the deploy tells what it does (`runner.log.Log`)."""

    def step(self, text: str) -> None:
        """A new step began."""

    def detail(self, text: str) -> None:
        """Something worth a line below the step."""

    def output(self, text: str) -> None:
        """What a command on the host printed: never trusted."""

    def warning(self, text: str, *, title: str = ...) -> None:
        """Something a person should look at."""


@dataclass
class Transaction:
    """One open transaction; made by `begin`, or by `join` where an earlier step of the job left one open."""

    agent: Agent
    token: Token
    story: Story
    cancellation: Cancellation
    lease: int
    joined: bool = False
    visible: bool = False  # whether anything that visitors could notice was changed
    committed: bool = False  # whether the point of no return was passed: from there on the new state stays
    status: Status | None = None  # how it ended, once it did
    peers: Callable[[], None] = lambda: None  # raises when another host of the fleet was lost
    _shown: bool = False  # whether the failing step's output is in the log already
    _heartbeat: Heartbeat | None = None

    @classmethod
    def begin(
        cls,
        agent: Agent,
        deployment: str,
        owner: dict[str, Any],
        *,
        story: Story,
        cancellation: Cancellation,
        lease: int = LEASE_SECONDS,
        watchdog: bool = True,
    ) -> Transaction:
        """Take the host's lock and arm its reaper; a signal meanwhile waits until it is known what there is to abort."""
        deploy: Transaction | None = None
        try:
            with cancellation.deferred():
                token = agent.begin(deployment, owner, ttl=lease, watchdog=watchdog)
                deploy = cls(agent=agent, token=token, story=story, cancellation=cancellation, lease=lease)
        except Cancelled:
            if deploy is not None:
                agent.abort(deploy.token, "cancelled")
            raise
        return deploy

    @property
    def deployment(self) -> str:
        """The deploy's id."""
        return self.token.deployment

    @property
    def folder(self) -> str:
        """The deploy's folder on the host."""
        return self.agent.folder(self.deployment)

    def __enter__(self) -> Self:
        """Start the heartbeat."""
        self.start()
        return self

    def start(self) -> None:
        """Start the heartbeat."""
        self._heartbeat = Heartbeat(self.agent, self.token, interval=self.lease / BEATS_PER_LEASE)
        self._heartbeat.__enter__()

    def stop(self) -> None:
        """Stop the heartbeat."""
        if self._heartbeat is not None:
            self._heartbeat.__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Without an error, leave things as they are; with one, hand over and raise the verdict.

        Returns True, so that the block counts as done, when the host had completed everything before this process woke up.
        """
        try:
            if error is not None:
                self._fail(error)
        finally:
            self.stop()
        return isinstance(error, Fenced) and self.status is not None and self.status.status in KEPT

    def alive(self) -> None:
        """Raise `Fenced` when the lease was lost, here or on another host of the fleet."""
        self.leased()
        self.peers()

    def leased(self) -> None:
        """Raise `Fenced` when the lease of this host was lost; once the deploy has ended here there is none to lose."""
        if self._heartbeat is not None and self.status is None:
            self._heartbeat.check()

    def phase(self, name: str, *, limit: int) -> None:
        """Enter a phase of `limit` seconds at most; from a `VISIBLE` one on, a failure counts as rolled back."""
        self.agent.phase(self.token, name, limit=limit)
        self.visible = self.visible or name in VISIBLE

    def run(
        self, name: str, caption: str, *, command: str, undo: str = "", timeout: float = 600.0, show: bool = False
    ) -> StepEnd:
        """Run a step to its end; raises `CommandFailed` (with all it printed) when it ends other than 0.

        `show` streams its output into the log: for the user's own commands; ours speak in facts, not for people.
        """
        self.story.step(caption)
        self.agent.step(self.token, name, command=command, undo=undo)
        listener = self.story.output if show else lambda _text: None
        end = follow(self.agent, self.token, name, timeout=timeout, on_output=listener, alive=self.alive)
        if end.exit_code != 0:
            self._shown = show
            raise CommandFailed(f"step `{name}`", end.exit_code, end.output)
        return end

    def leave_undo(self, name: str, undo: str) -> None:
        """Register an undo for something that is done elsewhere, or later."""
        self.agent.step(self.token, name, undo=undo)

    def renew(self) -> None:
        """Renew the lease now: after this it is known that the host has not given the deploy up; raises `Fenced` if it has."""
        self.agent.renew(self.token)

    def precommit(self) -> None:
        """Pass the point of no return; a signal meanwhile waits until it is known on which side of it we are."""
        with self.cancellation.deferred():
            self.agent.precommit(self.token)
            self.committed = True

    def confirm(self) -> None:
        """End well. When the reaper was quicker, what it did decides."""
        try:
            self.agent.confirm(self.token)
        except Fenced:
            end = self.agent.settle(self.deployment, timeout=SETTLE_SECONDS)
            self._verdict(end, cause="the lease ran out before the deploy was confirmed")
        self.status = self.agent.status(self.deployment)

    # --- the ends that are none of the good one ------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        cause = error.message if isinstance(error, BelayError) else f"{type(error).__name__}: {error}"
        if isinstance(error, RolledBack | Held):
            return
        if self.committed and not isinstance(error, NothingChanged | Fenced):
            self._leave_to_host(error, cause)
            return
        if isinstance(error, DryRun):
            self.story.step("Dry run: nothing was changed")
        else:
            # A refusal has nothing to put back; whoever reads this at night must not think that it had.
            happened = (
                "Something failed: the host puts everything back"
                if self.visible
                else "It ends here: nothing was changed"
            )
            self.story.step(happened)
            self.story.detail(cause)
        try:
            if not isinstance(error, Fenced):
                self.agent.abort(self.token, cause)
        except Fenced:
            pass  # the host was quicker; it is asked for its verdict below
        except HostUnreachable as lost:
            raise Unknown(
                f"{cause}; and the host can't be reached, so its reaper undoes the deploy when the lease runs out",
                remedy="Ask later with the verb `status`.",
                details=str(lost),
            ) from error
        if isinstance(error, Cancelled):
            return
        self.status = self.agent.settle(self.deployment, timeout=SETTLE_SECONDS)
        self._verdict(self.status, cause=cause, error=error)

    def _leave_to_host(self, error: BaseException, cause: str) -> None:
        """After the point of no return only a verdict against the release undoes it; for all else the host completes it.

        Visitors may be in already: undoing a migration then would be a guess that only a person can make, and a job that
        was cancelled, a link that was lost, say nothing against the release.
        """
        self.story.step("All was healthy: the host completes the deploy by itself")
        self.story.detail(cause)
        with suppress(BelayError):  # the lease runs out in any case, and the host does the same then
            self.agent.complete(self.token)
        told = f"{cause}; the new release was healthy, so the host keeps it"
        if isinstance(error, Cancelled):
            raise Cancelled(told, remedy="The verdict step, or the verb `status`, tells how it ended.") from error
        raise Unknown(told, remedy="Ask later with the verb `status`.") from error

    def _verdict(self, status: Status, *, cause: str, error: BaseException | None = None) -> None:
        """Raise what the host's end of the deploy means; returns when it kept the new release."""
        details = error.details if isinstance(error, BelayError) else ""
        if status.status in KEPT:
            self.status = status
            return
        if status.status == "held":
            raise Held(
                f"{cause}. The host holds: {status.reason}",
                remedy="`status` shows the deploy; `rollback` tries again or restores, `unlock` gives the host back as it is.",
                details=details,
            ) from error
        if status.status != "rolled-back":
            raise Unknown(f"{cause}; the host says {status.status or 'nothing'}", remedy="Ask again with `status`.")
        if self.visible:
            remedy = getattr(error, "remedy", "") or "The log above shows the cause; nothing is left to clean up."
            last = details.strip().splitlines()[-1].strip()[:300] if details.strip() else ""
            told = f"{cause}: {last}" if last else cause
            shown = "" if self._shown else details
            raise RolledBack(f"{told.rstrip('.')}. Everything was put back.", remedy=remedy, details=shown) from error
        if not isinstance(error, BelayError) or isinstance(error, Unknown | Fenced):
            raise nothing_kept(cause, error, details=details) from error


def nothing_kept(cause: str, error: BaseException | None, *, details: str = "") -> NothingChanged:
    """Return what a deploy without a visible change failed with, when the host itself said that nothing of it is left.

    What was unknown to us when we lost the host is known by then (P7 in the other direction).
    """
    remedy = getattr(error, "remedy", "") if isinstance(error, Unknown) else ""
    told = f"{cause.rstrip('.')}. The host put back what was begun, and nothing that visitors could see was changed."
    return NothingChanged(told, remedy=remedy or "Nothing is left to clean up; try again.", details=details)


def owner_of(fields: dict[str, Any], now: Callable[[], str]) -> dict[str, Any]:
    """Return who holds the host, as the next deploy will read it: `fields` and the time of day (for people only)."""
    return {"since": now(), **fields}
