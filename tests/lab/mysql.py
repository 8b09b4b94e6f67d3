"""A private, real MySQL server, as `tools/mysql` finds or brings it; the rest is as with MariaDB's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.mariadb import Mariadb, as_user, running

ROOT = Path(__file__).parents[2]
SETTINGS = (
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--mysqlx=OFF",
    "--event-scheduler=OFF",
)


def programs() -> Path:
    """Return the folder with `mysqld`, `mysql` and `mysqldump`; brings them first where they are missing."""
    subprocess.run([ROOT / "tools" / "mysql"], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return ROOT / ".dev" / "mysql" / "bin"


@contextmanager
def running_mysql(folder: Path) -> Iterator[Mariadb]:
    """Run a server whose data and log lie in `folder`, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    program = [str(programs() / "mysqld"), "--no-defaults", "--secure-file-priv=NULL", *_where_it_lies()]
    subprocess.run(
        [*program, "--initialize-insecure", f"--datadir={folder / 'data'}", *as_user()],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
    )
    with running(folder, settings=SETTINGS, program=program) as server:
        yield server


def environment() -> dict[str, str]:
    """Return what a host that has MySQL's own clients would have in its environment."""
    return {"PATH": f"{programs()}:{os.environ['PATH']}"}


def _where_it_lies() -> list[str]:
    root = ROOT / ".dev" / "mysql" / "root" / "usr"
    return [f"--basedir={root}", f"--lc-messages-dir={root / 'share' / 'mysql'}"] if root.is_dir() else []
