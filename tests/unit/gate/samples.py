"""The recordings of PHPStan, as the tests take them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyhelpers.gate.output import Completed

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "phpstan"


def runs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every recorded run with its name, `case/run`."""
    for file in sorted(SAMPLES.glob("*.json")):
        for run in json.loads(file.read_text()):
            yield f"{file.stem}/{run['run']}", run


RUNS = dict(runs())


def completed(name: str) -> Completed:
    """Return a recorded run as the gate sees it."""
    run = RUNS[name]
    return Completed(exit_code=run["exit_code"], stdout=run["stdout"], stderr=run["stderr"])
