"""A SQLite payload that went bad in any of many ways is never taken for a good one."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.corruptions import corruptions, wanted
from tests.lab.sqlite_shop import LARAVEL, Site, execute, picture

EVERY = 10  # one of so many is also tried with a hash of its own, as if nobody knew the true one


def unpacked(compression: str, file: Path) -> bytes | None:
    """Return what is in a payload, by another reader than the script's; None when it can't be unpacked whole."""
    if compression == "zstd":
        done = subprocess.run(["zstd", "-q", "-d", "-c", file], check=False, capture_output=True)
        return done.stdout if done.returncode == 0 else None
    try:
        return gzip.decompress(file.read_bytes())
    except (OSError, EOFError, ValueError):
        return None


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_no_corruption_of_a_payload_is_accepted(tmp_path: Path, compression: str) -> None:
    """P1: by its hash; and where that is lost too, only one whose content is the same to the last byte."""
    site = Site(tmp_path, settings={"BELAY_COMPRESSION": compression})
    execute(site.live, LARAVEL + "CREATE TABLE bulk (v BLOB);" + "INSERT INTO bulk VALUES (randomblob(9000));" * 8)
    dumped = site.dump()
    before = picture(site.live)
    payload = site.folder / dumped["payload"]
    good = payload.read_bytes()
    content = unpacked(compression, payload)
    assert content
    count = wanted() // 2
    accepted, unknown, seen_through = [], 0, 0
    for number, (kind, bad) in enumerate(corruptions(good, count, compression)):
        payload.write_bytes(bad)
        if site.call("prove", site.folder, dumped["payload"], dumped["sha256"])[0] == 0:
            accepted.append((number, kind))
        if number % EVERY == 0:
            unknown += 1
            if site.call("prove", site.folder, dumped["payload"], hashlib.sha256(bad).hexdigest())[0] == 0:
                found = unpacked(compression, payload)
                assert found is not None
                assert found[: len(content)] == content, (number, kind)
            else:
                seen_through += 1
    assert not accepted
    sys.stdout.write(
        f"SQLite, {compression}: {count} corruptions, 0 accepted; "
        f"{seen_through} of {unknown} refused without the hash too\n"
    )
    payload.write_bytes(good)
    site.facts("prove", site.folder, dumped["payload"], dumped["sha256"])
    assert picture(site.live) == before
