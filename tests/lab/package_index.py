"""A small package index on this machine, with wheels of the tests' own making: what pip and uv see, without the network."""

from __future__ import annotations

import base64
import hashlib
import io
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def wheel(name: str) -> bytes:
    """Return the wheel of a distribution, version 1.0, that holds one module of the same name: empty, or `big`."""

    def row(path: str, content: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        return f"{path},sha256={digest},{len(content)}\n"

    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": b"#" * 500_000 if name == "big" else b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = ("".join(row(*file) for file in files.items()) + f"{info}/RECORD,,\n").encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return content.getvalue()


def lock(*names: str) -> str:
    """Return the lock of these distributions, as `make locks` would write it."""
    return "".join(f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel(name)).hexdigest()}\n" for name in names)


@dataclass
class Index:
    """A running index. `downloads` names every wheel it gave away."""

    url: str
    downloads: list[str] = field(default_factory=list)
    tampered: bool = False  # serve files that are wheels, but not those that were locked
    open: threading.Event = field(default_factory=threading.Event)  # cleared: a download hangs
    asked: threading.Event = field(default_factory=threading.Event)  # set: a download was asked for

    def file(self, path: str) -> bytes | None:
        """Return what lies at a path of the index, None if nothing does."""
        parts = path.strip("/").split("/")
        if len(parts) == 2 and parts[0] == "simple":
            return f'<a href="/files/{parts[1]}-1.0-py3-none-any.whl">{parts[1]}-1.0-py3-none-any.whl</a>'.encode()
        if len(parts) == 2 and parts[0] == "files":
            self.asked.set()
            self.open.wait(timeout=60)
            name = parts[1].partition("-")[0]
            self.downloads.append(name)
            return wheel(name) + (b"\0" if self.tampered else b"")
        return None


@contextmanager
def running_index(certificate: Path | None = None) -> Iterator[Index]:
    """Give an index on a free port of 127.0.0.1; over https when there is a `certificate` (with its key in the file)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = index.file(self.path)
            self.send_response(HTTPStatus.OK if content else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/html" if "/simple/" in self.path else "application/zip")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET  # noqa: N815  uv asks before it fetches

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            """A client that was killed, or that doesn't trust us, is no error here."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    index = Index(f"{scheme}://127.0.0.1:{server.server_address[1]}/simple/")
    index.open.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield index
    finally:
        index.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
