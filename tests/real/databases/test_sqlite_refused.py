"""Payloads and databases that are damaged, attics that are needed: refused, and the live SQLite database is as it was."""

from __future__ import annotations

import hashlib
import random

import pytest

from tests.lab.sqlite_shop import DAMAGE, Site, execute, hide, picture


def flipped(content: bytes, place: int) -> bytes:
    """Return the content with one bit turned over."""
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_damaged_payload_is_refused_and_the_live_database_is_untouched(cli: Site, compression: str) -> None:
    """P1, P3: truncations and flipped bits."""
    cli.settings["BELAY_COMPRESSION"] = compression
    dumped = cli.dump()
    assert dumped["compression"] == compression
    execute(cli.live, DAMAGE)
    damaged = picture(cli.live)
    payload = cli.folder / dumped["payload"]
    good = payload.read_bytes()
    draw = random.Random(1)
    # Not the first bytes of a gzip: its header holds a time and a flag that mean nothing to the content.
    places = [draw.randrange(12, len(good)) for _ in range(3)]
    for bad in [good[:place] for place in places] + [flipped(good, place) for place in places] + [b""]:
        payload.write_bytes(bad)
        assert cli.call("prove", cli.folder, dumped["payload"], dumped["sha256"])[0] == 1
        own_hash = hashlib.sha256(bad).hexdigest()
        assert cli.call("prove", cli.folder, dumped["payload"], own_hash)[0] == 1, "caught without the hash too"
        assert cli.call("restore", cli.folder, dumped["payload"], cli.work)[0] == 1
        (cli.folder / "payload.sha256").rename(cli.root / "hash")
        assert cli.call("restore", cli.folder, dumped["payload"], cli.work)[0] == 1
        (cli.root / "hash").rename(cli.folder / "payload.sha256")
    assert picture(cli.live) == damaged
    assert not list(cli.folder.glob(".scratch.*"))


def test_a_backup_of_other_content_is_refused(cli: Site) -> None:
    """P3: an intact database whose rows or schema aren't those that were dumped."""
    dumped = cli.dump()
    execute(cli.live, DAMAGE)
    damaged = picture(cli.live)
    for name, change in (("counts.tsv", ("users\t3", "users\t4")), ("schema.txt", ("42", "41"))):
        file = cli.folder / name
        good = file.read_text()
        file.write_text(good.replace(*change))
        assert cli.call("prove", cli.folder, dumped["payload"], dumped["sha256"])[0] == 1
        assert cli.call("restore", cli.folder, dumped["payload"], cli.work)[0] == 1
        file.write_text(good)
    assert picture(cli.live) == damaged


def test_an_intact_payload_that_is_not_the_manifests_one_is_refused(cli: Site) -> None:
    """P1: the proof is about these very bytes."""
    dumped = cli.dump()
    assert cli.call("prove", cli.folder, dumped["payload"], "0" * 64)[0] == 1
    (cli.folder / "payload.sha256").write_text("0" * 64 + f"  {dumped['payload']}\n")
    status, _, errors = cli.call("restore", cli.folder, dumped["payload"], cli.work)
    assert status == 1
    assert "SHA-256" in errors


def test_a_damaged_live_database_is_not_backed_up_as_if_it_were_whole(cli: Site) -> None:
    """P1."""
    execute(cli.live, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE")
    content = bytearray(cli.live.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    cli.live.write_bytes(content)
    status, _, errors = cli.call("dump", cli.folder)
    assert status == 1
    assert not list(cli.folder.glob("payload*"))
    assert errors


def test_a_live_file_that_is_no_database_is_a_hold_with_a_reason(site: Site) -> None:
    """P2: never guessed at; moved aside, the same command completes."""
    before = picture(site.live)
    dumped = site.dump()
    for ending in ("-wal", "-shm"):
        site.live.with_name(site.live.name + ending).unlink(missing_ok=True)
    site.live.write_bytes(b"not a database at all" * 1000)
    status, output, _ = site.call("restore", site.folder, dumped["payload"], site.work)
    assert status == 10
    assert output.splitlines()[-1].startswith("The live file")
    site.live.rename(site.root / "aside")
    site.restore(dumped["payload"])
    assert picture(site.live) == before


def test_the_attic_can_be_dropped_only_after_the_restore_is_finished(cli: Site) -> None:
    """P9."""
    dumped = cli.dump()
    before = picture(cli.live)
    execute(cli.live, DAMAGE)
    cli.restore(dumped["payload"])
    restored = (cli.work / "restored").read_text()
    (cli.work / "restored").unlink()
    assert cli.call("attic-drop", cli.work)[0] == 1
    (cli.work / "restored").write_text(restored)
    assert cli.facts("attic-drop", cli.work) == {"dropped": "yes"}
    assert cli.facts("attic-drop", cli.work) == {"dropped": "yes"}
    assert not list(cli.work.glob("*.sqlite"))
    assert picture(cli.live) == before
    assert cli.call("unrestore", cli.work)[0] == 1
    assert picture(cli.live) == before


def test_a_host_without_zstd_takes_gzip_and_refuses_a_zstd_payload_clearly(cli: Site) -> None:
    """P1."""
    modern = cli.dump()
    hide(cli, "zstd")
    assert cli.dump()["compression"] == "gzip"
    status, _, errors = cli.call("prove", cli.folder, modern["payload"], modern["sha256"])
    assert status == 1
    assert "zstd, which this host lacks" in errors


def test_a_host_without_any_client_says_so(cli: Site) -> None:
    """P7."""
    cli.driver = "none"
    status, _, errors = cli.call("probe")
    assert status == 1
    assert "no SQLite client" in errors
