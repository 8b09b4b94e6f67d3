from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pyhelpers.errors import BadInput
from pyhelpers.watch.certificate import days_left
from pyhelpers.watch.health import Health, expectation_in, probe, statuses_in
from pyhelpers.watch.http import Expectation, Unanswered, bypass_cookie, check, fetch
from tests.lab.tls import running_tls_page

Handle = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def site(handle: Handle) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def says(body: bytes = b"{}", status: int = 200, **headers: str) -> Handle:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return handle


def drips(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(200):
        try:
            request.wfile.write(b".")
            request.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


def test_a_server_that_drips_is_cut_at_the_total_deadline() -> None:
    """P7: ten seconds of single bytes must not look like an answer, nor hold up the deploy."""
    with site(drips) as url, pytest.raises(Unanswered, match=r"within 0\.5 s"):
        fetch(url, connect_timeout=0.5, timeout=0.5)


def test_a_server_that_accepts_and_says_nothing_is_cut_too() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        answer = check(f"http://127.0.0.1:{silent.getsockname()[1]}/", Expectation(), timeout=0.5)
    assert answer.verdict == "failing"


def test_nobody_there_is_said_in_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    answer = check(f"http://127.0.0.1:{port}/", Expectation())
    assert answer.verdict == "failing"
    assert "refused" in answer.reason


def test_the_release_that_answers_is_proven_by_its_name() -> None:
    """P7: the old release answering 200 is no success of the new one."""
    with site(says(b'{"release": "old"}')) as url:
        answer = check(url, Expectation(release="new"))
    assert not answer.healthy
    assert "old" in answer.reason
    with site(says(b"plain", X_Release="new")) as url:
        assert check(url, Expectation(release="new", release_required=True)).healthy
    with site(says(b"plain")) as url:
        assert not check(url, Expectation(release="new", release_required=True)).healthy


@pytest.mark.parametrize(
    ("lines", "body", "healthy"),
    [
        ("json.database.ok=true", b'{"database": {"ok": true}}', True),
        ("json.database.ok=true", b'{"database": {"ok": "true"}}', True),
        ("json.database.ok=true", b'{"database": []}', False),
        ("json.list.1=b", b'{"list": ["a", "b"]}', True),
        ("json.list.\u00b2=b", b'{"list": ["a", "b", "b"]}', False),
        (f"json.list.{'9' * 5000}=b", b'{"list": ["a"]}', False),
        ("text=Welcome", b"<h1>Welcome</h1>", True),
        ("text=Welcome", b"<h1>Error</h1>", False),
        ("json.a=1", b"[" * 100_000, False),
    ],
)
def test_what_is_expected_is_what_is_compared(lines: str, body: bytes, *, healthy: bool) -> None:
    with site(says(body)) as url:
        assert check(url, expectation_in(lines.splitlines(), source="health-expect")).healthy is healthy


def test_an_answer_of_any_size_is_told_in_a_few_words() -> None:
    """P2: a verdict goes into outputs and from there into environments, which Linux limits to 128 KiB each."""
    big = b'"' + b"x" * 500_000 + b'"'
    with site(says(b'{"release": %s, "data": %s}' % (big, big))) as url:
        for expect in (Expectation(release="new"), expectation_in(["json.data=ok"], source="x")):
            answer = check(url, expect)
            assert not answer.healthy
            assert len(str(answer.as_dict())) < 2000
        assert check(url, Expectation(release="x" * 500_000)).healthy, "compared whole"


@pytest.mark.parametrize("line", ["status=abc", "status=99", "status=", "status=,", "whatever", "text=", "=x"])
def test_an_expectation_that_cannot_be_read_is_refused_by_name(line: str) -> None:
    with pytest.raises(BadInput, match=r"^health-expect: "):
        expectation_in([line], source="health-expect")


def test_statuses_may_be_ranges() -> None:
    assert [next(iter(found)) for found in statuses_in("200,301-303", source="x")] == [200, 301]


def test_a_redirect_is_not_followed() -> None:
    with site(says(status=302, Location="http://127.0.0.1:1/")) as url:
        assert check(url, Expectation()).reason == "status 302"


def test_healthy_means_several_good_answers_in_a_row() -> None:
    answers = iter([500, 200, 500, 200, 200])

    def handle(request: BaseHTTPRequestHandler) -> None:
        says(status=next(answers))(request)

    with site(handle) as url:
        found = probe(Health(url=url, attempts=5, successes=2, interval=0), sleep=lambda _: None)
    assert found.healthy


def test_one_good_answer_at_the_very_end_is_not_enough() -> None:
    answers = iter([500, 500, 200])

    def handle(request: BaseHTTPRequestHandler) -> None:
        says(status=next(answers))(request)

    with site(handle) as url:
        found = probe(Health(url=url, attempts=3, successes=2, interval=0), sleep=lambda _: None)
    assert not found.healthy


def test_the_bypass_gives_a_cookie_and_says_when_there_is_none() -> None:
    with site(says(status=302, Set_Cookie="laravel_maintenance=abc; path=/; httponly")) as url:
        assert bypass_cookie(f"{url}/deep/health", "secret") == "laravel_maintenance=abc"
    with site(says()) as url, pytest.raises(Unanswered, match="without a cookie"):
        bypass_cookie(url, "secret")


def test_one_of_several_hosts_is_asked_whatever_the_name_resolves_to() -> None:
    """P7: a name that leads elsewhere (or nowhere) must not answer for the host that was meant."""
    seen: list[str] = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        seen.append(f"{request.headers['Host']} {request.path}")
        says(b'{"release": "r1"}')(request)

    with site(handle) as url:
        port = url.rpartition(":")[2]
        answer = check(f"http://app.invalid:{port}/up?a=b", Expectation(release="r1"), address="127.0.0.1")
        assert answer.healthy, answer.reason
        assert seen == [f"app.invalid:{port} /up?a=b"]
        nobody = check(f"{url}/up", Expectation(), address="127.0.0.9", connect_timeout=1.0, timeout=2.0)
        assert (nobody.healthy, nobody.status) == (False, 0)


def test_the_certificate_has_to_be_the_names_also_when_one_host_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7: whoever answers at the address has to be the app."""
    with running_tls_page(tmp_path, days=2) as page:
        monkeypatch.setenv("SSL_CERT_FILE", str(page.certificate))
        port = page.url.rpartition(":")[2].strip("/")
        right = check(f"https://app.test:{port}/", Expectation(), address="127.0.0.1")
        assert right.healthy, right.reason
        wrong = check(f"https://app.invalid:{port}/", Expectation(), address="127.0.0.1")
        assert not wrong.healthy
        assert "match" in wrong.reason


@pytest.mark.parametrize("host", ["a..b", ".example.com", f"{'a' * 70}.example.com"])
def test_a_name_that_can_be_nobodys_is_an_answer_like_any_other(host: str) -> None:
    url = f"https://{host}/up"
    assert not check(url, Expectation()).healthy
    assert days_left(url, timeout=1) is None


def test_a_certificate_that_nobody_signed_is_told_without_pythons_own_places(tmp_path: Path) -> None:
    with running_tls_page(tmp_path, days=1) as page, pytest.raises(Unanswered, match=r"certificate$") as told:
        fetch(page.url, connect_timeout=30, timeout=30)
    assert str(told.value).startswith("certificate verify failed")
