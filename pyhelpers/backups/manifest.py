"""The manifest: what a backup is, what was in it, and how far it was proven. Written last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pyhelpers.errors import BadInput

VERSION = 1  # of the format, `manifest.schema.json`
LEVELS = ("none", "bytes", "loaded", "drilled")  # each proves more than the one before
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}(\.[a-z0-9]+)+")

# What the fields must be that decide, or that become part of a path.
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        ("name", "created", "engine", "payload", "sha256", "verification", "schema_sha256", "deployment"), str
    ),
    **dict.fromkeys(("server_version", "client_version", "flags", "git_sha", "previous", "database"), str),
    **dict.fromkeys(("bytes", "migration_batch"), int),
    **dict.fromkeys(("tables", "inventory", "consistency"), dict),
    "seconds": (int, float),
    "counts_exact": bool,
}


def backup_name(stamp: str, payload: str, engine: str) -> str:
    """Return a backup's name from its stamp (`<UTC basic time>-<16 hex>`), its payload's file name and its engine.

    `payload.sql.zst` of mariadb gives `<stamp>.mariadb.sql.zst`; SQLite's own ending isn't doubled.
    """
    endings = payload.split(".")[1:]
    if endings[:1] != [engine]:
        endings.insert(0, engine)
    return ".".join([stamp, *endings])


def check_name(name: str, *, source: str = "backup-filename") -> str:
    """Return `name` if it is one that Belay makes; raises `BadInput` otherwise (names reach paths on the host)."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            source,
            f"`{name[:80]}` is not a backup's name",
            remedy="Names look like `20260131T235959Z-0123456789abcdef.mariadb.sql.zst`; `backup list` prints them.",
        )
    return name


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is written as manifest.json. Sizes in bytes, times in UTC, hashes are SHA-256 in hex."""

    name: str
    created: str
    engine: str
    payload: str
    bytes: int
    sha256: str
    verification: str
    tables: Mapping[str, int]
    counts_exact: bool
    schema_sha256: str
    inventory: Mapping[str, list[str]]
    server_version: str
    client_version: str
    flags: str = ""
    consistency: Mapping[str, str] = field(default_factory=dict)
    deployment: str = ""
    git_sha: str = ""
    migration_batch: int = 0
    seconds: float = 0.0
    previous: str = ""  # hash of the manifest before this one: a missing link is found
    database: str = ""  # its name, or the path of its file; a host may hold backups of several
    version: int = VERSION

    def to_json(self) -> str:
        """Return the file's text, keys sorted, so that equal manifests are equal bytes."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's text."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Return the manifest in `text`; raises `ValueError` when it is none, or of another version."""
        try:
            data: Any = json.loads(text)
        except RecursionError as error:
            raise ValueError("not a manifest: nested too deep") from error
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError("not a manifest of version 1")
        try:
            manifest = cls(**data)
        except TypeError as error:
            raise ValueError("not a manifest: fields are missing or unknown") from error
        if not all(isinstance(getattr(manifest, name), kind) for name, kind in _KINDS.items()):
            raise ValueError("not a manifest: a field is of another kind")
        if not all(type(count) is int for count in manifest.tables.values()):
            raise ValueError("not a manifest: a table's rows are no number")
        if manifest.verification not in LEVELS or not _NAME.fullmatch(manifest.name) or "/" in manifest.payload:
            raise ValueError("not a manifest: name, payload or verification level")
        return manifest

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.tables.values())

    def is_of(self, database: str) -> bool:
        """Whether it is a backup of `database`, by its name or its file's path; one that doesn't say may be."""
        return self.database in {"", database}

    def proven(self, level: str = "bytes") -> bool:
        """Whether the backup was proven at least this far."""
        return LEVELS.index(self.verification) >= LEVELS.index(level)
