"""A script that is killed at random moments, and the states between which everything must lie then."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.mariadb import Mariadb
from tests.lab.mariadb_script import open_account
from tests.lab.mariadb_shop import Snapshot, build, damage, snapshot

SEED = int(os.environ.get("BELAY_SEED", str(random.SystemRandom().randrange(1_000_000))))

# Files whose appearance tells how far a run has come, relative to the work folder.
MARKS = {
    "load": ("id", "load/counts.tsv", "names.s", "load/objects.sql", "load/shadow.txt", "load/done"),
    "unload": ("load",),
    "restore": (
        "id",
        "names.s",
        "load/done",
        "restore/saved",
        "restore/prepared",
        "restore/moves.tsv",
        "restore/swapped",
    ),
    "unrestore": ("unrestore/saved", "unrestore/prepared", "unrestore/moves.tsv", "unrestore/swapped"),
}


class Trial:
    """A damaged shop, its backup, and the two states between which everything must lie."""

    def __init__(self, server: Mariadb, folder: Path, kind: str, *, changes: Sequence[str] = ()) -> None:
        """Make the shop, change it by these statements, dump it, damage it."""
        self.shop = open_account(server, folder, kind)
        self.random = random.Random(SEED)
        with self.shop.connect() as link, link.cursor() as cursor:
            build(link)
            for statement in changes:
                cursor.execute(statement)
        self.before = self.read()
        self.payload = self.shop.dump()
        with self.shop.connect() as link:
            damage(link)
        self.damaged = self.read()

    def read(self) -> Snapshot:
        """Return what is live now."""
        with self.shop.connect() as link:
            return snapshot(link)

    def arguments(self, verb: str, work: Path) -> tuple[Path | str, ...]:
        """Return what comes after the verb."""
        return (self.shop.backup, self.payload, work) if verb in {"load", "restore"} else (work,)

    def wait_for_a_moment(self, verb: str, work: Path, running: subprocess.Popen[bytes]) -> str:
        """Return after a random time, or a little after a random mark appeared; says which."""
        if self.random.random() < 0.3:
            seconds = self.random.uniform(0, 2)
            moment = f"{seconds:.3f} s"
        else:
            mark = self.random.choice(MARKS[verb])
            while running.poll() is None and not (work / mark).exists():
                time.sleep(0.001)
            seconds = self.random.choice((0, self.random.uniform(0, 0.1)))
            moment = f"{mark} + {seconds:.3f} s"
        time.sleep(seconds)
        return moment

    def kill(self, verb: str, work: Path) -> str:
        """Start the script and kill it, alone or with all its children; return what was done."""
        running = self.shop.start(verb, *self.arguments(verb, work))
        moment = self.wait_for_a_moment(verb, work, running)
        alone = self.random.random() < 0.5
        if running.poll() is None:
            if alone:
                running.kill()
            else:
                os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        if not alone:
            self.shop.wait_until_idle()
            # A default that draws from a sequence names the shadow's until the rerun mends it, as it does the keys.
            read = self.read().tables_without_keys()
            tables = {name: re.sub(r"_bs[0-9a-f]{4}_|__belay_s_[0-9a-f]{8}", "", text) for name, text in read.items()}
            assert tables in (self.before.tables_without_keys(), self.damaged.tables_without_keys()), moment
        return f"{verb} killed {'alone' if alone else 'with its children'} at {moment}"

    def finish(self, verb: str, work: Path, expected: Snapshot, told: str) -> None:
        """Run the script to its end and compare what is live."""
        done = self.shop.run(verb, *self.arguments(verb, work))
        assert done.returncode == 0, f"{told}: {done.stdout}{done.stderr}"
        assert self.read() == expected, told
