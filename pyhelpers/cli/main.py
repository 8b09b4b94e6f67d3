"""The command line: finds the verb, hands over, and turns every way to fail into one error and one exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from pyhelpers import __version__
from pyhelpers.errors import BadInput, BelayError, CommandFailed, Exit
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from pyhelpers.runner.masks import scrub

# Each verb's module is imported when the verb is used: a step pays only for what it does.
VERBS: Mapping[str, str] = {
    "deploy": "deploy:deploy",
    "verdict": "verdict:verdict",
    "backup": "backup:backup",
    "maintenance": "maintenance:maintenance",
    "rollback": "rollback:rollback",
    "restore": "restore:restore",
    "attic": "attic:attic",
    "health": "health:health",
    "gate": "gate:gate",
    "status": "status:status",
    "recover": "recover:recover",
    "unlock": "status:unlock",
    "doctor": "doctor:doctor",
}


class Verbs(click.Group):
    """The group of all verbs, each loaded at its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the verbs' names."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        """Return the verb `cmd_name`, or None."""
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"pyhelpers.cli.{module}"), name)
        return command


@click.command(cls=Verbs, name="belay")
@click.version_option(__version__, prog_name="belay")
def cli() -> None:
    """Deploys that put themselves back when they slip."""


def main() -> NoReturn:
    """Run the verb of `sys.argv` and exit with its code."""
    from pyhelpers.cli.session import Session  # noqa: PLC0415  # after the guard for broken environments in `run`

    runner = Runner.from_environment(os.environ)
    session = Session(runner, Log(runner, sys.stdout))
    sys.exit(guarded(session.log, lambda: invoke(session, sys.argv[1:])))


def invoke(session: Any, arguments: Sequence[str]) -> int:
    """Run one verb and return its exit code; raises what it raises."""
    defaults = default_map(session.runner, arguments, Path.cwd())
    result = cli.main(
        list(arguments),
        prog_name="belay",
        standalone_mode=False,
        obj=session,
        default_map=defaults,
        windows_expand_args=False,
    )
    return int(result or 0)


def guarded(log: Log, work: Callable[[], int]) -> int:
    """Return the exit code of `work`; every failure becomes one error line with its cause and remedy."""
    try:
        return work()
    except BelayError as error:
        return report(log, error)
    except click.UsageError as error:
        return report(log, from_click(error))
    except (click.Abort, KeyboardInterrupt):
        log.error("Interrupted.", title="Cancelled", final=True)
        return Exit.CANCELLED
    except Exception as error:  # noqa: BLE001  # the edge: nothing may leave as a bare traceback with a secret in it
        with log.group("Traceback"):
            log.output(scrub("".join(traceback.format_exception(error))))
        log.error(
            f"{type(error).__name__}: {error}. This is a bug in Belay; please report it with the traceback above.",
            title="Unexpected error",
            final=True,
        )
        return Exit.FAILED


def report(log: Log, error: BelayError) -> int:
    """Print one expected failure and return its exit code."""
    if error.details.strip():
        with log.group("What was printed"):
            log.output(error.details)
    text, remedy = error.message, error.remedy
    if isinstance(error, CommandFailed):
        text, remedy = error.told, remedy or "Nothing was changed; mend that, and try again."
    text = text if text.endswith((".", "!", "?")) else f"{text}."
    log.error(f"{text} {remedy}".strip(), title=error.title, final=True)
    return error.exit_code


def from_click(error: click.UsageError) -> BelayError:
    """Return click's complaint as a `BadInput` that names the input as users know it."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return BadInput("command line", "names no verb", remedy="`--help` lists what there is.")
    parameter = getattr(error, "param", None)
    if isinstance(parameter, click.Option):
        name = max(parameter.opts, key=len).lstrip("-")
        problem = "is missing" if isinstance(error, click.MissingParameter) else error.message
        return BadInput(name, problem.rstrip("."), remedy=f"What it is: {parameter.help}")
    return BadInput("command line", error.format_message().rstrip("."), remedy="`--help` lists what there is.")


def default_map(runner: Runner, arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return click's `default_map` from the app's belay.toml: the same defaults for every verb that knows the input."""
    if runner.config is None and not (folder / "belay.toml").exists():
        return {}
    from pyhelpers.runner.settings import load_defaults  # noqa: PLC0415  # only where the file is

    with click.Context(cli) as context:
        known = inputs(cli, context)
        environment = _environment(arguments) if _has_environment(arguments, context) else ""
    defaults = load_defaults(folder, environment, known, config=runner.config)
    return _spread(cli, defaults)


def inputs(group: click.Group, context: click.Context) -> dict[str, type]:
    """Return every input of every verb with its Python type."""
    found: dict[str, type] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found |= inputs(command, context)
        for parameter in command.params if command else []:
            if isinstance(parameter, click.Option) and parameter.envvar:
                kinds = {"integer": int, "integer range": int, "float": float, "float range": float, "boolean": bool}
                found[max(parameter.opts, key=len).lstrip("-")] = kinds.get(parameter.type.name, str)
    return found


def _spread(group: click.Group, defaults: dict[str, Any]) -> dict[str, Any]:
    with click.Context(group) as context:
        spread: dict[str, Any] = {}
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            spread[name] = _spread(command, defaults) if isinstance(command, click.Group) else defaults
        return spread


def _has_environment(arguments: Sequence[str], context: click.Context) -> bool:
    """Return whether the verb has the input `environment`; for one that has none, only the top of belay.toml holds."""
    command: click.Command | None = cli
    for word in arguments:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(context, word)
    return command is not None and any(parameter.name == "environment" for parameter in command.params)


def _environment(arguments: Sequence[str]) -> str:
    """Return the environment's name before click reads the options: it chooses the table that their defaults come from.

    As click and `clean` will see it: the last one counts, and white space around it means nothing.
    """
    given = os.environ.get("INPUT_ENVIRONMENT") or "production"
    for position, argument in enumerate(arguments):
        if argument.startswith("--environment="):
            given = argument.partition("=")[2]
        if argument == "--environment" and position + 1 < len(arguments):
            given = arguments[position + 1]
    return given.strip()
