"""Code that is exchanged in place comes back file by file, and nothing that was there in between is destroyed."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.shells import Shell, deadly_tools, error, facts


@dataclass
class Host:
    """An app's folder under a deploy, and the verbs of the script."""

    shell: Shell
    base: Path
    deploy: Path

    def run(self, verb: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run one verb."""
        base = {"BELAY_BASE": str(self.base), "BELAY_DEPLOY": str(self.deploy)}
        return self.shell.run("inplace.sh", verb, self.base, environment=base | (environment or {}))

    def ok(self, verb: str) -> dict[str, str]:
        """Run one verb that must succeed."""
        done = self.run(verb)
        assert done.returncode == 0, error(done)
        return facts(done)

    def write(self, name: str, text: str = "old") -> Path:
        """Write a file of the app."""
        file = self.base / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


@pytest.fixture
def host(shell: Shell, tmp_path: Path) -> Host:
    base = tmp_path / "my site"
    deploy = base / ".belay" / "deploys" / "1"
    deploy.mkdir(parents=True)
    return Host(shell, base, deploy)


def code(base: Path) -> dict[str, object]:
    """What the code is: kind, mode and content of everything but what isn't the code's."""
    found: dict[str, object] = {}
    for path in sorted(base.rglob("*")):
        name = str(path.relative_to(base))
        if name.split("/", maxsplit=1)[0] in {".belay", "storage", "maintenance.json"} or ".sqlite" in name:
            continue
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))  # noqa: PTH115
        elif path.is_dir():
            found[name] = ("folder", mode)
        else:
            found[name] = (mode, path.read_bytes())
    return found


def test_changed_removed_and_added_files_go_back_and_the_replaced_ones_are_kept(host: Host) -> None:
    """P2, P9."""
    host.write("public/index.php")
    host.write("vendor/a b/lib.php").chmod(0o640)
    host.write(" odd 'name' \"$(id)\"\t*?[x].php")
    host.write("-rf")
    host.write("gone/deep/er.php")
    (host.base / "gone/deep").chmod(0o750)
    (host.base / "link").symlink_to("vendor/a b")
    (host.base / "empty").mkdir()
    before = code(host.base)
    host.ok("snapshot")

    host.write("public/index.php", "new")
    host.write("vendor/a b/lib.php", "new").chmod(0o600)
    host.write(" odd 'name' \"$(id)\"\t*?[x].php", "new")
    host.write("-rf", "new")
    shutil.rmtree(host.base / "gone")
    (host.base / "gone").write_text("now a file")
    (host.base / "link").unlink()
    host.write("link/now/a/folder.php", "new")
    (host.base / "empty").rmdir()
    host.write("added/by/the deploy.php", "new")
    (host.base / "public").chmod(0o700)

    done = host.ok("restore")
    assert code(host.base) == before
    attic = Path(done["attic"])
    assert {str(path.relative_to(attic)) for path in attic.rglob("*") if path.is_file()} == {
        "public/index.php", "vendor/a b/lib.php", " odd 'name' \"$(id)\"\t*?[x].php", "-rf", "gone",
        "link/now/a/folder.php", "added/by/the deploy.php",
    }  # fmt: skip
    assert (attic / "public/index.php").read_text() == "new"
    assert int(done["moved"]) == 3
    assert host.ok("restore")["restored"] == "0", "P8: twice is the same as once"
    assert code(host.base) == before


def test_what_is_not_code_is_neither_copied_nor_touched(host: Host) -> None:
    """P9: uploads, logs, databases and the maintenance flag of now stay; git's objects only grow."""
    kept = ["storage/app/upload", "maintenance.json", "database/database.sqlite", "database/database.sqlite-wal",
            "data/app.db", "data/odd [name]*.data", ".git/objects/ab/cd"]  # fmt: skip
    (host.deploy / "database").mkdir()
    (host.deploy / "database" / "engine").write_text("sqlite\n")
    (host.deploy / "database" / "database").write_text(f"{host.base}/data/odd [name]*.data\n")
    for name in kept:
        host.write(name)
    host.write(".git/HEAD", "ref: refs/heads/old")
    host.write("data/odd n.data")
    host.ok("snapshot")
    copied = {
        str(path.relative_to(host.deploy / "snapshot/code"))
        for path in (host.deploy / "snapshot/code").rglob("*")
        if path.is_file()
    }
    assert copied == {".git/HEAD", "data/odd n.data"}
    for name in [*kept, "storage/app/later", "later.sqlite"]:
        host.write(name, "written since")
    host.write(".git/HEAD", "ref: refs/heads/new")
    host.ok("restore")
    for name in [*kept, "storage/app/later", "later.sqlite"]:
        assert (host.base / name).read_text() == "written since"
    assert (host.base / ".git/HEAD").read_text() == "ref: refs/heads/old"


def test_a_change_that_keeps_size_and_modification_time_is_still_seen(host: Host) -> None:
    """P2: tools such as rsync and tar set the time back; nobody can set back the change time."""
    file = host.write("code.php", "aaaa")
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    host.ok("snapshot")
    file.write_text("bbbb")
    os.utime(file, ns=times)
    host.ok("restore")
    assert file.read_text() == "aaaa"


def test_the_snapshot_is_never_taken_of_the_new_code(host: Host) -> None:
    """P8: a step that runs again after the deploy-command keeps the first snapshot."""
    file = host.write("code.php", "old")
    host.ok("snapshot")
    file.write_text("new")
    host.ok("snapshot")
    host.ok("restore")
    assert file.read_text() == "old"


def test_without_a_whole_snapshot_there_is_nothing_to_put_back(host: Host) -> None:
    """P8: the undo is noted before the step, which may never have run."""
    file = host.write("code.php", "old")
    assert host.ok("restore") == {"restored": "0"}
    assert host.run("snapshot", deadly_tools(host.base / ".belay/tools", 2)).returncode != 0
    file.write_text("a person's own change")
    assert host.ok("restore") == {"restored": "0"}
    assert file.read_text() == "a person's own change"


@pytest.mark.parametrize("name", ["line\nbreak.php", "back\\slash.php"])
def test_names_that_cannot_be_put_back_safely_are_refused_at_once(host: Host, name: str) -> None:
    """P2: said before the deploy-command runs, not when its changes have to go."""
    host.write(name)
    done = host.run("snapshot")
    assert done.returncode == 1
    assert "line break or a backslash" in error(done)
    assert not (host.deploy / "snapshot" / "complete").exists()


def test_a_folder_that_cannot_be_read_makes_the_snapshot_fail(host: Host) -> None:
    """P7: half a snapshot is none. Root reads everything, so a file that isn't there any more plays the part."""
    host.write("code.php")
    tools = host.base / ".belay" / "tools"
    tools.mkdir()
    (tools / "tar").write_text(
        "#!/bin/sh\ncase $1 in --version) echo GNU tar ;; -cf) exit 2 ;; *) cat >/dev/null ;; esac\n"
    )
    (tools / "tar").chmod(0o755)
    assert host.run("snapshot", {"PATH": f"{tools}:{host.shell.path}"}).returncode == 1
    assert not (host.deploy / "snapshot" / "complete").exists()


def scramble(base: Path, chance: random.Random) -> None:
    """Do to a tree what a deploy-command may do."""
    for path in sorted(base.rglob("*"), reverse=True):
        if ".belay" in path.parts or not os.path.lexists(path):
            continue
        deed = chance.choice(["leave", "leave", "write", "remove", "mode", "swap"])
        if path.is_symlink() or path.is_file():
            if deed == "write" and not path.is_symlink():
                path.write_text(str(chance.random()))
            elif deed in {"remove", "swap"}:
                path.unlink()
                if deed == "swap":
                    path.mkdir()
                    (path / "inside").write_text("new")
            elif deed == "mode" and not path.is_symlink():
                path.chmod(chance.choice([0o600, 0o755, 0o644]))
        elif deed in {"remove", "swap"}:
            shutil.rmtree(path)
            if deed == "swap":
                path.write_text("was a folder")


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_command_does_to_the_tree_it_comes_back(host: Host, seed: int) -> None:
    """P2: seeded chaos; a failing seed is a number to repeat."""
    chance = random.Random(seed)
    for number in range(60):
        folder = "/".join(chance.choice(["a", "b c", "d"]) for _ in range(chance.randrange(4)))
        host.write(f"{folder}/f {number}".lstrip("/"), str(chance.random())).chmod(chance.choice([0o600, 0o644, 0o755]))
    (host.base / "l").symlink_to("nowhere")
    before = code(host.base)
    host.ok("snapshot")
    scramble(host.base, chance)
    middle = code(host.base)
    host.ok("restore")
    assert code(host.base) == before
    for name, found in middle.items():
        if isinstance(found, tuple) and isinstance(found[1], bytes) and before.get(name) != found:
            assert (host.deploy / "replaced" / "code" / name).read_bytes() == found[1], "P9"


def test_killed_anywhere_a_rerun_brings_the_code_back_and_loses_nothing(host: Host, tmp_path: Path) -> None:
    """P2, P8, P9: the restore cut once at each step, each time on a copy of the same scene."""
    host.write("same.php")
    host.write("changed.php", "old")
    host.write("removed/file.php", "old")
    before = code(host.base)
    host.ok("snapshot")
    host.write("changed.php", "precious")
    host.write("added/file.php", "precious")
    shutil.rmtree(host.base / "removed")
    tools = ("rm", "rmdir", "mkdir", "sync", "mv", "tar", "chmod", "xargs", "sort")
    every = 1 if host.shell.name == "dash" else 4  # one of the two goes through all, for the time it takes
    for at in range(1, 120, every):
        base = tmp_path / f"scene {at}"
        shutil.copytree(host.base, base, symlinks=True)
        scene = Host(host.shell, base, base / ".belay/deploys/1")
        scene.run("restore", deadly_tools(tmp_path / "tools", at, tools=tools))
        calls = len((tmp_path / "tools" / "calls").read_text().splitlines())
        scene.ok("restore")
        assert code(base) == before
        assert (scene.deploy / "replaced/code/changed.php").read_text() == "precious"
        assert (scene.deploy / "replaced/code/added/file.php").read_text() == "precious"
        if calls < at:
            break
    assert at > 20, "or nothing was tried"


def test_thousands_of_files_take_no_process_each(shell: Shell, tmp_path: Path) -> None:
    """A vendor folder and node_modules have that many; processes are counted, not seconds."""
    host = Host(shell, tmp_path / "big", tmp_path / "big/.belay/deploys/1")
    host.deploy.mkdir(parents=True)
    count = 6_000 if shell.name == "dash" else 3_000
    for folder in range(count // 300):
        place = host.base / f"vendor/{folder}"
        place.mkdir(parents=True)
        for file in range(300):
            (place / f"{file}.php").write_text("x")
    tools = tmp_path / "tools"
    deadly = deadly_tools(tools, 0, tools=("tar", "stat", "xargs", "rm", "mkdir", "sh"))
    assert host.run("snapshot", deadly).returncode == 0
    shutil.rmtree(host.base / "vendor")
    assert host.run("restore", deadly).returncode == 0
    assert sum(1 for path in (host.base / "vendor").rglob("*.php")) == count
    assert len((tools / "calls").read_text().splitlines()) < count / 20
