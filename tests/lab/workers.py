"""Real queue workers: `php artisan queue:work` under a supervisord of the login user's own."""

from __future__ import annotations

import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import laravel

COUNT = 2
START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Workers that run now, and the line of `services` that names them."""

    configuration: Path
    service: str
    supervisord: int

    def pids(self) -> list[int]:
        """Return the process ids of the workers that run."""
        try:
            below = Path(f"/proc/{self.supervisord}/task/{self.supervisord}/children").read_text()
        except OSError:
            return []
        return [int(word) for word in below.split()]


@contextmanager
def running_workers(folder: Path, base: Path, *, user: str) -> Iterator[Workers]:
    """Run two workers of the app in `base`, started in `current` as most people do, for a `with` block."""
    folder.mkdir()
    configuration = folder / "supervisord.conf"
    configuration.write_text(f"""
[unix_http_server]
file={folder}/supervisor.sock
chmod=0700
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock
[program:worker]
command=php artisan queue:work --sleep=1
directory={base}/current
process_name=%(program_name)s_%(process_num)s
numprocs={COUNT}
autorestart=true
startsecs=1
stopwaitsecs=10
stopasgroup=true
killasgroup=true
stdout_logfile={folder}/worker.log
redirect_stderr=true
""")
    laravel.give_to(folder, user)
    account = pwd.getpwnam(user)
    with (folder / "out").open("wb") as log:
        process = subprocess.Popen(
            ["supervisord", "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=laravel.environment(HOME=account.pw_dir),
            user=user,
            group=account.pw_gid,
            extra_groups=[],
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while _running(configuration, user) < COUNT:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"the workers did not start:\n{(folder / 'out').read_text()}")
            time.sleep(0.2)
        service = f"supervisor({configuration}): worker:*"
        yield Workers(configuration=configuration, service=service, supervisord=process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _running(configuration: Path, user: str) -> int:
    told = subprocess.run(
        ["supervisorctl", "-c", str(configuration), "status"], user=user, check=False, capture_output=True, text=True
    )
    return told.stdout.count(" RUNNING ")
