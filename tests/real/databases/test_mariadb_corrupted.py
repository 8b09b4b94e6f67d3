"""Damaged payloads of a real MariaDB backup: cut, flipped, swapped, lengthened; `prove` accepts none of them.

A small number runs with every test; BELAY_CORRUPTIONS=20000 is the long run, BELAY_SEED repeats one.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import build
from tests.lab.mariadb_trial import SEED

CORRUPTIONS = int(os.environ.get("BELAY_CORRUPTIONS", "80"))  # half for each compressor
LANES = 2

KINDS = ("cut", "bit", "byte", "appended", "zeroed", "doubled", "removed", "exchanged")


@dataclass(frozen=True)
class Backup:
    """A proven backup: its shop, its payload's name and hash."""

    shop: Account
    payload: str
    sha256: str


@pytest.fixture(scope="module", params=["zstd", "gzip"])
def backup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backup]:
    """A real backup, with the one and the other compressor."""
    folder = tmp_path_factory.mktemp("shop")
    with running_mariadb(tmp_path_factory.mktemp("server")) as server:
        shop = open_account(server, folder, OWN_DATABASE_ONLY)
        with shop.connect() as link:
            build(link)
        if request.param == "gzip":
            shop.environment["PATH"] = _without_zstd(folder / "tools")
        made = shop.facts("dump", shop.backup)
        assert made["compression"] == request.param
        yield Backup(shop, made["payload"], made["sha256"])


def _without_zstd(folder: Path) -> str:
    """Return a PATH on which there is no zstd."""
    folder.mkdir()
    for place in ("/usr/sbin", "/sbin", "/bin", "/usr/bin"):
        for program in Path(place).iterdir():
            if "zstd" not in program.name and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def damaged(whole: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return what was done to the payload, and the result; never the payload itself."""
    while True:
        kind = chance.choice(KINDS)
        place = chance.randrange(len(whole))
        length = min(chance.choice((1, 2, 16, 512)), len(whole) - place)
        piece = whole[place : place + length]
        other = chance.randrange(len(whole))
        changed = {
            "cut": whole[:place],
            "bit": whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :],
            "byte": whole[:place] + chance.randbytes(1) + whole[place + 1 :],
            "appended": whole + chance.choice((b"\0", b"\n", chance.randbytes(length), whole)),
            "zeroed": whole[:place] + bytes(length) + whole[place + length :],
            "doubled": whole[:place] + piece + whole[place:],
            "removed": whole[:place] + whole[place + length :],
            "exchanged": whole[:place] + whole[other : other + length] + whole[place + length :],
        }[kind]
        if changed != whole:
            return f"{kind} at {place}, {length} bytes", changed


def accepted(backup: Backup, folder: Path, content: bytes, sha256: str) -> bool:
    """Return whether `prove` takes `content` for a whole payload."""
    (folder / backup.payload).write_bytes(content)
    done = backup.shop.run("prove", folder, backup.payload, sha256)
    assert done.returncode in {0, 1}, done.stderr
    assert (done.returncode == 0) == ("verified=bytes" in done.stdout)
    return done.returncode == 0


def beside(backup: Backup, folder: Path) -> Path:
    """Return a copy of the backup without its payload."""
    folder.mkdir()
    for file in backup.shop.backup.iterdir():
        if file.name != backup.payload:
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_no_corruption_is_taken_for_the_payload(
    backup: Backup, tmp_path: Path, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """P1, P3, P7: half of them with the recorded hash, half sealed anew, where only the compressor's own sum can tell."""
    whole = (backup.shop.backup / backup.payload).read_bytes()

    def lane(number: int) -> list[str]:
        """Try this lane's share; return what was accepted."""
        chance = random.Random(SEED * LANES + number)
        folder = beside(backup, tmp_path / str(number))
        assert accepted(backup, folder, whole, backup.sha256), "the whole one"
        wrong = []
        for count in range(CORRUPTIONS // LANES // 2):
            told, content = damaged(whole, chance)
            sealed = count % 2 == 1 and not told.startswith(
                ("appended", "doubled")
            )  # more of the same decompresses well
            sha256 = hashlib.sha256(content).hexdigest() if sealed else backup.sha256
            if accepted(backup, folder, content, sha256) and (not sealed or _plain(content) != _plain(whole)):
                wrong.append(told)
        return wrong

    with ThreadPoolExecutor(LANES) as pool:
        wrong = [told for found in pool.map(lane, range(LANES)) for told in found]
    tried = CORRUPTIONS // LANES // 2 * LANES
    record_property("corruptions", tried)
    with capsys.disabled():
        sys.stderr.write(f"\n{backup.payload}: {tried} corruptions (seed {SEED}), accepted: {len(wrong)}\n")
    assert wrong == []


def test_bytes_that_the_decompressor_passes_over_are_not_passed_over(backup: Backup, tmp_path: Path) -> None:
    """P3: gzip takes zeros after the end, zstd an empty frame; the recorded hash takes neither."""
    whole = (backup.shop.backup / backup.payload).read_bytes()
    folder = beside(backup, tmp_path / "copy")
    more = bytes(16) if backup.payload.endswith("gz") else bytes.fromhex("502a4d1800000000")
    assert _plain(whole + more) == _plain(whole)
    assert not accepted(backup, folder, whole + more, backup.sha256)


def _plain(content: bytes) -> bytes:
    """Return the SQL in a payload; header fields that carry no data (a time, flags) may differ and it be the same."""
    if content[:2] == b"\x1f\x8b":
        try:
            return gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return b""
    done = subprocess.run(["zstd", "-dqc"], input=content, capture_output=True, check=False)
    return b"" if done.returncode else done.stdout
