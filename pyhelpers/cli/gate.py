"""`gate phpstan`: whether a change may be merged, as PHPStan and the ways around it say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from pyhelpers.cli.options import belay_option, secret_option
from pyhelpers.cli.session import Session, pass_session
from pyhelpers.errors import BadInput, Exit

DEFAULT_CHECK = "PHPStan gate"
_LEVEL = re.compile(r"\d{1,2}|max")
_MEMORY = re.compile(r"-1|[1-9]\d*[KMGkmg]?")


def check_level(text: str) -> None:
    """Raise `BadInput` for a level that PHPStan can't have."""
    if not _LEVEL.fullmatch(text):
        raise BadInput("level", f"{text} is no level", remedy="Write a number from 0 to 10, or `max`.")


def check_memory(text: str) -> None:
    """Raise `BadInput` for a limit that PHP can't read."""
    if not _MEMORY.fullmatch(text):
        raise BadInput("memory-limit", f"{text} is no amount of memory", remedy="Write it like `1G` or `512M`.")


def check_reference(text: str) -> None:
    """Raise `BadInput` for what can't be the name of a commit."""
    if text.startswith("-") or not re.fullmatch(r"[\w./@{}^~+-]+", text):
        raise BadInput("base-ref", f"{text} is no name of a commit", remedy="Name a branch, a tag or a hash.")


@click.group()
def gate() -> None:
    """Checks that a merge has to pass."""


@gate.command("phpstan")
@belay_option(
    "working-directory",
    lines=True,
    default="",
    help="Names the folder that PHPStan is run in, from the repository's top, or several, one per line; by default the top.",
)
@belay_option(
    "config",
    default="",
    help="Names PHPStan's configuration file, from the folder that it is run in; by default PHPStan looks for it.",
)
@belay_option(
    "level",
    check=check_level,
    default="",
    help="Sets PHPStan's level, `0` to `10` or `max`; by default the configuration does.",
)
@belay_option(
    "paths", lines=True, default="", help="Lists what to analyse, one per line; by default the configuration does."
)
@belay_option(
    "memory-limit",
    check=check_memory,
    default="1G",
    help="Limits the memory of each of PHPStan's processes; the default is `1G`.",
)
@belay_option(
    "php", default="", help="Names the PHP that runs PHPStan, e.g. `php8.3`; by default PHPStan's own first line does."
)
@belay_option(
    "phpstan",
    default="",
    help="Names PHPStan's program, from the folder that it is run in; by default `vendor/bin/phpstan`, or the one on PATH.",
)
@belay_option(
    "baseline",
    type=click.Choice(["shrink", "frozen", "free"]),
    default="shrink",
    help="Says what may become of the baseline: `shrink`, `frozen` (nothing) or `free` (growth is only reported); the default is `shrink`.",
)
@belay_option(
    "base-ref",
    check=check_reference,
    default="",
    help="Names the commit to compare with; by default the event's base, and elsewhere where the default branch was left.",
)
@belay_option(
    "suppressions",
    type=click.Choice(["deny", "report", "allow"]),
    default="deny",
    help="Says what becomes of new ignores in comments, `ignoreErrors` and `excludePaths`: `deny`, `report` or `allow`; the default is `deny`.",
)
@belay_option(
    "comment",
    switch=True,
    default=True,
    help="Keeps one comment on the pull request up to date, given a token; the default is `true`.",
)
@belay_option(
    "check-run",
    default=DEFAULT_CHECK,
    help="Names the check run that carries the verdict, given a token, `none` for none; the default is `PHPStan gate`.",
)
@belay_option(
    "sarif",
    default="",
    help="Names a file that gets the findings as SARIF; by default only the report's folder has it.",
)
@secret_option(
    "token",
    help="Holds the token that publishes the check run and the comment and asks for the branch's rules; by default nothing is published.",
)
@pass_session
def phpstan(session: Session, /, **values: Any) -> int:
    """Analyse the whole project, compare it with its base, and pass or refuse."""
    from pyhelpers.gate import step  # noqa: PLC0415  # the group's own help needs none of it

    if values["token"]:
        session.log.mask(values["token"])
    asked = step.asked(values, Path.cwd(), session.runner)
    result = step.run(asked, session.runner, session.log)
    folder = step.write(asked, result, session.runner)
    session.publish(
        {
            "passed": result.verdict == "passed",
            "errors": result.errors,
            "new-errors": len(result.new),
            "fixed-errors": result.fixed,
            "baseline-size": result.baseline_size,
            "suppressions": result.suppressions,
            "bypasses": len(result.refused),
            "files": result.files,
            "report": str(folder),
        }
    )
    step.show(asked, result, session.runner, session.log)
    return Exit.DONE
