"""A small GitHub runner for tests: reads output files and log lines by the rules of actions/runner.

Written from FileCommandManager.cs, ActionCommand.cs and ActionCommandManager.cs, since the real worker can't run by
itself. It shares no code with what it checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


class BadOutputFile(Exception):
    """The runner would fail the step because of this file."""


def read_outputs(text: str) -> dict[str, str]:
    """Return the outputs that the runner would read; names differ without regard to case, the last one wins."""
    outputs: dict[str, str] = {}
    rest = iter(text.split("\n") if text else [])
    for line in rest:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            if not name or not delimiter:
                raise BadOutputFile(line)
            value_lines = []
            for value_line in rest:
                if value_line == delimiter:
                    break
                value_lines.append(value_line)
            else:
                raise BadOutputFile(f"no delimiter {delimiter}")
            value = "\n".join(value_lines)
        else:
            raise BadOutputFile(line)
        outputs[name.lower()] = value
    return outputs


@dataclass
class Command:
    """A command that the runner acted on."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


KNOWN = {
    "error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-matcher", "remove-matcher",
    "set-output", "save-state", "set-env", "add-path", "echo", "stop-commands",
}  # fmt: skip
V1_ESCAPES = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))
DATA_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
PROPERTY_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


def parse_command(line: str, known: set[str]) -> Command | None:
    """Return the command in a line, in the new spelling or the old one, or None."""
    return _parse_new(line, known) or _parse_old(line, known)


def _parse_new(line: str, known: set[str]) -> Command | None:
    line = line.lstrip()
    if not line.startswith("::") or (end := line.find("::", 2)) < 0:
        return None
    return _command(line[2:end], line[end + 2 :], known, ",", PROPERTY_ESCAPES, DATA_ESCAPES)


def _parse_old(line: str, known: set[str]) -> Command | None:
    start = line.find("##[")
    if start < 0 or (end := line.find("]", start)) < 0:
        return None
    return _command(line[start + 3 : end], line[end + 1 :], known, ";", V1_ESCAPES, V1_ESCAPES)


Escapes = tuple[tuple[str, str], ...]


def _command(
    info: str, data: str, known: set[str], separator: str, in_properties: Escapes, in_data: Escapes
) -> Command | None:
    name, _, rest = info.partition(" ")
    if name.lower() not in known:
        return None
    pairs = [pair.split("=", 1) for pair in rest.strip().split(separator) if "=" in pair]
    return Command(name.lower(), _decoded(data, in_data), {key: _decoded(text, in_properties) for key, text in pairs})


def _decoded(text: str, escapes: Escapes) -> str:
    for escape, char in escapes:
        text = text.replace(escape, char)
    return text


def read_log(text: str) -> tuple[list[Command], list[str]]:
    """Return the commands that the runner would act on in a step's output, and the lines that it would just print."""
    commands: list[Command] = []
    plain: list[str] = []
    known = set(KNOWN)
    token: str | None = None
    for line in re.split(r"\r\n|\r|\n", text):
        command = parse_command(line, known)
        if command is None:
            plain.append(line)
        elif token is not None:
            if command.name == token:
                known.discard(token)
                token = None
            else:
                plain.append(line)
        elif command.name == "stop-commands":
            token = command.data.lower()
            known.add(token)
        else:
            commands.append(command)
    if token is not None:
        raise AssertionError("the step ended with commands switched off")
    return commands, plain
