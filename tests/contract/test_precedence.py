"""Option over `INPUT_*` over belay.toml over default: for every input of every verb."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from pyhelpers.cli.main import invoke
from pyhelpers.cli.session import Session
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.log import Log
from tests.contract.surface import options, verbs

SECRETS = {"ssh-key", "secret", "bypass-secret", "database-url", "token"}  # never by option, never in belay.toml
# Two values each, for inputs that don't take any text.
VALUES: dict[str, tuple[str, str]] = {
    "release": ("one", "two"),
    "deployment-id": ("1-1-a", "2-1-b"),
    "backup-filename": ("20260131T235959Z-0123456789abcdef.sqlite.zst", "latest"),
    "health-results": ('{"checks":[]}', json.dumps({"checks": [{"url": "http://localhost/"}]})),
    "health-url": ("http://localhost/one", "http://localhost/two"),
    "services": ("queue", "reload"),
    "directory": ("/one", "/two"),
    "from": ("file:///one", "host"),
    "render": ("errors::503", "soon"),
    "redirect": ("/one", "/two"),
    "level": ("5", "max"),
    "memory-limit": ("2G", "512M"),
    "database-url": ("sqlite:////one", "sqlite:////two"),
}
CASES = [(words, name) for words, command in verbs() for name in options(command)]

Given = Callable[..., object]


def two_values(name: str, option: click.Option) -> tuple[Any, Any]:
    """Return two values of the option's type that differ; the first is not its default."""
    kind = option.type
    if isinstance(kind, click.Choice):
        choices: list[Any] = [choice for choice in kind.choices if choice != option.default]
        return choices[0], option.default or choices[1]
    if isinstance(kind, click.IntRange | click.FloatRange):
        lowest = int((kind.min or 0) + 1)
        numbers = [number for number in (lowest, lowest + 1, lowest + 2) if number != option.default]
        return numbers[0], numbers[1]
    if option.is_flag:
        return (not option.default), option.default
    return VALUES.get(name, ("first-value", "second-value"))


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """Return a function that starts a verb with an option, a variable and a belay.toml, and tells what the verb was given."""
    monkeypatch.chdir(tmp_path)

    def run(words: str, name: str, *, option: Any = None, variable: Any = None, toml: Any = None) -> object:
        command = dict(verbs())[words]
        received: dict[str, Any] = {}
        monkeypatch.setattr(command, "callback", received.update)
        found = options(command)[name]
        monkeypatch.delenv(str(found.envvar), raising=False)
        if variable is not None:
            monkeypatch.setenv(str(found.envvar), as_text(variable))
        (tmp_path / "belay.toml").write_text("" if toml is None else f"{name} = {json.dumps(toml)}\n")
        arguments = words.split()
        if option is not None:
            switch = [f"--{name}" if option else f"--no-{name}"]
            arguments += switch if found.is_flag else [f"--{name}", as_text(option)]
        invoke(Session(Runner(), Log(Runner(), io.StringIO())), arguments)
        return received[found.name or ""]

    return run


def as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("words", "name"), CASES)
def test_what_stands_nearer_wins(words: str, name: str, given: Given) -> None:
    option = options(dict(verbs())[words])[name]
    one, other = two_values(name, option)
    if name in SECRETS:
        assert given(words, name, variable=one) == one
    else:
        assert given(words, name, option=one, variable=other, toml=other) == one
        assert given(words, name, variable=one, toml=other) == one
        assert given(words, name, toml=one) == one
        assert given(words, name, variable="", toml=one) == one, "GitHub sets an omitted input to nothing"
    default = given(words, name)
    assert default == option.default
    assert default == given(words, name, variable="")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--environment", "staging"],
        ["--environment=staging"],
        ["--environment", "production", "--environment", " staging "],
        [],
    ],
)
def test_the_environment_chooses_the_table(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "belay.toml").write_text('path = "/top"\nport = 1\n[staging]\nport = 2\n[production]\nport = 3\n')
    if not arguments:
        monkeypatch.setenv("INPUT_ENVIRONMENT", "staging\n")
    received: dict[str, Any] = {}
    monkeypatch.setattr(dict(verbs())["deploy"], "callback", received.update)
    invoke(Session(Runner(), Log(Runner(), io.StringIO())), ["deploy", *arguments])
    assert (received["path"], received["port"]) == ("/top", 2)


def test_a_verb_without_environment_reads_only_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a health check of staging would ask as production's table says, or fail for the want of one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "belay.toml").write_text("timeout = 7.0\n[staging]\ntimeout = 9.0\n")
    received: dict[str, Any] = {}
    monkeypatch.setattr(dict(verbs())["health"], "callback", received.update)
    invoke(Session(Runner(), Log(Runner(), io.StringIO())), ["health"])
    assert received["timeout"] == 7.0
