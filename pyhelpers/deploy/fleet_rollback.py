"""Rolling back several hosts by hand: all of them or none.

An open deploy, or one on hold, is undone on every host by its own undo scripts, the leader first: the others wait for its
database. One that ended well is undone by a deploy that gives every host its release of before. The database stays as it
is then: to replace it, visitors have to be kept out of every host, which `restore` can't know of.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pyhelpers.app.app import App
from pyhelpers.app.page import Page
from pyhelpers.clock import utc
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.find_database import open_database
from pyhelpers.deploy.fleet import Fleet
from pyhelpers.deploy.fleet_story import Named
from pyhelpers.deploy.go_back import Restored, Way, arrive, services_of, set_out
from pyhelpers.deploy.piecewise import find_site
from pyhelpers.deploy.rollback import Wanted, abort_open, live_release, target
from pyhelpers.deploy.source import decide, source_for
from pyhelpers.deploy.transaction import KEPT, LEASE_SECONDS, SETTLE_SECONDS, DryRun, Story, Transaction, owner_of
from pyhelpers.deploy.which import chosen, deployed_since, remembered, undone
from pyhelpers.errors import BadInput, BelayError, NothingChanged, Unknown
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.fleet import AT_ONCE, at_once, gather
from pyhelpers.hosts.status import Status, Token
from pyhelpers.watch.health import probe

ENDED = frozenset({"confirmed", "kept", "rolled-back", "released", "refused", ""})


@dataclass(kw_only=True)
class Return:
    """One host's way back."""

    deploy: Transaction
    way: Way
    live: str  # the release that serves now
    outcome: Restored = field(default_factory=Restored)

    @property
    def host(self) -> str:
        """How people know the host."""
        return self.deploy.agent.host.name


def check_wanted(wanted: Wanted, hosts: int) -> None:
    """Raise `BadInput` for what several hosts can't be asked for."""
    if hosts > 1 and wanted.backup:
        raise BadInput(
            "backup-filename",
            f"names a backup to restore, and `host` names {hosts} hosts whose visitors would write meanwhile",
            remedy="Put every host into maintenance, then `restore` on the leader alone.",
        )


def roll_back_fleet(
    wanted: Wanted,
    agents: Sequence[Agent],
    outcome: Restored,
    *,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str] = utc,
) -> None:
    """Roll back on every host what `wanted` names, and fill `outcome`; rolling back twice is the same as once."""
    begun = time.monotonic()
    try:
        at_once(agents, Agent.install)
        # The leader first: the others' undo scripts wait for what it does.
        statuses = [_status(agents[0], wanted), *at_once(agents[1:], lambda agent: _status(agent, wanted))]
        pairs = list(zip(agents, statuses, strict=True))
        if any(_stays(agent, status) for agent, status in pairs) and not wanted.dry_run:
            pairs = [(agent, _completed(agent, status, story)) for agent, status in pairs]
        still_open = [(agent, status) for agent, status in pairs if _holds(status)]
        if still_open:
            _check_together(pairs)
            _undo_open(still_open, wanted, outcome, story)
        elif all(_is_back(agent, status) and _is_there(agent, wanted) for agent, status in pairs):
            story.detail("every host is back already; to go further back, name a deploy or a release")
            outcome.rolled_back = True
        else:
            _undo_by_deploy(wanted, pairs, outcome, story=story, cancellation=cancellation, now=now)
        outcome.release = live_release(agents[0], wanted.path)
        if wanted.health is not None and outcome.rolled_back:
            outcome.answers.append(probe(wanted.health, name="after rollback"))
            outcome.healthy = outcome.answers[-1].healthy
    finally:
        outcome.seconds = time.monotonic() - begun


def _status(agent: Agent, wanted: Wanted) -> Status:
    holder = agent.reap()
    further = bool(wanted.release)
    return chosen(wanted.deployment, agent, holder, wanted.trace, own=wanted.own, further=further)


def _holds(status: Status) -> bool:
    return bool(status.deployment) and status.holder == status.deployment and status.status not in ENDED


def _is_back(agent: Agent, status: Status) -> bool:
    """Whether there is nothing to undo on this host."""
    if status.status in {"rolled-back", "refused", ""}:
        return True
    return status.deployment in undone(agent.history())


def _is_there(agent: Agent, wanted: Wanted) -> bool:
    """Whether this host serves the release that is named; any will do where none is."""
    return not wanted.release or live_release(agent, wanted.path) == wanted.release


def _stays(agent: Agent, status: Status) -> bool:
    """Whether this host has the deploy for good, so that only another deploy takes it back."""
    return status.status in KEPT and not _is_back(agent, status)


def _completed(agent: Agent, status: Status, story: Story) -> Status:
    """Return how a host stands that was asked to complete the deploy which another host has for good.

    It had passed the point of no return as well. Undone alone it would serve another release than the others.
    """
    if status.status != "precommit" or not _holds(status):
        return status
    story.detail(f"{agent.host.name} completes {status.deployment} first, which other hosts have for good already")
    agent.complete(Token(deployment=status.deployment, epoch=status.epoch))
    return agent.settle(status.deployment, timeout=SETTLE_SECONDS)


def _check_together(pairs: Sequence[tuple[Agent, Status]]) -> None:
    """Raise `NothingChanged` where undoing the hosts that are open would leave the others with another release."""
    kept = [agent.host.name for agent, status in pairs if _stays(agent, status)]
    if kept:
        waiting = "; ".join(f"{agent.host.name}: {status.status}" for agent, status in pairs if _holds(status))
        raise NothingChanged(
            f"{', '.join(kept)} ended the deploy well, and the others did not ({waiting}): undone there alone, the hosts "
            "would serve two releases",
            remedy="Decide on those hosts first, each by itself: `rollback` with it as the only `host`, or `unlock`. Then name "
            "the `release` that all of them are to serve.",
        )


def _undo_open(pairs: Sequence[tuple[Agent, Status]], wanted: Wanted, outcome: Restored, story: Story) -> None:
    """Let each host undo the deploy that is open or on hold there; a decision on the database is the leader's alone."""
    first = Restored()
    abort_open(*pairs[0], wanted, first, Named(story, pairs[0][0].host.name))
    if wanted.dry_run:
        for agent, status in pairs[1:]:
            story.detail(f"would undo the open deploy {status.deployment} ({status.status}) on {agent.host.name}")
        return
    others = replace(wanted, database="auto")

    def undo(pair: tuple[Agent, Status]) -> bool:
        end = Restored()
        abort_open(*pair, others, end, Named(story, pair[0].host.name))
        return end.rolled_back

    found = gather(pairs[1:], undo)
    failed = [end for end in found if isinstance(end, BelayError)]
    if failed:
        raise failed[0]
    back = [first.rolled_back, *found]
    if not all(back):
        told = ", ".join(agent.host.name for (agent, _), done in zip(pairs, back, strict=True) if not done)
        raise Unknown(f"not every host says that it is back as before: {told}", remedy="Ask with the verb `status`.")
    outcome.rolled_back, outcome.database = True, first.database
    outcome.discarded, outcome.attic = first.discarded, first.attic


def _undo_by_deploy(
    wanted: Wanted,
    pairs: Sequence[tuple[Agent, Status]],
    outcome: Restored,
    *,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str],
) -> None:
    """Give every host its release of before, by one deploy on all of them."""
    _check(wanted, pairs)
    status = pairs[0][1]
    fleet: Fleet[Return] = Fleet.begin(
        [agent for agent, _ in pairs],
        wanted.trace.deployment_id(),
        owner_of({**wanted.trace.as_owner("rollback"), "of": status.deployment, "fleet": _names(pairs)}, now),
        story=story,
        cancellation=cancellation,
        limit=AT_ONCE,
        lease=LEASE_SECONDS,
        watchdog=True,
    )
    with fleet:
        statuses = {agent.host.name: status for agent, status in pairs}
        fleet.works = at_once(fleet.deploys, lambda deploy: _way(wanted, deploy, statuses[deploy.agent.host.name]))
        releases = {work.way.release for work in fleet.works}
        if len(releases) > 1:
            told = ", ".join(f"{work.host}: {work.way.release}" for work in fleet.works)
            raise BadInput("release", f"is not the same on every host ({told})", remedy="Name the one to go back to.")
        _decide(wanted, fleet.leader, status, story)
        if wanted.dry_run:
            story.detail(f"would go back to release {fleet.leader.way.release} on {len(pairs)} hosts")
            raise DryRun
        fleet.each(lambda work: set_out(work.deploy, work.way, work.outcome))
        fleet.precommit()
        fleet.each_left(lambda work: arrive(work.deploy, work.way, work.outcome))
        fleet.confirm(lambda: None)
    outcome.rolled_back = True


def _check(wanted: Wanted, pairs: Sequence[tuple[Agent, Status]]) -> None:
    """Raise unless this is one deploy of all hosts that can be undone without their database."""
    if wanted.database == "always":
        raise BadInput(
            "database",
            "is `always`, and visitors of the other hosts would write into a database that is replaced",
            remedy="Put every host into maintenance, then `restore` on the leader alone; `never` takes back the code.",
        )
    fleets = [status.owner.get("fleet") for _, status in pairs]
    most = max((len(fleet) for fleet in fleets if isinstance(fleet, list)), default=0)
    if most > len(pairs):
        raise BadInput(
            "host",
            f"names {len(pairs)} hosts, and the deploy was one of {most}",
            remedy="Name all of them, the leader first.",
        )
    if not wanted.release:
        ids = {status.deployment for _, status in pairs}
        if len(ids) > 1:
            told = ", ".join(f"{agent.host.name}: {status.deployment or 'none'}" for agent, status in pairs)
            raise BadInput(
                "deployment-id", f"the hosts' last deploys differ ({told})", remedy="Name the `release` to go to."
            )
        for agent, status in pairs:
            if later := deployed_since(remembered(agent), status.deployment):
                raise NothingChanged(
                    f"{later} was deployed to {agent.host.name} after {status.deployment} and would be undone with it",
                    remedy=f"Undo {later} first, or name the `release` to go back to.",
                )


def _names(pairs: Sequence[tuple[Agent, Status]]) -> list[str]:
    return [agent.host.name for agent, _ in pairs]


def _way(wanted: Wanted, deploy: Transaction, status: Status) -> Return:
    agent = deploy.agent
    app = App(
        site=find_site(agent, wanted.path),
        agent=agent,
        folder=deploy.folder,
        page=Page(secret=secrets.token_urlsafe(24)),
        services=wanted.services or services_of(agent, status.deployment),
    ).leave_options()
    live = app.live_release()
    # A host that is back already stays where it is; the others come to it, however often this is done (P8).
    stays = wanted.release == live if wanted.release else _is_back(agent, status)
    release = live if stays else target(wanted, agent, status, app, live)
    if not release:
        raise NothingChanged("the code of a deploy in place isn't put back once that deploy ended well")
    return Return(deploy=deploy, way=Way(app=app, release=release, accept_loss=0), live=live)


def _decide(wanted: Wanted, leader: Return, status: Status, story: Story) -> None:
    """Raise `NothingChanged` when the database would have to go back too."""
    if wanted.database == "never":
        return
    database = open_database(leader.way.app, leader.deploy)
    agent = leader.deploy.agent
    source = source_for(agent, wanted.path, status, database, release=leader.way.release, live=leader.live)
    backups = f"{wanted.path}/.belay/backups"
    if decide(source, database, Restored(), story, agent=agent, wish=wanted.database, accept_loss=0, backups=backups):
        raise Unknown("the database would be restored", remedy="This is a bug; please report it.")
