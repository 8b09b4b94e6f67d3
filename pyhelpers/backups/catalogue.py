"""The backups on a host: listed by their manifests, nothing else counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pyhelpers.backups.manifest import Manifest, check_name
from pyhelpers.errors import BadInput
from pyhelpers.hosts.agent import Agent

LATEST = "latest"  # in place of a name

# Each manifest behind a line that can't be in one; one call for all of them.
_LIST = r"""
for folder in "$1"/*/; do
    [ -f "${folder}manifest.json" ] || continue
    printf '\001%s\n' "$(basename "$folder")"
    cat "${folder}manifest.json"
done
"""


@dataclass(frozen=True)
class Catalogue:
    """The backups in `<base>/.belay/backups`, or in `folder` where the user chose another."""

    agent: Agent
    folder: str

    def all(self) -> list[Manifest]:
        """Return every backup, newest first. A folder whose manifest can't be read is no backup."""
        text = self.agent.read("sh", "-c", _LIST, "list", self.folder)
        found: list[Manifest] = []
        for part in text.split("\x01")[1:]:
            name, _, body = part.partition("\n")
            try:
                manifest = Manifest.from_json(body)
            except ValueError:
                continue
            if manifest.name == name:
                found.append(manifest)
        return sorted(found, key=lambda manifest: manifest.name, reverse=True)

    def get(self, name: str, *, database: str = "") -> Manifest:
        """Return the backup called `name`; for `latest` the newest proven one, of `database` where that is given.

        Raises `BadInput`, naming the nearest. By its name a backup of another database is found as well: the database may
        have got another name since, or a file another place.
        """
        every = self.all()
        if name == LATEST:
            return _latest([manifest for manifest in every if manifest.proven()], database)
        check_name(name)
        for manifest in every:
            if manifest.name == name:
                return manifest
        nearest = ", ".join(nearest_to(name, [manifest.name for manifest in every])) or "none at all"
        raise BadInput("backup-filename", f"there is no backup `{name}` on this host", remedy=f"There are: {nearest}.")

    def made_by(self, deployment: str, database: str) -> Manifest | None:
        """Return the first backup of `database` that a deploy made: a later one may hold what it has changed by then."""
        made = [one for one in self.all() if deployment and one.deployment == deployment and one.is_of(database)]
        return made[-1] if made else None

    def path(self, manifest: Manifest) -> str:
        """Return the backup's folder."""
        return f"{self.folder}/{manifest.name}"


def _latest(proven: Sequence[Manifest], database: str) -> Manifest:
    if not proven:
        raise BadInput("backup-filename", "there is no proven backup on this host yet")
    found = next((manifest for manifest in proven if not database or manifest.is_of(database)), None)
    if found is None:
        raise BadInput(
            "backup-filename",
            f"there is no proven backup of {database} on this host",
            remedy=f"The newest is {proven[0].name}, of {proven[0].database}: give its name if you mean that one.",
        )
    return found


def nearest_to(name: str, names: Sequence[str], *, count: int = 5) -> list[str]:
    """Return the `names` that look most like `name`, the nearest first; of equally near ones the first stay first."""
    return sorted(names, key=lambda each: -SequenceMatcher(None, name, each).ratio())[:count]
