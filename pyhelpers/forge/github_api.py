"""The way to GitHub's API: one repository, few requests, and an end to all waiting.

PyGithub's own habits don't suit a program that may be killed and run again: it repeats a POST whose answer was lost
(and opens a second issue), and its time limits bound the silence between two bytes, not the whole. Here only reads are
repeated by themselves; a piece of work that writes is made to converge (P8) and is run again as a whole, and all of it
ends within one deadline.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pyhelpers.errors import BadInput, ForgeFailed
from pyhelpers.forge.permissions import LIMITED, Permission

if TYPE_CHECKING:
    from github.GithubObject import GithubObject
    from github.Repository import Repository

TOTAL_SECONDS = 90.0  # for all that one host's incident needs: some ten requests, a second between two writes
REQUEST_SECONDS = 15  # PyGithub's own, between two bytes
ATTEMPTS = 3
PAUSE_SECONDS = 2.0  # between two attempts, doubled each time
WRITE_PAUSE_SECONDS = 1.0  # GitHub's "best practices for using the REST API": wait a second between two writes
LONGEST_LIMIT_SECONDS = 20  # a rate limit that lasts longer is left to the next run
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Result = TypeVar("Result")


def open_repository(
    token: str,
    name: str,
    *,
    api_url: str,
    pause: float = WRITE_PAUSE_SECONDS,
    silence: int = REQUEST_SECONDS,
) -> Repository:
    """Return the repository `name` (owner/name) at `api_url`; nothing is asked yet. Raises `BadInput`.

    `pause` seconds lie between two writes; after `silence` seconds without a byte a request is given up.
    """
    check(token, name, api_url)
    import github  # noqa: PLC0415  # a third of a second, paid only where GitHub is told something

    retry = github.GithubRetry(
        total=ATTEMPTS,
        backoff_factor=pause,
        allowed_methods=frozenset({"GET"}),
        secondary_rate_wait=LONGEST_LIMIT_SECONDS,
        max_rate_limit_wait=LONGEST_LIMIT_SECONDS,
    )
    api = github.Github(
        auth=github.Auth.Token(token),
        base_url=api_url,
        timeout=silence,
        retry=retry,
        per_page=100,
        user_agent="belay",
        lazy=True,
        seconds_between_requests=None,
        seconds_between_writes=pause,
    )
    return api.get_repo(name)


def check(token: str, name: str, api_url: str) -> None:
    """Raise `BadInput` where the token could not be used, or would travel in the clear."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise BadInput(
            "token",
            "holds a character that no token has",
            remedy="Give the secret as it is, without quotes or line ends: `${{ github.token }}`.",
        )
    place = urlsplit(api_url)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOOPBACK):
        raise BadInput("token", f"would go to {place.scheme}://{place.hostname} in the clear", remedy="Use https.")
    if name.count("/") != 1 or not all(name.split("/")):
        raise BadInput(
            "token",
            "is given, but the environment variable GITHUB_REPOSITORY names no repository",
            remedy="On GitHub it does by itself; by hand, set it to owner/name.",
        )


def ask(
    work: Callable[[], Result],
    *,
    seconds: float = TOTAL_SECONDS,
    pause: float = PAUSE_SECONDS,
    needs: Permission | None = None,
) -> Result:
    """Return what `work` returns; run again where an answer was lost, and given up after `seconds` in all.

    `work` has to converge: what a lost attempt did is found by the next one. `needs` is what a refusal names as missing.
    Raises `ForgeFailed`.
    """
    answers: queue.Queue[Result | Exception] = queue.Queue()

    def run() -> None:
        try:
            answers.put(_attempts(work, pause, needs))
        except Exception as error:  # noqa: BLE001  # carried over to the caller, below
            answers.put(error)

    threading.Thread(target=run, daemon=True, name="github").start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise ForgeFailed(f"GitHub did not answer within {seconds:g} s", remedy="The next run tries again.") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def listed(thing: GithubObject) -> dict[str, Any]:
    """Return what GitHub's list said of one of its things.

    PyGithub's own attributes ask GitHub again, once for each thing, for whatever a list leaves out.
    """
    said: dict[str, Any] = thing._rawData  # noqa: SLF001  # `raw_data` would ask again
    return said


def insist(
    step: Callable[[], Result],
    *,
    needs: Permission,
    pause: float = PAUSE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Return what one `step` of a longer piece of work returns; like `ask`, but a rate limit is waited for as well.

    A step has to look first what an attempt of it that was lost has done: it is run again after a lost answer, and after
    the wait that GitHub asks for, `LONGEST_LIMIT_SECONDS` at the most. Raises `ForgeFailed`.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return step()
        except Exception as error:
            wait = pause * 2 ** (attempt - 1) if _lost(error) else _limit(error)
            if attempt == ATTEMPTS or wait is None or wait > LONGEST_LIMIT_SECONDS:
                raise explained(error, needs=needs) from error
            sleep(wait)
    raise AssertionError


def _attempts(work: Callable[[], Result], pause: float, needs: Permission | None) -> Result:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except Exception as error:
            if attempt == ATTEMPTS or not _lost(error):
                raise explained(error, needs=needs) from error
            time.sleep(pause * 2 ** (attempt - 1))
    raise AssertionError


def _lost(error: Exception) -> bool:
    """Whether it isn't known what became of the request: the link broke, or the server failed while it worked."""
    import github  # noqa: PLC0415  # as above
    import requests  # noqa: PLC0415

    if isinstance(error, github.GithubException):
        return error.status >= 500  # noqa: PLR2004  # HTTP: the server's fault
    return isinstance(error, requests.RequestException)


def _limit(error: Exception) -> float | None:
    """Return the seconds that GitHub wants to be left alone; nothing where no limit was hit, or it doesn't say."""
    import github  # noqa: PLC0415  # as above

    if not isinstance(error, github.GithubException) or error.status not in {403, 429}:
        return None
    told = str((error.headers or {}).get("retry-after", ""))
    return float(told) if told.isdigit() else None


def explained(error: Exception, *, needs: Permission | None = None) -> ForgeFailed:
    """Return the error with its remedy; texts of GitHub's are cut short and never hold the token (it is in no answer)."""
    import github  # noqa: PLC0415  # as above
    import requests  # noqa: PLC0415

    if isinstance(error, ForgeFailed):
        return error
    if isinstance(error, github.RateLimitExceededException | github.RateLimitExceededExceedsMaxWait):
        secondary = needs is not None and "secondary" in str(error.data).lower()
        text = "GitHub takes no more requests of this token for a while"
        return ForgeFailed(
            text if secondary else "GitHub's rate limit for this token is used up",
            remedy=LIMITED if secondary else "The next run tries again.",
        )
    if isinstance(error, github.GithubException):
        told = error.data.get("message", "") if isinstance(error.data, dict) else ""
        text = f"GitHub refused with status {error.status}: {str(told)[:200] or 'no reason given'}"
        if needs is not None:
            return ForgeFailed(text, remedy=needs.remedy(error.status, limited=_limit(error) is not None))
        return ForgeFailed(text, remedy=REMEDIES.get(error.status, "The next run tries again."))
    if isinstance(error, requests.RequestException):
        return ForgeFailed(f"GitHub could not be asked: {type(error).__name__}", remedy="The next run tries again.")
    return ForgeFailed(f"GitHub's answer can't be read: {type(error).__name__}", remedy="Is GITHUB_API_URL right?")


REMEDIES = {
    401: "The token is not valid any more; in a workflow, give `${{ github.token }}`.",
    403: "Give the job `permissions:` with `issues: write` and `deployments: write`.",
    404: "The token doesn't reach this repository, or the job lacks `issues: write` or `deployments: write`.",
    410: "Issues are switched off in this repository: switch them on, or set `alert: none`.",
}
