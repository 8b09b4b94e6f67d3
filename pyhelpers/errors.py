"""Every way in which Belay fails: one class per cause, one exit code, one remedy.

The exit codes are public (README, "Exit codes"): a workflow may branch on them. Nothing below `cli/` ever calls
`sys.exit`; it raises one of these, and the handler at the edge (`cli/main.py`) prints one `::error` and exits.

A message says what happened; `remedy` says what to do about it. Neither may hold a secret: what a remote command
printed goes through `runner.masks.scrub` before it is put into a message.
"""

from __future__ import annotations

from enum import IntEnum

LINE_SHOWN = 300  # characters of one line of a command's output in a message; an annotation is short


class Exit(IntEnum):
    """The public exit codes of every verb."""

    DONE = 0
    FAILED = 1  # failed and nothing changed
    BAD_INPUT = 2  # an input is wrong; nothing was touched
    ROLLED_BACK = 3  # failed, and everything was put back
    HELD = 4  # down on purpose, waiting for a person
    LOCKED = 5  # another deploy holds the host
    UNKNOWN = 6  # the host can't be asked; its reaper is in charge
    CANCELLED = 130  # interrupted; the abort was handed to the host


class BelayError(Exception):
    """Base of all expected failures; `exit_code` and `title` are set by each class, `remedy` by each instance."""

    exit_code = Exit.FAILED
    title = "Failed"

    def __init__(self, message: str, *, remedy: str = "", details: str = "") -> None:
        """Take the one-line `message`, the `remedy` (a sentence), and `details` that go into a folded log group."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details


class BadInput(BelayError):
    """An input is missing, malformed, or contradicts another; nothing was changed."""

    exit_code = Exit.BAD_INPUT
    title = "Bad input"

    def __init__(self, name: str, problem: str, *, remedy: str = "") -> None:
        """Name the input as the user wrote it (kebab-case), what was wrong with it, and what to write instead."""
        super().__init__(f"{name}: {problem}", remedy=remedy)
        self.name = name


class NothingChanged(BelayError):
    """The work could not be done, and the host is as it was."""

    title = "Failed, nothing changed"


class CommandFailed(NothingChanged):
    """A command on the host ended with a status other than 0."""

    title = "Command failed"

    def __init__(self, command: str, exit_code: int, output: str, *, remedy: str = "") -> None:
        """Take what was run (a caption, never a line with secrets), its exit status, and its output."""
        super().__init__(f"{command} ended with exit status {exit_code}", remedy=remedy, details=output)
        self.status = exit_code

    @property
    def told(self) -> str:
        """The message with what the command said last: its own cause often stands a line above ours."""
        lines = [line.strip()[:LINE_SHOWN] for line in self.details.splitlines() if line.strip()]
        return f"{self.message}: {'; '.join(lines[-2:])}" if lines else self.message


class RolledBack(BelayError):
    """The deploy failed, and code, database and services are back as they were."""

    exit_code = Exit.ROLLED_BACK
    title = "Rolled back"


class Held(BelayError):
    """The app is down on purpose: going on would be a guess. The lock is kept until a person decides."""

    exit_code = Exit.HELD
    title = "On hold"


class Locked(BelayError):
    """Another deploy holds the host's lock."""

    exit_code = Exit.LOCKED
    title = "Locked"


class Unknown(BelayError):
    """The host could not be asked how it ended. Never reported as success, never as failure."""

    exit_code = Exit.UNKNOWN
    title = "Unknown"


class HostUnreachable(Unknown):
    """The link to the host could not be made or was lost; a command that was running there may still run."""

    title = "Host unreachable"


class HostKeyRefused(BelayError):
    """The host's key isn't the pinned one. Nothing was sent, no credential was offered."""

    exit_code = Exit.BAD_INPUT
    title = "Host key refused"


class Fenced(BelayError):
    """This process lost the lease: the host was given to its reaper or to a newer deploy, and refuses us."""

    exit_code = Exit.UNKNOWN
    title = "Lease lost"


class Cancelled(BelayError):
    """The job was cancelled; the host was told to abort and goes on by itself."""

    exit_code = Exit.CANCELLED
    title = "Cancelled"


class ForgeFailed(BelayError):
    """GitHub was not told, or did not do, what it was asked. The hosts are as they say, whatever GitHub knows of them."""

    title = "GitHub"
