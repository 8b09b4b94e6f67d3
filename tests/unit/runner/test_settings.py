"""`belay.toml`: what it gives, and how it tells its mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyhelpers.errors import BadInput
from pyhelpers.runner.settings import load_defaults

KNOWN: dict[str, type] = {
    "host": str,
    "port": int,
    "path": str,
    "connect-timeout": float,
    "dry-run": bool,
    "from": str,
    "database-url": str,
    "ssh-key": str,
    "secret": str,
    "environment": str,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def load(folder: Path, source: str, environment: str = "") -> dict[str, Any]:
    """Return the defaults of a belay.toml with this text."""
    (folder / "belay.toml").write_text(source)
    return load_defaults(folder, environment, KNOWN)


def refused(folder: Path, source: str, environment: str = "") -> BadInput:
    """Return the error that this text leads to."""
    with pytest.raises(BadInput) as caught:
        load(folder, source, environment)
    return caught.value


GOOD = """\
# for every environment
path = "/srv/app"
connect-timeout = 5
from = "host"

[production]
host = ["web1.example", "web2.example"]
port = 2222
dry-run = true

[staging]
path = "/srv/staging"
"""


def test_without_a_file_there_are_no_defaults(folder: Path) -> None:
    assert load_defaults(folder, "production", KNOWN) == {}


def test_without_an_environment_the_top_of_the_file_counts(folder: Path) -> None:
    assert load(folder, GOOD) == {"path": "/srv/app", "connect_timeout": 5, "from": "host"}


def test_the_environments_table_adds_and_wins(folder: Path) -> None:
    assert load(folder, GOOD, "production") == {
        "path": "/srv/app",
        "connect_timeout": 5,
        "from": "host",
        "host": "web1.example\nweb2.example",
        "port": 2222,
        "dry_run": True,
    }
    assert load(folder, GOOD, "staging")["path"] == "/srv/staging"


def test_another_file_can_be_named(folder: Path) -> None:
    (folder / "deploy").mkdir()
    (folder / "deploy" / "shop.toml").write_text('host = "web1"')
    assert load_defaults(folder, "", KNOWN, config=Path("deploy/shop.toml")) == {"host": "web1"}
    with pytest.raises(BadInput, match="BELAY_CONFIG: there is no file"):
        load_defaults(folder, "", KNOWN, config=Path("missing.toml"))


def test_an_environment_without_a_table_is_a_slip_of_the_pen(folder: Path) -> None:
    """Else `prodcution` would deploy with half of its settings."""
    error = refused(folder, GOOD, "prodcution")
    assert str(error) == "belay.toml: [prodcution]: there is no such table; there are [production], [staging]"
    assert error.remedy == 'Did you mean "production"?'
    assert "nothing under it" in refused(folder, GOOD, "preview").remedy
    assert load(folder, 'path = "/srv/app"', "preview") == {"path": "/srv/app"}


@pytest.mark.parametrize(
    ("source", "message", "remedy"),
    [
        ("prot = 22\n", "belay.toml:1: prot: is not an input", 'Did you mean "port"?'),
        ("[staging]\n\nconnect_timeout = 1\n", "belay.toml:3: [staging] connect_timeout: is not an input", 'Did you mean "connect-timeout"?'),
        ("[production]\nzzz = 1\n", "belay.toml:2: [production] zzz: is not an input", ""),
        ('port = "22"\n', "belay.toml:1: port: must be a whole number, not text", ""),
        ("port = true\n", "belay.toml:1: port: must be a whole number, not true or false", ""),
        ("port = [22]\n", "belay.toml:1: port: must be a list of texts in quotes, each of one line", ""),
        ('port = ["22"]\n', "belay.toml:1: port: must be a whole number, not text", ""),
        ("path = 5\n", "belay.toml:1: path: must be text in quotes, not a whole number", ""),
        ("path = 2026-11-21\n", "belay.toml:1: path: must be text in quotes, not a date or a time", ""),
        ('host = ["a\\nb"]\n', "belay.toml:1: host: must be a list of texts in quotes, each of one line", ""),
        ('dry-run = "yes"\n', "belay.toml:1: dry-run: must be true or false, not text", ""),
        ("dry-run = 1\n", "belay.toml:1: dry-run: must be true or false, not a whole number", ""),
        ("connect-timeout = true\n", "belay.toml:1: connect-timeout: must be a number, not true or false", ""),
        ("[production.host]\na = 1\n", "belay.toml:1: [production] host: must be text in quotes, not a table", ""),
        ("[host]\na = 1\n", "belay.toml:1: host: is an input, and a table's name must be an environment's", ""),
        ("[[staging]]\nport = 1\n", "belay.toml:1: staging: is not an input", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_and_key(folder: Path, source: str, message: str, remedy: str) -> None:
    error = refused(folder, source)
    assert str(error) == message
    assert error.remedy == remedy


def test_a_mistake_in_a_table_that_was_not_chosen_is_told_too(folder: Path) -> None:
    assert "[staging] zzz" in str(refused(folder, "[production]\nport = 1\n[staging]\nzzz = 1\n", "production"))


@pytest.mark.parametrize(
    "source",
    [
        'ssh-key = "PRIVATE"',
        'ssh_key = "PRIVATE"',
        'secret = "PRIVATE"',
        '[production]\nbypass-secret = "PRIVATE"',
        'token = "PRIVATE"',
        'DB_PASSWORD = "PRIVATE"',
        'passphrase = "PRIVATE"',
        'identity = "PRIVATE"',
        'database-url = "mysql://app:PRIVATE@db/app"',
        'host = "-----BEGIN OPENSSH PRIVATE KEY-----PRIVATE"',
        'host = "AGE-SECRET-KEY-1PRIVATE"',
        'host = ["ghp_PRIVATEPRIVATEPRIVATE01234"]',
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(folder: Path, source: str) -> None:
    """P6."""
    error = refused(folder, source)
    assert "committed" in str(error)
    assert "PRIVATEPRIVATE" not in str(error) + error.remedy + repr(error)
    assert "PRIVATE" not in str(error) + error.remedy


def test_a_url_without_a_password_is_welcome(folder: Path) -> None:
    assert load(folder, 'database-url = "mysql://app@db:3306/app"') == {"database_url": "mysql://app@db:3306/app"}


def test_a_line_is_named_only_when_it_is_plain_to_see(folder: Path) -> None:
    error = refused(folder, 'path = """\nzzz = 1\n"""\nzzz = 1\n')
    assert str(error) == "belay.toml: zzz: is not an input"


@pytest.mark.parametrize(
    ("source", "said"),
    [("port = \n", "line 1"), ("port = 1\nport = 2\n", "line 2"), (f"port = {'[' * 9999}", "")],
)
def test_what_is_not_toml_is_told_with_its_line(folder: Path, source: str, said: str) -> None:
    error = refused(folder, source)
    assert str(error).startswith("belay.toml: is not TOML: ")
    assert said in str(error)


def test_a_file_from_windows_is_read(folder: Path) -> None:
    (folder / "belay.toml").write_bytes(b'\xef\xbb\xbfpath = "/srv"\r\n[staging]\r\nzzz = 1\r\n')
    with pytest.raises(BadInput, match=r"belay\.toml:3"):
        load_defaults(folder, "", KNOWN)


def test_a_file_that_can_not_be_read_is_bad_input(folder: Path) -> None:
    (folder / "belay.toml").write_bytes(b"path = '\xff'")
    with pytest.raises(BadInput, match="not UTF-8"):
        load_defaults(folder, "", KNOWN)
    (folder / "belay.toml").unlink()
    (folder / "belay.toml").mkdir()
    with pytest.raises(BadInput, match="can't be read"):
        load_defaults(folder, "", KNOWN)
