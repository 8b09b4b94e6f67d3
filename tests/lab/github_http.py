"""The wire of the stand-in for GitHub: requests in, answers, pages and faults out."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

# (status, body) of a fault: 0 does the work and closes the link without an answer, -1 does it and says nothing.
Fault = tuple[int, dict[str, Any]]


class Repository(Protocol):
    """What is served: it answers requests, one at a time, and says which faults they meet."""

    url: str
    requests: list[tuple[str, str]]  # methods and paths
    faults: list[
        tuple[str, str, int, dict[str, Any]]
    ]  # method and part of the path, for one request each; then as above
    faults_at: dict[int, Fault]  # by the request's number
    fault_headers: dict[str, str]
    stall: threading.Event  # ends the silence of a fault with status -1
    drip: bool  # one byte a second, for ever
    page: int  # the most things on a page
    lock: threading.RLock

    def answer(self, method: str, path: str, query: dict[str, str], body: object) -> tuple[int, Any]:
        """Return the status and the JSON of one request; None for no body."""

    def refuse(self, status: int, why: str) -> tuple[int, Any]:
        """Complain, and return the answer that says so."""


Served = TypeVar("Served", bound=Repository)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    github: Repository
    token: str

    def log_message(self, *_words: object) -> None:
        """Be quiet."""

    def do(self) -> None:
        github, address = self.github, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        content: Any
        with github.lock:
            github.requests.append((self.command, self.path))
            fault = self.fault()
            if fault and fault[0] > 0:
                status, content = fault  # the fault's own
            elif self.headers.get("Authorization") not in {f"token {self.token}", f"Bearer {self.token}"}:
                status, content = 401, {"message": "Bad credentials"}
            elif not re.search(r"application/(vnd\.github\.\S+\+)?json|\*/\*", self.headers.get("Accept", "")):
                status, content = github.refuse(415, f"Accept: {self.headers.get('Accept')}")
            else:
                body = json.loads(raw) if raw else None
                status, content = github.answer(self.command, address.path, query, body)
        if fault and fault[0] <= 0:
            if fault[0] < 0:
                github.stall.wait(30)
            self.close_connection = True
            self.connection.close()
            return
        headers = dict(github.fault_headers) if fault else {}
        if isinstance(content, list):
            content = self.paged(content, query, address.path, headers)
        elif isinstance(content, dict) and "total_count" in content:  # a list with its length, under one more name
            content = {
                key: self.paged(value, query, address.path, headers) if isinstance(value, list) else value
                for key, value in content.items()
            }
        self.give(status, b"" if content is None else json.dumps(content).encode(), headers)

    def fault(self) -> tuple[int, dict[str, Any]] | None:
        """Return the status and body of the fault that this request meets."""
        github = self.github
        for each in github.faults:
            if each[0] == self.command and each[1] in self.path:
                github.faults.remove(each)
                return each[2:]
        return github.faults_at.get(len(github.requests) - 1)

    def paged(self, whole: list[Any], query: dict[str, str], path: str, headers: dict[str, str]) -> list[Any]:
        """Return one page of a list, and put the way to the next into the headers."""
        number, size = int(query.get("page", "1")), min(int(query.get("per_page", "30")), self.github.page)
        if len(whole) > number * size:
            following = urlencode({**query, "page": number + 1})
            headers["Link"] = f'<{self.github.url}{path}?{following}>; rel="next"'
        return whole[(number - 1) * size : number * size]

    def give(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not self.github.drip:
            self.wfile.write(body)
            return
        for byte in body:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return
            time.sleep(1)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do  # noqa: N815  # http.server's names


@contextmanager
def serving(github: Served, token: str) -> Iterator[Served]:
    """Serve this repository to who has the token, on a free port of 127.0.0.1, for a `with` block."""
    handler = type("Handler", (_Handler,), {"github": github, "token": token})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    github.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield github
    finally:
        github.stall.set()
        server.shutdown()
        server.server_close()
