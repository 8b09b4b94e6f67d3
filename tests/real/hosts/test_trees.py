"""`send_tree`, alike on this machine and on a server: a folder arrives as it is, or there is an error."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import pytest

from pyhelpers.errors import BelayError, CommandFailed
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Host
from pyhelpers.hosts.tree import write_tree
from tests.lab.hosts import sh


def make_tree(folder: Path) -> None:
    """Make one of everything that a release may hold."""
    long = "deep/" * 40 + "x" * 120
    for name in ("plain", "with space", "new\nline", "ünï", os.fsdecode(b"caf\xe9"), "-rf", "'q'", long, "run.sh"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(1000))
        os.utime(path, (time.time(), 1_700_000_000))
    (folder / "run.sh").chmod(0o755)
    (folder / "plain").chmod(0o440)
    (folder / "empty").touch()
    (folder / "empty folder").mkdir()
    (folder / "empty folder").chmod(0o2771)
    (folder / "empty").chmod(0o666)  # more than the umask there would leave
    (folder / "first").write_text("one file, two names")
    (folder / "second").hardlink_to(folder / "first")
    (folder / "relative").symlink_to("deep/deep")
    (folder / "dangling").symlink_to("../../no where")
    (folder / "absolute").symlink_to("/etc/passwd")


def test_a_tree_arrives_with_its_names_modes_times_and_links(host: Host, place: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_tree(source)
    umask = os.umask(0o077)
    try:
        host.send_tree(source, f"{place}/new/tree")
    finally:
        os.umask(umask)
    listing = (
        "cd \"$1\" && find . -mindepth 1 -printf '%p\\0%y%m\\0%l\\0' | sort -z | sha256sum"
        " && find . -type f -printf '%p %s %Ts\\0' | sort -z | sha256sum"
        " && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"
        " && find . -samefile first -printf '%p\\n' | sort"
    )
    local = sh(LocalHost(), listing, str(source))
    assert sh(host, listing, f"{place}/new/tree") == local
    assert local.endswith("./first\n./second\n")


def test_the_same_tree_makes_the_same_bytes(tmp_path: Path) -> None:
    make_tree(tmp_path / "source")
    streams = []
    for _ in range(2):
        stream = io.BytesIO()
        write_tree(tmp_path / "source", stream)  # type: ignore[arg-type]  # BytesIO writes as well as a Feed
        streams.append(stream.getvalue())
    assert streams[0] == streams[1]
    assert streams[0]


@pytest.mark.parametrize("tar", [["tar"], ["busybox", "tar"]], ids=" ".join)
def test_gnu_and_busybox_read_the_same_tree_from_it(tmp_path: Path, tar: list[str]) -> None:
    make_tree(tmp_path / "source")
    stream = io.BytesIO()
    write_tree(tmp_path / "source", stream)  # type: ignore[arg-type]  # BytesIO writes as well as a Feed
    (tmp_path / "there").mkdir()
    argv = [*tar, "-x", "-p", "-o", "-f", "-", "-C", str(tmp_path / "there")]
    assert LocalHost().run(argv, stdin=stream.getvalue()).ok
    assert LocalHost().run(["diff", "-r", "--no-dereference", str(tmp_path / "source"), str(tmp_path / "there")]).ok


def test_an_existing_folder_keeps_what_is_not_sent(host: Host, place: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    sh(host, 'chmod 755 "$1"; echo old > "$1/old"; echo old > "$1/new"', place)
    host.send_tree(tmp_path, place)
    assert sh(host, 'cd "$1"; stat -c %a .; cat new old', place) == "755\nnewold\n"


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ([".git"], "a a/b a/b/c.log a/node_modules a/node_modules/x c.log"),
        (["*.log"], ".git .git/x a a/.git a/b a/node_modules a/node_modules/x"),
        (["node_modules", ".git/"], "a a/b a/b/c.log c.log"),
        (["b/*.log"], ".git .git/x a a/.git a/b a/node_modules a/node_modules/x c.log"),
        (["./c.log", "./.git"], "a a/.git a/b a/b/c.log a/node_modules a/node_modules/x"),
        (["a*"], ".git .git/x c.log"),
    ],
)
def test_patterns_leave_out_what_tar_would_leave_out(
    host: Host, place: str, tmp_path: Path, patterns: list[str], left: str
) -> None:
    source = tmp_path / "source"
    for name in ("a/b", "a/node_modules", ".git"):
        (source / name).mkdir(parents=True)
    for name in ("a/b/c.log", "a/node_modules/x", "a/.git", ".git/x", "c.log"):
        (source / name).touch()
    host.send_tree(source, place, exclude=patterns)
    assert sh(host, 'cd "$1"; find . -mindepth 1 | cut -c3- | LC_ALL=C sort | xargs', place).strip() == left


def test_what_cannot_be_sent_is_said(host: Host, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    host.send_tree(tmp_path, place)
    assert "pipe was not sent" in caplog.text
    assert sh(host, 'ls "$1"', place) == "file\n"


def test_a_tree_that_does_not_fit_is_an_error(host: Host, place: str, tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    sh(host, 'echo in the way > "$1/file"; mkdir -p "$1/folder/name"; touch "$1/folder/name/x"', place)
    with pytest.raises(CommandFailed, match="unpacking into"):
        host.send_tree(tmp_path, f"{place}/file")
    (tmp_path / "name").rmdir()
    (tmp_path / "name").touch()
    with pytest.raises(CommandFailed, match="unpacking into"):
        host.send_tree(tmp_path, f"{place}/folder")


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(host: Host, place: str, tmp_path: Path) -> None:
    """P7: half a tree is no tree."""
    with (tmp_path / "file").open("wb") as sparse:
        sparse.truncate(20_000_000_000)
    cut = threading.Timer(0.5, os.truncate, (tmp_path / "file", 0))
    cut.start()
    with pytest.raises(BelayError):
        host.send_tree(tmp_path, place)
    cut.join()


def test_a_source_that_is_no_folder_is_an_error(host: Host, place: str, tmp_path: Path) -> None:
    with pytest.raises(BelayError, match="isn't a folder"):
        host.send_tree(tmp_path / "missing", place)
