"""Maintenance mode: the public never meets a half-changed app, and nobody's own maintenance is ever lifted."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import laravel
from tests.lab.shells import Shell, deadly_tools, error, facts

SECRET = "open-sesame-0123456789"
ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Site:
    """A site under deploy `belay-1`, and the verbs of the script on it."""

    shell: Shell
    base: Path
    deploy: Path
    php: str = "php"
    kind: str = "laravel"
    path: str = ""

    @property
    def app(self) -> Path:
        """The folder that the web server serves."""
        return self.base / "current" if (self.base / "releases").is_dir() else self.base

    @property
    def flag(self) -> Path:
        """The file whose being there means: down."""
        if self.kind == "plain":
            return self.base / "shared/maintenance.json"
        return self.app / "storage/framework/down"

    @property
    def page(self) -> Path:
        """The file that answers before the framework does."""
        return self.flag.with_name("maintenance.php")

    def run(self, verb: str, *more: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Run one verb of the script."""
        base = {"BELAY_BASE": str(self.base), "BELAY_DEPLOY": str(self.deploy)}
        app = self.app if self.kind == "laravel" else ""
        return self.shell.run(
            "maintenance.sh", verb, self.kind, app, self.php, *more, cwd=self.base, environment=base | environment
        )

    def down(
        self, *, secret: str = SECRET, retry: str = "60", render: str = "", redirect: str = "", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Take the app down."""
        file = self.deploy / "secret"
        file.write_text(secret)
        return self.run("down", file, retry, "", render, redirect, "", **environment)

    def held(self) -> bool:
        """Whether the script says that it was down all the time."""
        return self.run("held").returncode == 0

    def state(self) -> tuple[str, str]:
        """Whether the app is up or down, and by whom."""
        found = facts(self.run("status"))
        return found["state"], found["owner"]

    def break_boot(self) -> Callable[[], None]:
        """Make the app unable to start; returns how to mend it."""
        file = self.app / "vendor" / "autoload.php"
        good = file.read_text()
        file.write_text("<?php exit(255);")
        return lambda: void(file.write_text(good))


def void(_: object) -> None:
    """Take a value and drop it."""


@pytest.fixture
def site(shell: Shell, tmp_path: Path) -> Site:
    base = laravel.make_site(tmp_path / "site", database={"DB_CONNECTION": "sqlite"}, migrate=False)
    deploy = base / ".belay" / "deploys" / "belay-1"
    deploy.mkdir(parents=True)
    return Site(shell, base, deploy)


@pytest.fixture
def plain(shell: Shell, tmp_path: Path) -> Site:
    base = tmp_path / "site"
    (base / "releases" / "1").mkdir(parents=True)
    (base / "shared").mkdir()
    deploy = base / ".belay" / "deploys" / "belay-1"
    deploy.mkdir(parents=True)
    return Site(shell, base, deploy, php="", kind="plain")


@pytest.fixture
def get(site: Site) -> Iterator[Callable[..., tuple[int, http.client.HTTPMessage, str]]]:
    """Fetch a path from the real app, without following redirects."""
    with laravel.running_php_builtin(site.app) as web:
        address = urllib.parse.urlsplit(web.url).netloc

        def fetch(path: str, cookie: str = "") -> tuple[int, http.client.HTTPMessage, str]:
            link = http.client.HTTPConnection(address, timeout=10)
            link.request("GET", path, headers={"Cookie": cookie} if cookie else {})
            answer = link.getresponse()
            body = answer.read().decode()
            link.close()
            return answer.status, answer.headers, body

        yield fetch


def test_visitors_wait_while_the_secret_opens_the_app(
    site: Site, get: Callable[..., tuple[int, http.client.HTTPMessage, str]]
) -> None:
    """P2: the real app behind the flag that the script wrote, and after it."""
    assert get("/")[0] == 200
    done = site.down()
    assert (done.returncode, facts(done)["was"], facts(done)["changed"]) == (0, "up", "yes"), error(done)
    status, headers, _ = get("/")
    assert (status, headers["Retry-After"]) == (503, "60")
    status, headers, _ = get(f"/{SECRET}")
    assert status == 302
    cookie = headers["Set-Cookie"].split(";")[0]
    assert get("/health", cookie)[0] == 500, "the app itself answers: its database has no tables here"
    assert get("/", cookie)[0] == 200
    assert site.held()
    assert site.state() == ("down", "belay")
    assert (site.deploy / "held-down").exists()
    assert not (site.deploy / "live").exists()
    done = site.run("up")
    assert (done.returncode, facts(done)["state"]) == (0, "up")
    assert get("/")[0] == 200
    assert (site.deploy / "live").exists()
    assert not site.page.exists()
    assert not site.held()


def test_the_default_page_and_a_chosen_view_survive_a_broken_vendor_folder(
    site: Site, get: Callable[..., tuple[int, http.client.HTTPMessage, str]]
) -> None:
    """P2: while code is exchanged visitors see a 503, never a 500."""
    for render, text in (("", "Service Unavailable"), ("maintenance", "Back in 60 seconds")):
        assert site.down(render=render).returncode == 0
        mend = site.break_boot()
        status, headers, body = get("/")
        assert (status, headers["Retry-After"]) == (503, "60")
        assert text in body
        mend()
        views = (site.base / "shared/storage/framework/views").glob("*.php")
        assert {view.stat().st_mode & 0o777 for view in views} == {0o644}, "the web server's user reads them too"
        assert site.run("up").returncode == 0


def test_a_view_that_does_not_exist_is_refused_before_anything_changes(site: Site) -> None:
    done = site.down(render="no.such.view")
    assert done.returncode == 1
    assert "no.such.view" in error(done)
    assert site.state() == ("up", "none")
    assert site.run("undo-down").returncode == 0


def test_what_a_person_put_down_stays_down_exactly_as_it_was(
    site: Site, get: Callable[..., tuple[int, http.client.HTTPMessage, str]]
) -> None:
    """P2, P8: their page is shown all the time, their secret works again afterwards, no byte has changed."""
    laravel.artisan(site.app, "down", "--secret=theirs", "--render=maintenance", "--retry=5")
    before = (site.flag.read_bytes(), site.page.read_bytes())
    done = site.down()
    assert facts(done)["was"] == "down"
    assert site.held()
    assert "Back in 5 seconds" in get("/")[2]
    assert get(f"/{SECRET}")[0] == 302
    for verb in ("up", "undo-down", "up"):
        # as if it had been cut after the last change: that they have theirs back is seen from the flag itself
        (site.deploy / "maintenance" / "lifted").unlink(missing_ok=True)
        done = site.run(verb)
        assert (done.returncode, facts(done)["state"], facts(done)["owner"]) == (0, "down", "person")
        assert (site.flag.read_bytes(), site.page.read_bytes()) == before
    assert get("/theirs")[0] == 302
    assert not (site.deploy / "live").exists(), "the public was not let in"


def test_maintenance_that_a_person_starts_during_the_deploy_is_theirs(site: Site) -> None:
    """P2: ours was lifted and theirs came; from then on it isn't held, and not ours to lift."""
    assert site.down().returncode == 0
    laravel.artisan(site.app, "up")
    assert not site.held()
    laravel.artisan(site.app, "down", "--secret=theirs")
    theirs = site.flag.read_bytes()
    assert not site.held()
    for verb in ("undo-down", "up"):
        assert facts(site.run(verb))["state"] == "down"
        assert site.flag.read_bytes() == theirs


def test_taking_it_down_again_does_not_hide_that_it_was_up_in_between(site: Site) -> None:
    """P2: only maintenance without a break allows the database to be put back by itself."""
    assert site.down().returncode == 0
    assert facts(site.down())["changed"] == "no"
    assert site.held()
    laravel.artisan(site.app, "up")
    assert facts(site.down())["changed"] == "yes"
    assert not site.held()
    assert facts(site.run("up"))["state"] == "up"


@pytest.mark.parametrize("person", [False, True])
def test_it_goes_down_and_up_with_an_app_that_does_not_boot(
    site: Site, get: Callable[..., tuple[int, http.client.HTTPMessage, str]], *, person: bool
) -> None:
    """P2: PHP may be what broke."""
    if person:
        laravel.artisan(site.app, "down")
    before = site.flag.read_bytes() if person else None
    mend = site.break_boot()
    assert site.down(redirect="/status").returncode == 0
    assert get("/")[0] == 503 if not person else site.flag.exists()
    assert json.loads(site.flag.read_text())["redirect"] == "/status"
    done = site.run("undo-down")
    assert done.returncode == 0, error(done)
    assert (site.flag.read_bytes() if site.flag.exists() else None) == before
    mend()
    assert get("/")[0] == (503 if person else 200)


def test_it_is_lifted_in_the_storage_where_it_was_set_whatever_current_points_to(site: Site) -> None:
    """P2: a switched link, even a dangling one, must not hide the flag."""
    assert site.down().returncode == 0
    (site.base / "current").unlink()
    assert site.run("undo-down").returncode == 0
    assert not (site.base / "shared/storage/framework/down").exists()


@pytest.mark.parametrize("person", [False, True])
def test_killed_between_any_two_changes_the_undo_leaves_the_app_as_it_was(
    site: Site, tmp_path: Path, *, person: bool
) -> None:
    """P2, P8: `down`, `up` and the undo itself, each cut at every step, then undone."""
    if person:
        laravel.artisan(site.app, "down", "--secret=theirs")
    before = site.flag.read_bytes() if person else None

    def undone() -> None:
        done = site.run("undo-down")
        assert done.returncode == 0, error(done)
        assert (site.flag.read_bytes() if site.flag.exists() else None) == before

    cuts = 0
    every = (
        1 if site.shell.name == "dash" and not person else 5
    )  # one of the four goes through all, for the time it takes
    for first, second in (("down", ""), ("down", "down"), ("", "up"), ("", "undo-down")):
        for at in range(1, 60, every):
            if not first:
                assert site.down().returncode == 0
            tools = deadly_tools(tmp_path / "tools", at)
            done = site.down(**tools) if first else site.run(second, **tools)
            if done.returncode == 0:
                break
            cuts += 1
            if first and second:
                assert site.down().returncode == 0
                assert site.state() == ("down", "belay")
            undone()
        else:
            pytest.fail("the script never came to its end")
        undone()
    assert cuts > 60 / every / 2, "or nothing was tried"


def test_the_secret_is_in_no_argument_and_no_output(site: Site, tmp_path: Path) -> None:
    """P6: argv is public on a host. The recorder stands before the real php and passes everything on."""
    recorder = tmp_path / "php"
    recorder.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{tmp_path}/argv\nexec php "$@"\n')
    recorder.chmod(0o755)
    site.php = str(recorder)
    outputs = b""
    for done in (site.down(), site.run("held"), site.run("status"), site.run("up")):
        assert done.returncode == 0
        outputs += done.stdout + done.stderr
    assert SECRET.encode() not in outputs
    assert "payload" in (tmp_path / "argv").read_text(), "php was really recorded"
    assert SECRET not in (tmp_path / "argv").read_text()


@pytest.mark.parametrize("secret", ["\n", 'quo"te', "spa ce", "new\nline", "slash/es", "$(touch x)", "é"])
def test_a_secret_that_would_not_survive_a_url_is_refused_and_not_shown(site: Site, secret: str) -> None:
    done = site.down(secret=secret)
    assert done.returncode == 1
    assert not secret.strip() or secret not in error(done)
    assert site.state() == ("up", "none")


def test_without_a_secret_nobody_gets_in(
    site: Site, get: Callable[..., tuple[int, http.client.HTTPMessage, str]]
) -> None:
    """P2: an empty one, written down as such, would open the home page to all."""
    for broken in (False, True):
        mend = site.break_boot() if broken else None
        assert site.down(secret="").returncode == 0
        assert json.loads(site.flag.read_text())["secret"] is None
        assert get("/")[0] == 503
        site.run("up")
        if mend:
            mend()
    assert site.run("down", "/no/such/file", "", "", "", "", "").returncode == 1, "a secret that was lost is no secret"


@pytest.mark.parametrize(
    ("field", "value"),
    [("retry", "x"), ("retry", "1;2"), ("redirect", "elsewhere"), ("redirect", '/a"b'), ("redirect", "/a\nb")],
)
def test_other_odd_options_are_refused(site: Site, field: str, value: str) -> None:
    assert site.down(**{field: value}).returncode == 1
    assert site.state() == ("up", "none")


def test_an_undo_without_a_down_does_nothing(site: Site) -> None:
    """P8: the undo is written to the journal before the step, and the step may never have started."""
    laravel.artisan(site.app, "down")
    for verb in ("undo-down", "up"):
        assert facts(site.run(verb))["state"] == "down"
    laravel.artisan(site.app, "up")
    assert facts(site.run("undo-down"))["state"] == "up"


CACHE_DRIVER = """
// Stands in for Laravel 9+, which isn't packaged for Debian 12: the same four methods, kept in a file as a cache would.
$app = new class(dirname(__DIR__)) extends Illuminate\\Foundation\\Application {
    public function maintenanceMode() {
        return new class($this->storagePath().'/app/maintenance-cache') {
            public function __construct(private string $file) {}
            public function active(): bool { return is_file($this->file); }
            public function data(): array { return json_decode(file_get_contents($this->file), true); }
            public function activate(array $payload): void { file_put_contents($this->file, json_encode($payload)); }
            public function deactivate(): void { unlink($this->file); }
        };
    }
    public function isDownForMaintenance() { return $this->maintenanceMode()->active(); }
};
"""


@pytest.fixture
def cached(site: Site) -> Path:
    """Turn the site's app into one that keeps its flag in a cache; returns the file that plays the cache."""
    bootstrap = site.app / "bootstrap" / "app.php"
    bootstrap.write_text(bootstrap.read_text().replace("\n$app = new", CACHE_DRIVER + "\n$unused = new", 1))
    config = site.app / "config" / "app.php"
    config.write_text(
        config.read_text().replace("return [", "return [\n    'maintenance' => ['driver' => 'cache'],", 1)
    )
    return site.base / "shared" / "storage" / "app" / "maintenance-cache"


def test_with_a_cache_driver_both_the_cache_and_the_file_say_down(site: Site, cached: Path) -> None:
    """P2: an emptied cache must not let the public in, nor count as held."""
    assert site.down().returncode == 0
    assert json.loads(cached.read_text())["belay"] == "belay-1"
    assert site.flag.exists()
    assert site.held()
    cached.unlink()
    assert not site.held()
    assert site.flag.exists(), "the pre-rendered page still answers"
    assert facts(site.run("up"))["state"] == "up"


def test_with_a_cache_driver_a_persons_flag_comes_back(site: Site, cached: Path) -> None:
    """P2, P8."""
    theirs = {"secret": "theirs", "status": 503, "template": None}
    cached.write_text(json.dumps(theirs))
    assert facts(site.down())["was"] == "down"
    for _ in range(2):
        assert facts(site.run("undo-down"))["owner"] == "person"
        assert json.loads(cached.read_text()) == theirs
        assert not site.flag.exists()


def test_with_a_cache_driver_and_a_broken_app_the_undo_holds_and_says_why(site: Site, cached: Path) -> None:
    """P2, P7: it can't be lifted there, so it must not be called lifted."""
    assert site.down().returncode == 0
    mend = site.break_boot()
    done = site.run("undo-down")
    assert done.returncode == 10
    assert "cache" in done.stdout.decode().splitlines()[-1]
    mend()
    assert facts(site.run("undo-down"))["state"] == "up"
    assert not cached.exists()


def test_a_plain_app_reads_its_flag_from_one_json_file(plain: Site) -> None:
    done = plain.down()
    assert done.returncode == 0, error(done)
    found = json.loads(plain.flag.read_text())
    assert (found["status"], found["retry"], found["secret"]) == (503, 60, SECRET)
    assert found["since"] > 1_700_000_000
    assert plain.held()
    assert facts(plain.run("up"))["state"] == "up"
    assert not plain.flag.exists()
    plain.flag.write_text('{"status": 503}')
    assert facts(plain.down())["changed"] == "yes"
    assert facts(plain.run("undo-down"))["owner"] == "person"
    assert plain.flag.read_text() == '{"status": 503}'


def test_a_plain_app_in_place_has_its_flag_where_it_looks_whatever_folders_it_has(plain: Site) -> None:
    """P2: `releases` and `shared` may be folders of its own; a flag in there keeps no visitor out."""
    (plain.deploy / "secret").write_text(SECRET)
    place = {"BELAY_BASE": str(plain.base), "BELAY_DEPLOY": str(plain.deploy)}
    words: list[str | Path] = ["plain", plain.base, ""]
    down: list[str | Path] = [*words, plain.deploy / "secret", "60", "", "", "", ""]
    assert plain.shell.run("maintenance.sh", "down", *down, cwd=plain.base, environment=place).returncode == 0
    assert (plain.base / "maintenance.json").exists()
    assert not plain.flag.exists()
    assert facts(plain.shell.run("maintenance.sh", "up", *words, cwd=plain.base, environment=place))["state"] == "up"
    assert not (plain.base / "maintenance.json").exists()


@pytest.mark.parametrize(
    "cookie", ["'x'", "['x']", "[['x']]", "base64_encode('[1]')", "base64_encode('{\"mac\": []}')"]
)
def test_the_page_that_stands_in_answers_a_cookie_of_any_shape(tmp_path: Path, cookie: str) -> None:
    """A visitor gets the page, and never an error with a trace of the server's folders."""
    (tmp_path / "page.php").write_bytes((ROOT / "pyhelpers/app/maintenance-page.php").read_bytes())
    (tmp_path / "down").write_text('{"secret": "open-sesame", "template": "back soon"}')
    program = f"$_SERVER['REQUEST_URI'] = '/'; $_COOKIE['laravel_maintenance'] = {cookie}; require 'page.php';"
    done = subprocess.run(["php", "-r", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "back soon"), done.stderr
