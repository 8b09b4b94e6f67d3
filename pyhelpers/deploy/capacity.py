"""Whether there is room and time for what a deploy may need: from the database's size and the last runs; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyhelpers.backups.manifest import Manifest

GIB = 1 << 30
# Measured dumps of text-rich Laravel tables are a third to a tenth of their data; half is taken for one never made.
DUMP_SHARE = 0.5
SPARE = 1.2  # a file system near its end is slow, and the app writes meanwhile


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one deploy that is rolled back may need at most, in bytes: the dump, the shadow, and the attic."""

    dump: int
    shadow: int

    @property
    def host(self) -> int:
        """Bytes in the folder of the app."""
        return int(self.dump * SPARE)

    @property
    def server(self) -> int:
        """Bytes in the database server's folder. What a restore replaced becomes the attic where it lies: it costs nothing new."""
        return int(self.shadow * SPARE)


def need_of(data_bytes: int, backups: Sequence[Manifest]) -> Need:
    """Return what is needed: the newest proven dump's size where there is one, since it is like the next one."""
    proven = [one for one in backups if one.proven()]
    newest = max(proven, key=lambda one: one.name, default=None)
    return Need(dump=newest.bytes if newest else int(data_bytes * DUMP_SHARE), shadow=data_bytes)


def room(need: Need, free: int, *, together: bool) -> tuple[bool, str]:
    """Return whether `free` bytes on the host are enough, and a sentence. `together`: the server's data is on that disk too."""
    wanted = need.host + (need.server if together else 0)
    text = f"a backup needs {size(need.dump)} here, a restore {size(need.shadow)} " + (
        "more beside it" if together else "on the database server's own disk, which can't be seen from here"
    )
    return free >= wanted, f"{text}; {size(free)} are free"


def size(count: int) -> str:
    """Return bytes as people read them; below 1 MiB nobody plans with them."""
    mib = count / (1 << 20)
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{mib:.0f} MiB" if mib >= 1 else "less than 1 MiB"


def estimates(backups: Sequence[Manifest], restores: Sequence[float]) -> Iterator[str]:
    """Yield sentences on how long things take, from what was measured on this host; `restores` are seconds, newest last."""
    proven = sorted((one for one in backups if one.proven()), key=lambda one: one.name)
    if proven:
        last = proven[-1]
        yield f"the last backup, dumped and proven, took {last.seconds:.1f} s for {last.rows:,} rows"
    else:
        yield "how long a backup takes was never measured here: `backup create` does, while the app serves"
    if restores:
        yield f"the last restore took {restores[-1]:.1f} s"
    else:
        yield "how long a restore takes was never measured here: a rehearsal (`restore --into`) does, beside the live database"
