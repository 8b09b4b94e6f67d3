"""NEON as PHPStan's configurations use it, and nothing guessed beyond it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.gate.ignores import Ignore, entries_of
from pyhelpers.gate.neon import NotNeon, read_neon
from pyhelpers.gate.php_baseline import NotABaseline, entries_of_php
from tests.unit.gate.samples import RUNS, SAMPLES

PROJECT = SAMPLES / "project"
# Files of the sample project that PHPStan itself can't read, and this one, whose bracket is closed by nothing.
BROKEN = {"bad-syntax.neon", "bl-bad.neon"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("level: 9", {"level": 9}),
        ("a: true\nb: No\nc: null\nd: on", {"a": True, "b": False, "c": None, "d": True}),
        ("a: tRue", {"a": "tRue"}),
        ("a: 1.5\nb: -2\nc: 1e3\nd: 0x1", {"a": 1.5, "b": -2, "c": 1000.0, "d": "0x1"}),
        ("a:\n\t- x\n\t- y", {"a": ["x", "y"]}),
        ("a:\n- x\n- y\nb: 1", {"a": ["x", "y"], "b": 1}),
        ("a:\n\nb: 1", {"a": None, "b": 1}),
        ("- a: 1\n  b: 2\n- c", [{"a": 1, "b": 2}, "c"]),
        ("-\n\ta: 1\n-\n\ta: 2", [{"a": 1}, {"a": 2}]),
        ("- - a\n  - b", [["a", "b"]]),
        ("a: [x, 'y z', {k: v}]  # why", {"a": ["x", "y z", {"k": "v"}]}),
        ("a: [\n\tx, # first\n\ty\n]", {"a": ["x", "y"]}),
        ("a: {b: 1, c: [2, 3]}", {"a": {"b": 1, "c": [2, 3]}}),
        ("a: []\nb: {}", {"a": [], "b": {}}),
        ("a: 'it''s'", {"a": "it's"}),
        ('a: "tab\\t \\u00e9 \\"q\\""', {"a": 'tab\t é "q"'}),
        ("a: '#^not a comment$#'", {"a": "#^not a comment$#"}),
        ("a: x#y", {"a": "x#y"}),
        ("a: x #y", {"a": "x"}),
        ("'quoted key': 1", {"quoted key": 1}),
        ("a!: 1", {"a!": 1}),
        (
            "services:\n\t- Foo(@bar, [1, 'x)'])\n\tnamed: Foo\\Bar",
            {"services": {"named": "Foo\\Bar", "0": "Foo(@bar, [1, 'x)'])"}},
        ),
        ("a: %rootDir%/../x", {"a": "%rootDir%/../x"}),
        ("a:\r\n\tb: 1\r\n", {"a": {"b": 1}}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: '''\n\tlong # text\n'''", {"a": "\tlong # text"}),
    ],
)
def test_it_reads(text: str, value: object) -> None:
    assert read_neon(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "a: 'open",
        "a: [1",
        "a: 1\n\tb: 2",
        "a: {b: [1}",
        "a: 1\na: 2",
        "a: 'x' y",
        "\t- a\n- b: 1\n\t\t\t- c\nd",
        'a: "\\q"',
        "a:\n\t b: 1\n\tc: 2",
    ],
)
def test_it_refuses(text: str) -> None:
    with pytest.raises(NotNeon):
        read_neon(text)


def test_deep_nesting_is_refused_and_does_not_crash() -> None:
    for text in (
        "a: " + "[" * 5000 + "]" * 5000,
        "".join("\t" * depth + "a:\n" for depth in range(500)),
        "- " * 5000 + "a",
    ):
        with pytest.raises(NotNeon):
            read_neon(text)


@given(st.text(alphabet="ab:-#'\"[]{}(),=!%\\\t \n\r1", max_size=60))
def test_no_text_gets_another_answer_than_a_value_or_a_refusal(text: str) -> None:
    with contextlib.suppress(NotNeon):
        read_neon(text)


@pytest.mark.parametrize("file", sorted(PROJECT.glob("*.neon")), ids=lambda file: file.name)
def test_the_sample_projects_files_are_read_as_phpstan_reads_them(file: object) -> None:
    text = (PROJECT / str(getattr(file, "name", ""))).read_text()
    if getattr(file, "name", "") in BROKEN:
        with pytest.raises(NotNeon):
            read_neon(text)
    else:
        read_neon(text)


def test_phpstans_own_neon_is_read_as_its_own_json_says() -> None:
    """The whole of `dump-parameters`, recorded in both: some three hundred lines."""
    assert read_neon(RUNS["dump-parameters/neon"]["stdout"]) == json.loads(RUNS["dump-parameters/json"]["stdout"])


def test_both_kinds_of_baseline_hold_the_same() -> None:
    neon = entries_of((PROJECT / "baseline.neon").read_text(), "app")
    php = entries_of_php((PROJECT / "baseline.php").read_text(), "app")
    assert neon == php
    assert len(neon) == 12
    assert neon[0] == Ignore(
        message="#^Access to an undefined property Shop\\\\Item\\:\\:\\$priceInCents\\.$#",
        identifier="property.notFound",
        path="app/src/Item.php",
        count=1,
    )
    assert "100% " in neon[-1].message


def test_the_quick_way_through_a_baseline_reads_the_same_as_the_slow_one() -> None:
    text = (PROJECT / "baseline.neon").read_text()
    # A comment in its middle sends it the slow way.
    slow = text.replace("\t\t-\n\t\t\tmessage: '#^Call", "\t\t# by hand\n\t\t-\n\t\t\tmessage: '#^Call")
    assert slow != text
    assert entries_of(slow, "") == entries_of(text, "")


@pytest.mark.parametrize(
    "code",
    [
        "exit(0);",
        "$ignoreErrors[] = ['message' => `id`];",
        "$ignoreErrors[] = ['message' => \"{$_ENV['x']}\"];",
        "$ignoreErrors[] = ['message' => foo()];",
        "$ignoreErrors = require 'x.php';",
        "$other = [];",
        "register_shutdown_function(fn () => exit(0));",
        "$ignoreErrors[] = ['message' => '#x#'] + [];",
        "?><p>",
        "#[Attribute]",
    ],
)
def test_code_in_a_php_baseline_is_refused(code: str) -> None:
    """P7: PHPStan would run it."""
    with pytest.raises(NotABaseline):
        entries_of_php(f"<?php\n{code}\nreturn ['parameters' => ['ignoreErrors' => $ignoreErrors]];\n", "")


@given(st.text(alphabet="$ignoreErs[]=>'\"\\;,.#/*\n 1", max_size=60))
def test_no_php_gets_another_answer_than_entries_or_a_refusal(text: str) -> None:
    from pyhelpers.gate.neon import NotNeon as Refused

    with contextlib.suppress(NotABaseline, Refused):
        entries_of_php(f"<?php {text}", "")
