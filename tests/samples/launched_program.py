"""Stands in for `pyhelpers/cli/main.py` in the tests of the launcher: tells what it was started with and can see."""

import importlib.util
import json
import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

import click

LIBRARIES = ("click", "fabric", "sqlalchemy", "boto3", "github", "yaml")


def main() -> NoReturn:
    """Do as the verb says: `exit N`, `wait` for a signal, or else print the facts."""
    if sys.argv[1:2] == ["exit"]:
        sys.exit(int(sys.argv[2]))
    if sys.argv[1:2] == ["wait"]:
        wait()
    facts = {
        "arguments": sys.argv[1:],
        "click": click.__file__,
        "libraries": [name for name in LIBRARIES if importlib.util.find_spec(name)],
        "python": sys.prefix,
        "base": sys.base_prefix,
        "virtualenv": os.environ.get("VIRTUAL_ENV"),
        "folder": os.getcwd(),  # noqa: PTH109  the start must not need pathlib
    }
    print(json.dumps(facts))  # noqa: T201
    sys.exit(0)


def wait() -> NoReturn:
    """Name every SIGINT on standard output, end at a SIGTERM; give up after a minute."""

    def name(number: int, _frame: FrameType | None) -> None:
        os.write(1, f"{signal.Signals(number).name}\n".encode())  # print may be under way where the signal came
        if number == signal.SIGTERM:
            sys.exit(7)

    signal.signal(signal.SIGINT, name)
    signal.signal(signal.SIGTERM, name)
    os.write(1, b"ready\n")
    time.sleep(60)
    sys.exit(9)
