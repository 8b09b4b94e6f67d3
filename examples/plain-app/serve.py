"""The web server in front of the releases: `python3 serve.py BASE PORT_FILE`.

It knows two things about Belay, which any web server can be taught: `shared/maintenance.json` means 503, and the secret
in it, as a path, gives a cookie that passes.
"""

import hashlib
import json
import runpy
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Answer."""
        flag = self.maintenance()
        if flag is None:
            self.page()
            return
        secret = flag.get("secret")
        pass_ = f"belay_bypass={hashlib.sha256(f'pass:{secret}'.encode()).hexdigest()}"  # never the secret itself
        if secret and self.path == f"/{secret}":
            self.answer(302, {}, {"Location": "/", "Set-Cookie": f"{pass_}; HttpOnly; Path=/"})
        elif secret and pass_ in self.headers.get("Cookie", ""):
            self.page()
        else:
            self.answer(503, {"status": "down"}, {"Retry-After": str(flag.get("retry", 60))})

    def page(self) -> None:
        """Run the live release's page, read anew for each request."""
        release = (BASE / "current").resolve()
        try:
            connection = sqlite3.connect(BASE / "shared" / "app.sqlite")
            shown = runpy.run_path(str(release / "app.py"))["page"](connection)
            self.answer(200, {"release": (release / "RELEASE").read_text().strip(), **shown}, {})
        except (OSError, sqlite3.Error, KeyError, RuntimeError) as error:
            self.answer(500, {"status": "error", "error": str(error)}, {})

    def maintenance(self) -> dict[str, object] | None:
        """Return the flag's content while the app is down: the file's being there is what counts, whatever is in it."""
        try:
            content = json.loads((BASE / "shared" / "maintenance.json").read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def answer(self, status: int, body: dict[str, object], headers: dict[str, str]) -> None:
        """Send one answer as JSON."""
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Path(sys.argv[2]).write_text(str(server.server_port))
    server.serve_forever()
