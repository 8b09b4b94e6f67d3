"""Every input's bad values end with 2 and one error that names the input, before anything on the disk has changed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from pyhelpers.cli.main import guarded, invoke
from pyhelpers.cli.session import Session
from pyhelpers.errors import Exit
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from tests.contract.surface import options, verbs

Start = Callable[..., tuple[int, str]]
VERBS = {words: command for words, command in verbs() if not isinstance(command, click.Group)}

# What a user would otherwise give, so that only the bad input is wrong.
NEEDED = {"path": "/nowhere/app", "url": "http://127.0.0.1:9/", "mode": "status", "attempts": "1"}
BEGUN = {
    "verdict": {"deployment-id": "1000-1-0123456789abcdef"},  # without one it has nothing to ask
    "gate phpstan": {"phpstan": "/bin/true"},
}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nnothing\n-----END OPENSSH PRIVATE KEY-----\n"
PIN = "app.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEv6AvtvXbLQVm8hkmjXbv9pS0T1XvnUO6xZL1fbSZCj"
RESTORE = {"backup-filename": "latest", "deployment-id": "1000-1-0123456789abcdef"}
IN_PRODUCTION = {**RESTORE, "environment": "production"}
SSH = {"host": "app.example.com", "user": "deploy", "ssh-key": KEY, "known-hosts": PIN}

# Beside what follows from each input's type: values of the right type that can't be right, with what else is given.
SPECIAL: dict[str, list[tuple[str, dict[str, str]]]] = {
    "host": [
        ("app.example.com\napp.example.com", SSH),
        ("deploy@@app.example.com", SSH),
        ("app.example.com:ssh", SSH),
        ("app.example.com:22:22", SSH),
        ("[app.example.com]:22", SSH),
        ("-oProxyCommand=id", SSH),
        ("app example com", SSH),
        ("", {**SSH, "host": ""}),  # a secret whose name was misspelled
        ("", {"host": "", "user": "deploy"}),
    ],
    "inventory": [
        ("no-such-file.yml", {**SSH, "host": ""}),
        ("/etc/hostname#web", {**SSH, "host": ""}),
        ("hosts.yml", SSH),
    ],
    "rollout": [("rolling", {}), ("canary", {"schema": "exclusive"})],
    "user": [("", {**SSH, "user": ""}), ("root@app", SSH), ("-l", SSH), ("a b", SSH)],
    "ssh-key": [
        ("", {**SSH, "ssh-key": ""}),
        ("ssh-ed25519 AAAA someone@somewhere", SSH),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nnothing", SSH),
        ("not a key at all", SSH),
        (KEY, SSH),
    ],
    "known-hosts": [
        ("", {**SSH, "known-hosts": ""}),
        ("app.example.com", SSH),
        ("@cert-authority * ssh-ed25519 AAAA", SSH),
        ("app.example.com ssh-rot13 AAAA", SSH),
        ("app.example.com ssh-ed25519 not-base64!", SSH),
        (PIN.replace("app.", "other."), SSH),
    ],
    "jump-host": [("gate.example.com", SSH), ("jump@gate.example.com:99999", SSH), ("jump@gate:ssh", SSH)],
    "path": [("", {}), ("relative/app", {}), ("/", {}), ("/var/../etc", {}), ("//app", {}), ("/var/my app", {})],
    "source": [("no-such-folder", {})],
    "deploy-command": [("", {"layout": "in-place"})],
    "offsite": [("b2://bucket/prefix", {})],
    "services": [
        ("nginx", {}),
        ("php-fpm:", {}),
        ("queue\nsupervisor: a b", {}),
        ("supervisor: -c/tmp/x", {}),
        ("pm2: --version", {}),
        ("php-fpm: /run/php;id.pid", {}),
        ("queue\u2028reload", {}),
    ],
    "health-url": [("app.example.com/up", {}), ("https://", {}), ("ftp://app.example.com", {}), ("http://a:b/", {})],
    "health-expect": [
        ("cheerful", {"health-url": "http://127.0.0.1:9/"}),
        ("status=abc", {"health-url": "http://127.0.0.1:9/"}),
        ("status=200", {}),
    ],
    "secret": [("short", {}), ("with/slash/in-it", {}), ("with space in it", {})],
    "bypass-secret": [("short", {}), ("with/slash/in-it", {})],
    "render": [("../../etc/passwd'", {}), ("--view", {}), ("errors 503", {})],
    "redirect": [("soon", {}), ("//evil.example.com", {}), ("https://evil.example.com", {})],
    "directory": [("backups", {}), ("/", {}), ("/a/../b", {})],
    "database-url": [("name", {}), ("redis://localhost/0", {}), ("mysql://", {}), ("mysql://user:p w@host/db", {})],
    "deployment-id": [("../other", {}), ("-rf", {}), (".hidden", {}), ("a b", {}), ("a/b", {}), ("x" * 200, {})],
    "backup-filename": [("../../etc/passwd", {}), ("backup.sql", {}), ("20260131T235959Z-0123.sql", {}), ("/../x", {})],
    "from": [("b2://bucket/prefix", {}), ("file:///backups", {}), ("HOST", {})],
    "into": [
        ("../live", {}),
        ("live; DROP DATABASE live", {}),
        ("/tmp/../etc/x", {}),
        ("-o", {}),
        ("a/b", {}),
        ("/", {}),
    ],
    "confirm": [("", IN_PRODUCTION), ("staging", IN_PRODUCTION), ("production", RESTORE)],
    "release": [("../current", {}), ("-n", {}), ("a b", {}), ("x" * 200, {})],
    "health-results": [
        ("healthy", {}),
        ("[]", {}),
        ('{"checks": 5}', {}),
        ('{"checks": [{"url": "file:///etc"}]}', {}),
    ],
    "url": [("", {}), ("127.0.0.1", {}), ("file:///etc/passwd", {}), ("http://", {}), ("http://a b/", {})],
    "expect-status": [(",", {}), ("fine", {}), ("200-", {}), ("299-200", {}), ("700", {})],
    "expect-json": [("database", {})],
    "successes": [("5", {"attempts": "2"})],
    "providers": [("stripe", {})],
    "cache-file": [("/tmp/cache", {})],
    "working-directory": [("no-such-folder", {}), (".\nno-such-folder", {})],
    "config": [("no-such.neon", {})],
    "level": [("eleven", {}), ("-1", {}), ("9.5", {}), ("100", {})],
    "paths": [("no-such-folder", {})],
    "memory-limit": [("lots", {}), ("1GB", {}), ("0", {}), ("-2", {})],
    "php": [("no-such-php", {})],
    "phpstan": [("no-such-phpstan", {}), ("tools/no-such-phpstan", {})],
    "base-ref": [("--upload-pack=id", {}), ("a b", {})],
    "sarif": [("no-such-folder/phpstan.sarif", {}), (".", {})],
    "token": [("ghs two words", {}), ("ghs_\u00e4", {}), ("one\ntwo", {})],
}
# Free text, in which nothing but a control character can be wrong.
FREE = {"environment", "build-command", "migrate-command", "expect-release", "check-run"}


def by_type(option: click.Option) -> Iterator[str]:
    """Give the values that an input of this type can't have."""
    kind = option.type
    if isinstance(kind, click.Choice):
        yield from ("sideways", "AUTO", "a\x07b")
    elif isinstance(kind, click.IntRange | click.FloatRange):
        yield from ("many", "nan", "inf", "0x10", f"{(kind.min or 0) - 1:g}")
        if kind.max is not None:
            yield f"{kind.max + 1:g}"
        if isinstance(kind, click.IntRange):
            yield "1.5"
    elif option.is_flag:
        yield from ("maybe", "2")
    else:
        yield from ("bell\x07", "escape\x1b[2J", "c1\x9bm", "raw\udcff")


def cases() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Give every verb, input and bad value, with what else is given."""
    for words, command in VERBS.items():
        found = options(command)
        for name, option in found.items():
            for value in by_type(option):
                yield words, name, value, {}
            for value, others in SPECIAL.get(name, []) if (words, name) not in FINE_HERE else []:
                yield words, name, value, others if "host" in found else {}


# `status` is another input in each of these; by hand `backup list` and the like take no URL.
FINE_HERE: set[tuple[str, str]] = {("health", "connect-timeout")}
CASES = list(cases())


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that runs a verb as a step of a job, and gives its exit code and its log."""
    (tmp_path / "app.php").write_text("<?php\n")
    (tmp_path / "output").touch()
    monkeypatch.chdir(tmp_path)

    def run(words: str, given: dict[str, str], *arguments: str) -> tuple[int, str]:
        for name in options(VERBS[words]):
            if name in given:
                monkeypatch.setenv("INPUT_" + name.upper().replace("-", "_"), given[name])
        log = io.TextIOWrapper(io.BytesIO(), "utf-8")
        runner = Runner(on_github=True, output=tmp_path / "output", run_id="1")
        session = Session(runner, Log(runner, log))
        code = guarded(session.log, lambda: invoke(session, [*words.split(), *arguments]))
        log.seek(0)
        return code, log.read()

    return run


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def errors(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith("::error")]


@pytest.mark.parametrize(("words", "name", "value", "others"), CASES)
def test_a_bad_value_is_one_error_that_names_the_input_and_changes_nothing(
    words: str, name: str, value: str, others: dict[str, str], start: Start, tmp_path: Path
) -> None:
    """P2: what is refused is refused before anything changed."""
    base = tmp_path / "host"
    base.mkdir()
    before = everything(tmp_path)
    given = NEEDED | {"path": str(base)} | BEGUN.get(words, {}) | others | {name: value}
    code, log = start(words, given)
    assert code == Exit.BAD_INPUT, log
    assert len(errors(log)) == 1, log
    assert f"::{name}: " in errors(log)[0].replace("%3A", ":"), log
    assert everything(tmp_path) == before


def test_every_input_has_a_bad_value_of_its_own_or_is_free_text() -> None:
    for command in VERBS.values():
        for name, option in options(command).items():
            plain_text = (
                not isinstance(option.type, click.Choice | click.IntRange | click.FloatRange) and not option.is_flag
            )
            assert not plain_text or name in SPECIAL or name in FREE, name


@pytest.mark.parametrize(
    ("words", "name"),
    [("deploy", "ssh-key"), ("deploy", "secret"), ("backup create", "database-url"), ("health", "bypass-secret")],
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(words: str, name: str, start: Start) -> None:
    """P6: everyone on the machine can read a command line."""
    code, log = start(words, NEEDED, f"--{name}", "hunter2-hunter2-hunter2")
    assert code == Exit.BAD_INPUT
    assert f"::{name}: is a secret" in errors(log)[0]
    assert "INPUT_" in errors(log)[0]
    assert "hunter2" not in log


def test_a_secret_that_is_refused_is_not_repeated(start: Start) -> None:
    """P6: neither a key that can't be read, nor a URL that is no database's."""
    for words, name, value in (
        ("deploy", "ssh-key", "my-hunter2-key"),
        ("backup create", "database-url", "hunter2:hunter2"),
        ("maintenance", "secret", "hunter2/hunter2"),
        ("health", "bypass-secret", "hunter2/hunter2"),
    ):
        code, log = start(words, {**NEEDED, **(SSH if words == "deploy" else {}), name: value})
        assert (code, len(errors(log))) == (Exit.BAD_INPUT, 1)
        assert "hunter2" not in log.replace(f"::add-mask::{value}", "")


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["dploy"], [], ["backup"], ["deploy", "surplus"], ["maintenance", "up"]]
)
def test_a_command_line_that_makes_no_sense_is_one_error(arguments: list[str], tmp_path: Path) -> None:
    log = io.StringIO()
    runner = Runner(on_github=True, output=tmp_path / "output")
    session = Session(runner, Log(runner, log))
    assert guarded(session.log, lambda: invoke(session, arguments)) == Exit.BAD_INPUT
    assert len(errors(log.getvalue())) == 1
    assert "--help" in log.getvalue() or "What it is" in log.getvalue() or "one of" in log.getvalue()


def test_white_space_around_a_value_means_nothing(start: Start, tmp_path: Path) -> None:
    """Secrets and variables are pasted with the line's end."""
    base = tmp_path / "host"
    base.mkdir()
    code, log = start("maintenance", {"path": f" {base}\n", "mode": "status"})
    assert code == Exit.DONE, log
