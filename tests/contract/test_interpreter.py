"""The interpreter itself: what GitHub does, and where it is stricter on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.expressions import Undeclared, Value, condition, evaluate, substitute
from tests.contract.interpreter import Job, Leak, load

CONTEXTS: dict[str, Value] = {
    "inputs": {"name": "Ada", "empty": "", "dry-run": True},
    "steps": {"one": {"outputs": {"an-id": "7", "none": ""}}},
}
FUNCTIONS = {"success": lambda: True, "failure": lambda: False, "always": lambda: True, "cancelled": lambda: False}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.name", "Ada"),
        ("inputs.name == 'ada'", True),  # GitHub compares without regard to case
        ("steps.one.outputs.none || steps.one.outputs.an-id", "7"),
        ("inputs.empty && 'never'", ""),
        ("inputs.dry-run && 'dry' || 'wet'", "dry"),
        ("!inputs.empty", True),
        ("steps.one.outputs.an-id == 7", True),
        ("inputs.empty == 0", True),
        ("(inputs.empty || 'x') != 'y'", True),
        ("'it''s'", "it's"),
        ("failure() || cancelled()", False),
        ("always() && inputs.name != ''", True),
    ],
)
def test_expressions_mean_what_they_mean_on_github(text: str, value: object) -> None:
    assert evaluate(text, CONTEXTS, FUNCTIONS) == value


@pytest.mark.parametrize(
    "text",
    ["inputs.nmae", "steps.two.outputs.x", "secrets.X", "hashFiles('x')", "inputs.name ==", "a b", "success(1)", "(true", "inputs"],
)  # fmt: skip
def test_what_nobody_declared_is_an_error(text: str) -> None:
    with pytest.raises(Undeclared):
        substitute(f"${{{{ {text} }}}}", CONTEXTS, FUNCTIONS)


def test_a_condition_without_a_status_function_also_asks_for_success() -> None:
    failed = {**FUNCTIONS, "success": lambda: False}
    assert not condition("inputs.name == 'Ada'", CONTEXTS, failed)
    assert condition("always() && inputs.name == 'Ada'", CONTEXTS, failed)
    assert condition("${{ inputs.name == 'Ada' }}", CONTEXTS, FUNCTIONS)


def test_yaml_is_read_as_github_reads_it() -> None:
    assert load("on: push\nmode: on\nwatchdog: off\nflag: true\n") == {
        "on": "push",
        "mode": "on",
        "watchdog": "off",
        "flag": True,
    }


ACTION = """
inputs:
  name: {description: x}
outputs:
  said: {value: "${{ steps.say.outputs.said }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      env: {INPUT_NAME: "${{ inputs.name }}"}
      run: |
        printf 'said<<EOF\\nhello\\n%s\\nEOF\\n' "$INPUT_NAME" >>"$GITHUB_OUTPUT"
        echo "hidden=1" >>"$GITHUB_OUTPUT"
    - id: check
      if: failure()
      shell: bash
      run: echo reached
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "action.yml").write_text(ACTION)
    return Job(folder=tmp_path, workspace=tmp_path, tool_cache=tmp_path, actions=lambda _uses: tmp_path)


def workflow(*steps: str) -> str:
    return "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n" + "".join(f"      - {step}\n" for step in steps)


USES = "{id: it, uses: me/it@v1, with: {name: Ada}}"


def test_only_declared_outputs_leave_an_action(job: Job) -> None:
    """Under act the hidden one would arrive, too: it re-reads one file."""
    told = "{env: {SAID: '${{ steps.it.outputs.said }}'}, run: 'test -n \"$SAID\"'}"
    assert job.run(workflow(USES, told)) == "success"
    assert dict(job.steps["it"].outputs) == {"said": "hello\nAda"}
    with pytest.raises(Undeclared, match="hidden"):
        job.run(workflow(USES, "{env: {SAID: '${{ steps.it.outputs.hidden }}'}, run: 'true'}"))


def test_an_input_that_the_action_does_not_have_is_an_error(job: Job) -> None:
    with pytest.raises(Undeclared, match="nmae"):
        job.run(workflow("{uses: me/it@v1, with: {nmae: Ada}}"))


def test_a_failure_skips_what_follows_but_for_those_who_ask(job: Job) -> None:
    steps = [
        "{run: 'false'}",
        "{id: a, run: 'true'}",
        "{id: b, if: 'failure()', run: 'true'}",
        "{id: c, if: 'cancelled()', run: 'true'}",
    ]
    assert job.run(workflow(*steps)) == "failure"
    assert [job.steps[name].outcome for name in "abc"] == ["skipped", "success", "skipped"]


def test_after_a_cancel_failure_is_false_and_an_action_still_runs_its_steps(job: Job) -> None:
    job.cancel_at = "now"
    steps = [
        "{id: long, run: 'echo now; exec sleep 30'}",
        "{id: a, if: 'failure()', run: 'true'}",
        "{id: it, if: 'cancelled()', uses: me/it@v1, with: {name: Ada}}",
    ]
    assert job.run(workflow(*steps)) == "cancelled"
    assert [job.steps[name].outcome for name in ("long", "a", "it")] == ["cancelled", "skipped", "success"]
    assert job.steps["it"].inner["say"].outcome == "success"


def test_a_secret_in_the_log_of_an_action_is_found(job: Job) -> None:
    """P6."""
    job.secrets = {"API_KEY": "hunter2-hunter2"}
    (job.folder / "action.yml").write_text(
        ACTION.replace("echo reached", "true").replace('echo "hidden', 'echo "$INPUT_NAME"; echo "hidden')
    )
    with pytest.raises(Leak, match="API_KEY"):
        job.run(workflow("{uses: me/it@v1, with: {name: '${{ secrets.API_KEY }}'}}"))


@pytest.mark.parametrize("name", ["GITHUB_ENV", "GITHUB_PATH"])
def test_an_action_that_changes_later_steps_is_an_error(job: Job, name: str) -> None:
    (job.folder / "action.yml").write_text(ACTION.replace("GITHUB_OUTPUT", name))
    with pytest.raises(Undeclared, match="later steps"):
        job.run(workflow(USES))
