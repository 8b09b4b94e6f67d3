"""Rolling back by hand: an open deploy is aborted, one that ended well is undone by a deploy of its own.

A database is never restored here without a person: what a restore would throw away is counted and told first, and only
`database: always` with a matching `accept-loss` goes on.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyhelpers.app.app import App
from pyhelpers.app.page import Page
from pyhelpers.clock import utc
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.decision import leave, loss_of
from pyhelpers.deploy.find_database import open_database
from pyhelpers.deploy.go_back import Restored, Way, go_back, services_of
from pyhelpers.deploy.loss import tell
from pyhelpers.deploy.piecewise import find_site
from pyhelpers.deploy.settings import Trace
from pyhelpers.deploy.source import decide, source_for
from pyhelpers.deploy.transaction import SETTLE_SECONDS, DryRun, Story, Transaction
from pyhelpers.deploy.which import (
    SWITCHES,
    changed_nothing,
    check_still_back,
    chosen,
    deployed_since,
    release_before,
    remembered,
    undone,
)
from pyhelpers.errors import BadInput, Held, NothingChanged
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Status, Token
from pyhelpers.watch.health import Health, probe


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the inputs of `rollback` ask for."""

    path: str
    deployment: str = ""  # an id, or `last`
    backup: str = ""
    release: str = ""
    database: str = "auto"  # auto | always | never
    accept_loss: int = 0  # rows that may be thrown away
    dry_run: bool = False
    services: str = ""
    health: Health | None = None
    trace: Trace = field(default_factory=Trace)

    @property
    def own(self) -> bool:
        """Whether a job asks for what it began itself: it names nothing."""
        return bool(self.trace.run_id) and not (self.deployment or self.release or self.backup)


def roll_back(
    wanted: Wanted,
    agent: Agent,
    outcome: Restored,
    *,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str] = utc,
) -> None:
    """Roll back what `wanted` names, and fill `outcome`; rolling back twice is the same as once."""
    begun = time.monotonic()
    agent.install()
    try:
        holder = agent.reap()
        status = chosen(
            wanted.deployment,
            agent,
            holder,
            wanted.trace,
            own=wanted.own,
            further=bool(wanted.release or wanted.backup),
        )
        if status.deployment and status.holder == status.deployment and not _gone(status):
            abort_open(agent, status, wanted, outcome, story)
        elif (status.status == "rolled-back" or status.deployment in undone(agent.history())) and not _further(
            wanted, agent
        ):
            outcome.release = live_release(agent, wanted.path)
            check_still_back(agent, status, outcome.release)
            story.detail(f"{status.deployment} was rolled back already; to go further back, name a deploy or a release")
            outcome.rolled_back = True
        elif (
            status.status == "refused"
            or (wanted.own and not status.deployment)
            or (not wanted.release and changed_nothing(agent, status.deployment))
        ):
            story.detail(
                f"{status.deployment or 'this run'} changed nothing on {agent.host.name}: nothing to roll back"
            )
        else:
            _check_kind(status)
            _check_alone(agent, status)
            if not wanted.release and (later := deployed_since(remembered(agent), status.deployment)):
                raise NothingChanged(
                    f"{later} was deployed after {status.deployment} and would be undone with it",
                    remedy=f"Undo {later} first, or name the `release` to go back to.",
                )
            _undo_by_deploy(wanted, agent, status, outcome, story=story, cancellation=cancellation, now=now)
        if wanted.health is not None and outcome.rolled_back and not outcome.answers:
            outcome.answers.append(probe(wanted.health, name="after rollback"))
            outcome.healthy = outcome.answers[-1].healthy
    finally:
        outcome.seconds = time.monotonic() - begun


def _further(wanted: Wanted, agent: Agent) -> bool:
    """Whether a release is named that does not serve yet."""
    return bool(wanted.release) and wanted.release != live_release(agent, wanted.path)


def _check_kind(status: Status) -> None:
    """Raise `BadInput` for what is no deploy: its id is known to the host, and there is no release before it."""
    verb = status.owner.get("verb", "")
    if not status.deployment or verb in SWITCHES:
        return
    remedy = "`restore` with `undo` swaps back what the last restore replaced." if verb == "restore" else ""
    raise BadInput(
        "deployment-id",
        f"names {status.deployment}, which is no deploy but a `{verb}`: there is no release that it replaced",
        remedy=remedy or "`status` names the last deploy.",
    )


def _check_alone(agent: Agent, status: Status) -> None:
    """Raise `BadInput` when the deploy was one of several hosts: visitors of the others are in, on the same database."""
    others = status.owner.get("fleet")
    if isinstance(others, list) and len(others) > 1:
        raise BadInput(
            "host",
            f"names {agent.host.name} alone, and {status.deployment} was a deploy of {len(others)} hosts",
            remedy=f"Name all of them, the leader first: {', '.join(map(str, others))}.",
        )


def live_release(agent: Agent, path: str) -> str:
    """Return the name of the release that serves on a host; empty in place."""
    return App(site=find_site(agent, path), agent=agent, folder=agent.folder("none")).live_release()


def _gone(status: Status) -> bool:
    return status.status in {"confirmed", "kept", "rolled-back", "released", "refused", ""}


def abort_open(agent: Agent, status: Status, wanted: Wanted, outcome: Restored, story: Story) -> None:
    """Let the host undo a deploy that is open, or on hold; for one on hold, a person's decision goes with it."""
    loss = None
    if status.status == "held" and wanted.database == "always":
        loss = loss_of(agent, status, wanted.path)
        outcome.discarded = loss.rows
        tell(story, loss, "its backup")
    if wanted.dry_run:
        story.detail(f"would undo the open deploy {status.deployment} ({status.status})")
        return
    if status.status == "held" and wanted.database != "auto":
        leave(agent, status, wanted.database, loss, rows=wanted.accept_loss)
    story.step(f"Undo the open deploy {status.deployment} ({status.status})")
    agent.abort(Token(deployment=status.deployment, epoch=status.epoch), "rolled back by hand")
    end = agent.settle(status.deployment, timeout=SETTLE_SECONDS)
    if end.status == "held":
        raise Held(
            f"the host holds: {end.reason}",
            remedy="`database: always` restores its backup, `never` leaves the database as it is; both undo the rest. "
            "`unlock` gives the host back as it is.",
        )
    outcome.rolled_back, outcome.release = end.status == "rolled-back", live_release(agent, wanted.path)
    facts = agent.ask(["cat", f"{agent.folder(status.deployment)}/restore/out"])
    outcome.database = facts.ok
    if facts.ok:
        outcome.attic = next((line[6:] for line in facts.text.splitlines() if line.startswith("attic=")), "")
        # Where no person decided, nobody but the migration can have written, or the undo would have held.
        outcome.discarded = outcome.discarded or 0


def _undo_by_deploy(
    wanted: Wanted,
    agent: Agent,
    status: Status,
    outcome: Restored,
    *,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str],
) -> None:
    """Undo a deploy that ended well: the release before, and the database if a person accepts what is lost."""
    deployment = wanted.trace.deployment_id()
    owner: dict[str, Any] = {"since": now(), **wanted.trace.as_owner("rollback"), "of": status.deployment}
    deploy = Transaction.begin(agent, deployment, owner, story=story, cancellation=cancellation)
    with deploy:
        site = find_site(agent, wanted.path)
        app = App(
            site=site,
            agent=agent,
            folder=deploy.folder,
            page=Page(secret=secrets.token_urlsafe(24)),
            services=wanted.services or services_of(agent, status.deployment),
        ).leave_options()
        live = app.live_release()
        release = target(wanted, agent, status, app, live)
        database = open_database(app, deploy)
        source = None
        if wanted.database != "never":
            source = source_for(agent, wanted.path, status, database, release=release, live=live, named=wanted.backup)
        restore = wanted.database != "never" and decide(
            source,
            database,
            outcome,
            story,
            agent=agent,
            wish=wanted.database,
            accept_loss=wanted.accept_loss,
            backups=f"{wanted.path}/.belay/backups",
        )
        if not release and not restore:
            raise NothingChanged(
                "the code of a deploy in place isn't put back once that deploy ended well",
                remedy="Deploy the commit before; `database: always` restores the database alone.",
            )
        if wanted.dry_run:
            story.detail(
                f"would go back to release {release or '(in place)'}" + (" and restore the database" if restore else "")
            )
            raise DryRun
        way = Way(
            app=app,
            release="" if release == live else release,
            database=database if restore else None,
            source=source if restore else None,
            accept_loss=wanted.accept_loss,
            health=wanted.health,
        )
        go_back(deploy, way, outcome)
        deploy.confirm()
    outcome.rolled_back, outcome.release, outcome.database = True, release, restore


def target(wanted: Wanted, agent: Agent, status: Status, app: App, live: str) -> str:
    """Return the release to go back to from the one that is `live`; empty in place. Raises `BadInput` when there is none."""
    if app.site.layout != "releases":
        return ""
    releases = app.releases()
    good = [release.name for release in releases if release.state == "good"]
    if wanted.release:
        if wanted.release not in {*good, live}:
            there = ", ".join(good) or "none"
            raise BadInput("release", f"there is no good release `{wanted.release}`", remedy=f"There are: {there}.")
        return wanted.release
    before = release_before(agent, status.deployment) if status.deployment else ""
    if before in good or (before and before == live):
        return before
    if before not in {"", "none"}:
        raise BadInput(
            "release",
            f"is empty, and {before}, which served before {status.deployment}, is gone or was never finished",
            remedy=f"Name another one: {', '.join(good) or 'there is none'}. `keep-releases` decides how many stay.",
        )
    names = [release.name for release in releases if release.state in {"good", "current"}]
    older = names[names.index(live) + 1 :] if live in names else []
    if not older:
        raise BadInput("release", "there is no release to go back to", remedy="`keep-releases` decides how many stay.")
    return older[0]
