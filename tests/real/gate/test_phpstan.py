"""The gate over a real PHPStan, of whatever version is on PATH: no message is compared that a release may word otherwise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.php_repository import SAMPLE, PhpRepository, make_repository

PHPSTAN = shutil.which("phpstan") or ""


@pytest.fixture
def app(tmp_path: Path) -> PhpRepository:
    """The sample project, without a baseline; no stand-in is in its vendor folder."""
    made = make_repository(tmp_path, baseline="")
    (made.root / "vendor/bin/phpstan").unlink()
    made.configure()
    made.commit("real")
    made.git("branch", "-f", "main")
    made.write("README.md", "more\n")
    return made


def generate_baseline(app: PhpRepository) -> None:
    """Let PHPStan write the baseline, and include it."""
    words = [PHPSTAN, "analyse", "--no-progress", "--generate-baseline=baseline.neon", "--memory-limit=1G"]
    subprocess.run(words, cwd=app.root, check=True, capture_output=True)
    app.configure(includes=["baseline.neon"])
    app.commit("baseline")
    app.git("branch", "-f", "main")
    app.write("README.md", "even more\n")


def test_its_errors_are_found_and_the_canary_is_none_of_them(app: PhpRepository) -> None:
    ended = app.gate("--phpstan", PHPSTAN)
    assert ended.code == 1, ended.log
    assert "return.type" in {finding["identifier"] for finding in ended.report["findings"]}
    assert all(finding["path"].startswith("src/") for finding in ended.report["findings"])
    assert {finding["kind"] for finding in ended.report["findings"]} == {"pre-existing"}
    assert ended.outputs["files"] == "4"
    assert ended.report["phpstan"]


def test_with_its_own_baseline_it_passes_cold_and_warm(app: PhpRepository) -> None:
    generate_baseline(app)
    for _ in range(2):
        ended = app.gate("--phpstan", PHPSTAN)
        assert ended.code == 0, ended.log
        assert int(ended.outputs["baseline-size"]) > 5


def test_a_baseline_that_phpstan_regenerated_is_refused(app: PhpRepository) -> None:
    """P7: PHPStan is green; recorded: baseline/14."""
    generate_baseline(app)
    app.change("src/Order.php", "\t\treturn strtoupper", "\t\t$this->other();\n\t\treturn strtoupper")
    words = [PHPSTAN, "analyse", "--no-progress", "--generate-baseline=baseline.neon", "--memory-limit=1G"]
    subprocess.run(words, cwd=app.root, check=True, capture_output=True)
    assert app.gate("--phpstan", PHPSTAN).refused == {"baseline-grew"}


def test_a_lowered_level_is_refused(app: PhpRepository) -> None:
    generate_baseline(app)
    app.configure(includes=["baseline.neon"], level=2, reportUnmatchedIgnoredErrors=False)
    assert {"level-lowered", "check-switched-off"} <= app.gate("--phpstan", PHPSTAN).refused


def test_everything_ignored_is_not_believed(app: PhpRepository) -> None:
    app.configure(more="\tignoreErrors:\n\t\t- '~.*~'\n")
    ended = app.gate("--phpstan", PHPSTAN)
    assert ended.code == 1
    assert "PHPStan did not report the error that Belay planted" in ended.log


def test_a_replaced_formatter_is_not_believed(app: PhpRepository) -> None:
    shutil.copytree(SAMPLE / "rules", app.root / "rules")
    app.write("vendor/autoload.php", "<?php\nrequire_once __DIR__ . '/../rules/F.php';\n")
    app.configure(more="services:\n\terrorFormatter.json:\n\t\tclass: T\\FakeFormatter\n")
    ended = app.gate("--phpstan", PHPSTAN)
    assert ended.code == 1
    assert ended.outputs["passed"] == "false"
