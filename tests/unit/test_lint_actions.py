"""Our own rules for actions are enforced: each offence is found, and what is allowed isn't."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/lint_actions.py"
ACTION = """
runs:
  using: composite
  steps:
    - name: Work
      shell: bash
      env:
        INPUT_HOST: ${{ inputs.host }}
      run: exec bash "$GITHUB_ACTION_PATH/pyhelpers/run" deploy
"""


def findings(top: Path) -> list[str]:
    """What the tool says about a repository; checks that its exit status agrees."""
    done = subprocess.run([sys.executable, TOOL, top], check=False, capture_output=True, text=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    if done.returncode == 0:
        assert lines == ["actions: nothing to complain of"]
        return []
    return lines


def write(file: Path, content: str) -> None:
    """Write a file and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def test_this_repository_is_clean() -> None:
    assert findings(TOOL.parents[1]) == []


def test_a_proper_action_is_clean(tmp_path: Path) -> None:
    write(tmp_path / "action.yml", ACTION)
    write(tmp_path / ".github/workflows/ci.yml", "jobs: {a: {steps: [{uses: ./}, {run: make}]}}")
    assert findings(tmp_path) == []


@pytest.mark.parametrize("file", ["action.yml", "actions/x/action.yml", ".github/workflows/ci.yml"])
@pytest.mark.parametrize("run", ["run: echo ${{ inputs.host }}", "run: |\n        one\n        echo ${{ github.ref }}"])
def test_an_expression_in_a_script_is_found(tmp_path: Path, file: str, run: str) -> None:
    write(tmp_path / file, ACTION.replace('run: exec bash "$GITHUB_ACTION_PATH/pyhelpers/run" deploy', run))
    (finding,) = findings(tmp_path)
    assert finding.startswith(f"{tmp_path / file}:9: ")


@pytest.mark.parametrize("file", ["action.yml", "actions/x/action.yml"])
@pytest.mark.parametrize("uses", ["actions/cache@v4", "./actions/other", "$/actions/other"])
def test_an_action_inside_an_action_is_found(tmp_path: Path, file: str, uses: str) -> None:
    write(tmp_path / file, f"{ACTION}    - name: Other\n      uses: {uses}\n")
    (finding,) = findings(tmp_path)
    assert "uses:" in finding


@pytest.mark.parametrize("name", ["GITHUB_ENV", "GITHUB_PATH"])
def test_writing_to_the_steps_after_ours_is_found(tmp_path: Path, name: str) -> None:
    write(
        tmp_path / "pyhelpers/a.py", f'"""Never {name}."""\nimport os\n\n# never {name}\nfile = os.environ["{name}"]\n'
    )
    write(tmp_path / "pyhelpers/deep/b.sh", f'# never {name}\necho x >>"${name}"\n')
    write(tmp_path / "pyhelpers/run", f'echo x >>"${{{name}}}"\n')
    write(tmp_path / "action.yml", ACTION.replace("run: exec", f'run: echo >>"${name}"; exec'))
    assert len(findings(tmp_path)) == 4
    assert not any(":1:" in finding and "run:1" not in finding for finding in findings(tmp_path))
