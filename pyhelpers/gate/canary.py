"""The canary: an error that PHPStan must report. Where it is missing, "no errors" can't be believed.

One PHP file outside the project's tree is analysed beside it, by a configuration that includes the project's own. It
calls, makes and reads things that don't exist, which PHPStan reports from level 0 on, and their names are drawn anew for
each run: an answer that was prepared, or a result cache, can't hold them. A configuration that replaces PHPStan's
formatter, runs no rules, or ignores everything gives itself away (recorded: bypass-fake-formatter, bypass-no-rules,
bypass-ignore-all).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from pyhelpers.gate.failure import Failure
from pyhelpers.gate.finding import Finding
from pyhelpers.gate.output import Answer

_SOURCE = """<?php declare(strict_types = 1);

// Belay's canary. PHPStan has to report these three; the file is never run.
belay_canary_{nonce}();
new BelayCanary{nonce}();
echo BELAY_CANARY_{nonce};
"""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """The planted file, the configuration that plants it, and the word by which its findings are known."""

    file: Path
    config: Path
    nonce: str


def plant(project: Path, config: Path | None, *, temp: Path) -> Canary:
    """Write the canary and its configuration; return where they are.

    The place is the same for each run on this kind of runner, since PHPStan's result cache is bound to the paths of what
    is analysed; another user's folder in that place is not used. `config` is the project's own, absolute, or None.
    """
    folder = _own_folder(temp / "belay-gate" / hashlib.sha256(str(project).encode()).hexdigest()[:12])
    nonce = secrets.token_hex(8)
    canary = Canary(file=folder / "canary.php", config=folder / "canary.neon", nonce=nonce)
    canary.file.write_text(_SOURCE.format(nonce=nonce))
    includes = f"includes:\n\t- {quoted(config)}\n\n" if config else ""
    canary.config.write_text(f"{includes}parameters:\n\tpaths:\n\t\t- {quoted(canary.file)}\n")
    return canary


def quoted(path: Path) -> str:
    """Return a path as NEON; `%` would begin a parameter's name."""
    return json.dumps(str(path), ensure_ascii=False).replace("%", "%%")


def without(answer: Answer, canary: Canary) -> Answer:
    """Return the answer without the canary's findings; with a failure where none of them is there."""
    own = [finding for finding in answer.findings if _is_of(finding, canary)]
    rest = tuple(finding for finding in answer.findings if not _is_of(finding, canary))
    failure = answer.failure
    if failure is None and not any(canary.nonce in finding.message for finding in own):
        failure = Failure(
            cause="PHPStan did not report the error that Belay planted, so its answer can't be believed",
            words="",
            remedy="The configuration ignores everything, runs no rules, or replaces PHPStan's formatter: look at "
            f"`ignoreErrors`, `customRulesetUsed`, `services`, and whether `excludePaths` names {canary.file}.",
        )
    return replace(answer, findings=rest, failure=failure)


def _is_of(finding: Finding, canary: Canary) -> bool:
    return finding.path == str(canary.file)


def _own_folder(folder: Path) -> Path:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if all(_is_ours(each) for each in (folder.parent, folder)):
            return folder.resolve()
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="belay-gate-")).resolve()


def _is_ours(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
