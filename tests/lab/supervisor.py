"""A private, real supervisord for tests: own configuration, own socket, stopped by its process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import laravel


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """A supervisor that runs; `configuration` is what supervisorctl's -c takes."""

    configuration: Path

    def control(self, *words: str) -> str:
        """Run supervisorctl and return what it says, whatever its exit status (it tells of states)."""
        done = subprocess.run(
            ["supervisorctl", "-c", self.configuration, *words], check=False, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    def states(self) -> dict[str, str]:
        """The programs' states by name."""
        return {words[0]: words[1] for words in map(str.split, self.control("status").splitlines()) if len(words) > 1}

    def pids(self) -> dict[str, int]:
        """The process ids of the programs that run."""
        lines = [line.split() for line in self.control("status").splitlines()]
        return {words[0]: int(words[3].rstrip(",")) for words in lines if words[1:2] == ["RUNNING"]}


@contextmanager
def running_supervisor(programs: Mapping[str, tuple[str, Path]], *, more: str = "") -> Iterator[Supervisor]:
    """Run supervisord with programs of (command line, folder); `more` are further lines of each program's section."""
    folder = Path(tempfile.mkdtemp(prefix="belay-supervisor-"))
    socket, configuration = folder / "sock", folder / "supervisord.conf"
    sections = "".join(
        f"[program:{name}]\ncommand={command}\ndirectory={place}\nautorestart=true\nstartsecs=1\nstopwaitsecs=5\n"
        f"stopasgroup=true\nkillasgroup=true\nredirect_stderr=true\nstdout_logfile={folder}/{name}.log\n{more}\n"
        for name, (command, place) in programs.items()
    )
    configuration.write_text(
        f"[unix_http_server]\nfile={socket}\nchmod=0700\n[supervisord]\nlogfile={folder}/supervisord.log\n"
        f"pidfile={folder}/pid\nnodaemon=true\n{'user=root' if os.getuid() == 0 else ''}\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisorctl]\nserverurl=unix://{socket}\n{sections}"
    )
    with (folder / "out").open("wb") as log:
        process = subprocess.Popen(
            ["supervisord", "-c", configuration],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=laravel.environment(),
            start_new_session=True,
        )
    found = Supervisor(configuration=configuration)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and set(found.states().values()) != {"RUNNING"}:
            time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)
