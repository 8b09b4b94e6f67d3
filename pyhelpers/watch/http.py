"""One HTTP check: a request with a hard deadline, judged by status, text, JSON values and the release's identity.

The deadline is total. The timeouts of HTTP libraries bound the silence between two bytes, not the whole: against a
server that drips, a "3 s timeout" takes 12 s (measured). So the request runs in a thread of its own that is left behind
when the time is over.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pyhelpers.errors import BadInput

MAX_BODY = 1 << 20  # bytes; a health page is small, and a check must not fill the memory
LONGEST_TOLD = 300  # characters of an answer's own words in a reason: it goes into outputs, which become environments
IDENTITY_HEADER = "X-Release"
IDENTITY_KEY = "release"
_INDEX = re.compile("[0-9]{1,9}")  # str.isdigit takes a superscript for one, and int refuses it


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a healthy answer is. `release` is the name that must be served, if the app tells one."""

    statuses: tuple[range, ...] = (range(200, 300),)
    texts: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    release: str = ""
    release_required: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One check's outcome: `verdict` is healthy, failing or unknown, with the reason in words; times in seconds."""

    name: str
    url: str
    verdict: str
    reason: str = ""
    status: int = 0
    seconds: float = 0.0
    release: str = ""
    host: str = ""  # the one of several hosts that was asked; empty: whoever answers at the address

    @property
    def healthy(self) -> bool:
        """Whether the answer was all that was expected."""
        return self.verdict == "healthy"

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of `health-results`."""
        return {
            "name": self.name,
            "url": self.url,
            "verdict": self.verdict,
            "reason": self.reason,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "release": self.release,
            **({"host": self.host} if self.host else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Response:
    """What came back: status, headers (lower-case names), and at most `MAX_BODY` bytes."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes


def check_url(url: str, *, source: str) -> None:
    """Raise `BadInput`, naming the input `source`, unless `url` is a whole http:// or https:// address."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, half an IPv6 address
        whole = False
    if not whole or any(char.isspace() for char in url):
        problem = "is no http:// or https:// address" if url else "is missing"
        raise BadInput(source, problem, remedy="e.g. `https://example.com/up`.")


class Unanswered(Exception):
    """No answer within the deadline; the text says why, without the URL's own secrets."""


def fetch(url: str, *, connect_timeout: float, timeout: float, cookie: str = "", address: str = "") -> Response:
    """Return the answer to a GET, redirects not followed; raises `Unanswered` after `timeout` seconds at the latest.

    With `address` (a name or an IP address) that machine is asked, whatever the URL's own name resolves to. The Host
    header and the name in the certificate stay the URL's.
    """
    outcome: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(_request(url, connect_timeout, timeout, cookie, address))
        except Exception as error:  # noqa: BLE001  # handed to the caller's thread, which names it
            outcome.put(error)

    threading.Thread(target=work, name="belay-http", daemon=True).start()
    try:
        result = outcome.get(timeout=timeout)
    except queue.Empty:
        raise Unanswered(f"no complete answer within {timeout:g} s") from None
    if isinstance(result, Exception):
        raise Unanswered(_reason(result)) from None
    return result


def _request(url: str, connect_timeout: float, timeout: float, cookie: str, address: str) -> Response:
    import urllib3  # noqa: PLC0415  # paid only by a verb that makes a request

    headers = {"User-Agent": "Belay", "Accept": "*/*", "Cache-Control": "no-cache"}
    if cookie:
        headers["Cookie"] = cookie
    names: dict[str, Any] = {}
    if address:
        parts = urlsplit(url)
        if parts.scheme == "https":
            names = {"server_hostname": parts.hostname, "assert_hostname": parts.hostname}
        headers["Host"] = parts.netloc.rpartition("@")[2]
        place = f"[{address}]" if ":" in address else address
        url = parts._replace(netloc=f"{place}:{parts.port}" if parts.port else place).geturl()
    patience = urllib3.Timeout(connect=connect_timeout, read=timeout)
    with urllib3.PoolManager(retries=False, timeout=patience, **names) as pool:
        answer = pool.request("GET", url, headers=headers, redirect=False, preload_content=False)
        body = answer.read(MAX_BODY, decode_content=True)
        answer.close()
        found = {key.lower(): value for key, value in answer.headers.items()}
        return Response(
            status=answer.status, headers=found, cookies=tuple(answer.headers.getlist("set-cookie")), body=body
        )


def _reason(error: Exception) -> str:
    """Return why there was no answer, in the words of the innermost cause; a library's own wrapping says little."""
    cause: BaseException = error
    while True:
        inner = cause.__cause__ or next((part for part in cause.args if isinstance(part, BaseException)), None)
        if inner is None:
            break
        cause = inner
    text = str(cause.args[-1] if cause.args else cause) or type(cause).__name__
    text = re.sub(r"^\[SSL: \w+\] | \(_ssl\.c:\d+\)?$", "", text.strip("()' "))  # where in Python's source helps nobody
    return text[:200]


def check(
    url: str,
    expect: Expectation,
    *,
    name: str = "health",
    connect_timeout: float = 5.0,
    timeout: float = 5.0,
    cookie: str = "",
    address: str = "",
) -> Answer:
    """Return the verdict on one GET of `url`, at `address` if one is given (see `fetch`)."""
    begun = time.monotonic()
    try:
        response = fetch(url, connect_timeout=connect_timeout, timeout=timeout, cookie=cookie, address=address)
    except Unanswered as error:
        seconds = time.monotonic() - begun
        return Answer(name=name, url=url, verdict="failing", reason=str(error), seconds=seconds)
    data = _json(response.body)
    release = response.headers.get(IDENTITY_HEADER.lower(), "") or _text(_lookup(data, IDENTITY_KEY))
    reason = _mismatch(response, data, release, expect)
    return Answer(
        name=name,
        url=url,
        verdict="failing" if reason else "healthy",
        reason=_shortened(reason),
        status=response.status,
        seconds=time.monotonic() - begun,
        release=_shortened(release),
    )


def _mismatch(response: Response, data: object, release: str, expect: Expectation) -> str:
    if not any(response.status in wanted for wanted in expect.statuses):
        return f"status {response.status}"
    if expect.release and release and release != expect.release:
        return f"release {release} answers, not {expect.release}"
    if expect.release_required and not release:
        return "the answer does not tell its release (a JSON key `release` or a header `X-Release`)"
    body = response.body.decode("utf-8", "replace")
    for text in expect.texts:
        if text not in body:
            return f"the text {text!r} is missing"
    for path, wanted in expect.values.items():
        found = _text(_lookup(data, path))
        if found != wanted:
            return f"{path} is {found!r}, not {wanted!r}"
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TOLD else text[: LONGEST_TOLD - 1] + "…"


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _lookup(data: object, path: str) -> object:
    for key in path.split("."):
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and _INDEX.fullmatch(key) and int(key) < len(data):
            data = data[int(key)]
        else:
            return None
    return data


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def bypass_cookie(
    url: str, secret: str, *, connect_timeout: float = 5.0, timeout: float = 5.0, address: str = ""
) -> str:
    """Return the cookie that lets a visitor pass the maintenance page of `url`'s site; raises `Unanswered`.

    As Laravel does it: GET `/<secret>` answers with a redirect and the cookie `laravel_maintenance`.
    """
    parts = urlsplit(url)
    door = f"{parts.scheme}://{parts.netloc}/{secret}"
    response = fetch(door, connect_timeout=connect_timeout, timeout=timeout, address=address)
    if not response.cookies:
        raise Unanswered(f"the bypass address answered {response.status} without a cookie")
    return "; ".join(cookie.split(";", 1)[0] for cookie in response.cookies)
