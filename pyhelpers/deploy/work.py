"""What a deploy knows while it runs: filled by one phase, read by the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pyhelpers.app.app import App
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.create import Backup, Draft
from pyhelpers.databases.engine import Database
from pyhelpers.deploy.policy import Plan
from pyhelpers.deploy.settings import DeploySettings
from pyhelpers.deploy.transaction import Transaction
from pyhelpers.watch.http import Answer


@dataclass
class Work:
    """One deploy on one host; in a fleet, the part of one of its hosts."""

    settings: DeploySettings
    deploy: Transaction
    app: App
    catalogue: Catalogue
    release: str
    sleep: Callable[[float], None]
    previous: str = ""
    database: Database | None = None
    pending: list[str] = field(default_factory=list)
    plan: Plan | None = None
    draft: Draft | None = None  # a backup that was made while the app served, and has yet to prove that it stands
    backup: Backup | None = None
    window: str = ""  # when the backup was made: live, maintenance, or `live+maintenance` for one and then another
    quiet: bool = False  # whether nobody was at work in the database any more when the door was closed
    answers: list[Answer] = field(default_factory=list)
    address: str = ""  # of this one of several hosts, so that a health check asks it and no other; empty: the only host
    shared: Database | None = None  # on a follower: the database that the leader migrates, as this host reaches it

    @property
    def loads(self) -> bool:
        """Whether the backup is to be proven by loading it."""
        return self.settings.choice.verify == "loaded"

    @property
    def host(self) -> str:
        """How people know the host."""
        return self.deploy.agent.host.name

    @property
    def twin(self) -> str:
        """The work folder of the copy that proved the backup. It is the one of rollback.sh, which then only swaps."""
        return f"{self.deploy.folder}/restore"

    @property
    def folder(self) -> str:
        """The folder in which the new code lies (and, in place, the old)."""
        return self.app.site.code_folder(self.release)
