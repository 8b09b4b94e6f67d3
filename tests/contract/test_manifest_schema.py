"""The manifest's JSON Schema, for those who read backups with tools of their own."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from pyhelpers.backups.manifest import LEVELS, VERSION, Manifest
from pyhelpers.databases.engine import ENGINES
from tests.contract.json_schema import problems
from tests.contract.surface import TOP

SCHEMA: dict[str, Any] = json.loads((TOP / "pyhelpers/backups/manifest.schema.json").read_text())
GOOD = Manifest(
    name="20261121T193000Z-0123456789abcdef.mariadb.sql.zst",
    created="2026-11-21T19:30:00Z",
    engine="mariadb",
    payload="payload.sql.zst",
    bytes=12,
    sha256="a" * 64,
    verification="bytes",
    tables={"users": 3},
    counts_exact=True,
    schema_sha256="b" * 64,
    inventory={"table": ["users"]},
    server_version="10.11.6",
    client_version="10.11.6",
)


def test_the_schema_knows_the_same_fields_levels_and_engines_as_the_code() -> None:
    names = {field.name for field in dataclasses.fields(Manifest)}
    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == names
    assert SCHEMA["properties"]["version"]["const"] == VERSION
    assert SCHEMA["properties"]["verification"]["enum"] == list(LEVELS)
    assert SCHEMA["properties"]["engine"]["enum"] == list(ENGINES)


def test_what_is_written_is_what_the_schema_says() -> None:
    assert list(problems(json.loads(GOOD.to_json()), SCHEMA, SCHEMA)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"name": "backup.sql"},
        {"bytes": 0},
        {"bytes": True},
        {"bytes": "12"},
        {"sha256": "A" * 64},
        {"tables": {"users": -1}},
        {"tables": [3]},
        {"inventory": {"table": "users"}},
        {"verification": "surely"},
        {"created": "yesterday"},
        {"another": 1},
    ],
)
def test_the_schema_refuses_what_is_no_manifest(change: dict[str, object]) -> None:
    assert list(problems({**json.loads(GOOD.to_json()), **change}, SCHEMA, SCHEMA))
