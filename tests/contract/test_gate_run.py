"""The gate's action, run as a user's workflow runs it, over a PHPStan that replays recordings (and says so)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.consumer import errors, folder_of
from tests.contract.interpreter import Job, Step
from tests.lab.php_repository import PhpRepository, make_repository

USES = "belay-deploy/belay/actions/phpstan-gate@v1"
WORKFLOW = f"""on: push
jobs:
  phpstan:
    runs-on: here
    steps:
      - id: gate
        uses: {USES}
        with:
          baseline: shrink
"""


@pytest.fixture
def app(tmp_path: Path) -> PhpRepository:
    """A repository whose change is a new file."""
    made = make_repository(tmp_path)
    made.write("src/New.php", "<?php\n")
    made.commit("new")
    return made


def run(app: PhpRepository, tool_cache: Path, seen: dict[str, set[str]]) -> tuple[str, Step]:
    """Run the workflow in the checkout; note which outputs were set."""
    folder = app.root.parent / "job"
    folder.mkdir()
    job = Job(folder=folder, workspace=app.root, tool_cache=tool_cache, actions=folder_of)
    ended = job.run(WORKFLOW)
    step = job.steps["gate"]
    seen.setdefault(USES, set()).update(name for name, value in step.outputs.items() if value)
    return ended, step


def test_a_clean_change_passes_and_sets_every_output(
    app: PhpRepository, tool_cache: Path, seen: dict[str, set[str]]
) -> None:
    ended, step = run(app, tool_cache, seen)
    assert ended == "success", step.log
    assert step.outputs["passed"] == "true"
    assert (step.outputs["errors"], step.outputs["baseline-size"], step.outputs["files"]) == ("0", "12", "5")
    assert sorted(path.name for path in Path(str(step.outputs["report"])).iterdir()) == [
        "junit.xml",
        "report.json",
        "report.sarif",
    ]
    assert "PHPStan gate: No errors" in step.summary


def test_a_change_with_errors_is_refused_and_its_outputs_are_set(
    app: PhpRepository, tool_cache: Path, seen: dict[str, set[str]]
) -> None:
    app.configure(includes=["baseline.neon"], replay="small-errors/json")
    app.commit("errors")
    ended, step = run(app, tool_cache, seen)
    assert ended == "failure"
    assert (step.outputs["passed"], step.outputs["errors"]) == ("false", "12")
    assert errors(step)[-1].startswith("::error title=Type errors::")
