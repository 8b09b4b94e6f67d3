"""A repository's workflows, and where in them the gate stands: behind which job and steps, in which files.

A gate may stand in a local reusable workflow or a local composite action; then each of the callers is one more layer that
can skip it or ignore what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pyhelpers.gate.yaml_reader import MOST_BYTES, Block, Unreadable, empty, read

FOLDER = ".github/workflows"
MOST_FILES = 500
MOST_LAYERS = 100_000  # jobs and steps that are looked at, those of called workflows once for each call
BY_HAND = re.compile(r"\bgate\s+phpstan\b")  # the same verb, called in a `run:` block


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One file: `path` from the repository's root, and its triggers with what each is given."""

    path: str
    content: Block
    triggers: dict[str, Block]

    @property
    def jobs(self) -> dict[str, Block]:
        """The jobs by their ids."""
        return {name: job for name, job in self.content.block("jobs").items() if isinstance(job, Block)}


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A file that can't be read; `about_gate` where its text speaks of the gate."""

    path: str
    error: Unreadable
    about_gate: bool


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A job or a step that the gate stands in."""

    path: str
    kind: str  # job | step
    content: Block
    siblings: dict[str, Block] = field(default_factory=dict)  # the jobs beside a job

    def place(self, key: str = "") -> str:
        """Return the place of a key, `file:line`."""
        return f"{self.path}:{self.content.at(key)}"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One place where the gate runs; `layers` from the outermost job to the step; `script` where it is in a `run:`."""

    workflow: Workflow
    job: str  # the id of the outermost job
    layers: tuple[Layer, ...]
    shell: str = ""

    @property
    def step(self) -> Layer:
        """The innermost layer."""
        return self.layers[-1]


@dataclass(frozen=True, kw_only=True)
class Repository:
    """The files of a checkout that say what runs."""

    folder: Path
    action: str
    workflows: dict[str, Workflow]
    broken: tuple[Broken, ...]

    def named(self, uses: str) -> bool:
        """Whether a `uses:` names the gate's action: by all of its address, or by the end of it."""
        target = uses.partition("@")[0].removeprefix("./").strip("/").lower()
        action = self.action.partition("@")[0].removeprefix("./").strip("/").lower()
        return target == action or target.endswith(f"/{action}")

    def named_workflow(self, uses: str) -> bool:
        """Whether a job's `uses:` names a reusable workflow that is called as the gate is."""
        stem = Path(uses.partition("@")[0]).stem.lower()
        short = self.action.partition("@")[0].rstrip("/").rpartition("/")[2].lower()
        return stem in {short, "gate"}


def gates_in(repository: Repository) -> list[Gate]:
    """Return each gate of each workflow that something other than a call starts. Raises `Unreadable`."""
    search = _Search(repository=repository)
    return [
        gate
        for workflow in repository.workflows.values()
        if set(workflow.triggers) - {"workflow_call"}
        for name in workflow.jobs
        for gate in search.in_job(workflow, name, Gate(workflow=workflow, job=name, layers=()))
    ]


@dataclass(kw_only=True)
class _Search:
    """Goes through all jobs and steps, and into what they call; `left` bounds it, for calls may branch without end."""

    repository: Repository
    left: int = MOST_LAYERS
    actions: dict[str, tuple[str, Block] | None] = field(default_factory=dict)  # by their `uses:`

    def in_job(self, workflow: Workflow, name: str, outer: Gate) -> Iterator[Gate]:
        job = workflow.jobs[name]
        gate = self._within(outer, Layer(path=workflow.path, kind="job", content=job, siblings=workflow.jobs))
        uses = job.text("uses")
        called = self.repository.workflows.get(_local(uses))
        if called and not _inside(outer, called.path):
            for inner in called.jobs:
                yield from self.in_job(called, inner, gate)
        elif uses and not called and self.repository.named_workflow(uses):
            yield gate
        shells = (content.block("defaults").block("run").text("shell") for content in (job, workflow.content))
        shell = next((shell for shell in shells if shell), "")
        yield from self._in_steps(workflow.path, job.blocks("steps"), replace(gate, shell=shell))

    def _in_steps(self, path: str, steps: list[Block], outer: Gate) -> Iterator[Gate]:
        for step in steps:
            gate = self._within(outer, Layer(path=path, kind="step", content=step))
            uses = step.text("uses")
            if uses and self.repository.named(uses):
                yield gate
            elif BY_HAND.search(step.text("run")):
                yield replace(gate, shell=step.text("shell") or outer.shell)
            elif uses.startswith("./"):
                if uses not in self.actions:
                    self.actions[uses] = _composite(self.repository.folder.resolve(), uses)
                found = self.actions[uses]
                if found and not _inside(gate, found[0]):
                    yield from self._in_steps(found[0], found[1].block("runs").blocks("steps"), replace(gate, shell=""))

    def _within(self, gate: Gate, layer: Layer) -> Gate:
        self.left -= 1
        if self.left < 0:
            raise Unreadable(f"and those that it calls make more than {MOST_LAYERS} jobs and steps")
        return replace(gate, layers=(*gate.layers, layer))


def _composite(root: Path, uses: str) -> tuple[str, Block] | None:
    """Return the path and the content of a local action; nothing where it isn't there, can't be read, or lies elsewhere."""
    for name in ("action.yml", "action.yaml"):
        try:
            file = (root / uses / name).resolve()
            if file.is_relative_to(root) and file.is_file():
                return file.relative_to(root).as_posix(), _content(file)
        except (Unreadable, OSError, ValueError, RuntimeError):
            return None  # GitHub can't run it either, and says so
    return None


def _inside(gate: Gate, path: str) -> bool:
    """Whether a call would lead back to where it comes from, which GitHub refuses."""
    return any(layer.path == path for layer in gate.layers)


def _local(uses: str) -> str:
    return uses.removeprefix("./") if uses.startswith("./") else ""


def load(folder: Path, *, action: str, check_name: str) -> Repository:
    """Return the workflows of the checkout at `folder`; one that can't be read is told of, and raises nothing."""
    workflows: dict[str, Workflow] = {}
    broken: list[Broken] = []
    files = sorted(file for file in (folder / FOLDER).glob("*") if file.suffix in {".yml", ".yaml"} and file.is_file())
    words = {word.lower() for word in (action.rpartition("/")[2].partition("@")[0], check_name, "gate phpstan")}
    for file in files[:MOST_FILES]:
        path = f"{FOLDER}/{file.name}"
        try:
            content = _content(file)
            workflows[path] = Workflow(path=path, content=content, triggers=_triggers(content))
        except (Unreadable, OSError) as error:
            reason = error if isinstance(error, Unreadable) else Unreadable(f"can't be opened ({error.strerror})")
            about = any(word in _start_of(file).lower() for word in words)
            broken.append(Broken(path=path, error=reason, about_gate=about))
    if len(files) > MOST_FILES:
        reason = Unreadable(f"and the files after it: only {MOST_FILES} are looked at")
        broken.append(Broken(path=f"{FOLDER}/{files[MOST_FILES].name}", error=reason, about_gate=True))
    return Repository(folder=folder, action=action, workflows=workflows, broken=tuple(broken))


def _content(file: Path) -> Block:
    with file.open("rb") as opened:
        return read(opened.read(MOST_BYTES + 1))


def _start_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _triggers(content: Block) -> dict[str, Block]:
    given = content.get("on")
    if isinstance(given, Block):
        return {name: given.block(name) for name in given}
    return {name: empty(content.at("on")) for name in content.texts("on")}
