"""A health page that can't be trusted: it stands before an app's own page, and hangs, trickles, flaps, breaks or lies."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PATIENCE = 120.0  # seconds after which it gives a client up


@dataclass(eq=False)
class LyingHealth:
    """The page: `asked` counts the questions; `manner` says how each is answered."""

    manner: str
    truth: str  # the URL of the app's own page
    asked: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def answer(self, client: socket.socket) -> None:
        """Answer one question."""
        with client, suppress(OSError):
            client.settimeout(PATIENCE)
            request = client.recv(65536)
            self.asked += 1
            MANNERS[self.manner](self, client, request)

    def fetched(self, request: bytes) -> bytes:
        """Return the app's own answer, cookies and all."""
        lines = request.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        cookie = next((line.partition(":")[2].strip() for line in lines if line.lower().startswith("cookie:")), "")
        base = self.truth.rsplit("/", 1)[0]
        asked = urllib.request.Request(base + path, headers={"Cookie": cookie} if cookie else {})
        try:
            with urllib.request.build_opener(NoRedirects).open(asked, timeout=20) as answer:
                status, headers, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, headers, body = error.code, error.headers, error.read()
        kept = [f"{name}: {value}" for name, value in headers.items() if name.lower() in {"set-cookie", "location"}]
        return told(status, body, kept)

    def wait(self, seconds: float = PATIENCE) -> bool:
        """Wait; true when the test is over."""
        return self._over.wait(seconds)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """The client is to follow them, not we."""

    def redirect_request(self, *_arguments: object, **_more: object) -> None:
        """Follow none."""


def told(status: int, body: bytes, headers: list[str] | None = None) -> bytes:
    """Return an HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *(headers or [])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def truly(page: LyingHealth, client: socket.socket, request: bytes) -> None:
    client.sendall(page.fetched(request))


def hangs(page: LyingHealth, _client: socket.socket, _request: bytes) -> None:
    page.wait()


def trickles(page: LyingHealth, client: socket.socket, request: bytes) -> None:
    for byte in page.fetched(request):
        client.sendall(bytes([byte]))
        if page.wait(0.5):
            return


def flaps(page: LyingHealth, client: socket.socket, request: bytes) -> None:
    client.sendall(page.fetched(request) if page.asked % 2 else told(500, b"{}"))


def wakes_up(page: LyingHealth, client: socket.socket, request: bytes) -> None:
    client.sendall(page.fetched(request) if page.asked > 4 else told(502, b""))


def breaks_off(page: LyingHealth, client: socket.socket, request: bytes) -> None:
    whole = page.fetched(request)
    client.sendall(whole[: len(whole) - 5])


def resets(_page: LyingHealth, client: socket.socket, _request: bytes) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def of_another_release(_page: LyingHealth, client: socket.socket, _request: bytes) -> None:
    client.sendall(told(200, b'{"status":"ok","database":"ok","release":"20200101T000000Z-0123456789abcdef"}'))


def without_a_release(_page: LyingHealth, client: socket.socket, _request: bytes) -> None:
    client.sendall(told(200, b'{"status":"ok","database":"ok"}'))


def in_circles(_page: LyingHealth, client: socket.socket, _request: bytes) -> None:
    client.sendall(told(302, b"", ["Location: /health"]))


def endless(page: LyingHealth, client: socket.socket, _request: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not page.wait(0.0):
        client.sendall(b'{"status":"ok"}' * 10000)


Manner = Callable[[LyingHealth, socket.socket, bytes], None]
MANNERS: dict[str, Manner] = {
    "truly": truly,
    "wakes-up": wakes_up,
    "hangs": hangs,
    "trickles": trickles,
    "flaps": flaps,
    "breaks-off": breaks_off,
    "resets": resets,
    "of-another-release": of_another_release,
    "without-a-release": without_a_release,
    "in-circles": in_circles,
    "endless": endless,
}


@contextmanager
def lying_health(manner: str, truth: str) -> Iterator[str]:
    """Serve the page for a `with` block; yields its URL."""
    page = LyingHealth(manner=manner, truth=truth)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as door:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = door.accept()
                    threading.Thread(target=page.answer, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}/health"
        finally:
            page._over.set()
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
