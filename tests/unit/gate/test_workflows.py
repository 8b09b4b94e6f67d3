from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.workflows import audit_workflows
from tests.unit.gate.workflow_files import BYPASSES, HARMLESS, PLAIN, job, write


def audit(folder: Path, **more: object) -> list[Bypass]:
    return audit_workflows(folder, action="phpstan-gate", check_name="phpstan-gate", **more)  # type: ignore[arg-type]


def rules(folder: Path, **more: object) -> list[str]:
    return [bypass.rule for bypass in audit(folder, **more)]


@pytest.mark.parametrize(("rule", "files", "line"), BYPASSES.values(), ids=BYPASSES)
def test_a_way_round_is_seen_where_it_stands(tmp_path: Path, rule: str, files: dict[str, str] | str, line: int) -> None:
    found = audit(write(tmp_path, files))
    assert [bypass.rule for bypass in found] == [rule]
    place = found[0].place.rpartition(":")[2]
    assert (int(place) if place.isdigit() else 0) == line
    assert found[0].what.endswith(".")
    assert found[0].remedy.endswith((".", ")."))


@pytest.mark.parametrize("files", HARMLESS.values(), ids=HARMLESS)
def test_what_does_no_harm_is_no_alarm(tmp_path: Path, files: dict[str, str] | str) -> None:
    assert audit(write(tmp_path, files)) == []


def test_there_are_enough_harmless_ones_to_mean_something() -> None:
    assert len(HARMLESS) >= 20


def test_only_what_is_certain_decides(tmp_path: Path) -> None:
    """A branch filter may be right, where it isn't known which branch is protected."""
    write(tmp_path, job(on="{pull_request: {branches: [develop]}}"))
    assert [bypass.severity for bypass in audit(tmp_path)] == ["report"]
    assert audit(tmp_path, branch="develop") == []
    assert [bypass.severity for bypass in audit(tmp_path, branch="stable")] == ["refuse"]


def test_a_queue_that_settings_show_is_believed(tmp_path: Path) -> None:
    write(tmp_path, job())
    assert audit(tmp_path) == []
    assert rules(tmp_path, merge_queue=True) == ["gate-merge-group"]


def test_all_of_one_workflow_are_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        job(
            "if: vars.X", "continue-on-error: true", on="{pull_request: {paths: [src/**]}}", step="        if: vars.Y\n"
        ),
    )
    assert rules(tmp_path) == ["gate-path-filter", "gate-condition", "gate-continue-on-error", "gate-condition"]


def test_the_action_may_be_named_by_all_of_its_address(tmp_path: Path) -> None:
    write(tmp_path, PLAIN)
    for action, found in {
        "acme/belay/actions/phpstan-gate@v2": [],
        "Acme/Belay/actions/phpstan-gate": [],
        "other/belay/actions/phpstan-gate": ["gate-not-found"],
        "gate": ["gate-not-found"],
    }.items():
        assert [each.rule for each in audit_workflows(tmp_path, action=action, check_name="x")] == found


def test_a_checkout_without_workflows_is_told_of(tmp_path: Path) -> None:
    assert rules(tmp_path) == ["gate-not-found"]


HOSTILE = {
    "a billion laughs": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "a billion merges": "a: &a {x: 1}\n"
    + "".join(
        f"{two}: &{two} {{<<: [{', '.join([f'*{one}'] * 9)}]}}\n"
        for one, two in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "a: &a [*a]\n",
    "an alias of nothing": "a: *b\n",
    "deep lists": "a: " + "[" * 100_000 + "\n",
    "deep mappings": "a:\n" + "".join(" " * depth + "a:\n" for depth in range(1, 300)),
    "many keys": "".join(f"k{number}: v\n" for number in range(24_000)) + "l: [" + "x, " * 20_000 + "]\n",
    "a key twice": "on: push\non: pull_request\n",
    "a key that is a list": "? [a]\n: b\n",
    "a tag of Python's": "!!python/object/apply:os.system ['touch /tmp/belay-was-here']\n",
    "two documents": "on: push\n---\non: push\n",
    "no mapping": "- on\n",
    "nothing": "",
    "a tab": "a:\n\t- b\n",
    "a line end that is one for some": "a: b\u2028# c: d\n",
    "an open quote": "a: 'b\n",
    "a control character": "a: \x01\n",
    "a long file": "#" * 300_000,
    "binary": "\udcff\udcfe",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_told_of_and_holds_nothing_up(tmp_path: Path, text: str) -> None:
    """It can hide nothing of the others; one that speaks of the gate decides."""
    write(tmp_path, PLAIN)
    other = tmp_path / ".github/workflows/other.yml"
    other.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = audit(tmp_path)
    assert [(bypass.rule, bypass.severity) for bypass in found] == [("workflow-unreadable", "report")]
    other.write_bytes(b"# phpstan-gate\n" + text.encode("utf-8", "surrogateescape"))
    assert [(bypass.rule, bypass.severity) for bypass in audit(tmp_path)] == [("workflow-unreadable", "refuse")]
    assert not Path("/tmp/belay-was-here").exists()


LONG = {
    "conditions": "if: " + "(" * 60_000,
    "a condition of many parts": 'if: "' + "a && " * 40_000 + 'a"',
    "ifs": 'steps: [{run: "gate phpstan ' + "if " * 80_000 + '"}]',
    "commands": 'steps: [{run: "' + "gate phpstan; trap " * 12_000 + '"}]',
    "blanks": 'steps: [{run: "echo' + "; " * 1000 + " " * 200_000 + 'x"}]\n    needs: types',
    "expressions in a name": "name: '" + "${{" * 70_000 + "'",
    "wildcards in a name": "name: 'p" + "${{ inputs.x }}" * 500 + "x'",
    "a file name": "steps: [{uses: ./" + "x" * 200_000 + "}]",
    "a file name that is none": 'steps: [{uses: "./\\0"}]',
    "merges": 'steps: [{run: "' + "/pulls/1/merg gh pr " * 12_000 + '"}]\n    if: always()\n    needs: types',
}


@pytest.mark.parametrize("lines", LONG.values(), ids=LONG)
def test_a_text_that_is_made_to_be_slow_is_not(tmp_path: Path, lines: str) -> None:
    """Without its bounds each of these takes minutes; pytest's own time limit would tell."""
    write(tmp_path, f"{PLAIN}  other:\n    runs-on: x\n    {lines}\n")
    assert {each.rule for each in audit(tmp_path)} <= {"gate-exit-status", "gate-condition"}


@pytest.mark.parametrize(
    "pattern", ["*a?" * 20_000, "*" * 60_000, "[a" * 9_000, "a+" * 20_000, "**/" * 20_000, "[]", "[z-a]"]
)
def test_a_filter_that_is_made_to_be_slow_is_not(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, job(on=f"{{pull_request: {{branches: ['{pattern}']}}}}"))
    assert {each.rule for each in audit(tmp_path, branch="release/2026-of-the-shop")} <= {"gate-branch-filter"}


def test_shapes_that_github_does_not_take_raise_nothing(tmp_path: Path) -> None:
    """Whatever stands where a mapping, a list or a text is expected."""
    odd = ["x", "[x]", "{x: y}", "", "[[x]]", "[{x: y}]", "{x: {y: [z]}}"]
    keys = [
        "on",
        "jobs",
        "jobs.a",
        "jobs.a.steps",
        "jobs.a.if",
        "jobs.a.needs",
        "jobs.a.strategy",
        "jobs.a.strategy.matrix",
    ]
    keys += ["jobs.a.uses", "jobs.a.name", "on.pull_request", "on.pull_request.paths", "jobs.a.defaults"]
    for key in keys:
        for value in odd:
            text = value
            for part in reversed(key.split(".")):
                text = f"{{{part}: {text}}}"
            write(tmp_path, {"gate.yml": PLAIN, "odd.yml": text})
            assert {bypass.rule for bypass in audit(tmp_path)} <= {"gate-merge-group"}


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe would be waited for without end; a composite action outside of the checkout is none of ours."""
    inside = tmp_path / "inside"
    soft = "runs:\n  using: composite\n  steps:\n    - uses: ./phpstan-gate\n      continue-on-error: true\n"
    out = PLAIN.replace("acme/belay/actions/phpstan-gate@v1", "./../outside")
    write(tmp_path, {"outside/action.yml": soft})
    write(inside, {"gate.yml": PLAIN, "out.yml": out})
    os.mkfifo(inside / ".github/workflows/pipe.yml")
    (inside / ".github/workflows/gone.yml").symlink_to("nowhere")
    (inside / ".github/workflows/folder.yml").mkdir()
    assert audit(inside) == []


def test_workflows_that_call_each_other_end(tmp_path: Path) -> None:
    call = "on: [pull_request, workflow_call]\njobs:\n  a:\n    uses: ./.github/workflows/{}.yml\n  b:\n    uses: ./.github/workflows/{}.yml\n"
    write(tmp_path, {"one.yml": call.format("two", "two"), "two.yml": call.format("one", "one"), "gate.yml": PLAIN})
    assert audit(tmp_path) == []


def test_composite_actions_that_use_each_other_end(tmp_path: Path) -> None:
    steps = "runs: {{using: composite, steps: [{{uses: ./{0}}}, {{uses: ./{0}}}]}}\n"
    write(
        tmp_path,
        {
            "gate.yml": PLAIN,
            "ci.yml": "on: pull_request\njobs: {a: {runs-on: x, steps: [{uses: ./one}]}}\n",
            "one/action.yml": steps.format("two"),
            "two/action.yml": steps.format("one"),
        },
    )
    assert audit(tmp_path) == []


def test_calls_that_branch_without_end_are_given_up(tmp_path: Path) -> None:
    """Ten files that each call the next one ten times would be ten thousand million jobs."""
    steps = "runs: {{using: composite, steps: [{}]}}\n"
    files = {f"a{n}/action.yml": steps.format(", ".join([f"{{uses: ./a{n + 1}}}"] * 10)) for n in range(10)}
    ci = "on: pull_request\njobs: {a: {runs-on: x, steps: [{uses: ./a0}]}}\n"
    write(tmp_path, {"gate.yml": PLAIN, "ci.yml": ci, **files})
    assert [(bypass.rule, bypass.severity) for bypass in audit(tmp_path)] == [("workflow-unreadable", "refuse")]
