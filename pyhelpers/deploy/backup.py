"""A backup on its own: inside the transaction that this job left open, or in a short one of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pyhelpers.app.app import App
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import Backup
from pyhelpers.backups.retention import prune
from pyhelpers.deploy.backup_phases import check_twin
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.find_database import OTHER, OWN, database_from_url, is_the_apps, open_database
from pyhelpers.deploy.phases import let_go
from pyhelpers.deploy.piecewise import back_up as back_up_in
from pyhelpers.deploy.piecewise import check_not_ended, find_site, join, open_transaction
from pyhelpers.deploy.settings import Trace
from pyhelpers.deploy.transaction import Story, Transaction
from pyhelpers.deploy.which import remembered, way_back
from pyhelpers.errors import BadInput, CommandFailed, NothingChanged
from pyhelpers.hosts.agent import Agent


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The inputs of `backup create`."""

    path: str
    deployment: str
    database_url: str = ""
    verify: str = "bytes"  # bytes | loaded
    compression: str = "auto"
    directory: str = ""
    keep: int = 5
    only_if_pending: bool = False
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, kw_only=True)
class Made:
    """The backup, or None when none was needed, and the migrations that are pending."""

    backup: Backup | None
    pending: tuple[str, ...]


def back_up(wanted: Wanted, agent: Agent, *, story: Story, cancellation: Cancellation, now: Callable[[], str]) -> Made:
    """Make a proven backup; then let go of those that nobody needs any more."""
    agent.install()
    running = open_transaction(agent, wanted.trace)
    if running is not None:
        deploy = join(agent, running, story=story, cancellation=cancellation)
    else:
        check_not_ended(agent, wanted.trace, by_host=True)  # the steps to come count on the rope of an earlier one
        owner: dict[str, object] = {"since": now(), **wanted.trace.as_owner("backup")}
        deploy = Transaction.begin(agent, wanted.deployment, owner, story=story, cancellation=cancellation)
    with deploy:
        made = _make(wanted, deploy)
        if not deploy.joined:
            deploy.precommit()
            _tidy(deploy)
            deploy.confirm()
    return made


def _tidy(deploy: Transaction) -> None:
    """Let go of what is too old; a backup by the clock is what comes by where nobody deploys for months."""
    try:
        let_go(deploy, twins="old", standing=way_back(deploy.agent.history()))
    except CommandFailed as error:
        deploy.story.warning(f"{error.message}; disk space may run out one day", title="Not tidied up")


def _make(wanted: Wanted, deploy: Transaction) -> Made:
    agent = deploy.agent
    app = App(site=find_site(agent, wanted.path), agent=agent, folder=deploy.folder)
    url = wanted.database_url
    # In a transaction that the job left open, the way back is that of the app's own database.
    others = bool(url) and deploy.joined and not is_the_apps(app, deploy, url)
    database = database_from_url(deploy, url, folder=OTHER if others else OWN) if url else open_database(app, deploy)
    if database is None:
        raise NothingChanged(
            f"no database is configured in {app.site.env_file} on {agent.host.name}",
            remedy="Give the DB_ settings there, or `database-url`.",
        )
    pending: tuple[str, ...] = ()
    if app.site.kind == "laravel":
        database = replace(database, ledger_table=app.ledger_table(app.site.live_folder))
        pending = tuple(app.pending(app.site.live_folder, database.ledger()))
        if wanted.only_if_pending and not pending:
            return Made(backup=None, pending=())
    elif wanted.only_if_pending:
        raise BadInput("only-if-pending", "what is pending can only be told for a Laravel app", remedy="Leave it out.")
    catalogue = Catalogue(agent, wanted.directory or f"{wanted.path}/.belay/backups")
    loaded = wanted.verify == "loaded"
    if loaded:
        check_twin(database)
    backup = back_up_in(
        deploy,
        database,
        catalogue,
        app,
        wanted.trace,
        compression=wanted.compression,
        loaded=loaded,
        way_back=not others,
    )
    # This one isn't in the history yet.
    prune(deploy, catalogue, wanted.keep, deployments=[*way_back(remembered(agent)), deploy.deployment])
    return Made(backup=backup, pending=pending)
