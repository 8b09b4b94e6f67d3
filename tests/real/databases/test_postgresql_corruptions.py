"""A PostgreSQL payload that went bad in any of many ways is never taken for a good one."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tests.lab.corruptions import corruptions, wanted
from tests.lab.postgresql import Postgresql
from tests.lab.postgresql_shop import Site, made_of, picture

EVERY = 10  # one of so many is also tried with a hash of its own, as if nobody knew the true one


def same_when_loaded(site: Site, number: int) -> bool:
    """Whether the payload, whose hash nobody knows any more, loads as what was dumped or not at all."""
    hashes = site.folder / "payload.sha256"
    kept = hashes.read_bytes()
    hashes.unlink()
    work = site.root / f"work{number}"
    status, output, _ = site.call("load", site.folder, site.payload, work)
    shadow = dict(line.split("=", 1) for line in output.splitlines()).get("shadow", "")
    same = status == 1 or picture(site.server, shadow) == site.picture()
    site.facts("unload", work)
    hashes.write_bytes(kept)
    return same


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_no_corruption_of_a_payload_is_accepted(server: Postgresql, tmp_path: Path, compression: str) -> None:
    """P1: by its hash; and where that is lost too, none that loads as something else.

    gzip lies inside the archive, around the rows alone: a flipped bit in the text of a statement is seen by loading it.
    """
    site = made_of("creator", server, tmp_path)
    site.settings["BELAY_COMPRESSION"] = compression
    site.execute("CREATE TABLE bulk AS SELECT n, md5(n::text) FROM generate_series(1, 900) n")
    dumped = site.dump()
    before = site.picture()
    payload = site.folder / site.payload
    good = payload.read_bytes()
    count = wanted() // 2
    accepted, unknown, seen_through = [], 0, 0
    for number, (kind, bad) in enumerate(corruptions(good, count, compression)):
        payload.write_bytes(bad)
        if site.call("prove", site.folder, site.payload, dumped["sha256"])[0] == 0:
            accepted.append((number, kind))
        if number % EVERY == 0:
            unknown += 1
            if site.call("prove", site.folder, site.payload, hashlib.sha256(bad).hexdigest())[0] == 0:
                assert same_when_loaded(site, number), (number, kind)
            else:
                seen_through += 1
    assert not accepted
    sys.stdout.write(
        f"PostgreSQL, {compression}: {count} corruptions, 0 accepted; "
        f"{seen_through} of {unknown} refused without the hash too\n"
    )
    payload.write_bytes(good)
    site.facts("prove", site.folder, site.payload, dumped["sha256"])
    assert site.picture() == before
    site.drop()
