"""A whole deploy, on one host or on several: the phases in order, and the outcome that the action reports.

Read `run` first: it is the saga in one screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pyhelpers.app.app import App
from pyhelpers.app.page import Page
from pyhelpers.app.site import inspect
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.clock import utc
from pyhelpers.deploy import backup_phases, fleet_barrier, phases
from pyhelpers.deploy.build import build, release_name
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.find_database import open_database
from pyhelpers.deploy.fleet import Fleet
from pyhelpers.deploy.fleet_end import HostEnd
from pyhelpers.deploy.policy import Facts, Plan, decide
from pyhelpers.deploy.settings import DeploySettings
from pyhelpers.deploy.timeline import downtime
from pyhelpers.deploy.transaction import DryRun, Story, Transaction, owner_of
from pyhelpers.deploy.work import Work
from pyhelpers.errors import Held, RolledBack
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.fleet import at_once
from pyhelpers.watch.health import Health
from pyhelpers.watch.http import Answer


@dataclass
class Outcome:
    """What the action reports of a deploy; filled as far as the deploy came."""

    deployment: str
    result: str = "failed"  # deployed | rolled-back | held | failed (also: not known, see the exit code)
    release: str = ""
    previous_release: str = ""
    backup_filename: str = ""
    backup_verified: str = ""  # how far it was proven: bytes | loaded
    backup_window: str = ""  # when it was made: maintenance | live | live+maintenance (two of them)
    healthy: bool | None = None
    answers: list[Answer] = field(default_factory=list)
    rolled_back: bool = False
    downtime_seconds: float = 0.0
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    hosts: list[HostEnd] = field(default_factory=list)  # of a fleet: how each host ended


def run(
    settings: DeploySettings,
    agents: Sequence[Agent],
    outcome: Outcome,
    *,
    story: Story,
    cancellation: Cancellation,
    watchdog: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], str] = utc,
) -> None:
    """Deploy to the hosts of `agents`, the first of them the leader, and fill `outcome`.

    Raises `RolledBack`, `Held`, `Unknown`, … as the errors of their names tell.
    """
    begun = time.monotonic()
    fleet: Fleet[Work] | None = None
    try:
        build(settings, story)
        for told in at_once(agents, _settle_what_was, limit=settings.hosts_at_once):
            if told:
                story.detail(told)
        release = release_name(settings) if settings.choice.layout == "releases" else ""
        owner = {
            **settings.trace.as_owner("deploy"),
            "release": release,
            "environment": settings.environment,
            "dry-run": settings.dry_run,
        }
        if len(agents) > 1:
            owner["fleet"] = [agent.host.name for agent in agents]
        fleet = Fleet.begin(
            agents,
            outcome.deployment,
            owner_of(owner, now),
            story=story,
            cancellation=cancellation,
            limit=settings.hosts_at_once,
            lease=settings.lease,
            watchdog=watchdog,
        )
        with fleet:
            _look_at_hosts(fleet, settings, release, sleep)
            outcome.release, outcome.previous_release = release, fleet.leader.previous
            _saga(fleet, outcome)
        outcome.result = "deployed"
        answers = _answers(fleet)
        outcome.healthy = answers[-1].healthy if answers else None
    except RolledBack:
        outcome.result, outcome.rolled_back = "rolled-back", True
        if fleet is not None and fleet.works and settings.health is not None:
            outcome.healthy = _look_back(fleet, settings.health)
        raise
    except Held:
        outcome.result, outcome.healthy = "held", False
        raise
    finally:
        outcome.seconds = time.monotonic() - begun
        if fleet is not None and fleet.works:
            _fill(outcome, fleet)


def _settle_what_was(agent: Agent) -> str:
    """Bring the agent to a host and let it settle what a dead runner left there; return what there is to tell."""
    agent.install()
    settled = agent.reap()
    if settled.deployment and settled.settled and settled.status != "held" and not settled.only_looked:
        why = f": {settled.reason}" if settled.reason else ""
        return f"last here: {settled.owner.get('verb') or 'deploy'} {settled.deployment}, {settled.status}{why}"
    return ""


def _answers(fleet: Fleet[Work]) -> list[Answer]:
    """Return the answers of all health checks; the leader's come last, the visitor's view among them."""
    return [answer for work in (*fleet.followers, fleet.leader) for answer in work.answers]


def _look_back(fleet: Fleet[Work], health: Health) -> bool:
    """Ask the old release on every host; return whether it is well on all."""
    answers = at_once(fleet.works, lambda work: phases.look_back(work, health), limit=fleet.limit)
    for work, answer in zip(fleet.works, answers, strict=True):
        work.answers.append(answer)
    return all(answer.healthy for answer in answers)


def _fill(outcome: Outcome, fleet: Fleet[Work]) -> None:
    outcome.answers, outcome.hosts = _answers(fleet), fleet.ends
    leader = fleet.leader
    if leader.backup is not None:
        manifest = leader.backup.manifest
        outcome.backup_filename, outcome.backup_verified = manifest.name, manifest.verification
        outcome.backup_window = leader.window


def _saga(fleet: Fleet[Work], outcome: Outcome) -> None:
    """Do every phase on all hosts before the next begins; database and backup are the leader's alone."""
    leader = fleet.leader
    settings, in_place = leader.settings, leader.settings.choice.layout == "in-place"
    if not in_place:
        fleet.each(phases.upload)
    plan = _plan(fleet)
    outcome.reasons = plan.reasons
    if settings.dry_run:
        raise DryRun
    barrier = not fleet.alone and plan.migrate and plan.maintenance
    if barrier:
        fleet_barrier.raise_barrier(fleet)
    _close_and_back_up(fleet, plan)
    if in_place:
        phases.replace_in_place(leader)
        plan = _plan(fleet)  # what is pending is known only now that the new code is here
    if barrier:
        fleet.each(lambda work: fleet_barrier.follow(fleet, work))
        fleet_barrier.close_barrier(fleet)
    if plan.migrate:
        phases.migrate(leader)
    groups = fleet.groups(settings.choice.rollout)
    for group in groups:
        if len(groups) > 1:
            fleet.wait([work for work in fleet.works if work not in group], limit=phases.LONG_SECONDS)
        if not in_place:
            fleet.each(phases.switch, group)
        fleet.each(phases.apply_services, group)
        fleet.each(phases.look_inside, group)
    _end_well(fleet, plan, barrier=barrier)
    journals = at_once(fleet.deploys, lambda deploy: deploy.agent.journal(deploy.deployment), limit=fleet.limit)
    outcome.downtime_seconds = max(downtime(journal) for journal in journals)


def _close_and_back_up(fleet: Fleet[Work], plan: Plan) -> None:
    """Keep visitors out of every host, and make the one backup, before that or behind the closed doors."""
    if plan.live:
        fleet.wait(fleet.followers, limit=phases.LONG_SECONDS)
        backup_phases.back_up_live(fleet.leader)
    if plan.maintenance:
        fleet.each(phases.close)
        phases.quieten(fleet.leader)
    if plan.backup or plan.migrate:
        fleet.wait(fleet.followers, limit=2 * phases.LONG_SECONDS)
    if plan.backup:
        backup_phases.back_up(fleet.leader)
    fleet.each(phases.reload_undo)


def _end_well(fleet: Fleet[Work], plan: Plan, *, barrier: bool) -> None:
    """All is healthy inside: pass the point of no return, let visitors in, confirm."""
    if not (fleet.alone or plan.maintenance):
        phases.look_outside(fleet.leader)  # visitors are in already
    if barrier:
        fleet.each(lambda work: fleet_barrier.leave_finish(fleet, work))
    fleet.each(phases.leave_finish)
    fleet.precommit()
    if barrier:
        fleet_barrier.keep(fleet)
    opened = fleet.each_left(phases.open_up)
    if opened and all(opened):
        phases.look_outside(fleet.leader)
    fleet.each_left(phases.tidy)
    fleet.confirm(lambda: fleet_barrier.drop(fleet) if barrier else None)


def _look_at_hosts(fleet: Fleet[Work], settings: DeploySettings, release: str, sleep: Callable[[float], None]) -> None:
    """Fill the fleet's works: what the app is on each host, where its database is, what is live."""
    fleet.works = at_once(
        fleet.deploys, lambda deploy: _work(settings, deploy, release, sleep), limit=settings.hosts_at_once
    )
    if fleet.alone:
        return
    for work in fleet.works:
        work.address = work.deploy.agent.host.address
    for work in fleet.followers:
        work.shared, work.database = work.database, None


def _work(settings: DeploySettings, deploy: Transaction, release: str, sleep: Callable[[float], None]) -> Work:
    """Look at a host: what the app is, where its database is, what is live."""
    agent = deploy.agent
    site = inspect(agent, settings.path, settings.choice.layout, settings.source)
    page = Page(secret=settings.secret, retry=settings.retry, refresh=settings.refresh, render=settings.render)
    app = App(site=site, agent=agent, folder=deploy.folder, page=page, services=settings.services)
    previous = app.live_release()
    app = replace(app, first_release="" if previous else release).leave_options()
    app.check_services()
    work = Work(
        settings=settings,
        deploy=deploy,
        app=app,
        catalogue=Catalogue(agent, f"{settings.path}/.belay/backups"),
        release=release,
        sleep=sleep,
        previous=previous,
    )
    work.database = open_database(app, deploy)
    return work


def _plan(fleet: Fleet[Work]) -> Plan:
    """Decide what to do on all hosts, and say why."""
    leader = fleet.leader
    if leader.app.site.kind == "laravel":
        fleet.each(_compare_database)
    database = leader.database
    if leader.app.site.kind == "laravel" and database is not None:
        database = leader.database = replace(database, ledger_table=leader.app.ledger_table(leader.folder))
        leader.pending = leader.app.pending(leader.folder, database.ledger())
    facts = Facts(
        kind=leader.app.site.kind,
        has_database=database is not None,
        pending=leader.pending,
        first=not leader.previous,
        down=any(fleet.each(_is_down)),
    )
    plan = decide(leader.settings.choice, facts)
    for work in fleet.works:
        work.plan = plan
    for reason in plan.reasons:
        fleet.story.detail(reason)
    if plan.backup and leader.loads and leader.backup is None and database is not None:
        backup_phases.check_twin(database)
    return plan


def _compare_database(work: Work) -> None:
    database = work.database or work.shared
    if database is not None:
        work.app.compare_database(work.folder, database.connection)


def _is_down(work: Work) -> bool:
    """Whether somebody put the app down before this deploy."""
    return work.plan is None and bool(work.previous) and not work.app.visitors_are_in()
