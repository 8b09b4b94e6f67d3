"""Every recording of PHPStan gets the right verdict: the table is the specification, named as the samples are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pyhelpers.gate.canary import Canary, without
from pyhelpers.gate.failure import WORDS_LIMIT, explained
from pyhelpers.gate.output import Answer, Completed, read_answer
from tests.unit.gate.samples import RUNS, completed

# What the JSON answers say; where the analysis failed, a word of the remedy.
TABLE = {
    "baseline/3-run-with-neon": "passed",
    "baseline/4-run-with-php": "passed",
    "baseline/5-fixed-one-unmatched-json": "1 findings",
    "baseline/6-new-error-json": "1 findings",
    "baseline/7-count-exceeded-json": "2 findings",
    "baseline/8-file-deleted-json": "0 findings, 4 stale",
    "baseline/8b-file-deleted-fresh-tmpdir": "failed: are gone",
    "baseline/9-only-changed-file-json": "passed",
    "bypass-bootstrap-exit0/json": "failed: calls exit",
    "bypass-exclude/json": "1 findings",
    "bypass-fake-formatter/json": "passed",
    "bypass-ignore-all/json": "passed",
    "bypass-level0/json": "2 findings",
    "bypass-no-rules/json": "passed",
    "bypass-php-baseline-exit0/json": "failed: calls exit",
    "bypass-poisoned-cache/json": "passed",
    "bypass-shutdown-exit0/json": "failed: calls exit",
    "config-all-excluded/json": "failed: Nothing would be analysed",
    "config-bad-syntax/json": "failed: Mend PHPStan's configuration",
    "config-baseline-missing-file/json": "failed: are gone",
    "config-bleeding-edge/json": "16 findings",
    "config-boot-noise/json": "passed",
    "config-boot-noise/json-display-errors": "passed",
    "config-boot-throw/json": "failed: bootstrap file",
    "config-deprecated/json": "failed: Mend PHPStan's configuration",
    "config-inline/json": "7 findings",
    "config-invalid-ignore/json": "failed: Mend PHPStan's configuration",
    "config-missing-exclude/json": "failed: excludePaths",
    "config-missing-file/json": "failed: name of the configuration",
    "config-missing-include/json": "failed: Mend PHPStan's configuration",
    "config-missing-path/json": "failed: Mend PHPStan's configuration",
    "config-no-level/json": "failed: `level`",
    "config-no-such-rule/json": "failed: Mend PHPStan's configuration",
    "config-rule-class-not-found-E/json": "failed: Mend PHPStan's configuration",
    "config-rule-class-not-found-T/json": "failed: Mend PHPStan's configuration",
    "config-unknown-param/json": "failed: Mend PHPStan's configuration",
    "config-unmatched-off/json": "9 findings",
    "config-unmatched/json": "11 findings, 1 stale",
    "config-with-bad-baseline/json": "failed: Mend PHPStan's configuration",
    "config-with-bad-php-baseline/json": "failed: .php file",
    "config-with-type-baseline/json": "failed: Mend PHPStan's configuration",
    "crash-rule-exits-single/json": "failed: workers",
    "crash-rule-throws/json": "failed: crashed",
    "crash-worker-exits-parallel/json": "failed: workers",
    "crash-worker-throws-parallel/json": "failed: crashed",
    "cross-file/only-changed-file": "passed",
    "cross-file/whole-project": "1 findings",
    "debug/errors": "12 findings",
    "debug/rule-class-not-found": "failed: Mend PHPStan's configuration",
    "debug/rule-throws": "failed: What it printed",
    "dump-parameters/json": "failed: calls exit",
    "errors-deployer-l5/json": "215 findings",
    "errors-laravel-support-l0/json": "584 findings",
    "errors-laravel-support-l5/json": "1134 findings",
    "errors-nette-utils-l9/json": "319 findings",
    "errors-phpparser-l5/json": "38 findings",
    "errors-phpparser-l5/prettyJson": "38 findings",
    "errors-phpparser-l9/json": "190 findings",
    "inline-require-comment/json": "failed: Mend PHPStan's configuration",
    "internal-error-phpstan-broken/json": "failed: crashed",
    "internal-error-phpstan-broken/json-v": "failed: crashed",
    "killed-single/json": "failed: out of memory",
    "killed-worker-parallel/json": "failed: out of memory",
    "levels/abc-invalid": "failed: no such level",
    "levels/l0": "5 findings",
    "levels/l1": "5 findings",
    "levels/l2": "5 findings",
    "levels/l3": "7 findings",
    "levels/l4": "8 findings",
    "levels/l5": "9 findings",
    "levels/l6": "11 findings",
    "levels/l7": "11 findings",
    "levels/l8": "12 findings",
    "levels/l9": "12 findings",
    "levels/l10": "16 findings",
    "levels/l11-invalid": "failed: no such level",
    "levels/lmax": "16 findings",
    "memory-limit-ini/json": "failed: Raise `memory-limit`",
    "memory-limit-invalid/json": "failed: Write `memory-limit`",
    "memory-limit-parallel/json": "failed: Raise `memory-limit`",
    "memory-limit-real-laravel/json": "failed: Raise `memory-limit`",
    "memory-limit-single/json": "failed: Raise `memory-limit`",
    "memory-limit-tiny/json": "failed: Raise `memory-limit`",
    "no-paths-no-config/json": "failed: Name what to analyse",
    "odd-messages/json": "16 findings",
    "odd-messages/prettyJson": "16 findings",
    "parse-error/json": "failed: Mend the syntax",
    "path-missing/json": "failed: Mend PHPStan's configuration",
    "path-no-php/json": "failed: Nothing would be analysed",
    "progress/errors": "12 findings",
    "quiet/errors": "failed: calls exit",
    "result-cache/1-cold": "12 findings",
    "result-cache/2-hit": "12 findings",
    "result-cache/3-fail-without-hit": "12 findings",
    "result-cache/4-one-file-changed": "12 findings",
    "result-cache/5-level-changed": "9 findings",
    "result-cache/6-fail-without-cold-again": "failed: What it printed",
    "result-cache/7-corrupt": "12 findings",
    "small-errors/json": "12 findings",
    "small-errors/prettyJson": "12 findings",
    "small-success/json": "passed",
    "stdin-config/dev-null": "failed: name of the configuration",
    "success-phpdocparser-l0/json": "passed",
    "success-phpdocparser-l0/prettyJson": "passed",
    "worker-timeout-parallel/json": "12 findings",
    "worker-timeout/json": "failed: One file takes longer",
    "wrapper-ignoreErrors-reset/json-baseline": "12 findings",
    "wrapper-ignoreErrors-reset/json-ignore-all": "12 findings",
    "wrapper-level/json": "12 findings",
    "wrapper-level/json-cli": "12 findings",
}
# Well-formed answers with exit status 0 that lie, or tell the truth about an analysis without rules: only the canary that
# is missing in them gives them away.
LIES = ("bypass-fake-formatter/json", "bypass-ignore-all/json", "bypass-no-rules/json")


def in_words(answer: Answer) -> str:
    if answer.failure is not None:
        return f"failed: {answer.failure.remedy}"
    if answer.clean:
        return "passed"
    return f"{len(answer.findings)} findings" + (f", {len(answer.stale)} stale" if answer.stale else "")


def test_the_table_names_every_recording_in_json() -> None:
    assert set(TABLE) == {name for name, run in RUNS.items() if run["format"] in {"json", "prettyJson"}}


@pytest.mark.parametrize("name", TABLE)
def test_each_recording_gets_its_verdict(name: str) -> None:
    """P7: what can't be believed is never success."""
    said, wanted = in_words(read_answer(completed(name))), TABLE[name]
    if wanted.startswith("failed: "):
        assert said.startswith("failed: ")
        assert wanted.removeprefix("failed: ") in said
    else:
        assert said == wanted


@pytest.mark.parametrize("name", [name for name in RUNS if name not in TABLE])
def test_an_answer_in_another_format_is_not_believed(name: str) -> None:
    """P7: among them the configuration error behind a pipe that ends with 0, and an empty answer with 0."""
    assert read_answer(completed(name)).failure is not None


@pytest.mark.parametrize("name", LIES)
def test_a_lie_with_exit_status_0_has_no_canary(name: str) -> None:
    """P7: a replaced formatter, no rules at all, everything ignored."""
    assert read_answer(completed(name)).clean
    answer = without(read_answer(completed(name)), CANARY)
    assert answer.failure is not None
    assert "Belay planted" in answer.failure.cause


CANARY = Canary(file=Path("/tmp/canary.php"), config=Path("/tmp/canary.neon"), nonce="0123456789abcdef")


def with_canary(name: str, message: str) -> Completed:
    """Return a recording with one finding in the canary's file."""
    run = completed(name)
    found = (
        f'"files":{{"{CANARY.file}":{{"errors":1,"messages":[{{"message":"{message}","line":4,"ignorable":true}}]}}}}'
    )
    return dataclasses.replace(
        run, exit_code=1, stdout=run.stdout.replace('"files":[]', found).replace('"file_errors":0', '"file_errors":1')
    )


def test_the_canary_itself_is_no_finding() -> None:
    name = f"Function belay_canary_{CANARY.nonce} not found."
    assert without(read_answer(with_canary("small-success/json", name)), CANARY).clean


def test_a_canary_of_another_run_does_not_count() -> None:
    """P7: an answer from a cache, or one that was prepared, can't hold this run's names."""
    answer = without(read_answer(with_canary("small-success/json", "Function belay_canary_aaaa not found.")), CANARY)
    assert answer.failure is not None


GOOD = '{"totals":{"errors":0,"file_errors":0},"files":[],"errors":[]}'


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "[]",
        "null",
        GOOD + GOOD,
        GOOD + "\n" + GOOD,
        GOOD + " trailing",
        GOOD[:-1],
        '{"totals":{"errors":0,"file_errors":0},"totals":{"errors":0,"file_errors":0},"files":[],"errors":[]}',
        '{"totals":{"errors":0},"files":[],"errors":[]}',
        '{"totals":{"errors":0,"file_errors":false},"files":[],"errors":[]}',
        '{"totals":{"errors":0,"file_errors":0.0},"files":[],"errors":[]}',
        '{"totals":{"errors":0,"file_errors":-1},"files":[],"errors":[]}',
        '{"totals":{"errors":0,"file_errors":0},"files":null,"errors":[]}',
        '{"totals":{"errors":0,"file_errors":0},"files":[],"errors":{}}',
        '{"totals":{"errors":0,"file_errors":0},"files":[],"errors":["Ignored error pattern of my own."]}',
        '{"totals":{"errors":0,"file_errors":0},"files":{"/a.php":{"errors":1,"messages":[]}},"errors":[]}',
        '{"totals":{"errors":0,"file_errors":0},"files":{"/a.php":{"errors":1,"messages":[{"message":"x"}]}},"errors":[]}',
        '{"totals":{"errors":0,"file_errors":1},"files":{"/a.php":{"errors":1,"messages":["x"]}},"errors":[]}',
        '{"totals":{"errors":0,"file_errors":1},"files":{"/a.php":{"errors":1,"messages":[{"line":1}]}},"errors":[]}',
        '{"totals":' + "[" * 100_000,
    ],
)
@pytest.mark.parametrize("status", [0, 1])
def test_an_answer_that_is_not_phpstans_is_refused(stdout: str, status: int) -> None:
    """P7: nor does an odd one end in an exception."""
    assert read_answer(Completed(exit_code=status, stdout=stdout, stderr="")).failure is not None


@pytest.mark.parametrize(
    ("name", "path", "context"),
    [
        ("/app/src/Priced.php (in context of class Shop\\\\Item)", "/app/src/Priced.php", "Shop\\Item"),
        ("/app/T.php (in context of class@anonymous/app/A.php:3)", "/app/T.php", "class@anonymous/app/A.php:3"),
        ("/app/odd (name).php", "/app/odd (name).php", ""),
    ],
)
def test_a_traits_file_is_told_from_the_class_that_uses_it(name: str, path: str, context: str) -> None:
    found = '{"errors":1,"messages":[{"message":"x","line":null,"ignorable":true}]}'
    text = f'{{"totals":{{"errors":0,"file_errors":1}},"files":{{"{name}":{found}}},"errors":[]}}'
    (finding,) = read_answer(Completed(exit_code=1, stdout=text, stderr="")).findings
    assert (finding.path, finding.context, finding.line) == (path, context, 0)


def test_two_answers_are_told_as_what_they_are() -> None:
    """A shutdown function may print a second one."""
    failure = read_answer(Completed(exit_code=0, stdout=GOOD + GOOD, stderr="")).failure
    assert failure is not None
    assert "holds 2 answers" in failure.cause


@pytest.mark.parametrize("status", [-9, 1, 2, 127, 255])
def test_no_errors_with_another_status_than_0_is_refused(status: int) -> None:
    assert read_answer(Completed(exit_code=status, stdout=GOOD, stderr="")).failure is not None


def test_an_incomplete_result_is_refused_whatever_the_rest_says() -> None:
    assert (
        read_answer(Completed(exit_code=0, stdout=GOOD, stderr="Result is incomplete because of")).failure is not None
    )


@pytest.mark.parametrize("text", ["Parse error: " * 200_000, "File " * 500_000, "Path " * 500_000])
def test_a_flood_of_words_is_looked_at_in_part(text: str) -> None:
    """P7: each pattern takes time by the square, and a gate that never ends says nothing. Without a bound: hours."""
    assert explained("Ended", 1, text, "").words == text[:WORDS_LIMIT]
    assert explained("Ended", 1, text, "Invalid memory limit 'x'").remedy == "Write `memory-limit` like `1G`."


def test_a_flood_in_a_files_name_is_a_name() -> None:
    """As above."""
    name = "/app/a" + " (in context of class A" * 200_000
    message = {"message": "m", "line": 1, "ignorable": True}
    document = {
        "totals": {"errors": 0, "file_errors": 1},
        "files": {name: {"errors": 1, "messages": [message]}},
        "errors": [],
    }
    assert read_answer(Completed(exit_code=1, stdout=json.dumps(document), stderr="")).findings[0].path == name
