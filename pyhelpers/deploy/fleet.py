"""One deploy on all hosts of an app: begun on all, each phase done on all before the next begins, ended on all.

One host is a fleet of one; everything here then does just what its one transaction does. For more of them this is a
two-phase commit: the leader's precommit, the last of all, is the moment in which the new release is there to stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.fleet_end import HostEnd, cause_of, judge, settled
from pyhelpers.deploy.fleet_story import Named, Quiet
from pyhelpers.deploy.transaction import DryRun, Story, Transaction
from pyhelpers.errors import BelayError, Cancelled, Fenced, HostUnreachable, NothingChanged, Unknown
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.fleet import ASK_AT_ONCE, at_once, gather

Result = TypeVar("Result")


class OnHost(Protocol):
    """The part of a fleet's work that belongs to one host."""

    @property
    def deploy(self) -> Transaction:
        """The host's transaction."""

    @property
    def host(self) -> str:
        """How people know the host."""


Part = TypeVar("Part", bound=OnHost)


@dataclass
class Fleet(Generic[Part]):
    """The transactions of a deploy, the leader's first; and, once its hosts were looked at, their `works`."""

    deploys: list[Transaction]
    story: Story
    cancellation: Cancellation
    limit: int
    works: list[Part] = field(default_factory=list)
    behind: list[Part] = field(default_factory=list)  # lost after the point of no return: they go on by themselves
    ends: list[HostEnd] = field(default_factory=list)  # how each host ended, once that is known
    undecided: bool = False  # whether the leader was lost in the very call that passes the point of no return

    @classmethod
    def begin(
        cls,
        agents: Sequence[Agent],
        deployment: str,
        owner: dict[str, Any],
        *,
        story: Story,
        cancellation: Cancellation,
        limit: int,
        lease: int,
        watchdog: bool,
    ) -> Fleet[Part]:
        """Take every host's lock and arm every reaper, the leader first; where one refuses, give back what was taken."""

        def begin(agent: Agent, told: Story, caught: Cancellation) -> Transaction:
            told.step(f"Take the lock of {agent.host.name}, arm its reaper")
            return Transaction.begin(
                agent, deployment, owner, story=told, cancellation=caught, lease=lease, watchdog=watchdog
            )

        if len(agents) == 1:
            return cls([begin(agents[0], story, cancellation)], story, cancellation, limit)
        taken: list[Transaction] = []
        try:
            with cancellation.deferred():
                story.step(f"Take the locks of {len(agents)} hosts, arm their reapers")
                quiet = [Named(Quiet(story), agent.host.name) for agent in agents]
                taken.append(begin(agents[0], quiet[0], Cancellation()))
                pairs = list(zip(agents[1:], quiet[1:], strict=True))
                found = gather(pairs, lambda pair: begin(*pair, Cancellation()), limit=limit)
                taken += [each for each in found if isinstance(each, Transaction)]
                failed = [each for each in found if isinstance(each, BelayError)]
                if failed:
                    raise failed[0]
        except BelayError as error:
            _give_back(taken, error)
            raise
        fleet = cls(taken, story, cancellation, limit)
        for deploy in taken:
            deploy.story = Named(story, deploy.agent.host.name)
            deploy.peers = fleet.leased
        return fleet

    @property
    def alone(self) -> bool:
        """Whether there is one host only."""
        return len(self.deploys) == 1

    @property
    def leader(self) -> Part:
        """The work of the first host: it alone has the database."""
        return self.works[0]

    @property
    def followers(self) -> list[Part]:
        """The other hosts."""
        return self.works[1:]

    def leased(self) -> None:
        """Raise `Fenced` when any host gave the deploy up that was not left behind."""
        for deploy in self.deploys:
            if all(work.deploy is not deploy for work in self.behind):
                deploy.leased()

    # --- the phases ----------------------------------------------------------------------------------------------------

    def each(self, phase: Callable[[Part], Result], works: Sequence[Part] | None = None) -> list[Result]:
        """Do a phase on all hosts (or on `works`) and wait for all: what follows finds it done everywhere."""
        if self.alone:
            return [phase(work) for work in self.works]
        return at_once(self.works if works is None else works, lambda work: self._named(phase, work), limit=self.limit)

    def each_left(self, phase: Callable[[Part], Result]) -> list[Result]:
        """Do a phase after the point of no return: a host that is lost then is left behind, for its reaper to complete."""
        if self.alone:
            return [phase(work) for work in self.works]
        works = [work for work in self.works if work not in self.behind]
        found = gather(works, lambda work: self._named(phase, work), limit=self.limit)
        results: list[Result] = []
        for work, end in zip(works, found, strict=True):
            if isinstance(end, Unknown | Fenced):
                self.behind.append(work)
                self.story.warning(f"{end.message}; this host completes the deploy by itself", title="Host left behind")
            elif isinstance(end, BelayError):
                raise end
            else:
                results.append(end)
        return results

    def _named(self, phase: Callable[[Part], Result], work: Part) -> Result:
        """Run a phase on one of several hosts; its error says which."""
        try:
            return phase(work)
        except BelayError as error:
            if work.host not in error.message:
                error.message = f"{work.host}: {error.message}"
            raise

    def groups(self, rollout: str) -> list[list[Part]]:
        """Return the hosts in the groups that get the new release one after the other.

        The canary is the first follower: the leader has the migrations, and often the scheduler, to itself.
        """
        if self.alone or rollout == "all":
            return [self.works]
        if rollout == "canary":
            return [self.works[1:2], [self.works[0], *self.works[2:]]]
        return [self.works[start : start + self.limit] for start in range(0, len(self.works), self.limit)]

    def precommit(self) -> None:
        """Pass the point of no return, the leader last: until then every host asks it what became of the deploy."""
        if self.alone:
            self.deploys[0].precommit()
            return
        with self.cancellation.deferred():
            self.each(lambda work: work.deploy.precommit(), self.followers)
            try:
                self._named(lambda work: work.deploy.precommit(), self.leader)
            except Unknown:
                # It may have heard the call. The others ask the barrier, and not us, which way to go.
                self.undecided = True
                raise

    def wait(self, works: Sequence[Part], *, limit: int) -> None:
        """Let hosts wait while others are at work: for `limit` seconds the phase that they are in doesn't run out."""
        if not self.alone:
            self.each(lambda work: work.deploy.phase("wait", limit=limit), works)

    # --- the ends ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the heartbeats."""
        for deploy in self.deploys:
            deploy.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Leave all transactions as `Transaction` leaves one; with an error, raise the verdict of all hosts."""
        if self.alone:
            return self.deploys[0].__exit__(kind, error, trace)
        try:
            return error is not None and self._fail(error)
        finally:
            for deploy in self.deploys:
                deploy.stop()

    def _fail(self, error: BaseException) -> bool:
        """Hand over to every host and raise what became of all; returns True when all of them kept the new release."""
        cause = cause_of(error)
        if self.undecided or (self.deploys[0].committed and not isinstance(error, NothingChanged)):
            self._leave_to_hosts(error, cause)
        if isinstance(error, DryRun):
            self.story.step("Dry run: nothing was changed")
        else:
            self.story.step("Something failed: every host puts everything back")
            self.story.detail(cause)
        gather(self.deploys, lambda deploy: _abort(deploy, cause), limit=ASK_AT_ONCE)
        if isinstance(error, Cancelled):
            return False
        lost_at = time.monotonic()
        found = gather(self.deploys, lambda deploy: settled(deploy, lost_at=lost_at), limit=ASK_AT_ONCE)
        self.ends = [HostEnd.of(deploy, end) for deploy, end in zip(self.deploys, found, strict=True)]
        visible = any(deploy.visible for deploy in self.deploys)
        return judge(self.ends, error, cause=cause, visible=visible)

    def _leave_to_hosts(self, error: BaseException, cause: str) -> None:
        """After the point of no return every host completes the deploy by itself, as one host does."""
        self.story.step("All was healthy: the hosts complete the deploy by themselves")
        self.story.detail(cause)
        gather(self.deploys, lambda deploy: deploy.agent.complete(deploy.token), limit=ASK_AT_ONCE)
        told = f"{cause}; the new release was healthy on every host, so they keep it"
        if self.undecided:
            told = f"{cause}; the hosts keep the new release if the leader does, and go back if it doesn't"
        if isinstance(error, Cancelled):
            raise Cancelled(told, remedy="The verdict step, or the verb `status`, tells how it ended.") from error
        raise Unknown(told, remedy="Ask later with the verb `status`.") from error

    def confirm(self, last: Callable[[], None]) -> None:
        """End well on every host, the leader last; `last` is done before it, when every other host has ended.

        Raises `Unknown` when a host that was left behind could not be asked whether it has the new release.
        """
        if self.alone:
            self.deploys[0].confirm()
            return
        self.each_left(lambda work: work.deploy.confirm() if work is not self.leader else None)
        lost_at = time.monotonic()
        found = gather(self.behind, lambda work: settled(work.deploy, lost_at=lost_at), limit=self.limit)
        ends = [HostEnd.of(work.deploy, end) for work, end in zip(self.behind, found, strict=True)]
        unknown = [end for end in ends if end.result != "deployed"]
        if not unknown:
            last()
        if self.leader not in self.behind:
            self.leader.deploy.confirm()
        names = {end.host for end in ends}
        self.ends = [HostEnd(host=work.host, result="deployed") for work in self.works if work.host not in names] + ends
        if unknown:
            told = "; ".join(f"{end.host}: {end.told}" for end in unknown)
            raise Unknown(
                f"the new release is there to stay, and not every host could be asked whether it has it ({told})",
                remedy="They complete it by themselves; ask later with the verb `status`.",
            )


def _abort(deploy: Transaction, cause: str) -> None:
    """Hand the undoing to one host; one that was quicker, or can't be reached, does it by itself."""
    try:
        deploy.agent.abort(deploy.token, cause)
    except (Fenced, HostUnreachable):
        return


def _give_back(taken: Sequence[Transaction], error: BelayError) -> None:
    """Free the hosts that were taken before one refused: nothing was changed on them."""
    gather(taken, lambda deploy: _abort(deploy, error.message), limit=ASK_AT_ONCE)
    if not isinstance(error, Cancelled):
        lost_at = time.monotonic()
        gather(taken, lambda deploy: settled(deploy, lost_at=lost_at), limit=ASK_AT_ONCE)
