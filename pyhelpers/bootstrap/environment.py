"""Build the environment that a verb needs, once, then become the program in it.

`run` comes here when the environment is missing or damaged. It is built under another name beside its place, marked as
complete, and renamed; one process builds at a time, and the others wait and find it done. Started with -I by the Python
that was found, standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

PYHELPERS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PYHELPERS.parent))

from pyhelpers.bootstrap.failures import SetupFailed, explain  # noqa: E402  the line above must come first
from pyhelpers.bootstrap.indexes import installer_environment, uv_options  # noqa: E402  the same

ON_GITHUB = os.environ.get("GITHUB_ACTIONS") == "true"


def say(text: str) -> None:
    """Print a line for people; standard output belongs to the verb."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  it runs before there is anything better


def complete(home: Path) -> bool:
    """Whether an environment is whole; the same test as in `run`."""
    return (home / ".complete").is_file() and os.access(home / "bin/python", os.X_OK)


@contextmanager
def only_one(places: Sequence[str], name: str) -> Iterator[Path]:
    """Give the environment's home in the first of `places` that can be written, while no other process builds it.

    The lock is the kernel's, so it can't outlive a builder that was killed. Raises `SetupFailed`.
    """
    problem = "none was given"
    for place in places:
        home = Path(place).absolute() / "pyhelpers" / name
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
            lock = home.with_name(f"{name}.lock").open("w")
        except OSError as error:
            problem = str(error.strerror)
            continue
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield home
        return
    raise SetupFailed(
        "No place for packages",
        f"{' and '.join(places)} can't be written ({problem}). Set BELAY_HOME to a folder that this user may write.",
    )


def build(home: Path, lock: Path) -> None:
    """Put an environment with all that `lock` names at `home`. Raises `SetupFailed`, and then leaves `home` as it was."""
    for leftover in home.parent.glob(f"{home.name}.*.new"):  # of a builder that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{home.name}.", suffix=".new", dir=home.parent) as folder:
        staging, damaged = Path(folder) / "environment", Path(folder) / "damaged"
        install(staging, lock)
        (staging / ".complete").touch()
        if home.exists():
            home.rename(damaged)
        staging.rename(home)


def install(staging: Path, lock: Path) -> None:
    """Make a virtual environment and install `lock` into it, by uv if it is on PATH, else by pip. Raises `SetupFailed`.

    It is made without pip, which takes a thirtieth of the time, if the Python found has one that can install elsewhere.
    """
    environ = installer_environment(os.environ)
    python = str(staging / "bin/python")
    pip = [
        "-I",
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--no-compile",
        "--progress-bar=off",
    ]
    venv.create(staging, symlinks=True)
    if uv := shutil.which("uv"):
        installer = [uv, "--no-config", "pip", "install", "--python", python, *uv_options(environ)]
    elif pip_installs_elsewhere():
        installer = [sys.executable, *pip[:3], "--python", python, *pip[3:]]
    elif importlib.util.find_spec("ensurepip"):
        finish([python, "-I", "-m", "ensurepip"], environ)
        installer = [python, *pip]
    else:
        raise SetupFailed(
            "No pip",
            f"{sys.executable} has neither pip nor ensurepip, and uv isn't there either. Install one of them "
            "(Debian, Ubuntu: apt-get install python3-venv), or set BELAY_PYTHON to another Python.",
        )
    finish([*installer, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock)], environ)


def pip_installs_elsewhere() -> bool:
    """Whether this Python has a pip that knows `--python` (22.3, of October 2022)."""
    try:
        major, minor = importlib.metadata.version("pip").split(".")[:2]
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return (int(major), int(minor)) >= (22, 3)


def finish(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run an installer to its end; show what it prints on GitHub, elsewhere when it fails. Raises `SetupFailed`."""
    printed: list[str] = []
    with subprocess.Popen(
        argv,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                printed.append(line.rstrip())
                if ON_GITHUB:
                    say(printed[-1])
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)  # pip has a child of its own; what they wrote goes with the folder
            raise
    if process.returncode:
        output = "\n".join(printed)
        if not ON_GITHUB:
            say(output)
        raise explain(output)


def environment_for(lock: Path, name: str, places: Sequence[str]) -> Path:
    """Return the home of a complete environment; build it if no other process did in the meantime."""
    with only_one(places, name) as home:
        if not complete(home):
            begun = time.monotonic()
            say(f"{'::group::' if ON_GITHUB else 'belay: '}Installing requirements/{lock.name} into {home}, once")
            try:
                build(home, lock)
                say(f"belay: installed in {time.monotonic() - begun:.1f} seconds")
            finally:
                if ON_GITHUB:
                    say("::endgroup::")
        return home


def fail(title: str, message: str, status: int = 1) -> NoReturn:
    """Print the one line that says what is wrong and what to do, and exit."""
    if ON_GITHUB:
        message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        say(f"::error title={title}::{message}")
    else:
        say(f"error: {title}: {message}")
    sys.exit(status)


def interrupt(_signal: int, _frame: object) -> NoReturn:
    """Treat SIGTERM as SIGINT: end the installer, clean up, say so."""
    raise KeyboardInterrupt


def main(lock: str, name: str, *rest: str) -> NoReturn:
    """Build what is missing and become the program. `rest`: the places for environments, `--`, the verb and its words."""
    end = rest.index("--")
    signal.signal(signal.SIGTERM, interrupt)
    try:
        home = environment_for(Path(lock).resolve(), name, rest[:end])
    except SetupFailed as failure:
        fail(failure.title, str(failure))
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        fail(
            "Disk full" if full else "Environment not built",
            f"{error}. {'Free some room' if full else 'Mend that'}, or set BELAY_HOME to another folder.",
        )
    except KeyboardInterrupt:
        fail("Cancelled", "packages were being installed; nothing else had begun.", 130)
    python = str(home / "bin/python")
    os.execv(python, [python, "-I", str(PYHELPERS / "__main__.py"), *rest[end + 1 :]])  # noqa: S606  no shell wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
