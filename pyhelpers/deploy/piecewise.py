"""The same engine in pieces: a transaction that stays open on the host between the steps of a job.

    maintenance on  ->  backup create  ->  the user's own deploy step  ->  health  ->  maintenance off | rollback

Nobody sends heartbeats between two steps, so the lease is long (15 minutes) and each piece renews it. If the job dies,
the reaper does what `rollback` would have done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyhelpers.app.app import App
from pyhelpers.app.page import Page
from pyhelpers.app.site import Site, inspect
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import Backup, create
from pyhelpers.databases.engine import Database
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.recover import ended_by_host
from pyhelpers.deploy.settings import Trace
from pyhelpers.deploy.transaction import KEPT, Story, Transaction
from pyhelpers.deploy.which import UNCHANGED, release_before
from pyhelpers.errors import BadInput, Held, NothingChanged, RolledBack
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Status, Token

LEASE_SECONDS = 900  # long enough for a user's own deploy step between two pieces


def find_site(agent: Agent, path: str) -> Site:
    """Return the app at `path`, whatever its layout: `releases` if there is a link `current`."""
    layout = "releases" if agent.ask(["test", "-L", f"{path}/current"]).ok else "in-place"
    return inspect(agent, path, layout)


def open_transaction(agent: Agent, trace: Trace, deployment: str = "") -> Status | None:
    """Return the transaction that this job left open on the host (or the one called `deployment`), if there is one."""
    status = agent.status()
    if not status.holder or status.settled or status.lease_seconds <= 0:
        return None
    if deployment:
        return status if status.deployment == deployment else None
    return status if trace.mine(status.owner) else None


def join(agent: Agent, status: Status, *, story: Story, cancellation: Cancellation) -> Transaction:
    """Return the open transaction as one that this step may add to."""
    token = Token(deployment=status.deployment, epoch=status.epoch)
    agent.renew(token)
    return Transaction(
        agent=agent, token=token, story=story, cancellation=cancellation, lease=LEASE_SECONDS, joined=True, visible=True
    )


def check_not_ended(agent: Agent, trace: Trace, deployment: str = "", *, by_host: bool = False) -> None:
    """Raise how the transaction of this job's earlier step ended, if it ended otherwise than well (`RolledBack`, `Held`, ...).

    The job's own steps don't notice it: the lease ran out while one of them was at work, or a person rolled it back. What
    they did since then stands without a rope. With `by_host`, only what the host did by itself counts.
    """
    agent.reap()  # an end that has begun, or is due, is waited for
    if not deployment:
        mine = [line["id"] for line in agent.history() if _is_mine(line["owner"], trace)]
        holder = agent.status()
        deployment = holder.holder if holder.holder and _is_mine(holder.owner, trace) else (mine[-1] if mine else "")
    status = agent.status(deployment) if deployment else Status()
    if status.status in {"", "refused", *KEPT} or not status.settled:
        return
    if by_host and not ended_by_host(agent.journal(deployment)):
        return
    told = (
        f"deploy {deployment}, which an earlier step began, is {status.status} already: {status.reason or 'no reason'}"
    )
    after = "What this job's steps did after that was not undone, and nothing protected it: look at the app, then run it again."
    if status.status == "held":
        raise Held(told, remedy="`rollback` tries the undo again, `unlock` gives the host back as it is.")
    if status.status == "rolled-back":
        raise RolledBack(told, remedy=f"A longer `lease` gives slow steps more time. {after}")
    raise NothingChanged(told, remedy=after)


def _is_mine(owner: dict[str, Any], trace: Trace) -> bool:
    return trace.mine(owner) and owner.get("verb") == "maintenance"


def maintenance_on(
    agent: Agent,
    path: str,
    page: Page,
    trace: Trace,
    *,
    deployment: str,
    lease: int,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str],
) -> tuple[str, dict[str, str], bool]:
    """Go down and keep the transaction open; return its id, the page's state, and whether it changed now."""
    running = open_transaction(agent, trace)
    if running is not None:
        deploy = join(agent, running, story=story, cancellation=cancellation)
        app = _app(agent, path, deploy, page)
        state = app.maintenance_status()
        if state.get("state") == "down":
            return deploy.deployment, state, False
    else:
        owner: dict[str, Any] = {"since": now(), **trace.as_owner("maintenance")}
        deploy = Transaction.begin(agent, deployment, owner, story=story, cancellation=cancellation, lease=lease)
    with deploy:
        app = _app(agent, path, deploy, page).leave_options()
        before = app.maintenance_status().get("state", "up")
        deploy.phase("down", limit=24 * 3600)
        deploy.run("down", "Maintenance on", command=app.down_line(), undo=app.lift_undo_line())
        _leave_code_undo(deploy, app)
        agent.renew(deploy.token)
    return deploy.deployment, app.maintenance_status(), before != "down"


def _leave_code_undo(deploy: Transaction, app: App) -> None:
    """Leave the way back for what the user's own step does to the code.

    After `down`, so that it runs before the page is lifted again.
    """
    if app.site.layout == "releases":
        deploy.leave_undo("link", app.scripts.call("link.sh", "restore"))
        app.read("link.sh", "note")  # where `current` points before the user's step switches it
    else:
        deploy.run(
            "snapshot",
            "Take a snapshot of the code",
            command=app.snapshot_line(),
            undo=app.restore_code_line(),
            timeout=3600,
        )


def maintenance_off(
    agent: Agent, path: str, trace: Trace, *, deployment: str, story: Story, cancellation: Cancellation
) -> tuple[str, dict[str, str], bool]:
    """Let visitors in and end the transaction well; return its id, the page's state, and whether it changed now.

    Raises `RolledBack` or `Held` where the transaction that it should end has ended so before.
    """
    running = open_transaction(agent, trace, deployment)
    if running is None:
        check_not_ended(agent, trace, deployment)
        running = _only_maintenance(agent, deployment)
    site = find_site(agent, path)
    if running is None:
        app = App(site=site, agent=agent, folder=agent.folder("none"))
        state = app.maintenance_status()
        if state.get("state") == "down":
            raise NothingChanged(
                "the app is down, but not by a deploy that is open: a person or another tool put it down",
                remedy="Lift it the way it was put down (Laravel: `php artisan up`); `status` shows the last deploy.",
            )
        return "", state, False
    deploy = join(agent, running, story=story, cancellation=cancellation)
    with deploy:
        app = App(site=site, agent=agent, folder=deploy.folder)
        if running.status == "open":
            _note_unchanged(deploy, app)
            agent.register(deploy.token, "up", app.up_line())
            deploy.precommit()
        deploy.run("up", "Maintenance off", command=app.up_line())
        deploy.confirm()
    return deploy.deployment, app.maintenance_status(), True


def _note_unchanged(deploy: Transaction, app: App) -> None:
    """Leave a note where nothing was changed meanwhile that a rollback could put back: it looks further then.

    In place it can't be told whether the user's own step changed the code.
    """
    if app.site.layout != "releases" or deploy.agent.ask(["test", "-e", f"{deploy.folder}/ops/migrate"]).ok:
        return
    before = release_before(deploy.agent, deploy.deployment)
    if before and before == app.live_release():
        deploy.agent.put(b"", f"{deploy.folder}/{UNCHANGED}")


def back_up(
    deploy: Transaction,
    database: Database,
    catalogue: Catalogue,
    app: App,
    trace: Trace,
    *,
    compression: str = "auto",
    loaded: bool = False,
    way_back: bool = True,
) -> Backup:
    """Make a proven backup inside a transaction; in one that a job left open, leave the way back to it as well.

    The user's own step will migrate next. If the job dies then, only this undo can make schema and code a pair again; a
    backup that was `loaded` keeps the copy for it. A second backup in the same transaction changes nothing of that, nor
    does one of another database than the app's (not `way_back`).
    """
    ledger = database.ledger()
    batch = max((int(line.split("\t")[0]) for line in ledger.split("\n") if line), default=0)
    first = way_back and deploy.joined and not deploy.agent.ask(["test", "-e", f"{deploy.folder}/ops/migrate"]).ok
    backup = create(
        deploy,
        database,
        catalogue,
        git_sha=trace.git_sha,
        batch=batch,
        compression=compression,
        loaded=loaded,
        twin=f"{deploy.folder}/restore" if first else "",
    )
    if first:
        script = database.engine.script
        arguments = [script, database.connection, backup.path, backup.manifest.payload, "auto", *app.held_arguments()]
        deploy.leave_undo("migrate", deploy.agent.scripts.call("rollback.sh", *arguments))
    return backup


def _app(agent: Agent, path: str, deploy: Transaction, page: Page) -> App:
    return App(site=find_site(agent, path), agent=agent, folder=deploy.folder, page=page)


def _only_maintenance(agent: Agent, deployment: str) -> Status | None:
    """Return the open transaction if it is one of `maintenance on`, begun by hand or by another job that is named."""
    status = agent.status()
    if status.holder and not status.settled and status.owner.get("verb") == "maintenance":
        if deployment and deployment != status.deployment:
            raise BadInput(
                "deployment-id",
                f"names {deployment}, and the host is held by {status.deployment}",
                remedy="Only the one who holds it lets visitors in; `status` tells who that is.",
            )
        if status.owner.get("run-id") and not deployment:
            raise BadInput(
                "deployment-id",
                f"is missing, and the host is held by {status.deployment}",
                remedy="Pass the output `deployment-id` of the step that put the app down.",
            )
        return status
    return None
