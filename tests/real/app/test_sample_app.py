"""The lab's Laravel app is the real thing: without that, no test that uses it proves anything."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import laravel
from tests.lab.plain_app import running_plain_app


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that other users may enter; pytest's own is closed to them."""
    with tempfile.TemporaryDirectory(prefix="belay-site-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def fetch(url: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a page, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return (
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                answer.read().decode(),
            )
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, {name.lower(): value for name, value in answer.headers.items()}, answer.read().decode()


def switch(base: Path, release: str) -> None:
    """Move the `current` link as a deploy does."""
    (base / "next").symlink_to(f"releases/{release}")
    os.replace(base / "next", base / "current")  # noqa: PTH105 - the link itself is renamed


def test_the_web_server_follows_the_release_link_and_tells_maintenance(base: Path) -> None:
    laravel.make_site(base, database={"DB_CONNECTION": "sqlite"})
    laravel.add_release(base, "2", broken=True)
    user = "www-data" if os.getuid() == 0 else None
    if user:
        laravel.give_to(base, user)
    with laravel.running_php(base, user=user) as web:
        status, _, body = fetch(f"{web.url}/health")
        assert (status, json.loads(body)["release"], json.loads(body)["ledger"]) == (200, "1", 2)
        assert fetch(f"{web.stale_url}/health")[0] == 200
        laravel.artisan(base / "current", "down", "--retry=60")
        status, headers, _ = fetch(f"{web.url}/health")
        assert (status, headers["retry-after"]) == (503, "60")
        laravel.artisan(base / "current", "up")
        switch(base, "2")
        status, _, body = fetch(f"{web.url}/health")
        assert (status, json.loads(body)["release"]) == (500, "2")
        assert json.loads(fetch(f"{web.stale_url}/health")[2])["release"] == "1", "what $document_root does wrong"


@pytest.mark.parametrize(("fixture", "works"), [("good", True), ("failing", False), ("slow", True)])
def test_the_migration_fixtures_do_what_their_names_say(tmp_path: Path, fixture: str, *, works: bool) -> None:
    app = laravel.make_in_place(tmp_path / "app", database={"DB_CONNECTION": "sqlite"})
    source = laravel.make_release(tmp_path / "source", migrations={"2024_06_01_000000_next": fixture})
    name = "database/migrations/2024_06_01_000000_next.php"
    (app / name).write_bytes((source / name).read_bytes())
    done = laravel.artisan(app, "migrate", "--force", check=False, SLOW_MIGRATION_SECONDS="0")
    assert (done.returncode == 0) is works
    columns = subprocess.run(
        ["sqlite3", app / "database/database.sqlite", ".schema"], check=True, capture_output=True, text=True
    ).stdout
    left_behind = {"good": "nickname", "failing": "half", "slow": "slow_4"}[fixture]
    assert left_behind in columns


def test_php_own_server_serves_the_app_too(tmp_path: Path) -> None:
    app = laravel.make_in_place(tmp_path / "app", database={"DB_CONNECTION": "sqlite"})
    with laravel.running_php_builtin(app) as web:
        assert json.loads(fetch(f"{web.url}/health")[2])["release"] == "in-place"
        assert "Release in-place" in fetch(web.url)[2]


@pytest.mark.parametrize("flag", ["", "{}", "[]", "null", '{"secret": null}', '{"secret": ""}'])
def test_the_plain_app_is_down_while_the_file_is_there_whatever_a_person_wrote(tmp_path: Path, flag: str) -> None:
    """P2: who copies this server must not copy a door that stands open."""
    with running_plain_app(tmp_path / "app") as app:
        (app.base / "shared" / "maintenance.json").write_text(flag)
        for path in ("", "None", "null"):
            assert fetch(f"{app.url}{path}")[0] == 503
