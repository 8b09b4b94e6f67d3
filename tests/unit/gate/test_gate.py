"""The gate as a whole, on small histories: what is new, what it is compared with, what it says where."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pyhelpers.gate.history import Repository
from pyhelpers.gate.trend import Point, history_of, picture
from pyhelpers.runner.environment import Runner
from tests.lab.php_repository import PhpRepository, make_repository
from tests.unit.gate.samples import RUNS

ERRORS = "small-errors/json"


def kinds(report: object) -> dict[str, list[str]]:
    """Return the kind of each finding by file and line."""
    found: dict[str, list[str]] = {}
    assert isinstance(report, dict)
    for finding in report["findings"]:
        found.setdefault(f"{finding['path']}:{finding['line']}", []).append(finding["kind"])
    return found


@pytest.fixture
def app(tmp_path: Path) -> PhpRepository:
    """A repository without a baseline."""
    return make_repository(tmp_path, baseline="")


def test_errors_are_new_on_the_changed_lines_and_new_elsewhere(app: PhpRepository) -> None:
    """The base is green; one of twelve errors is on a line of the change."""
    app.configure(replay=ERRORS)
    app.change("src/Order.php", "return (string) $sum;", "return (string) ($sum);")
    ended = app.gate()
    assert ended.code == 1
    assert (ended.outputs["errors"], ended.outputs["new-errors"]) == ("12", "12")
    found = kinds(ended.report)
    assert found.pop("src/Order.php:21") == ["new-in-diff"]
    assert {kind for each in found.values() for kind in each} == {"new-elsewhere"}
    assert "::error title=Type errors::PHPStan reports 12 errors, 12 of them new" in ended.log


def test_old_errors_are_old_wherever_they_moved_and_are_refused_all_the_same(app: PhpRepository) -> None:
    """Renamed files, moved lines: the base's errors, found by analysing its files."""
    app.configure(replay=ERRORS)
    app.commit("errors")
    app.git("branch", "-f", "main")
    app.git("mv", "src/Order.php", "src/Bill.php")
    app.change("src/Item.php", "<?php declare(strict_types = 1);\n", "<?php declare(strict_types = 1);\n\n\n")
    moved = json.loads(json.dumps(RUNS[ERRORS]))
    assert moved["exit_code"] == 1
    ended = app.gate()
    assert ended.code == 1
    # The recording still speaks of Order.php, which is Bill.php now: these three are new to the head.
    assert (ended.outputs["errors"], ended.outputs["new-errors"], ended.outputs["fixed-errors"]) == ("12", "3", "3")
    assert "was there before" in ended.summary


def test_a_mended_error_is_counted(app: PhpRepository) -> None:
    app.configure(replay=ERRORS)
    app.commit("errors")
    app.git("branch", "-f", "main")
    app.configure(replay="levels/l8")
    app.change("replay.json", '"levels/l8"', '"levels/l5"')
    ended = app.gate()
    assert int(ended.outputs["fixed-errors"]) == 3
    assert ended.outputs["new-errors"] == "0"


def test_the_bases_saved_report_saves_its_analysis(app: PhpRepository, tmp_path: Path) -> None:
    app.configure(replay=ERRORS)
    base = app.commit("errors")
    app.git("branch", "-f", "main")
    saved = app.gate()
    report = tmp_path / "saved.json"
    report.write_text(json.dumps(dict(saved.report)))
    assert saved.report["commit"] == base
    app.write("README.md", "more\n")
    # The base can't be analysed any more: only the report knows.
    runner = on_github(tmp_path, base_report=report)
    app.write("src/New.php", "<?php\n")
    ended = app.gate(runner=runner)
    assert (ended.outputs["errors"], ended.outputs["new-errors"]) == ("12", "0")
    assert "The base" in ended.log


def on_github(tmp_path: Path, **more: object) -> Runner:
    temp = tmp_path / "temp"
    temp.mkdir(exist_ok=True)
    return Runner(on_github=True, output=temp / "output", summary=temp / "summary", temp=temp, **more)  # type: ignore[arg-type]


def event(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(document))
    return file


def test_a_pull_requests_merge_is_compared_with_what_it_was_merged_into(app: PhpRepository, tmp_path: Path) -> None:
    """The event's base is older than the commit that GitHub merged into; the merge's first parent is the base."""
    old = app.git("rev-parse", "main")
    app.git("checkout", "-q", "main")
    app.write("src/Meanwhile.php", "<?php\n// @phpstan-ignore a.b\nf();\n")
    app.commit("merged by another")
    app.git("checkout", "-q", "change")
    app.write("src/Mine.php", "<?php\n")
    head = app.commit("mine")
    app.git("checkout", "-q", "--detach", "main")
    app.git("merge", "-q", "--no-ff", "-m", "GitHub's merge", "change")
    pull = {"number": 7, "head": {"sha": head}, "base": {"sha": old, "ref": "main"}}
    payload = event(tmp_path, {"pull_request": pull, "repository": {"default_branch": "main"}})
    ended = app.gate(runner=on_github(tmp_path, event_name="pull_request", event_path=payload))
    assert ended.code == 0, ended.log
    assert ended.report["base"] == app.git("rev-parse", "main")


def test_a_pull_request_can_not_name_one_of_its_own_commits_as_the_base(app: PhpRepository, tmp_path: Path) -> None:
    """P7: or its first commit could hide what the second one is compared with."""
    base = app.git("rev-parse", "main")
    app.write("src/New.php", "<?php\n// @phpstan-ignore a.b\nf();\n")
    own = app.commit("hidden")
    app.write("README.md", "more\n")
    head = app.commit("seen")
    pull = {"number": 7, "head": {"sha": head}, "base": {"sha": base, "ref": "main"}}
    payload = event(tmp_path, {"pull_request": pull, "repository": {"default_branch": "main"}})
    runner = on_github(tmp_path, event_name="pull_request", event_path=payload)
    ended = app.gate("--base-ref", own, runner=runner)
    assert ended.code == 2
    assert "::error title=Bad input::base-ref: " in ended.log
    assert app.gate(runner=runner).refused == {"suppression-added"}


def test_a_branch_without_a_common_history_is_not_compared_with_nothing(app: PhpRepository, tmp_path: Path) -> None:
    """P7: an orphan branch, or a checkout that is too shallow to know."""
    app.git("update-ref", "refs/remotes/origin/main", "main")
    app.git("checkout", "-q", "--orphan", "lone")
    app.write("src/New.php", "<?php\n// @phpstan-ignore a.b\nf();\n")
    app.commit()
    payload = event(tmp_path, {"before": "0" * 40, "repository": {"default_branch": "main"}})
    runner = on_github(tmp_path, event_name="push", event_path=payload, ref="refs/heads/lone")
    ended = app.gate(runner=runner)
    assert ended.code == 2
    assert "no history in common" in ended.log


def test_a_trend_with_odd_times_and_counts_is_drawn(tmp_path: Path) -> None:
    """A commit of the base that lies about them would else end every run after it."""
    app = make_repository(tmp_path)
    odd = app.read("baseline.neon").replace("count: 1\n", f"count: {'9' * 5000}\n", 1)
    app.write("baseline.neon", odd)
    app.git("add", "-A")
    app.git("commit", "-q", "-m", "odd")
    points = history_of(Repository(app.root), app.git("rev-parse", "HEAD"), ["baseline.neon"])
    assert points[1].size == points[0].size - 1
    assert "31 Dec" in picture([Point(moment=10**15, size=1)], 2)


def test_a_merge_group_is_compared_with_its_base(app: PhpRepository, tmp_path: Path) -> None:
    base = app.git("rev-parse", "main")
    app.write("src/New.php", "<?php\n// @phpstan-ignore a.b\nf();\n")
    head = app.commit()
    group = {"head_sha": head, "base_sha": base, "base_ref": "refs/heads/main"}
    payload = event(tmp_path, {"merge_group": group, "repository": {"default_branch": "main"}})
    ended = app.gate(runner=on_github(tmp_path, event_name="merge_group", event_path=payload))
    assert ended.refused == {"suppression-added"}


def test_a_run_by_hand_on_a_branch_is_compared_with_where_it_left_main(app: PhpRepository, tmp_path: Path) -> None:
    """P7: a green check on a branch's commit counts in its pull request, whoever started the run."""
    app.write("src/New.php", "<?php\n// @phpstan-ignore a.b\nf();\n")
    app.commit("one")
    app.write("README.md", "two\n")
    app.commit("two")
    payload = event(tmp_path, {"repository": {"default_branch": "main"}})
    runner = on_github(tmp_path, event_name="workflow_dispatch", event_path=payload, ref="refs/heads/change")
    assert app.gate(runner=runner).refused == {"suppression-added"}


def test_a_shallow_checkout_is_refused_with_what_to_do(app: PhpRepository, tmp_path: Path) -> None:
    """P7: nothing is compared silently with nothing."""
    app.write("README.md", "more\n")
    head = app.commit()
    shallow = PhpRepository(tmp_path / "shallow")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", "-b", "change", f"file://{app.root}", str(shallow.root)], check=True
    )
    (shallow.root / "vendor").symlink_to(app.root / "vendor")
    shallow.write(".git/info/exclude", "vendor\n")
    pull = {"number": 7, "head": {"sha": head}, "base": {"sha": app.commits[0], "ref": "main"}}
    payload = event(tmp_path, {"pull_request": pull, "repository": {"default_branch": "main"}})
    ended = shallow.gate(runner=on_github(tmp_path, event_name="pull_request", event_path=payload))
    assert ended.code == 2
    assert "fetch-depth: 0" in ended.log


def test_many_projects_have_one_verdict(tmp_path: Path) -> None:
    app = make_repository(tmp_path, baseline="")
    for name in (".one", "two"):
        app.write(f"{name}/src/A.php", "<?php\n")
        app.configure(folder=name)
        (app.root / name / "vendor").symlink_to(app.root / "vendor")
        app.write(f"{name}/.gitignore", "vendor\n")
    app.commit("monorepo")
    app.git("branch", "-f", "main")
    app.configure(folder="two", replay=ERRORS)
    ended = app.gate("--working-directory", ".one\ntwo")
    assert ended.code == 1
    assert ended.outputs["errors"] == "12"
    assert all(finding["path"].startswith("two/src/") for finding in ended.report["findings"])
    assert [project["name"] for project in ended.report["projects"]] == [".one", "two"]
    assert ended.outputs["files"] == "2"


def test_nothing_that_is_analysed_is_no_success(app: PhpRepository) -> None:
    """P7: with the canary beside it, PHPStan itself would find a file to analyse."""
    app.git("rm", "-qr", "src")
    app.git("commit", "-qm", "empty")
    app.git("branch", "-f", "main")
    ended = app.gate()
    assert ended.code == 1
    assert "::error title=Analysis failed::PHPStan analyses no file of the project" in ended.log


def test_what_phpstan_said_is_shown_when_the_analysis_failed(app: PhpRepository) -> None:
    app.configure(replay="memory-limit-tiny/json")
    ended = app.gate()
    assert ended.code == 1
    assert "::error title=Analysis failed::" in ended.log
    assert "memory-limit" in ended.log
    assert "Allowed memory size of 12582912 bytes exhausted" in ended.summary
    assert ended.report["projects"][0]["failures"][0]["remedy"].startswith("Raise `memory-limit`")


def test_the_environment_that_phpstan_prints_is_seen_nowhere(app: PhpRepository) -> None:
    """P6: `dump-parameters` tells its whole environment, and base and head are compared."""
    app.write("README.md", "more\n")
    ended = app.gate()
    for text in (ended.log, ended.summary, json.dumps(dict(ended.report)), str(ended.outputs)):
        assert "hunter2" not in text


def test_hostile_texts_act_nowhere(app: PhpRepository) -> None:
    """P6: line breaks, workflow commands, HTML, mentions (recorded: odd-messages)."""
    app.configure(replay="odd-messages/json")
    ended = app.gate()
    assert ended.code == 1
    inside = ended.log.split("::stop-commands::")[1]
    token = inside.split("\n")[0]
    outside = ended.log.replace(inside.split(f"::{token}::")[0], "")
    titles = [line for line in outside.splitlines() if line.startswith("::error") and "title=" not in line]
    assert titles == []
    assert "<script" not in ended.summary
    assert "@everyone" not in ended.summary
    ET.parse(Path(ended.outputs["report"]) / "junit.xml")  # noqa: S314  # the gate wrote it a moment ago


def test_stale_entries_come_with_the_patch_that_removes_them(tmp_path: Path) -> None:
    """The file of three entries is deleted; PHPStan tells so for four in the recording of functions.php."""
    app = make_repository(tmp_path)
    app.configure(includes=["baseline.neon"], replay="baseline/8-file-deleted-json")
    app.git("rm", "-q", "src/functions.php")
    ended = app.gate()
    assert ended.code == 1
    assert "4 are entries of a baseline that are no longer needed" in ended.log
    patch = Path(ended.outputs["report"]) / "stale-baseline.patch"
    subprocess.run(["git", "apply", str(patch)], cwd=app.root, check=True)
    assert app.read("baseline.neon").count("\t\t-\n") == 8
    assert "functions.php" not in app.read("baseline.neon")
    app.configure(includes=["baseline.neon"])
    assert app.gate().code == 0


def test_entries_of_a_deleted_file_come_with_the_patch_though_phpstan_gave_up(tmp_path: Path) -> None:
    """As in CI, with an empty temporary folder, PHPStan takes them for a broken configuration (recorded: baseline/8b)."""
    app = make_repository(tmp_path)
    app.configure(includes=["baseline.neon"], replay="baseline/8b-file-deleted-fresh-tmpdir")
    app.git("rm", "-q", "src/functions.php")
    ended = app.gate()
    assert ended.code == 1
    assert "::error title=Analysis failed::" in ended.log
    assert "remove their entries from the baseline" in ended.log
    patch = Path(ended.outputs["report"]) / "stale-baseline.patch"
    subprocess.run(["git", "apply", str(patch)], cwd=app.root, check=True)
    assert "functions.php" not in app.read("baseline.neon")


@pytest.mark.parametrize("baseline", ["baseline.neon", "baseline.php"])
def test_one_entry_that_nothing_matches_any_more(tmp_path: Path, baseline: str) -> None:
    app = make_repository(tmp_path, baseline=baseline)
    app.configure(includes=[baseline], replay="baseline/5-fixed-one-unmatched-json")
    ended = app.gate()
    assert ended.outputs["errors"] == "1"
    patch = Path(ended.outputs["report"]) / "stale-baseline.patch"
    subprocess.run(["git", "apply", str(patch)], cwd=app.root, check=True)
    app.configure(includes=[baseline])
    after = app.gate()
    assert (after.code, after.outputs["baseline-size"]) == (0, "11")


WAIVER = """[[waiver]]
{what} = "{value}"
path = "src/Order.php"
owner = "@shop/platform"
reason = "Waits for the library's next release"
expires = {year}-01-01
"""


def test_a_waiver_counts_only_once_it_was_merged(app: PhpRepository) -> None:
    """P7: no change can waive itself."""
    next_year = int(app.git("log", "-1", "--format=%cd", "--date=format:%Y")) + 1
    ignored = ("src/Order.php", "return (string) $sum;", "return (string) $sum; // @phpstan-ignore return.type")
    waiver = WAIVER.format(what="rule", value="suppression-added", year=next_year)
    app.write("phpstan-waivers.toml", waiver)
    app.change(*ignored)
    ended = app.gate()
    assert ended.refused == {"suppression-added"}
    assert "waivers-changed" in ended.reported
    app.git("checkout", "-q", "main")
    app.write("phpstan-waivers.toml", waiver)
    app.commit("a waiver, reviewed")
    app.git("checkout", "-q", "-B", "change")
    app.change(*ignored)
    after = app.gate()
    assert after.code == 0, after.log
    assert "&#64;&#8203;shop/platform" in after.summary


def test_a_waived_finding_is_listed_and_an_expired_waiver_waives_nothing(app: PhpRepository) -> None:
    year = int(app.git("log", "-1", "--format=%cd", "--date=format:%Y"))
    app.configure(replay=ERRORS)
    for value in ("return.type", "property.notFound", "argument.type"):
        with (app.root / "phpstan-waivers.toml").open("a") as file:
            file.write(WAIVER.format(what="identifier", value=value, year=year + 1))
    app.commit("errors and waivers")
    app.git("branch", "-f", "main")
    app.write("README.md", "more\n")
    ended = app.gate()
    assert ended.outputs["errors"] == "9"
    assert ended.log.count("waived  src/Order.php") == 3
    assert sum(finding["waived"] for finding in ended.report["findings"]) == 3
    app.write("phpstan-waivers.toml", WAIVER.format(what="identifier", value="return.type", year=year))
    app.commit("expired")
    app.git("branch", "-f", "main")
    app.write("README.md", "even more\n")
    after = app.gate()
    assert after.outputs["errors"] == "12"
    assert "over" in after.summary


def test_the_files_of_the_report_say_the_same(app: PhpRepository) -> None:
    app.configure(replay=ERRORS)
    ended = app.gate("--sarif", "phpstan.sarif")
    folder = Path(ended.outputs["report"])
    sarif = json.loads((folder / "report.sarif").read_text())
    assert json.loads((app.root / "phpstan.sarif").read_text()) == sarif
    (run,) = sarif["runs"]
    assert len(run["results"]) == 12
    assert {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]} == {
        "src/Item.php",
        "src/Order.php",
        "src/Priced.php",
        "src/functions.php",
    }
    assert {each["baselineState"] for each in run["results"]} == {"new"}
    suite = ET.parse(folder / "junit.xml").getroot()  # noqa: S314  # the gate wrote it a moment ago
    assert (suite.get("tests"), suite.get("failures")) == ("12", "12")
    assert len(ended.report["findings"]) == 12


def test_the_trend_is_drawn_from_the_baselines_history(tmp_path: Path) -> None:
    app = make_repository(tmp_path)
    for size in (3, 2):
        text = app.read("baseline.neon")
        app.write("baseline.neon", "\t\t-\n".join(text.split("\t\t-\n")[: size + 1]))
        app.commit(f"shrunk to {size}")
        app.git("branch", "-f", "main")
    app.write("README.md", "more\n")
    ended = app.gate()
    assert "  line [12, 3, 2, 2]\n" in ended.summary


def test_by_hand_it_says_the_same_in_plain_words(app: PhpRepository, tmp_path: Path) -> None:
    app.configure(replay=ERRORS)
    ended = app.gate(runner=Runner(temp=tmp_path, summary=None, output=None))
    assert ended.code == 1
    assert "::" not in ended.log.replace("Shop\\Item::", "").replace("Shop\\Order::", "")
    assert "Method Shop\\Order::total() should return int but returns string.  [return.type]  (new" in ended.log


def test_a_base_that_can_not_be_analysed_makes_no_error_old_or_new(app: PhpRepository) -> None:
    """P7: the verdict is the same, and nothing is claimed."""
    app.configure(replay="crash-rule-throws/json")
    app.commit("broken")
    app.git("branch", "-f", "main")
    app.configure(replay=ERRORS)
    ended = app.gate()
    assert ended.code == 1
    assert "PHPStan reports 12 errors, not compared with a base" in ended.log
    assert {finding["kind"] for finding in ended.report["findings"]} == {"not-compared"}


def test_nothing_in_the_checkout_is_changed(app: PhpRepository) -> None:
    app.configure(replay=ERRORS)
    app.commit()
    before = {path: path.read_bytes() for path in app.root.rglob("*") if path.is_file()}
    app.gate()
    assert {path: path.read_bytes() for path in app.root.rglob("*") if path.is_file()} == before
