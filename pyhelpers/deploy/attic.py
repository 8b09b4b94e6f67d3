"""The attic: what restores replaced stays for a while, is listed, and goes by hand or when its time is over (P9)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyhelpers.app.app import App
from pyhelpers.clock import utc
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.find_database import open_database
from pyhelpers.deploy.go_back import Note, name_of
from pyhelpers.deploy.phases import ATTIC_DAYS, SHORT_SECONDS
from pyhelpers.deploy.piecewise import find_site
from pyhelpers.deploy.settings import Trace
from pyhelpers.deploy.transaction import Story, Transaction
from pyhelpers.deploy.which import ENDED_WELL
from pyhelpers.errors import BadInput, NothingChanged
from pyhelpers.hosts.agent import Agent

DAYS = ATTIC_DAYS
DAY = 86_400  # seconds
UNDO = "undo"
REPLACING = frozenset({"restore", UNDO})  # the modes of `restore` that replace the live database


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What one restore replaced. Times in UTC, `kibibytes` what lies in its folder (a server keeps the rest itself)."""

    deployment: str
    verb: str
    status: str
    engine: str
    used: float  # seconds since 1970
    kibibytes: int
    undone: bool
    rows: int | None = None
    tables: int | None = None

    @property
    def expires(self) -> str:
        """The day from which on the next deploy drops it."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.used + (DAYS + 1) * DAY))

    def line(self) -> str:
        """Return it as one line for a person."""
        when = utc(self.used)
        size = f"{self.tables} tables, {self.rows:,} rows" if self.tables is not None and self.rows is not None else "-"
        held = "what its undo replaced" if self.undone else "what it replaced"
        more = "" if self.status in {*ENDED_WELL, "rolled-back", "released"} else f", {self.status}"
        return (
            f"{self.deployment}  {self.verb}{more}  {held}  {self.engine}  {size}  {self.kibibytes:,} KiB  "
            f"{when}  kept until {self.expires}"
        )


def kept(agent: Agent) -> list[Kept]:
    """Return what is kept on the host, newest first."""
    text = agent.read("env", f"BELAY_BASE={agent.base}", *agent.scripts.argv("attic.sh", "list"), timeout=300.0)
    undos = {entry["owner"].get("undoes"): entry["id"] for entry in agent.history() if entry["verdict"] in ENDED_WELL}
    every = (_kept(part, agent, undos) for part in text.split("\x01")[1:])
    return sorted(every, key=lambda one: one.used, reverse=True)


def _kept(part: str, agent: Agent, undos: Mapping[str, str]) -> Kept:
    """Return one; `undos` names the undo of each restore that has one: what that one replaced is what is kept."""
    head, owner = part.strip().split("\n")
    deployment, status, engine, used, kibibytes, how = head.split("\t")
    note = Note.of(agent, undos.get(deployment, "none") if how == "undone" else deployment)
    before = None if note is None else note.before
    return Kept(
        deployment=deployment,
        verb=str(json.loads(owner).get("verb", "")),
        status=status,
        engine=engine,
        used=float(used),
        kibibytes=int(kibibytes),
        undone=how == "undone",
        tables=None if before is None else len(before),
        rows=None if before is None else sum(before.values()),
    )


def last_restore(agent: Agent) -> str:
    """Return the last restore, or undo of one, that a person made and that stands; raises `BadInput` when there is none."""
    for entry in reversed(agent.history()):
        owner: dict[str, Any] = entry.get("owner", {})
        if owner.get("verb") == "restore" and owner.get("mode") in REPLACING and entry.get("verdict") in ENDED_WELL:
            return str(entry["id"])
    raise BadInput(
        "undo",
        f"nothing was restored by hand on {agent.host.name}",
        remedy="What a deploy or a rollback restored is undone by `rollback` with its `deployment-id`.",
    )


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """What the inputs of `attic drop` ask for."""

    path: str
    deployment: str
    trace: Trace


def drop(wanted: Dropping, agent: Agent, *, story: Story, cancellation: Cancellation, since: str) -> Kept:
    """Drop what one restore replaced, for good; return what it was.

    Raises `BadInput` for one that isn't kept, `Locked` for one that holds the host, `NothingChanged` for one of another database.
    """
    every = kept(agent)
    found = next((one for one in every if one.deployment == wanted.deployment), None)
    if found is None:
        there_are = ", ".join(one.deployment for one in every) or "none"
        raise BadInput("deployment-id", f"nothing is kept of `{wanted.deployment}`", remedy=f"There are: {there_are}.")
    agent.reap()
    owner: dict[str, Any] = {"since": since, **wanted.trace.as_owner("attic"), "drops": wanted.deployment}
    deployment = wanted.trace.deployment_id()
    deploy = Transaction.begin(agent, deployment, owner, story=story, cancellation=cancellation)
    with deploy:
        database = open_database(App(site=find_site(agent, wanted.path), agent=agent, folder=deploy.folder), deploy)
        old = agent.read("cat", f"{agent.folder(wanted.deployment)}/database/database").strip()
        if database is None or (database.engine.name, name_of(agent, database)) != (found.engine, old):
            raise NothingChanged(
                f"{wanted.deployment} replaced {found.engine} {old}, and the app's database is another one now",
                remedy="A later deploy drops it when its time is over.",
            )
        deploy.phase("drop", limit=SHORT_SECONDS)
        work = f"{agent.folder(wanted.deployment)}/restore"
        line = agent.scripts.call("attic.sh", "drop", database.engine.script, database.connection, work)
        # Dropping goes on where it was cut off; it is no way back, so there is nothing to undo but to finish.
        deploy.run("drop", f"Drop what {wanted.deployment} replaced", command=line, timeout=SHORT_SECONDS)
        deploy.precommit()
        deploy.confirm()
    return found
