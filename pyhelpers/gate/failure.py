"""Why an analysis can't be believed, in PHPStan's own words, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS_LIMIT = 4000  # characters of PHPStan's own words that are shown; a stack trace is longer
# Characters at the beginning and as many at the end in which a remedy is looked for: the patterns take time by the square.
LOOKED_AT = 10_000

_MEMORY = "Raise `memory-limit`; it holds for each of PHPStan's processes, so mind the machine's memory."
_CONFIGURATION = "Mend PHPStan's configuration; by hand, `phpstan analyse` says the same."
# In this order; the first whose pattern is in PHPStan's words is taken. Every text was recorded (tests/samples/phpstan).
_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"configured PHP memory limit|Allowed memory size of \d+ bytes exhausted", _MEMORY),
    (
        r"exit code (?:137|9)\b|\bKilled\b",
        "The machine ran out of memory: set `parallel: maximumNumberOfProcesses` lower, or take a larger runner.",
    ),
    (r"Invalid memory limit", "Write `memory-limit` like `1G`."),
    (r"timed out after", "One file takes longer than PHPStan allows: find it by `phpstan analyse --debug`."),
    (r"Invalid entr(?:y|ies) in excludePaths", "Remove the entries of `excludePaths` whose files are gone."),
    (
        r"neither a directory, nor a file path, nor a fnmatch pattern",
        "These files are gone: remove their entries from the baseline or the configuration.",
    ),
    (r"No rules detected", "Give the gate a `level`, or set it in PHPStan's configuration."),
    (r"No files found to analyse", "Nothing would be analysed: are `paths` and `excludePaths` right?"),
    (r"At least one path must be specified", "Name what to analyse: `paths`, here or in PHPStan's configuration."),
    (r"[Cc]onfig(?:uration)? file .* does not exist", "Is the name of the configuration file right?"),
    (r"Level config file .* was not found", "This PHPStan has no such level: choose another."),
    (r"while loading bootstrap file", "Mend the bootstrap file; PHPStan runs it before it analyses."),
    (r"Child process error \(exit code", "Something ended one of PHPStan's workers: an extension, or the system."),
    (
        (
            r"Error while loading|Unexpected item|Invalid configuration|Invalid entr|Service '|Class .* not found"
            r"|Path .* does not exist|File .* (?:is missing|does not exist)|expects to be"
        ),
        _CONFIGURATION,
    ),
    (
        r"Parse error: .* in .*\.php",
        "Mend the syntax of the .php file that PHPStan loads: a configuration or a baseline.",
    ),
    (r"phpstan\.parse|Syntax error", "Mend the syntax; PHPStan reports the rest only then."),
    (r"Internal error", "PHPStan or an extension crashed: update it, or report it with the trace (`phpstan -v`)."),
)
_NOTHING = (
    "Something ended PHPStan before it could answer, e.g. a bootstrap file, a .php configuration or a .php baseline that"
    " calls exit."
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """`cause`, one sentence without its full stop; `words`, PHPStan's own; `remedy`, a sentence."""

    cause: str
    words: str
    remedy: str


def explained(cause: str, exit_code: int, stderr: str, stdout: str) -> Failure:
    """Return the failure with the remedy that PHPStan's words ask for.

    `stderr` and `stdout` are what it printed; the longer a text, the more of its end is kept out.
    """
    words = "\n".join(part.strip() for part in (stderr, stdout) if part.strip())
    joined = _joined(words if len(words) <= 2 * LOOKED_AT else f"{words[:LOOKED_AT]}\n{words[-LOOKED_AT:]}")
    otherwise = _NOTHING if not words or exit_code == 0 else "What it printed says more."
    remedy = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, joined)), otherwise)
    return Failure(cause=f"{cause} (exit status {exit_code})", words=words[:WORDS_LIMIT], remedy=remedy)


def _joined(words: str) -> str:
    """Return the words on one line: Symfony breaks its boxes anywhere, inside a word too, so both joints are tried."""
    lines = [line.strip() for line in words.splitlines()]
    return " ".join(lines) + "\n" + "".join(lines)
