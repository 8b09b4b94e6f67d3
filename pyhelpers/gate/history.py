"""What git knows: the base to compare with, what changed since, and the base's files.

Nothing here trusts the repository under review: `.gitattributes` may say that PHP files are binary, or how to convert
them, and such diffs would hide lines, so all of that is switched off.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pyhelpers.errors import BadInput, NothingChanged
from pyhelpers.gate.child import scrubbed

_GIT = ("git", "-c", "safe.directory=*", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--text", "--no-color", "--find-renames=50%", "-l5000")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One file that differs: `old` and `new` are its paths from the repository's root, None where it isn't."""

    old: str | None
    new: str | None


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What differs between the base and the checkout."""

    changes: tuple[Change, ...] = ()
    added: dict[str, frozenset[int]] = field(default_factory=dict)  # by new path: the numbers of lines that are new

    @cached_property
    def renames(self) -> dict[str, str]:
        """Old path to new path, of each file that moved."""
        return {
            change.old: change.new for change in self.changes if change.old and change.new and change.old != change.new
        }

    @cached_property
    def touched(self) -> frozenset[str]:
        """Every path that is named by a change, old or new."""
        return frozenset(path for change in self.changes for path in (change.old, change.new) if path)

    def now(self, path: str) -> str:
        """Return where the base's file `path` is now."""
        return self.renames.get(path, path)

    def is_new(self, path: str, line: int) -> bool:
        """Whether a line is new in the checkout; a whole file (line 0) is when it was touched."""
        return line in self.added.get(path, ()) if line else path in self.touched


@dataclass(frozen=True)
class Repository:
    """A checkout, by its root."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Return the checkout that holds `folder`; raises `BadInput` where there is none."""
        try:
            done = subprocess.run(
                [*_GIT, "rev-parse", "--show-toplevel"],
                cwd=folder,
                capture_output=True,
                check=False,
                env=_environment(),
            )
        except FileNotFoundError as error:
            raise BadInput("working-directory", "git isn't installed", remedy="Install git on the runner.") from error
        if done.returncode:
            raise BadInput(
                "working-directory",
                "is not in a checkout of git",
                remedy="Run actions/checkout before this step.",
            )
        return cls(Path(os.fsdecode(done.stdout.rstrip(b"\n"))))

    def git(
        self,
        *words: str,
        given: bytes | None = None,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> bytes:
        """Run git (in the root, or in `folder`) and return what it printed; raises `NothingChanged` when it fails."""
        done = subprocess.run(
            [*_GIT, *words],
            cwd=folder or self.root,
            capture_output=True,
            check=False,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            env=_environment() | (environment or {}),
        )
        if done.returncode:
            raise NothingChanged(
                f"git {words[0]} ended with exit status {done.returncode}",
                details=done.stderr.decode("utf-8", "replace"),
            )
        return done.stdout

    def commit(self, revision: str) -> str | None:
        """Return the full hash of a commit, or None when the checkout doesn't have it."""
        try:
            found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except NothingChanged:
            return None
        text = found.decode().strip()
        return text if _COMMIT.fullmatch(text) else None

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the newest commit that both have, or None."""
        try:
            return self.git("merge-base", one, other).decode().split()[0]
        except (NothingChanged, IndexError):
            return None

    def parents(self, commit: str) -> list[str]:
        """Return the parents that the checkout has (a shallow one may lack them)."""
        words = self.git("rev-list", "--parents", "-n1", commit).decode().split()
        return [parent for parent in words[1:] if self.commit(parent)]

    def export(self, commit: str, folder: Path) -> None:
        """Write the files of `commit` to `folder`, all of them (`git archive` would honour export-ignore)."""
        folder.mkdir()
        environment = {
            "GIT_DIR": os.fsdecode(self.git("rev-parse", "--absolute-git-dir").rstrip(b"\n")),
            "GIT_INDEX_FILE": str(folder.with_name(folder.name + ".index")),
            # A tree of its own, or the change's .gitattributes would say how the base's files are written.
            "GIT_WORK_TREE": str(folder),
        }
        self.git("read-tree", commit, environment=environment)
        self.git("checkout-index", "--all", "--quiet", environment=environment, folder=folder)

    def tracked(self) -> frozenset[str]:
        """Return the paths of all files that git follows in the checkout."""
        return frozenset(filter(None, os.fsdecode(self.git("ls-files", "-z")).split("\0")))

    def diff(self, base: str) -> Diff:
        """Return what the checkout, as it lies there, changes over `base`; new files that aren't ignored count."""
        untracked = os.fsdecode(self.git("ls-files", "-z", "--others", "--exclude-standard")).split("\0")
        changes = [*_changes(self.git(*_DIFF, "--name-status", "-z", base, "--")), *_new(untracked)]
        added = _added(self.git(*_DIFF, "--unified=0", "--src-prefix=a/", "--dst-prefix=b/", base, "--"))
        for name in filter(None, untracked):
            added[name] = frozenset(range(1, 1 + _count_lines(self.root / name)))
        return Diff(changes=tuple(changes), added=added)

    def commits_touching(self, paths: Sequence[str], limit: int, *, upto: str) -> list[tuple[str, int]]:
        """Return the newest `limit` commits up to `upto` that changed a path, newest first, with their Unix times."""
        if not paths:
            return []
        printed = self.git("log", f"-n{limit}", "--format=%H %ct", upto, "--", *paths).decode()
        return [(line.split()[0], int(line.split()[1])) for line in printed.splitlines()]

    def show(self, commit: str, path: str) -> str | None:
        """Return the text of a file at `commit`, or None when it isn't there."""
        try:
            return self.git("cat-file", "blob", f"{commit}:{path}").decode("utf-8", "replace")
        except NothingChanged:
            return None


def _environment() -> dict[str, str]:
    """The environment for git: nothing that points it to another repository, and nothing that is secret.

    Git runs programs that its configuration names (filters, say), and PHPStan runs code that may write to it.
    """
    return scrubbed(os.environ) | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _changes(printed: bytes) -> list[Change]:
    words = os.fsdecode(printed).split("\0")
    found: list[Change] = []
    position = 0
    while position < len(words) and words[position]:
        status = words[position][0]
        if status in "RC":
            old, new = words[position + 1], words[position + 2]
            found.append(Change(old=old if status == "R" else None, new=new))
            position += 3
        else:
            path = words[position + 1]
            found.append(Change(old=None if status == "A" else path, new=None if status == "D" else path))
            position += 2
    return found


def _new(paths: Sequence[str]) -> list[Change]:
    return [Change(old=None, new=path) for path in paths if path]


def _added(printed: bytes) -> dict[str, frozenset[int]]:
    """Return the numbers of added lines by file, from a diff without context."""
    added: dict[str, set[int]] = {}
    current: set[int] = set()
    left = 0  # lines of the hunk that are still to come; a line of content may look like a header
    for raw in printed.split(b"\n"):
        if left:
            left -= raw[:1] in (b"+", b"-")
            continue
        if raw.startswith(b"+++ "):
            current = added.setdefault(_path(os.fsdecode(raw[4:])), set())
        elif raw.startswith(b"@@ "):
            first, count, left = _hunk(raw.decode("utf-8", "replace"))
            current.update(range(first, first + count))
    return {path: frozenset(lines) for path, lines in added.items() if path}


def _hunk(line: str) -> tuple[int, int, int]:
    """Return a hunk's first new line, its count of new lines, and of all its lines."""
    old, new = line.split(" ")[1:3]
    counts = [int(text.partition(",")[2] or 1) for text in (old, new)]
    return int(new[1:].partition(",")[0]), counts[1], sum(counts)


def _path(text: str) -> str:
    """Return the path of a `+++` line; git quotes one that holds a quote or a control character."""
    text = text.rstrip("\t")
    if text.startswith('"'):
        escaped = text[1:-1].encode("utf-8", "surrogateescape")
        text = os.fsdecode(escaped.decode("unicode_escape").encode("latin-1"))
    return "" if text == "/dev/null" else text.removeprefix("b/")


def _count_lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n") + 1
    except OSError:
        return 0
