"""One comment on a pull request, kept up to date: it is edited where it stands, and never said twice.

It is known again by a marker on its last line. Anybody may write such a line in a public repository, so only a comment
counts that a bot or a member wrote, as with incidents; in a quotation the marker is not the last line's whole text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from pyhelpers.forge.github_api import PAUSE_SECONDS, ask, insist, listed
from pyhelpers.forge.incidents import written_by_us
from pyhelpers.forge.permissions import COMMENTS_WRITE
from pyhelpers.forge.texts import fitted

if TYPE_CHECKING:
    from github.IssueComment import IssueComment
    from github.Repository import Repository

LONGEST = 65_536  # GitHub's answer to a longer one: "body is too long (maximum is 65536 characters)"
MOST = 5000  # comments of a pull request that are looked at: fifty requests
_MARKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/:@#-]*")
_CUT = "\n\n… The rest is cut here: GitHub takes no longer comment.\n"


def keep_comment(
    repository: Repository,
    *,
    pull_request: int,
    marker: str,
    body: str,
    pause: float = PAUSE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Leave one comment with `marker` on the pull request that says `body`; return created, updated or unchanged.

    `marker` is a plain name; `body` is Markdown, cut to GitHub's limit. Where two runs wrote one each at the same moment,
    the older stays. Raises `ForgeFailed`, with the permission that is missing.
    """
    if not _MARKER.fullmatch(marker) or "--" in marker:
        raise ValueError(marker)
    line = f"<!-- belay comment={marker} -->"
    text = f"{fitted(body.rstrip(), LONGEST - len(line) - 2, note=_CUT)}\n\n{line}"
    done: list[str] = []
    step = partial(_keep, repository, pull_request, line, text, done)
    return ask(partial(insist, step, needs=COMMENTS_WRITE, pause=pause, sleep=sleep), pause=pause, needs=COMMENTS_WRITE)


def _keep(repository: Repository, pull_request: int, line: str, text: str, done: list[str]) -> str:
    """Look, write what is missing, and look again; `done` remembers what attempts before this one began to write."""
    found = _ours(repository, pull_request, line)
    if not found:
        done.append("created")
        repository.get_issue(pull_request).create_comment(text)
        # Another run may have done the same at the same moment: the older comment is the one.
        found = _ours(repository, pull_request, line)
    for other in found[1:]:
        _delete(other)
    if found and _plain(listed(found[0]).get("body")) != _plain(text):
        done.append("updated")
        found[0].edit(text)
    return done[0] if done else "unchanged"


def _ours(repository: Repository, pull_request: int, line: str) -> list[IssueComment]:
    """Return our comments with the marker, the oldest first."""
    comments = islice(repository.get_issue(pull_request).get_comments(), MOST)
    ours = [each for each in comments if written_by_us(each) and _plain(listed(each).get("body")).endswith(f"\n{line}")]
    return sorted(ours, key=lambda comment: comment.id)


def _plain(body: object) -> str:
    """Return a body as it was sent: GitHub may give it back with other line ends."""
    return str(body or "").replace("\r\n", "\n").strip()


def _delete(comment: IssueComment) -> None:
    from github import GithubException  # noqa: PLC0415  # only where GitHub is told something

    try:
        comment.delete()
    except GithubException as error:
        if error.status != 404:  # noqa: PLR2004  # HTTP: the other run deleted it as well
            raise
