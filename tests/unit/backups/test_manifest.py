from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.backups.manifest import Manifest, backup_name, check_name
from pyhelpers.errors import BadInput

STAMP = "20261121T193000Z-0123456789abcdef"


def test_a_name_tells_its_time_its_engine_and_its_format() -> None:
    assert backup_name(STAMP, "payload.sql.zst", "mariadb") == f"{STAMP}.mariadb.sql.zst"
    assert backup_name(STAMP, "payload.sqlite.gz", "sqlite") == f"{STAMP}.sqlite.gz"
    assert backup_name(STAMP, "payload.dump", "postgresql") == f"{STAMP}.postgresql.dump"
    for name in ("mariadb.sql.zst", "sqlite.gz", "postgresql.dump"):
        check_name(f"{STAMP}.{name}")


@given(st.text(max_size=60))
def test_nothing_but_our_own_names_reaches_a_path(text: str) -> None:
    """A backup's name becomes part of a path on the host."""
    with pytest.raises(BadInput, match=r"^backup-filename: "):
        check_name(text + "/")
    for hostile in (f"../{STAMP}.x", f"{STAMP}.x\n", f"{STAMP}.x/../y", f"{STAMP}", f"-{STAMP}.x"):
        with pytest.raises(BadInput):
            check_name(hostile)


def test_what_was_written_is_what_is_read() -> None:
    written = Manifest(
        name=f"{STAMP}.sqlite.zst",
        created="2026-11-21T19:30:00Z",
        engine="sqlite",
        payload="payload.sqlite.zst",
        bytes=12,
        sha256="a" * 64,
        verification="bytes",
        tables={"users": 3, 'na"me\n': 0},
        counts_exact=True,
        schema_sha256="b" * 64,
        inventory={"table": ["users"]},
        server_version="3.40",
        client_version="3.40",
    )
    read = Manifest.from_json(written.to_json())
    assert read == written
    assert read.digest == written.digest
    assert read.rows == 3


@pytest.mark.parametrize("change", [{"version": 2}, {"verification": "surely"}, {"name": "../x"}, {"unknown": 1}])
def test_a_manifest_that_is_none_of_ours_is_refused(change: dict[str, object]) -> None:
    """P3: what can't be read as a manifest is no backup."""
    base = {
        "version": 1,
        "name": f"{STAMP}.sqlite.zst",
        "created": "",
        "engine": "sqlite",
        "payload": "payload.sqlite.zst",
        "bytes": 1,
        "sha256": "",
        "verification": "bytes",
        "tables": {},
        "counts_exact": True,
        "schema_sha256": "",
        "inventory": {},
        "server_version": "",
        "client_version": "",
    }
    Manifest.from_json(json.dumps(base))
    with pytest.raises(ValueError, match="not a manifest"):
        Manifest.from_json(json.dumps({**base, **change}))
