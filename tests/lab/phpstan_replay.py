#!/usr/bin/env python3
"""A `phpstan` that analyses nothing: it replays recordings of the real one, and says so on standard error.

PHPStan can't be had on every machine that runs the tests. What the gate has to get right is what PHPStan *prints*, and
that was recorded (tests/samples/phpstan/README.md). A file `replay.json` in the folder that it is run in says what to
replay:

    {"analyse": "small-success/json",        the case and the run of the recording
     "parameters": {"level": 8},             what `dump-parameters` says other than in its recording
     "dump": "config-bad-syntax/json",       what `dump-parameters` ends like, where it fails
     "canary": "honest"}                     honest: the error that the gate planted is reported; blind: it isn't

Paths in recordings begin with /app; they are replaced by the folder.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "phpstan"


def main(words: list[str], folder: Path) -> int:
    """Print what was recorded and return its exit status."""
    settings = json.loads((folder / "replay.json").read_text())
    verb = next((word for word in words if not word.startswith("-")), "")
    if "--version" in words:
        return emit(recorded("version/text"))
    if verb == "dump-parameters" and settings.get("dump"):
        return emit(recorded(settings["dump"]))
    if verb == "dump-parameters":
        return emit(parameters(settings.get("parameters", {}), folder))
    run = recorded(settings["analyse"])
    run |= {stream: at(folder, run[stream]) for stream in ("stdout", "stderr")}
    sys.stderr.write(f"This phpstan replays the recording {settings['analyse']}; nothing is analysed.\n")
    canary = planted(words)
    if canary and settings.get("canary", "honest") == "honest":
        run = with_canary(run, canary)
    return emit(run)


def recorded(name: str) -> dict[str, Any]:
    """Return one run of a recording."""
    case, _, run = name.partition("/")
    runs: list[dict[str, Any]] = json.loads((SAMPLES / f"{case}.json").read_text())
    return next((each for each in runs if each["run"] == run), runs[0])


def parameters(changed: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the recorded answer of `dump-parameters` with what is changed in it, and an environment as the real one has."""
    run = recorded("dump-parameters/json")
    document = (
        json.loads(at(folder, run["stdout"])) | {"env": {"SECRET_OF_THE_RUNNER": f"hunter2 in {folder}"}} | changed
    )
    if "level" in changed:
        document["usedLevel"] = str(changed["level"])
    for name in ("paths", "analysedPathsFromConfig"):
        document[name] = [str(folder / path) for path in changed.get("paths", ["src"])]
    excluded = document["excludePaths"]
    document["excludePaths"] = {part: [str(folder / path) for path in paths] for part, paths in excluded.items()}
    return run | {"stdout": json.dumps(document, indent=4)}


def planted(words: list[str]) -> Path | None:
    """Return the file of the canary, from the configuration that plants it."""
    config = next((word.partition("=")[2] for word in words if word.startswith("--configuration=")), "")
    found = re.search(r'- ("(?:[^"\\]|\\.)*canary\.php")', Path(config).read_text()) if config else None
    return Path(json.loads(found[1])) if found else None


def with_canary(run: dict[str, Any], canary: Path) -> dict[str, Any]:
    """Return the run as it is with one more file in which a function is missing (recorded: errors-laravel-support-l0)."""
    lines = run["stdout"].splitlines() or [""]
    try:
        document = json.loads(lines[-1])
    except ValueError:
        return run  # nothing was analysed
    if any(not text.startswith("Ignored error pattern") for text in document["errors"]):
        return run
    name = re.search(r"belay_canary_\w+", canary.read_text())
    message = {"message": f"Function {name[0] if name else ''} not found.", "line": 4, "ignorable": True}
    status = run["exit_code"] if document["files"] or document["errors"] else 1
    files = document["files"] or {}
    files[str(canary)] = {"errors": 1, "messages": [message | {"identifier": "function.notFound"}]}
    document["files"] = files
    document["totals"]["file_errors"] += 1
    text = "\n".join([*lines[:-1], json.dumps(document, ensure_ascii=False)])
    return run | {"stdout": text, "exit_code": status}


def at(folder: Path, text: str) -> str:
    """Return a recorded text as if the project were in `folder`."""
    return re.sub(r"/app(?=[/\"])", lambda _found: str(folder), text)


def emit(run: dict[str, Any]) -> int:
    """Print a run and return its exit status."""
    sys.stdout.write(run["stdout"])
    sys.stderr.write(run["stderr"])
    return int(run["exit_code"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
