"""The stage of both demos: runs `pyhelpers/run`, looks at the app from outside, tells what each promise did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEASE_SECONDS = 10  # the smallest that is allowed, so that nobody waits for two minutes here
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)


def title(text: str) -> None:
    """Begin an act."""
    print(f"\n{BOLD}--- {text} {'-' * max(0, 100 - len(text))}{PLAIN}", flush=True)


def say(text: str) -> None:
    """Say something to the audience."""
    print(f"{DIM}{text}{PLAIN}", flush=True)


def answer(url: str) -> tuple[int, str]:
    """Return status and body of a GET; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  # an address of our own
            return response.status, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


@dataclass
class Stage:
    """A host with an app, how to deploy to it, and what was proven so far."""

    inputs: Mapping[str, str]
    look: Callable[[], object]  # the app's state, found without any of Belay's code
    url: str
    proven: list[tuple[bool, str, str]] = field(default_factory=list)

    def environment(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a step: the inputs, as an action passes them."""
        names = {f"INPUT_{name.upper().replace('-', '_')}": value for name, value in {**self.inputs, **inputs}.items()}
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(("INPUT_", "GITHUB_"))},
            **names,
        }

    def start(self, verb: Sequence[str], **inputs: str) -> subprocess.Popen[bytes]:
        """Start a verb, exactly as an action's step does."""
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        return subprocess.Popen(["bash", str(ROOT / "pyhelpers" / "run"), *verb], env=self.environment(named))

    def deploy(self, **inputs: str) -> int:
        """Deploy, and return the exit code."""
        return self.start(["deploy"], **inputs).wait()

    def kill_in_migration(self, **inputs: str) -> None:
        """Deploy, and kill the runner's process (SIGKILL, nothing can catch it) while the migration runs."""
        before = set(self.operations())
        runner = self.start(["deploy"], **inputs)
        self.wait_for(lambda: bool(set(self.operations()) - before), "the migration to start")
        time.sleep(1.0)
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()

    def operations(self) -> list[str]:
        """Return the migrations that were ever started on the host."""
        deploys = Path(self.inputs["path"]) / ".belay" / "deploys"
        return [str(path) for path in deploys.glob("*/ops/migrate/pid")]

    def wait_for(self, true: Callable[[], bool], what: str, seconds: float = 120.0) -> float:
        """Wait, and return for how many seconds; the demo ends badly when it never comes."""
        begun = time.monotonic()
        while not true():
            if time.monotonic() - begun > seconds:
                sys.exit(f"{RED}waited {seconds:.0f} s for {what} in vain{PLAIN}")
            time.sleep(0.1)
        return time.monotonic() - begun

    def prove(self, true: bool, promise: str, text: str) -> None:  # noqa: FBT001  # a verdict, no switch
        """Remember whether a promise was kept, and show it."""
        self.proven.append((true, promise, text))
        mark = f"{GREEN}kept{PLAIN}" if true else f"{RED}BROKEN{PLAIN}"
        print(f"  {mark}  {promise}  {text}", flush=True)

    def finish(self) -> int:
        """Show all promises once more; return the exit code of the demo."""
        title("What each promise did")
        for true, promise, text in self.proven:
            print(f"  {GREEN + 'kept  ' + PLAIN if true else RED + 'BROKEN' + PLAIN}  {promise}  {text}")
        broken = sum(not true for true, _, _ in self.proven)
        print(f"\n{len(self.proven) - broken} of {len(self.proven)} kept", flush=True)
        return 1 if broken else 0
