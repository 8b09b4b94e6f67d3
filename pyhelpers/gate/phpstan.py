"""PHPStan itself: where it is, how it is asked, and which configuration it would take."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhelpers.errors import BadInput
from pyhelpers.gate.canary import plant, without
from pyhelpers.gate.child import Start
from pyhelpers.gate.failure import Failure, explained
from pyhelpers.gate.neon import NotNeon, read_neon
from pyhelpers.gate.output import Answer, read_answer

# In PHPStan's own order (CommandHelper): the first that exists is taken. A pull request that adds an earlier one
# replaces the configuration that everybody looks at.
DISCOVERED = (
    ".phpstan.neon",
    "phpstan.neon",
    ".phpstan.neon.dist",
    "phpstan.neon.dist",
    ".phpstan.dist.neon",
    "phpstan.dist.neon",
)
_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+|\.x-dev)[^\s]*)")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How PHPStan is asked; the same for each project and for base and head. Empty texts leave it to the configuration."""

    config: str = ""  # relative to the project
    level: str = ""
    paths: tuple[str, ...] = ()
    memory_limit: str = ""
    php: str = ""
    phpstan: str = ""


def chosen_config(project: Path, settings: Settings) -> Path | None:
    """Return the configuration file that PHPStan takes in `project`, or None where there is none."""
    if settings.config:
        given = project / settings.config
        return given.resolve() if given.is_file() else None  # the base may not have it yet
    found = [project / name for name in DISCOVERED if (project / name).is_file()]
    return found[0].resolve() if found else None


def program(project: Path, settings: Settings) -> list[str]:
    """Return PHPStan's program and, where `php` is given, the PHP that runs it. Raises `BadInput`."""
    given = settings.phpstan or "vendor/bin/phpstan"
    local = project / given
    found = str(local) if local.is_file() else None
    if found is None and (not settings.phpstan or "/" not in given):
        found = shutil.which(Path(given).name)
    if found is None:
        raise BadInput(
            "phpstan",
            f"there is no {given} in {project.name or '.'}",
            remedy="Install it before this step (`composer install`), or name the program.",
        )
    return [*([settings.php] if settings.php else []), found]


def analyse(project: Path, settings: Settings, *, start: Start, temp: Path) -> Answer:
    """Return what PHPStan says of the whole project, proven by a canary. Raises `BadInput` for a program that isn't there."""
    canary = plant(project, chosen_config(project, settings), temp=temp)
    words = [*program(project, settings), "analyse", "--no-progress", "--no-ansi", "--no-interaction"]
    words += ["--error-format=json", f"--configuration={canary.config}", *_level(settings)]
    if settings.memory_limit:
        words += [f"--memory-limit={settings.memory_limit}"]
    if settings.paths:  # paths on the command line are in the place of the configuration's
        words += ["--", *settings.paths, str(canary.file)]
    return without(read_answer(start(words, project)), canary)


def version(project: Path, settings: Settings, *, start: Start) -> str:
    """Return PHPStan's version, `""` where it doesn't say."""
    completed = start([*program(project, settings), "--version", "--no-ansi"], project)
    found = _VERSION.search(completed.stdout)
    return found[1] if found and completed.exit_code == 0 else ""


def parameters(project: Path, settings: Settings, *, start: Start) -> dict[str, Any] | Failure:
    """Return PHPStan's resolved parameters, or why there are none.

    `dump-parameters` prints the whole environment under `env`. Ours is scrubbed before, and the key is dropped here,
    before anything else sees it (P6).
    """
    config = chosen_config(project, settings)
    words = [*program(project, settings), "dump-parameters", "--no-ansi", "--no-interaction"]
    words += [f"--configuration={config}"] if config else []
    words += _level(settings)
    completed = start([*words, "--json"], project)
    if completed.exit_code and '"--json" option' in completed.stderr:  # PHPStan 1 has NEON alone
        completed = start(words, project)
    document = _document(completed.stdout)
    if completed.exit_code or document is None:
        return explained("PHPStan did not tell its configuration", completed.exit_code, completed.stderr, "")
    document.pop("env", None)
    return document


def _document(text: str) -> dict[str, Any] | None:
    """Return what `dump-parameters` printed, as JSON or as NEON; None where it is neither.

    Before JSON there may be what a bootstrap file printed (recorded: config-boot-noise).
    """

    def after_noise(text: str) -> object:
        return json.loads("{" + text.partition("\n{")[2])

    readers: tuple[Callable[[str], object], ...] = (json.loads, after_noise, read_neon)
    for read in readers:
        with suppress(ValueError, RecursionError, NotNeon):
            document = read(text)
            if isinstance(document, dict):
                return document
    return None


def _level(settings: Settings) -> list[str]:
    return [f"--level={settings.level}"] if settings.level else []
