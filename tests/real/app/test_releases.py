"""The releases layout: `current` names one whole release at every moment, and what it named before comes back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import laravel
from tests.lab.shells import Shell, deadly_tools, error, facts


@dataclass
class Host:
    """A base folder under a deploy, and the verbs of the script on it."""

    shell: Shell
    base: Path
    deploy: Path

    def run(
        self, verb: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one verb."""
        base = {"BELAY_BASE": str(self.base), "BELAY_DEPLOY": str(self.deploy)}
        return self.shell.run("releases.sh", verb, *arguments, environment=base | (environment or {}))

    def ok(self, verb: str, *arguments: str) -> dict[str, str]:
        """Run one verb that must succeed."""
        done = self.run(verb, *arguments)
        assert done.returncode == 0, error(done)
        return facts(done)

    def release(self, name: str) -> Path:
        """A finished plain release."""
        folder = self.base / "releases" / name
        folder.mkdir(parents=True)
        (folder / "index.php").write_text(name)
        (folder / "RELEASE").write_text(name + "\n")
        return folder

    def age(self, *names: str) -> None:
        """Make the releases as old as their order says, the first one the oldest."""
        for number, name in enumerate(names):
            folder = self.base / "releases" / name
            for path in (folder / "RELEASE", folder):
                if path.exists():
                    os.utime(path, (1_700_000_000 + number * 60,) * 2)

    def new_deploy(self) -> None:
        """Begin another deploy."""
        self.deploy = self.deploy.with_name(self.deploy.name + "x")
        self.deploy.mkdir()

    @property
    def current(self) -> str:
        """What the link says."""
        return os.readlink(self.base / "current") if (self.base / "current").is_symlink() else "none"  # noqa: PTH115

    def names(self) -> set[str]:
        """The releases that are there."""
        return {path.name for path in (self.base / "releases").iterdir()}


@pytest.fixture
def host(shell: Shell, tmp_path: Path) -> Host:
    deploy = tmp_path / "site" / ".belay" / "deploys" / "1"
    deploy.mkdir(parents=True)
    return Host(shell, tmp_path / "site", deploy)


def test_a_laravel_release_is_made_and_serves(host: Host) -> None:
    """P2: from an empty folder to an app that answers; .env and storage are shared, links are relative."""
    assert host.ok("create", "r1")["path"] == str(host.base / "releases/r1")
    source = host.base / "releases" / "r1"
    source.rmdir()
    laravel.make_release(source)
    (source / "storage" / "app").mkdir(parents=True)
    (source / "storage" / "app" / "shipped").write_text("seed")
    done = host.run("finish", "r1", "laravel")
    assert done.returncode == 1
    assert "shared/.env" in error(done)
    database = host.base / "shared" / "database.sqlite"
    database.touch()
    laravel.write_private(
        host.base / "shared/.env", laravel.env_file({"DB_CONNECTION": "sqlite", "DB_DATABASE": str(database)})
    )
    for _ in range(2):
        host.ok("finish", "r1", "laravel")
        host.ok("switch", "r1")
    assert host.current == "releases/r1"
    assert (source / "storage/app/shipped").read_text() == "seed", "the first release's storage became the shared one"
    assert not (source / "storage").readlink().is_absolute()
    assert (source / "public" / "storage").resolve() == host.base / "shared/storage/app/public"
    laravel.artisan(host.base / "current", "migrate", "--force")
    assert (host.base / "current" / "RELEASE").read_text() == "r1\n"
    assert (host.base / "shared" / "storage" / "framework" / "views").is_dir()


def test_the_second_release_keeps_what_the_first_one_stored(host: Host) -> None:
    """P9: a release's own storage folder gives way; nothing in the shared one is touched."""
    laravel.make_site(host.base, database={"DB_CONNECTION": "sqlite"}, migrate=False)
    (host.base / "shared/storage/app/upload").write_text("precious")
    host.ok("create", "2")
    source = host.base / "releases/2"
    source.rmdir()
    laravel.make_release(source)
    (source / "storage" / "app").mkdir(parents=True)
    (source / "storage" / "app" / "upload").write_text("from the repository")
    (source / ".env").write_text("DB_CONNECTION=other\n")
    host.ok("finish", "2", "laravel")
    assert (source / "storage/app/upload").read_text() == "precious"
    assert (source / ".env").resolve() == host.base / "shared/.env"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", ".x", "a b", "a\nb", "$(id)", "x" * 129])
def test_names_that_could_lead_elsewhere_are_refused(host: Host, name: str) -> None:
    host.release("1")
    for verb in (("create", name), ("finish", name, "plain"), ("switch", name), ("fail", name)):
        assert host.run(*verb).returncode == 1
    assert host.names() == {"1"}


def test_a_release_that_exists_is_not_made_again_by_another_deploy(host: Host) -> None:
    """P9: what is there may be live."""
    host.ok("create", "1")
    host.ok("create", "1")
    host.new_deploy()
    assert host.run("create", "1").returncode == 1


def test_only_finished_and_good_releases_are_switched_to(host: Host) -> None:
    """P2: never a half-copied one, never one that failed."""
    host.release("1")
    host.ok("switch", "1")
    host.new_deploy()
    host.ok("create", "2")
    assert host.run("switch", "2").returncode == 1
    host.ok("finish", "2", "plain")
    host.ok("fail", "2")
    assert host.run("switch", "2").returncode == 1
    assert host.run("finish", "2", "plain").returncode == 1
    assert host.current == "releases/1"
    assert host.run("fail", "1").returncode == 1, "the live release can't be marked"
    host.ok("fail", "never-made")


def test_a_current_that_is_a_folder_is_never_replaced(host: Host) -> None:
    host.release("1")
    (host.base / "current").mkdir()
    assert host.run("switch", "1").returncode == 1
    assert (host.base / "current").is_dir()


def test_the_switch_is_undone_once_and_for_all(host: Host) -> None:
    """P8: twice is the same as once, and a link that somebody else set since is left alone."""
    host.release("1")
    host.ok("switch", "1")
    host.new_deploy()
    host.release("2")
    host.ok("switch-undo")
    assert host.current == "releases/1", "an undo before the act does nothing"
    assert host.ok("switch", "2")["previous"] == "releases/1"
    host.ok("switch", "2")
    for _ in range(2):
        host.ok("switch-undo")
        assert host.current == "releases/1"
    host.new_deploy()
    host.ok("switch", "2")
    host.release("3")
    (host.base / "current").unlink()
    (host.base / "current").symlink_to("releases/3")
    host.ok("switch-undo")
    assert host.current == "releases/3"


def test_the_first_deploys_undo_leaves_no_link(host: Host) -> None:
    host.release("1")
    host.ok("switch", "1")
    host.ok("switch-undo")
    assert host.current == "none"


def test_a_link_of_any_form_comes_back_letter_by_letter(host: Host) -> None:
    """P2: what a person wrote there, e.g. an absolute path, is theirs."""
    old = host.release("1")
    (host.base / "current").symlink_to(old)
    host.release("2")
    host.ok("switch", "2")
    host.ok("switch-undo")
    assert host.current == str(old)


def test_when_the_previous_release_is_gone_it_holds_with_the_reason(host: Host) -> None:
    """P2: a link to nothing would be worse than the new release."""
    host.release("1")
    host.ok("switch", "1")
    host.new_deploy()
    host.release("2")
    host.ok("switch", "2")
    (host.base / "releases/1").rename(host.base / "elsewhere")
    done = host.run("switch-undo")
    assert done.returncode == 10
    assert "releases/1" in done.stdout.decode().splitlines()[-1]
    assert host.current == "releases/2"


def each_cut(host: Host, tools: Path, verb: tuple[str, ...], check: Callable[[], None]) -> int:
    """Run the verb, killed at its first, second … change, each time checking; returns how many cuts there were."""
    for at in range(1, 80):
        done = host.run(
            *verb, environment=deadly_tools(tools, at, tools=("mv", "rm", "ln", "sync", "mkdir", "cp", "chmod"))
        )
        check()
        if done.returncode == 0:
            return at - 1
    pytest.fail("the script never came to its end")


def test_killed_anywhere_current_names_a_whole_release_and_a_rerun_converges(host: Host, tmp_path: Path) -> None:
    """P2, P8: create, finish, switch and its undo."""
    laravel.make_site(host.base, database={"DB_CONNECTION": "sqlite"}, migrate=False)
    tools = tmp_path / "tools"

    def whole() -> None:
        assert (host.base / "current" / "RELEASE").read_text().strip() == host.current.removeprefix("releases/")

    cuts = each_cut(host, tools, ("create", "2"), whole)
    laravel.make_release(host.base / "source")
    subprocess.run(["cp", "-R", f"{host.base}/source/.", host.base / "releases/2"], check=True)
    cuts += each_cut(host, tools, ("finish", "2", "laravel"), whole)
    assert laravel.artisan(host.base / "releases/2", "--version").returncode == 0
    cuts += each_cut(host, tools, ("switch", "2"), whole)
    assert host.current == "releases/2"
    cuts += each_cut(host, tools, ("switch-undo",), whole)
    assert host.current == "releases/1"
    assert cuts > 20, "or nothing was tried"


def test_pruning_keeps_the_newest_the_live_the_previous_and_the_pinned(host: Host) -> None:
    """P4's sister: the release to go back to is never deleted."""
    for name in "abcdefgh":
        host.release(name)
    host.ok("switch", "b")
    host.new_deploy()
    host.ok("switch", "d")
    (host.base / "releases/c/.belay-failed").touch()
    (host.base / "releases/g/.belay-failed").touch()
    (host.base / "releases/e/RELEASE").unlink()
    host.age(*"abcdefgh")
    # newest first: h good, g failed, f good, e unfinished, d current, c failed, b previous, a good
    rows = [line.split("\t")[:2] for line in host.run("list").stdout.decode().splitlines()]
    assert rows == [
        ["h", "good"], ["g", "failed"], ["f", "good"], ["e", "unfinished"],
        ["d", "current"], ["c", "failed"], ["b", "good"], ["a", "good"],
    ]  # fmt: skip
    host.ok("prune", "3", "a")
    assert host.names() == set("hgfedba")
    host.ok("prune", "2", "a")
    assert host.names() == set("hgfdba")
    host.ok("prune", "1")
    assert host.names() == set("hdb")
    host.new_deploy()
    host.ok("prune", "1")
    assert host.names() == set("hd"), "the live one is old, and named by nothing but the link"
    assert host.current == "releases/d"


def test_pruning_never_leaves_the_folder_of_releases(host: Host, tmp_path: Path) -> None:
    """P9: links are not followed, odd names are not touched."""
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "precious").touch()
    for name in ("1", "2", "3"):
        host.release(name)
    (host.base / "releases/1/link").symlink_to(outside)
    (host.base / "releases/0").symlink_to(outside)
    odd = ["with space", "-rf", "new\nline", ".hidden", "*"]
    for name in odd:
        (host.base / "releases" / name).mkdir()
    (outside / "RELEASE").write_text("0")
    host.age("0", "1", "2", "3")
    host.ok("switch", "3")
    (host.deploy / "previous").unlink()
    host.ok("prune", "1")
    assert host.names() == {"3", "0", *odd}
    assert (outside / "inner" / "precious").exists()
    for wrong in ("0", "-1", "x", ""):
        assert host.run("prune", wrong).returncode == 1
    assert host.run("prune").returncode == 1
    assert "3" in host.names()


def test_visitors_see_one_release_or_the_other_during_many_switches(host: Host) -> None:
    """P2: the link is there at every read."""
    for name in ("1", "2"):
        host.release(name)
    host.ok("switch", "1")
    watcher = subprocess.Popen(
        [
            "sh",
            "-c",
            "i=0; while [ ! -e stop ]; do cat current/RELEASE >>seen 2>>missed; i=$((i+1)); done; echo $i >count",
        ],
        cwd=host.base,
    )
    for name in ("2", "1") * 10:
        host.new_deploy()
        host.ok("switch", name)
    (host.base / "stop").touch()
    watcher.wait(20)
    assert (host.base / "missed").read_text() == ""
    assert set((host.base / "seen").read_text().split()) == {"1", "2"}
