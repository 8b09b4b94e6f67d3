"""The one writer for step outputs (GITHUB_OUTPUT).

The runner reads that file line by line: `name<<delimiter`, the value's lines, `delimiter`. A value that could guess the
delimiter could set outputs of its own, for example `rolled-back=false`. So the delimiter is random, 128 bits, made anew
for each value, and everything is checked before the first byte is written.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pyhelpers.errors import BadInput, BelayError
from pyhelpers.runner import command_file
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.masks import PROCESS, Masks

Value: TypeAlias = str | int | float | bool | Sequence[Any] | Mapping[str, Any] | None

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
# A secret shorter than this may be a common word (the password "app" in the path /srv/app); replacing it would break
# the value for the next step. GitHub still hides it in logs.
SHORTEST_SECRET = 8  # characters


def write_outputs(values: Mapping[str, Value], runner: Runner, *, known: Masks = PROCESS) -> None:
    """Append `values` to the step's output file: all of them, or none and an exception.

    Booleans become `true`/`false`, None the empty string, lists and dictionaries JSON on one line. Secrets that are
    `known` and passwords in URLs become `***`. Off GitHub there is no file, and nothing happens.

    Raises `BadInput` when a name isn't kebab-case, or a value holds NUL, half a character, NaN or something that isn't
    JSON; `BelayError` when GitHub's file is missing or can't be written.
    """
    block = "".join(_entry(name, _text(name, value, known)) for name, value in values.items())
    if runner.output is None:
        if runner.on_github:
            raise BelayError(
                "GITHUB_OUTPUT is not set, so the step's outputs would be lost",
                remedy="Run the action on a runner that is not older than 2.297.0, and do not unset GITHUB_OUTPUT.",
            )
        return
    if block:
        command_file.append(runner.output, block.encode(), "GITHUB_OUTPUT")


def _text(name: str, value: Value, known: Masks) -> str:
    """Return the value as the text that a workflow sees; raises `BadInput` when it has none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return known.scrub(value, shortest=SHORTEST_SECRET)
    try:
        # ASCII only: nothing that any reader could take for a line's end.
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(name, "can't be written as JSON") from error
    return text if isinstance(value, int | float) else known.scrub(text, shortest=SHORTEST_SECRET)


def _entry(name: str, text: str) -> str:
    """Return the lines that set one output."""
    if not NAME.fullmatch(name):
        raise BadInput(ascii(name), "is not an output's name (kebab-case: lower-case letters, digits, single dashes)")
    if "\0" in text:
        raise BadInput(name, "holds a NUL character and can't be an output")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(name, "is not valid Unicode and can't be an output") from error
    delimiter = f"belay-{secrets.token_hex(16)}"
    while delimiter in text:  # as likely as guessing a key; still, the promise is "absent", not "improbable"
        delimiter = f"belay-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{text}\n{delimiter}\n"
