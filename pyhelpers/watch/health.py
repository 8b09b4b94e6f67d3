"""Health over several tries: what was asked, how often it has to succeed, and the verdict that later steps read."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pyhelpers.errors import BadInput
from pyhelpers.watch.http import Answer, Expectation, Unanswered, bypass_cookie, check, check_url

_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")


@dataclass(frozen=True, kw_only=True)
class Health:
    """How an app proves that it is well: its page, what the page must say, and how often in a row (times in seconds)."""

    url: str
    expect: Expectation = field(default_factory=Expectation)
    attempts: int = 10
    successes: int = 2
    interval: float = 1.0
    connect_timeout: float = 5.0
    timeout: float = 5.0
    address: str = ""  # the machine to ask, whatever the URL's name resolves to; empty: as it resolves

    def at(self, address: str) -> Health:
        """Return the same check, asked of the machine at `address`."""
        return replace(self, address=address)

    def for_release(self, release: str) -> Health:
        """Return the same check, which `release` has to answer."""
        return replace(self, expect=replace(self.expect, release=release))


def statuses_in(text: str, *, source: str) -> tuple[range, ...]:
    """Return the accepted status codes of `200`, `200-299`, `200,301`; raises `BadInput` for anything else."""
    found: list[range] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = _STATUS.fullmatch(part)
        if match is None:
            raise BadInput(source, f"`{part}` is no HTTP status", remedy="Write `200`, `200-299` or `200,301`.")
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high:
            raise BadInput(source, f"`{part}` ends before it begins", remedy=f"Write `{high}-{low}`.")
        found.append(range(low, high + 1))
    if not found:
        raise BadInput(source, "names no HTTP status", remedy="Write `200`, `200-299` or `200,301`.")
    return tuple(found)


def expectation_in(lines: Iterable[str], *, source: str) -> Expectation:
    """Return what the lines of `health-expect` ask for.

    `status=200`, `text=some words`, `json.path.to.key=value`, `release` (the answer must tell the release's name).
    """
    statuses: tuple[range, ...] = (range(200, 300),)
    texts: list[str] = []
    values: dict[str, str] = {}
    required = False
    for line in filter(None, (line.strip() for line in lines)):
        key, separator, value = line.partition("=")
        if key == "status" and separator:
            statuses = statuses_in(value, source=source)
        elif key == "text" and value:
            texts.append(value)
        elif key.startswith("json.") and separator:
            values[key.removeprefix("json.")] = value
        elif line == "release":
            required = True
        else:
            raise BadInput(
                source,
                f"`{line}` can't be read",
                remedy="Write lines such as `status=200`, `text=Welcome`, `json.database=ok`, or `release`.",
            )
    return Expectation(statuses=statuses, texts=tuple(texts), values=values, release_required=required)


def asked_in(results: str, *, source: str) -> Health | None:
    """Return the question that the JSON of an output `health-results` answers, or None when nothing was asked.

    Only the address is taken over: what the next release had to say need not hold for the one before.
    """
    try:
        urls = [check["url"] for check in json.loads(results)["checks"]]
        for url in urls:
            check_url(url, source=source)
    except (RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "Pass on the output as it is: `${{ steps.health.outputs.health-results }}`."
        raise BadInput(source, "is not what a health check wrote", remedy=remedy) from error
    return Health(url=urls[-1]) if urls else None


def probe(
    health: Health,
    *,
    secret: str = "",
    name: str = "public",
    sleep: Callable[[float], None] = time.sleep,
    between: Callable[[], None] = lambda: None,
) -> Answer:
    """Ask until `successes` answers in a row are healthy, or `attempts` are used up; return the last answer.

    With `secret` the question is asked behind the maintenance page. `between` is called before each try and may raise.
    """
    streak, answer = 0, Answer(name=name, url=health.url, verdict="unknown", reason="never asked")
    cookie = ""
    for attempt in range(health.attempts):
        between()
        if attempt:
            sleep(health.interval)
        try:
            if secret and not cookie:
                cookie = bypass_cookie(
                    health.url,
                    secret,
                    connect_timeout=health.connect_timeout,
                    timeout=health.timeout,
                    address=health.address,
                )
        except Unanswered as error:
            answer = Answer(name=name, url=health.url, verdict="failing", reason=f"bypass: {error}")
            continue
        answer = check(
            health.url,
            health.expect,
            name=name,
            connect_timeout=health.connect_timeout,
            timeout=health.timeout,
            cookie=cookie,
            address=health.address,
        )
        streak = streak + 1 if answer.healthy else 0
        if streak >= health.successes:
            break
    else:
        if answer.healthy:
            reason = f"only {streak} good answers in a row within {health.attempts} tries"
            answer = replace(answer, verdict="failing", reason=reason)
    return answer
