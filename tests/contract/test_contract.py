"""action.yml, click, the environment between them, the outputs and the READMEs: they say the same, or one of them lies."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pyhelpers.deploy import report
from pyhelpers.deploy.deploy import Outcome
from pyhelpers.errors import BelayError, Exit
from tests.contract.interpreter import load
from tests.contract.surface import ACTIONS, CONNECTION, TOP, VERDICT_INPUTS, Surface, options, verb, verbs

every_action = pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.folder)
VERBS = dict(verbs())


def test_there_is_no_action_that_nobody_wrote_down() -> None:
    assert {f"actions/{folder.name}" for folder in (TOP / "actions").iterdir()} == {
        action.folder for action in ACTIONS
    } - {"."}


@every_action
def test_inputs_and_outputs_are_those_of_the_public_contract(action: Surface) -> None:
    assert list(action.document["inputs"]) == action.all_inputs
    assert list(action.document["outputs"]) == action.outputs.split()


@every_action
def test_each_input_is_an_option_of_the_verb_and_says_the_same(action: Surface) -> None:
    found = options(verb(action.verb))
    assert list(found) == action.all_inputs
    for name, entry in action.document["inputs"].items():
        assert entry["description"] == found[name].help
        assert entry.get("required", False) == found[name].required
        assert set(entry) <= {"description", "required"}, f"{name}: defaults live in click alone"


@every_action
def test_each_step_passes_on_its_inputs_and_nothing_else(action: Surface) -> None:
    steps = action.document["runs"]["steps"]
    for step, names in zip(steps, [action.all_inputs, VERDICT_INPUTS], strict=False):
        assert list(step["env"]) == ["INPUT_" + name.upper().replace("-", "_") for name in names]
        for name, value in zip(names, step["env"].values(), strict=True):
            inner = step["id"] == "verdict" and name == "deployment-id"
            assert value == f"${{{{ {'steps.deploy.outputs.deployment-id' if inner else f'inputs.{name}'} }}}}"
            assert options(verb("verdict" if step["id"] == "verdict" else action.verb))[name].envvar in step["env"]


@every_action
def test_each_step_is_one_exec_of_the_launcher(action: Surface) -> None:
    """P2: without `exec` a cancelled job's signals never reach Python."""
    root = action.folder == "."
    launcher = "pyhelpers/run" if root else "../../pyhelpers/run"
    wanted = [action.verb, "verdict"] if root else [action.verb]
    steps = action.document["runs"]["steps"]
    assert [step["run"] for step in steps] == [f'exec bash "$GITHUB_ACTION_PATH/{launcher}" {word}' for word in wanted]
    for step in steps:
        assert step["shell"] == "bash"
        assert {"name", "id"} <= set(step)
        assert "uses" not in step
    assert ("branding" in action.document) == root


def written_by(words: str) -> set[str]:
    """Return the outputs that a verb writes, read from its source: the names it gives to `publish`."""
    callback = verb(words).callback
    assert callback is not None
    tree = ast.parse(inspect.getsource(inspect.unwrap(callback)).lstrip())
    names: set[str] = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "publish":
            if isinstance(call.args[0], ast.Dict):
                names |= {str(key.value) for key in call.args[0].keys if isinstance(key, ast.Constant)}
            else:
                assert ast.unparse(call.args[0]) == "report.outputs(outcome)"
                names |= set(report.outputs(Outcome(deployment="x")))
    return names


@every_action
def test_each_output_comes_from_a_step_that_writes_it(action: Surface) -> None:
    steps = {
        step["id"]: "verdict" if step["id"] == "verdict" else action.verb for step in action.document["runs"]["steps"]
    }
    for name, entry in action.document["outputs"].items():
        sources = re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", entry["value"])
        assert entry["value"] == f"${{{{ {' || '.join(f'steps.{step}.outputs.{name}' for step, _ in sources)} }}}}"
        who = [step for step, words in steps.items() if name in written_by(words)]
        # The host's own word comes first; the deploy's is what there is when the host was never reached.
        assert [step for step, _ in sources] == sorted(who, reverse=True)
    assert set(action.outputs.split()) == set().union(*(written_by(words) for words in steps.values()))


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_and_every_option_has_its_sentence(words: str) -> None:
    command = VERBS[words]
    assert command.help, words
    assert command.help.split("\n")[0].endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            names_its_default(parameter)


def names_its_default(option: click.Option) -> None:
    text = option.help or ""
    assert re.fullmatch(r"[A-Z].*\.", text), text
    assert re.search(r"\bdefault\b|\brequired\b", text), text
    default = str(option.default).lower() if isinstance(option.default, bool) else option.default
    if isinstance(default, int | float):
        assert f"the default is {default:g}." in text, text
    elif (isinstance(default, str) and default and not option.is_flag) or (option.is_flag and option.envvar):
        assert f"the default is `{default}`" in text, text


def test_an_input_means_the_same_in_every_verb_that_touches_a_host() -> None:
    for words, command in verbs():
        found = options(command)
        if "host" in found:
            for name in CONNECTION:
                assert found[name].help == options(verb("deploy"))[name].help, (words, name)


def test_the_tables_and_examples_in_the_readmes_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, TOP / "tools/tables.py", "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@every_action
def test_each_action_has_a_readme_with_its_tables_and_exit_codes(action: Surface) -> None:
    readme = (TOP / action.folder / "README.md").read_text()
    path = str(Path(action.folder) / "action.yml")
    for kind in ("inputs", "outputs", *(["connection"] if action.connected else [])):
        assert f"<!-- {kind}: {path} -->" in readme
    for name in [*action.all_inputs, *action.outputs.split()]:
        assert f"| `{name}` |" in readme
    assert "## Exit codes" in readme


def test_the_readme_names_every_exit_code_and_no_other() -> None:
    section = (TOP / "README.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [int(code) for code in Exit]


def test_every_error_has_an_exit_code_of_the_contract_and_a_title() -> None:
    kinds = [BelayError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert kind.exit_code in set(Exit)
        assert kind.exit_code != Exit.DONE
        assert kind.title


def test_the_janitors_workflow_starts_recover_with_inputs_that_it_has() -> None:
    """`recover` has no action of its own; its workflow runs the launcher out of a checkout."""
    workflow = load((TOP / "examples/workflows/recover.yml").read_text())
    (step,) = (step for step in workflow["jobs"]["recover"]["steps"] if "run" in step)
    assert step["run"] == "exec bash .belay-action/pyhelpers/run recover"
    known = {option.envvar for option in options(verb("recover")).values()}
    assert set(step["env"]) <= known
    assert "INPUT_TOKEN" in step["env"]
    assert "${{" not in step["run"]
