"""A real Laravel app in the test lab: its releases, its site on disk, and a real web server in front of it.

The app is `tests/samples/laravel` (Laravel 8.83 from Debian's php-laravel-framework). Everything is started here on free
ports of 127.0.0.1 and stopped by its process id.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SKELETON = SAMPLES / "laravel"
FIXTURES = SAMPLES / "laravel-fixtures"
STORAGE = ("app/public", "logs", "framework/cache/data", "framework/sessions", "framework/views")
KEY = "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="  # no secret: the sample app encrypts nothing
OVERRIDES = ("DB_", "DATABASE_URL", "APP_", "QUEUE_", "CACHE_", "REDIS_", "SESSION_")


@dataclass(frozen=True, kw_only=True)
class Web:
    """A running web server. `url` follows the `current` link at once; `stale_url` is nginx with $document_root."""

    url: str
    stale_url: str
    fpm_pid_file: Path | None
    folder: Path


def environment(**extra: str) -> dict[str, str]:
    """The environment for PHP: this process' own, without variables that would override the app's `.env`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OVERRIDES)}
    return kept | {"COLUMNS": "500"} | extra


def make_release(folder: Path, *, migrations: Mapping[str, str] | None = None, broken: bool = False) -> Path:
    """Make `folder` the source tree of a release, as a build would hand it over, and return it.

    `migrations` maps a migration's name (`2024_06_01_000000_add_nickname`) to its fixture: good, failing or slow.
    `broken` leaves the marker that makes /health answer 500.
    """
    shutil.copytree(SKELETON, folder, ignore=shutil.ignore_patterns("storage", ".env*", ".gitignore", "*.sqlite*"))
    for name, fixture in (migrations or {}).items():
        shutil.copy(FIXTURES / f"{fixture}-migration.php", folder / "database" / "migrations" / f"{name}.php")
    if broken:
        (folder / "BROKEN").touch()
    return folder


def env_file(database: Mapping[str, str], **extra: str) -> str:
    """The text of a `.env`: `database` holds DB_CONNECTION and its companions, `extra` anything else."""
    values = {"APP_ENV": "production", "APP_KEY": KEY, "APP_DEBUG": "false", **database, **extra}
    return "".join(f'{name}="{value}"\n' for name, value in values.items())


def make_site(base: Path, *, database: Mapping[str, str], release: str = "1", migrate: bool = True) -> Path:
    """Build the releases layout in `base` with one live release, migrate its database, and return `base`.

    For SQLite `database` may leave out DB_DATABASE: it becomes `shared/database.sqlite`.
    """
    shared = base / "shared"
    make_storage(shared / "storage")
    settings = dict(database)
    if settings["DB_CONNECTION"] == "sqlite":
        settings.setdefault("DB_DATABASE", str(shared / "database.sqlite"))
        Path(settings["DB_DATABASE"]).touch()
    write_private(shared / ".env", env_file(settings))
    add_release(base, release)
    (base / "current").symlink_to(f"releases/{release}")
    if migrate:
        artisan(base / "current", "migrate", "--force")
    return base


def add_release(base: Path, name: str, *, migrations: Mapping[str, str] | None = None, broken: bool = False) -> Path:
    """Add a finished release (its links to shared/, its RELEASE file) beside the live one, and return its folder."""
    folder = make_release(base / "releases" / name, migrations=migrations, broken=broken)
    (folder / "storage").symlink_to("../../shared/storage")
    (folder / ".env").symlink_to("../../shared/.env")
    (folder / "RELEASE").write_text(name + "\n")
    return folder


def make_in_place(base: Path, *, database: Mapping[str, str], migrate: bool = True) -> Path:
    """Build the in-place layout: `base` itself is the app's folder. SQLite lies in database/database.sqlite."""
    make_release(base)
    make_storage(base / "storage")
    settings = dict(database)
    if settings["DB_CONNECTION"] == "sqlite":
        settings.setdefault("DB_DATABASE", str(base / "database" / "database.sqlite"))
        Path(settings["DB_DATABASE"]).touch()
    write_private(base / ".env", env_file(settings))
    (base / "RELEASE").write_text("in-place\n")
    if migrate:
        artisan(base, "migrate", "--force")
    return base


def make_storage(folder: Path) -> None:
    """Make Laravel's tree of storage folders."""
    for name in STORAGE:
        (folder / name).mkdir(parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text)


def give_to(path: Path, user: str) -> None:
    """Give a whole tree to `user` (links as links), so that a server of that user may write in it."""
    account = pwd.getpwnam(user)
    for folder, _, files in os.walk(path):
        for name in (folder, *(os.path.join(folder, file) for file in files)):  # noqa: PTH118 - walk() speaks strings
            os.chown(name, account.pw_uid, account.pw_gid, follow_symlinks=False)


def artisan(folder: Path, *words: str, check: bool = True, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `php artisan …` in `folder`; `extra` are environment variables."""
    return subprocess.run(
        ["php", "artisan", *words], cwd=folder, env=environment(**extra), check=check, capture_output=True, text=True
    )


@contextmanager
def running_php(base: Path, *, user: str | None = None) -> Iterator[Web]:
    """Serve `base` by nginx and php-fpm (opcache on), both as `user` (default: whoever runs the tests)."""
    folder = Path(tempfile.mkdtemp(prefix="belay-web-"))
    folder.chmod(0o755)
    (folder / "temporary").mkdir()
    ports = free_ports(2)
    public = (base / "current" if (base / "releases").is_dir() else base) / "public"
    (folder / "fpm.conf").write_text(_fpm_configuration(folder))
    (folder / "nginx.conf").write_text(_nginx_configuration(folder, public, ports))
    if user:
        give_to(folder, user)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        run_as_root = [] if user or os.getuid() else ["--allow-to-run-as-root"]
        fpm = [_php_fpm(), "--nodaemonize", "--fpm-config", str(folder / "fpm.conf"), *run_as_root]
        processes.append(_start(fpm, folder / "fpm.out", user))
        _wait_until((folder / "fpm.sock").exists, folder / "fpm.out")
        nginx = [
            "/usr/sbin/nginx",
            "-e",
            str(folder / "error.log"),
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
        ]
        processes.append(_start(nginx, folder / "nginx.out", user))
        _wait_until(lambda: all(_answers(port) for port in ports), folder / "error.log")
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        yield Web(url=urls[0], stale_url=urls[1], fpm_pid_file=folder / "fpm.pid", folder=folder)
    finally:
        for process in reversed(processes):
            _stop(process)
        shutil.rmtree(folder)


@contextmanager
def running_php_builtin(app: Path, *, user: str | None = None) -> Iterator[Web]:
    """Serve the folder `app` by PHP's own server. It stays pinned to the release in which it was started."""
    folder = Path(tempfile.mkdtemp(prefix="belay-web-"))
    port = free_ports(1)[0]
    words = ["php", "-S", f"127.0.0.1:{port}", "-t", str(app / "public"), str(app / "server.php")]
    process = _start(words, folder / "php.out", user)
    try:
        _wait_until(lambda: _answers(port), folder / "php.out")
        url = f"http://127.0.0.1:{port}"
        yield Web(url=url, stale_url=url, fpm_pid_file=None, folder=folder)
    finally:
        _stop(process)
        shutil.rmtree(folder)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _start(words: list[str], output: Path, user: str | None) -> subprocess.Popen[bytes]:
    with output.open("wb") as log:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _wait_until(ready: Callable[[], bool], log: Path, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the web server did not start:\n{log.read_text() if log.exists() else ''}")
        time.sleep(0.02)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _php_fpm() -> str:
    found = sorted(Path("/usr/sbin").glob("php-fpm*"))
    if not found:
        raise RuntimeError("php-fpm is not installed")
    return str(found[-1])


def _fpm_configuration(folder: Path) -> str:
    return f"""
[global]
pid = {folder}/fpm.pid
error_log = {folder}/fpm.log
[www]
{"user = root" if os.getuid() == 0 else ""}
listen = {folder}/fpm.sock
pm = static
pm.max_children = 2
clear_env = yes
php_admin_value[opcache.enable] = 1
php_admin_value[opcache.revalidate_freq] = 60
"""


def _nginx_configuration(folder: Path, public: Path, ports: list[int]) -> str:
    temporary = "".join(
        f"    {name}_temp_path {folder}/temporary/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "".join(
        _nginx_server(folder, public, port, root)
        for port, root in zip(ports, ("$realpath_root", "$document_root"), strict=True)
    )
    return f"""
daemon off;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
{temporary}    access_log off;
{servers}}}
"""


def _nginx_server(folder: Path, public: Path, port: int, root: str) -> str:
    return f"""
    server {{
        listen 127.0.0.1:{port};
        root {public};
        location / {{ try_files $uri /index.php$is_args$args; }}
        location ~ \\.php$ {{
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME {root}$fastcgi_script_name;
            fastcgi_param DOCUMENT_ROOT {root};
            fastcgi_pass unix:{folder}/fpm.sock;
        }}
    }}
"""
