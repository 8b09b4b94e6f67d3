"""`put` and `get`, alike on this machine and on a server: a file is its old self or its new one, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhelpers.errors import CommandFailed
from pyhelpers.hosts import files
from pyhelpers.hosts.local import LocalHost
from pyhelpers.hosts.protocol import Host
from tests.lab.hosts import sh

PUT = Path(files.__file__).with_name("put.sh")


@pytest.mark.parametrize("content", [b"", b"one line", bytes(range(256)) * 5000], ids=["empty", "line", "binary"])
def test_a_file_comes_back_byte_by_byte(host: Host, place: str, content: bytes) -> None:
    path = f'{place}/it\'s a "name"\n$(x) é'
    host.put(content, path)
    assert host.get(path) == content
    assert sh(host, 'stat -c %a "$1"', path) == "600\n"


def test_a_new_version_replaces_the_whole_old_one(host: Host, place: str) -> None:
    path = f"{place}/.env"
    host.put(b"long and old", path, mode=0o644)
    host.put(b"new", path, mode=0o640)
    assert host.get(path) == b"new"
    assert sh(host, 'stat -c %a "$1"; ls -A "$2"', path, place) == "640\n.env\n"


def test_nothing_is_written_where_it_cannot_be(host: Host, place: str) -> None:
    for path in (f"{place}/no/such/folder/file", place):
        with pytest.raises(CommandFailed, match="writing"):
            host.put(b"x", path)
    assert sh(host, 'ls -A "$1"', place) == ""


@pytest.mark.parametrize("shell", [["sh"], ["busybox", "sh"]], ids=" ".join)
def test_content_that_was_cut_short_on_the_way_replaces_nothing(tmp_path: Path, shell: list[str]) -> None:
    """A lost link ends the script's input early, which by itself looks like the end of the content."""
    path = tmp_path / "file"
    path.write_text("old")
    argv = [*shell, "-c", PUT.read_text(), "put", str(path), "600", "1000"]
    assert LocalHost().run(argv, stdin=b"x" * 999).exit_code == 1
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert LocalHost().run(argv, stdin=b"x" * 1000).ok
    assert path.read_text() == "x" * 1000


def test_a_missing_file_is_an_error(host: Host, place: str) -> None:
    with pytest.raises(CommandFailed, match="reading"):
        host.get(f"{place}/missing")


def test_a_path_depends_on_no_working_folder(host: Host) -> None:
    with pytest.raises(ValueError, match="absolute"):
        host.put(b"x", "relative")
    with pytest.raises(ValueError, match="absolute"):
        host.get("-n")
