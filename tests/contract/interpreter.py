"""A small, strict runner: it runs composite actions, and a workflow's job of `run:` and `uses:` steps, on this machine.

Beside act, because act is lax where users get hurt: it re-reads one output file for all steps, so that an output that an
action forgot to declare still arrives. Here each step has files of its own, only declared names pass, and whatever is
not known is an error. From actions/runner's sources and GitHub's documentation; shares no code with Belay.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml

from tests.contract.expressions import Function, Undeclared, Value, condition, substitute
from tests.unit.runner.github_runner import read_outputs

SHELL = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"]
FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
CANCEL = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 60.0))  # and the seconds until the next
RUN_KEYS = {"name", "id", "if", "run", "env", "shell", "continue-on-error", "working-directory"}
USES_KEYS = {"name", "id", "if", "uses", "with", "env", "continue-on-error"}
PINNED = re.compile(r"actions/checkout@[0-9a-f]{40}")
SECRET = re.compile("KEY|SECRET|PASSWORD|TOKEN")  # a server's name is kept as a secret by many, and is none
SUMMARY_LIMIT = 1 << 20  # bytes; GitHub drops a larger one whole
PASSED_ON = re.compile(
    r"PATH|HOME|LANG|TMPDIR|PIP_.*|UV_.*|.*_PROXY|.*_proxy|SSL_CERT_.*|REQUESTS_CA_BUNDLE|BELAY_PYTHON"
)


class Leak(Exception):
    """A secret went where people can read it."""


class Anything(dict[str, Value]):
    """The outputs of a step that failed or was skipped: whatever it didn't write is empty."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> Value:
        return ""


@dataclass
class Step:
    """How one step of a job, or of an action in it, ended."""

    name: str
    uses: str = ""
    outcome: str = "skipped"  # success | failure | cancelled | skipped
    outputs: Mapping[str, Value] = field(default_factory=Anything)
    log: str = ""
    summary: str = ""
    inner: dict[str, Step] = field(default_factory=dict)


@dataclass
class Job:
    """One job: its files, what the workflow gives it, and how its steps ended, by id."""

    folder: Path
    workspace: Path
    tool_cache: Path
    actions: Callable[[str], Path]  # where the action of a `uses:` lies
    run_id: str = "1000"
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Value] = field(default_factory=dict)
    cancel_at: str = ""  # cancel the job when a step prints this
    cancelled: bool = False
    failed: bool = False
    variables_for_all: dict[str, str] = field(default_factory=dict)  # the job's own `env:`
    steps: dict[str, Step] = field(default_factory=dict)

    def run(self, workflow: Path | str) -> str:
        """Run the only job of a workflow; return `success`, `failure` or `cancelled`."""
        text = workflow.read_text() if isinstance(workflow, Path) else workflow
        document = load(text)
        _only(document, {"name", "run-name", "on", "permissions", "concurrency", "jobs"})
        (job,) = document["jobs"].values()
        _only(job, {"name", "runs-on", "environment", "timeout-minutes", "permissions", "concurrency", "env", "steps"})
        dispatch = (document["on"].get("workflow_dispatch") or {}) if isinstance(document["on"], dict) else {}
        contexts: dict[str, Value] = {
            "secrets": dict(self.secrets),
            "vars": dict(self.variables),
            "inputs": self._dispatched(dispatch.get("inputs") or {}),
            "env": {},
        }
        scope = Scope(job=self, contexts=contexts, steps=self.steps)
        self.variables_for_all = {name: scope.text(value) for name, value in (job.get("env") or {}).items()}
        try:
            for step in job["steps"]:
                scope.take(step)
        finally:
            _end_orphans(self.environment()["RUNNER_TRACKING_ID"])
        self.failed = scope.failed
        return "cancelled" if self.cancelled else "failure" if self.failed else "success"

    def _dispatched(self, declared: Mapping[str, Any]) -> dict[str, Value]:
        if undeclared := set(self.inputs) - set(declared):
            raise Undeclared(f"workflow_dispatch has no input {undeclared}")
        return {name: self.inputs.get(name, entry.get("default", "")) for name, entry in declared.items()}

    def environment(self) -> dict[str, str]:
        """Return what the runner itself puts into a step's environment, and nothing of the test's own."""
        return {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)} | {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_REPOSITORY": "someone/app",
            "GITHUB_ACTOR": "someone",
            "GITHUB_RUN_ID": self.run_id,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.folder),
            "RUNNER_TOOL_CACHE": str(self.tool_cache),
            "RUNNER_TRACKING_ID": f"github_{self.folder}",
        }


@dataclass
class Scope:
    """The steps of a job, or (with `action`) those of a composite action."""

    job: Job
    contexts: dict[str, Value]
    steps: dict[str, Step]
    action: Path | None = None
    failed: bool = False

    @property
    def functions(self) -> dict[str, Function]:
        """The status functions: after a cancel `failure()` is false, which many a workflow forgets.

        In an action, success and failure are those of its own steps so far (actions/runner, SuccessFunction: action_status).
        """
        stopped = self.job.cancelled
        if self.action is not None:
            stopped = any(step.outcome == "cancelled" for step in self.steps.values())
        return {
            "success": lambda: not self.failed and not stopped,
            "failure": lambda: self.failed and not stopped,
            "cancelled": lambda: self.job.cancelled,
            "always": lambda: True,
        }

    def known(self) -> dict[str, Value]:
        """The contexts as they are now."""
        steps: dict[str, Value] = {
            name: {"outputs": step.outputs, "outcome": step.outcome, "conclusion": step.outcome}
            for name, step in self.steps.items()
        }
        return {**self.contexts, "steps": steps}

    def text(self, text: object) -> str:
        """Return a value of the YAML with its expressions evaluated."""
        if isinstance(text, bool):
            return str(text).lower()
        return substitute(str(text), self.known(), self.functions)

    def take(self, entry: dict[str, Any]) -> None:
        """Run one step, or skip it."""
        _only(entry, RUN_KEYS if "run" in entry else USES_KEYS)
        step = Step(name=str(entry.get("name", "")), uses=entry.get("uses", ""))
        if condition(str(entry.get("if", "success()")), self.known(), self.functions):
            environment = {name: self.text(value) for name, value in (entry.get("env") or {}).items()}
            if "run" in entry:
                self._shell(entry, environment, step)
            elif not PINNED.fullmatch(entry["uses"]):  # the test has checked out already
                self._composite(entry, environment, step)
            else:
                step.outcome = "success"
        if step.outcome == "failure" and not entry.get("continue-on-error"):
            self.failed = True
        self.steps[entry.get("id", f"step {len(self.steps)}")] = step

    def _shell(self, entry: dict[str, Any], environment: dict[str, str], step: Step) -> None:
        if "${{" in entry["run"]:
            raise Undeclared("an expression inside run: becomes code")
        if self.action is not None and entry.get("shell") != "bash":
            raise Undeclared("a step of an action names its shell")
        folder = Path(tempfile.mkdtemp(dir=self.job.folder))
        (folder / "script.sh").write_text(entry["run"])
        for name in FILES:
            (folder / name).touch()
        variables = self.job.environment() | {name: str(folder / name) for name in FILES}
        variables |= self.job.variables_for_all | environment
        if self.action is not None:
            variables["GITHUB_ACTION_PATH"] = str(self.action)
        where = self.job.workspace / self.text(entry.get("working-directory", "."))
        code, step.log = self._watched([*SHELL, str(folder / "script.sh")], variables, where)
        step.outcome = "cancelled" if self.job.cancelled and code else "failure" if code else "success"
        written = read_outputs((folder / "GITHUB_OUTPUT").read_text())
        step.outputs = dict(written) if step.outcome == "success" else Anything(written)
        step.summary = (folder / "GITHUB_STEP_SUMMARY").read_text()
        if len(step.summary.encode()) > SUMMARY_LIMIT:
            raise Undeclared("GitHub drops a summary of more than 1 MiB")
        if self.action is not None and any((folder / name).read_text() for name in FILES[2:]):
            raise Undeclared("an action changes the environment of later steps")
        self._look_for_leaks(step, written)

    def _watched(self, argv: list[str], variables: dict[str, str], where: Path) -> tuple[int, str]:
        """Run a step's process; cancel it as GitHub would when it prints what the job waits for."""
        log: list[str] = []

        def read(stream: IO[str]) -> None:
            with stream:
                for line in stream:
                    log.append(line)
                    if self.job.cancel_at and self.job.cancel_at in line and not self.job.cancelled:
                        self.job.cancelled = True
                        threading.Thread(target=_cancel, args=(process,)).start()

        process = subprocess.Popen(
            argv, cwd=where, env=variables, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )  # fmt: skip
        reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
        reader.start()
        process.wait()
        reader.join(5.0)  # and no longer, if what the step left behind holds its output (ProcessExitedHandler)
        return process.returncode, "".join(log)

    def _composite(self, entry: dict[str, Any], environment: dict[str, str], step: Step) -> None:
        if self.action is not None or environment:
            raise Undeclared("an action that uses another, or env: beside uses:")
        folder = self.job.actions(entry["uses"])
        action = load((folder / "action.yml").read_text())
        declared = action.get("inputs") or {}
        given = {name: self.text(value) for name, value in (entry.get("with") or {}).items()}
        if undeclared := set(given) - set(declared):
            raise Undeclared(f"{entry['uses']} has no input {undeclared}")
        inputs: dict[str, Value] = {name: given.get(name, value.get("default", "")) for name, value in declared.items()}
        inner = Scope(job=self.job, contexts={"inputs": inputs, "env": {}}, steps=step.inner, action=folder)
        for part in action["runs"]["steps"]:
            inner.take(part)
        step.log = "".join(part.log for part in step.inner.values())
        step.summary = "".join(part.summary for part in step.inner.values())
        cancelled = any(part.outcome == "cancelled" for part in step.inner.values())
        step.outcome = "cancelled" if cancelled else "failure" if inner.failed else "success"
        step.outputs = {name: inner.text(value["value"]) for name, value in (action.get("outputs") or {}).items()}

    def _look_for_leaks(self, step: Step, outputs: Mapping[str, str]) -> None:
        """Raise `Leak` for a secret in the log (but where it is masked), the summary, or an output."""
        shown = "\n".join(line for line in step.log.splitlines() if not line.startswith("::add-mask::"))
        kept = "\n".join(text for name, text in outputs.items() if name != "bypass-path")  # leads where the secret does
        for name, secret in self.job.secrets.items() if self.action is not None else ():
            for line in filter(None, secret.splitlines()):
                if SECRET.search(name) and line in shown + step.summary + kept:
                    raise Leak(f"{name} in the step {step.name}")


def _cancel(process: subprocess.Popen[str]) -> None:
    """Signal the step's entry process, and only that, as the runner does (actions/runner, ProcessInvoker)."""
    for number, seconds in CANCEL:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def _end_orphans(tracking: str) -> None:
    """Kill what the job's steps left running, which the runner knows by this variable; not before the last step is over."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"RUNNER_TRACKING_ID={tracking}".encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue  # gone already, or another user's


def _only(entry: Mapping[str, Any], allowed: set[str]) -> None:
    if unknown := set(entry) - allowed:
        raise Undeclared(f"not known here: {sorted(unknown)}")


class _Loader(yaml.SafeLoader):
    """YAML 1.2 as GitHub reads it: `on` and `off` are words, only true and false are truth values."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def load(text: str) -> dict[str, Any]:
    """Return a YAML document as GitHub reads it."""
    document: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    return document


def every_step(steps: Mapping[str, Step]) -> Iterator[tuple[str, Step]]:
    """Give each step and the steps inside it, with their ids."""
    for name, step in steps.items():
        yield name, step
        yield from every_step(step.inner)
