"""Start a child that runs the code under review: without our secrets, within a time, and with an end for all it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from pyhelpers.errors import BadInput
from pyhelpers.gate.output import Completed

# PHPStan executes the project's code (configuration, bootstrap files, extensions), and in a pull request that is anyone's.
# So a child gets these variables and no other: no token, no GITHUB_OUTPUT to write verdicts to, no COMPOSER_AUTH.
# By RUNNER_TRACKING_ID the runner finds, after a job, what is still running of it.
_PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|TMP|TEMP|LD_LIBRARY_PATH|PHPRC|PHP_INI_SCAN_DIR"
    r"|COMPOSER_HOME|COMPOSER_CACHE_DIR|COMPOSER_VENDOR_DIR|XDG_[A-Z_]+|APP_ENV|RUNNER_TRACKING_ID"
)


class Start(Protocol):
    """How a child is started; a test may hand in its own."""

    def __call__(self, argv: Sequence[str], folder: Path, /) -> Completed:
        """Run `argv` in `folder` to its end."""
        ...


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of `environment` that code under review may see."""
    return {name: value for name, value in environment.items() if _PASSED_ON.fullmatch(name)}


def run_child(argv: Sequence[str], folder: Path, *, environment: Mapping[str, str], seconds: float) -> Completed:
    """Run `argv` in `folder` and return how it ended; what it started ends with it.

    Its words go to files, not pipes: a worker that outlives its parent would hold a pipe open for ever. After `seconds`
    the whole process group is killed, and standard error says so. Raises `BadInput` when it can't be started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=scrubbed(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise BadInput(
                "phpstan", f"{argv[0]} can't be started: {error.strerror}", remedy="Is it installed and executable?"
            ) from error
        late = ""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = f"\nThe gate ended it: it timed out after {seconds:g} seconds.\n"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Completed(exit_code=process.returncode, stdout=_text(out), stderr=_text(err) + late)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
