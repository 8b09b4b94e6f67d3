"""A person's decision about a deploy on hold: restore the database in spite of what held it, or leave it as it is.

It is left on the host as a file beside the undo, which then asks nobody any more: the same undo, one answer richer.
"""

from __future__ import annotations

from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import TOPS
from pyhelpers.databases.engine import Database, engine_named
from pyhelpers.deploy.loss import Loss, accepted, measure
from pyhelpers.errors import BadInput
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.status import Status


def loss_of(agent: Agent, status: Status, path: str) -> Loss:
    """Return what restoring the held deploy's own backup would throw away; raises `BadInput` when it made none."""
    folder = agent.folder(status.deployment)
    name = agent.read("cat", f"{folder}/database/database").strip()
    catalogue = Catalogue(agent, f"{path}/.belay/backups")
    made = catalogue.made_by(status.deployment, name)
    if made is None:
        raise BadInput(
            "database",
            f"is `always`, and deploy {status.deployment} made no backup",
            remedy="`never` leaves the database as it is and undoes the rest.",
        )
    engine = engine_named(agent.read("cat", f"{folder}/database/engine").strip())
    database = Database(engine=engine, connection=f"{folder}/database", scripts=agent.scripts, read=agent.read)
    return measure(database, made.tables, f"{catalogue.path(made)}/{TOPS}")


def leave(agent: Agent, status: Status, choice: str, loss: Loss | None, *, rows: int) -> None:
    """Leave `choice` (always or never) for the undo; raises `NothingChanged` when more would be lost than `rows`."""
    if loss is not None:
        accepted(loss, "the backup of the deploy on hold", rows=rows)
    agent.put(f"{choice}\n".encode(), f"{agent.folder(status.deployment)}/decision")
