"""Each way around PHPStan that the gate can see, as a small history: refused, with the reason named.

In each of them PHPStan itself is green: the recording that is replayed has no errors.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.php_repository import BASELINE, SAMPLE, PhpRepository, make_repository
from tests.unit.gate.test_gate import event, on_github

Change = Callable[[PhpRepository], None]
ENTRY = """
		-
			message: '#^Method Shop\\\\Order\\:\\:label\\(\\) is bad\\.$#'
			identifier: return.type
			count: 1
			path: src/Order.php
"""


def level_lowered(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], level=5)


def no_rules(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], customRulesetUsed=True)


def check_off(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], checkNullables=False)


def only_this(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], checkThisOnly=True)


def unmatched_off(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], reportUnmatchedIgnoredErrors=False)


def entry_added(app: PhpRepository) -> None:
    app.write("baseline.neon", BASELINE + ENTRY)


def count_raised(app: PhpRepository) -> None:
    app.change("baseline.neon", "count: 1\n\t\t\tpath: src/Order.php", "count: 2\n\t\t\tpath: src/Order.php")


def second_baseline(app: PhpRepository) -> None:
    app.write("more.neon", f"parameters:\n\tignoreErrors:\n{ENTRY.lstrip()}".replace("\n-", "\n\t\t-"))
    app.configure(includes=["baseline.neon", "more.neon"])


def entry_by_hand(app: PhpRepository) -> None:
    more = "\tignoreErrors:\n\t\t- {identifier: return.type, path: src/Order.php, count: 3}\n"
    app.configure(includes=["baseline.neon"], more=more)


def entries_swapped(app: PhpRepository) -> None:
    """One error mended, another hidden in its place: the count is the same."""
    app.change(
        "baseline.neon", r"Shop\\Order\:\:total\(\) should return int", r"Shop\\Order\:\:label\(\) should return int"
    )


def entries_swapped_under_a_rename(app: PhpRepository) -> None:
    """The file moves as well, and its entries may follow it; this one is another."""
    app.git("mv", "src/Order.php", "src/Bill.php")
    entries_swapped(app)
    app.write("baseline.neon", app.read("baseline.neon").replace("src/Order.php", "src/Bill.php"))


def ignored_by_a_package(app: PhpRepository) -> None:
    """An extension's configuration in vendor/ ignores something: only PHPStan's own parameters tell."""
    app.configure(includes=["baseline.neon"], ignoreErrors=[{"message": "#never#", "path": str(app.root / "src")}])
    app.change("phpstan.neon", app.read("phpstan.neon").split("ignoreErrors")[1].partition("\n")[0], ": []")


def excluded(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], excludePaths=["src/Order.php"])


def excluded_for_later(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], excludePaths=["src/Legacy/*"])


def paths_narrowed(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], paths=["src/Item.php", "src/Priced.php"])


def another_ending(app: PhpRepository) -> None:
    app.git("mv", "src/Order.php", "src/Order.inc")


def extensions_narrowed(app: PhpRepository) -> None:
    app.write("src/only.inc", "<?php\n")
    app.configure(includes=["baseline.neon"], fileExtensions=["inc"])


def catch_all(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], more="\tignoreErrors:\n\t\t- '~.*~'\n")


def whole_identifier(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], more="\tignoreErrors:\n\t\t-\n\t\t\tidentifier: argument.type\n")


def count_taken_away(app: PhpRepository) -> None:
    """An entry without its count hides any number."""
    app.change("baseline.neon", "\t\t\tidentifier: return.type\n\t\t\tcount: 1\n", "\t\t\tidentifier: return.type\n")


def line_ignored(app: PhpRepository) -> None:
    app.change("src/Order.php", "return (string) $sum;", "return (string) $sum; // @phpstan-ignore return.type")


def hash_ignored(app: PhpRepository) -> None:
    app.change("src/Order.php", "return (string) $sum;", "return (string) $sum; # @phpstan-ignore-line")


def next_line_ignored(app: PhpRepository) -> None:
    app.change("src/Order.php", "return (string) $sum;", "/* @phpstan-ignore-next-line */\n\t\treturn (string) $sum;")


def docblock_ignored(app: PhpRepository) -> None:
    app.change(
        "src/Order.php",
        "return (string)",
        "/**\n\t\t * @phpstan-ignore return.type (why not)\n\t\t */\n\t\treturn (string)",
    )


def ignored_as_binary(app: PhpRepository) -> None:
    """`-diff` makes git print no lines of a file."""
    app.write(".gitattributes", "*.php -diff binary\n")
    line_ignored(app)


def ignored_in_a_new_file(app: PhpRepository) -> None:
    app.write("src/New.php", "<?php\n// @phpstan-ignore function.notFound\nnope();\n")


def ignored_in_a_renamed_file(app: PhpRepository) -> None:
    app.git("mv", "src/Order.php", "src/Bill.php")
    app.change("src/Bill.php", "return (string) $sum;", "return (string) $sum; // @phpstan-ignore return.type")


def ignored_after_a_heredoc(app: PhpRepository) -> None:
    app.write(
        "src/New.php", "<?php\n$a = <<<'X'\n// @phpstan-ignore a.b\nX;\nnope(); // @phpstan-ignore function.notFound\n"
    )


def shadowed(app: PhpRepository) -> None:
    app.configure(file=".phpstan.neon", level=9)


def configuration_gone(app: PhpRepository) -> None:
    app.git("rm", "-q", "phpstan.neon")


def code_in_a_php_baseline(app: PhpRepository) -> None:
    app.write("more.php", (SAMPLE / "bl-exit.php").read_text())
    app.configure(includes=["baseline.neon", "more.php"])


def unreadable(app: PhpRepository) -> None:
    app.write("more.neon", "parameters:\n\tignoreErrors:\n\t\t- '#open\n")
    app.configure(includes=["baseline.neon", "more.neon"])


def formatter(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], more="services:\n\terrorFormatter.json:\n\t\tclass: T\\FakeFormatter\n")


def anonymous_formatter(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], more="services:\n\terrorFormatter.json: T\\FakeFormatter(1)\n")


def lock(reference: str = "abc", url: str = "https://github.com/phpstan/phpstan.git", version: str = "2.1.0") -> str:
    source = {"type": "git", "url": url, "reference": reference}
    strict = {"name": "phpstan/phpstan-strict-rules", "version": "2.0.0", "type": "phpstan-extension"}
    return json.dumps({"packages-dev": [{"name": "phpstan/phpstan", "version": version, "source": source}, strict]})


def fork_of_phpstan(app: PhpRepository) -> None:
    app.write("composer.lock", lock(url="https://github.com/someone/phpstan.git"))


def dist_from_elsewhere(app: PhpRepository) -> None:
    """Composer takes `dist` before `source`."""
    document = json.loads(lock())
    document["packages-dev"][0]["dist"] = {"type": "zip", "url": "https://example.net/zipball/abc", "reference": "abc"}
    app.write("composer.lock", json.dumps(document))


def other_contents(app: PhpRepository) -> None:
    app.write("composer.lock", lock(reference="def"))


def older_phpstan(app: PhpRepository) -> None:
    app.write("composer.lock", lock(version="1.12.0", reference="old"))


def extension_removed(app: PhpRepository) -> None:
    document = json.loads(lock())
    document["packages-dev"].pop()
    app.write("composer.lock", json.dumps(document))


def installer_told_to_ignore(app: PhpRepository) -> None:
    ignored = {"phpstan/extension-installer": {"ignore": ["phpstan/phpstan-strict-rules"]}}
    document = json.loads(app.read("composer.json"))
    app.write("composer.json", json.dumps(document | {"extra": ignored}))


def no_longer_required(app: PhpRepository) -> None:
    app.write("composer.json", json.dumps({"require-dev": {}}))


def formatter_in_a_committed_package(app: PhpRepository) -> None:
    """vendor/ is in git here, so it is the change's own, and is read."""
    app.write(".gitignore", "/vendor/bin/\n")
    app.write("vendor/x/extension.neon", "services:\n\terrorFormatter.json: T\\FakeFormatter\n")
    app.configure(includes=["baseline.neon", "vendor/x/extension.neon"])


def cache_committed(app: PhpRepository) -> None:
    app.write("cache/resultCache.php", "<?php return [];")
    app.configure(includes=["baseline.neon"], resultCachePath=str(app.root / "cache/resultCache.php"))


def softer_baseline(app: PhpRepository) -> None:
    app.write("belay.toml", 'baseline = "free"\n')


def softer_suppressions(app: PhpRepository) -> None:
    app.write("belay.toml", 'suppressions = "allow"\n')


REFUSED: dict[str, tuple[Change, str]] = {
    "5 level lowered": (level_lowered, "level-lowered"),
    "5 no rules": (no_rules, "check-switched-off"),
    "5 check switched off": (check_off, "check-switched-off"),
    "5 only $this": (only_this, "check-switched-off"),
    "6 entry added": (entry_added, "baseline-grew"),
    "6 count raised": (count_raised, "baseline-grew"),
    "6 second baseline": (second_baseline, "baseline-grew"),
    "6 entry by hand": (entry_by_hand, "baseline-grew"),
    "6 entries swapped": (entries_swapped, "baseline-grew"),
    "6 entries swapped under a rename": (entries_swapped_under_a_rename, "baseline-grew"),
    "8 by a package": (ignored_by_a_package, "ignore-pattern-added"),
    "7 file excluded": (excluded, "files-not-analysed"),
    "7 excluded, as an entry": (excluded, "path-excluded"),
    "7 excluded for later": (excluded_for_later, "path-excluded"),
    "7 paths narrowed": (paths_narrowed, "files-not-analysed"),
    "7 another ending": (another_ending, "files-not-analysed"),
    "7 endings narrowed": (extensions_narrowed, "files-not-analysed"),
    "8 everything ignored": (catch_all, "ignore-pattern-added"),
    "8 an identifier ignored": (whole_identifier, "ignore-pattern-added"),
    "8 a count taken away": (count_taken_away, "ignore-pattern-added"),
    "8 unmatched ignores hidden": (unmatched_off, "check-switched-off"),
    "9 // ignore": (line_ignored, "suppression-added"),
    "9 # ignore-line": (hash_ignored, "suppression-added"),
    "9 /* ignore-next-line": (next_line_ignored, "suppression-added"),
    "9 /** ignore": (docblock_ignored, "suppression-added"),
    "9 in a file that git calls binary": (ignored_as_binary, "suppression-added"),
    "9 in a new file": (ignored_in_a_new_file, "suppression-added"),
    "9 in a renamed file": (ignored_in_a_renamed_file, "suppression-added"),
    "9 after a heredoc": (ignored_after_a_heredoc, "suppression-added"),
    "11 exit in a .php baseline": (code_in_a_php_baseline, "configuration-is-code"),
    "11 NEON that nobody can read": (unreadable, "configuration-unreadable"),
    "12 formatter replaced": (formatter, "formatter-replaced"),
    "12 formatter replaced, in short": (anonymous_formatter, "formatter-replaced"),
    "13 configuration shadowed": (shadowed, "configuration-shadowed"),
    "13 PHPStan from elsewhere": (fork_of_phpstan, "phpstan-replaced"),
    "13 PHPStan's archive from elsewhere": (dist_from_elsewhere, "phpstan-replaced"),
    "13 PHPStan with other contents": (other_contents, "phpstan-replaced"),
    "13 an older PHPStan": (older_phpstan, "phpstan-downgraded"),
    "13 an extension removed": (extension_removed, "extension-dropped"),
    "13 the installer ignores an extension": (installer_told_to_ignore, "extension-dropped"),
    "13 an extension no longer required": (no_longer_required, "extension-dropped"),
    "12 formatter replaced in vendor": (formatter_in_a_committed_package, "formatter-replaced"),
    "20 a result cache in git": (cache_committed, "result-cache-committed"),
    "21 belay.toml: baseline free": (softer_baseline, "gate-settings-changed"),
    "21 belay.toml: suppressions allowed": (softer_suppressions, "gate-settings-changed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_way_around_is_refused_and_named(name: str, tmp_path: Path) -> None:
    """P7: green by PHPStan, red by the gate."""
    change, rule = REFUSED[name]
    app = make_repository(tmp_path)
    app.write("composer.lock", lock())
    app.write("composer.json", json.dumps({"require-dev": {"phpstan/phpstan": "^2.1"}}))
    app.commit("lock")
    app.git("branch", "-f", "main")
    change(app)
    ended = app.gate()
    assert ended.code == 1, ended.log
    assert rule in ended.refused, ended.log
    title = "Baseline grew" if rule == "baseline-grew" else "Gate weakened"
    assert f"::error title={title}::" in ended.log
    assert f"<code>{rule}</code>" in ended.summary
    assert ended.outputs["passed"] == "false"


def test_a_grown_php_baseline_is_refused(tmp_path: Path) -> None:
    app = make_repository(tmp_path, baseline="baseline.php")
    app.change(
        "baseline.php",
        "'count' => 1,\n\t'path' => __DIR__ . '/src/Order.php'",
        "'count' => 9,\n\t'path' => __DIR__ . '/src/Order.php'",
    )
    ended = app.gate()
    assert ended.refused == {"baseline-grew"}, ended.log
    assert "8 ×" in ended.log


def test_phpstan_from_the_folder_above_can_not_be_swapped_unseen(tmp_path: Path) -> None:
    """P7: a monorepo whose projects share one vendor/, and so one composer.lock."""
    app = make_repository(tmp_path, baseline="")
    app.configure(folder="packages/cart")
    app.write("packages/cart/src/Cart.php", "<?php\n")
    app.write("composer.lock", lock())
    app.commit("lock")
    app.git("branch", "-f", "main")
    fork_of_phpstan(app)
    ended = app.gate("--working-directory", "packages/cart", "--phpstan", "../../vendor/bin/phpstan")
    assert ended.refused == {"phpstan-replaced"}, ended.log


def test_settings_in_another_file_can_not_get_softer_unseen(tmp_path: Path) -> None:
    """P7: BELAY_CONFIG names the file that counts."""
    app = make_repository(tmp_path)
    app.write("ci/gate.toml", 'suppressions = "allow"\n')
    line_ignored(app)
    ended = app.gate(runner=on_github(tmp_path, config=app.root / "ci" / "gate.toml"))
    assert ended.refused == {"gate-settings-changed"}, ended.log
    assert ended.report["bypasses"][-1]["place"] == "ci/gate.toml"


def test_settings_can_not_become_a_link_to_softer_ones(tmp_path: Path) -> None:
    """P7: what the link leads to was there before, and decided nothing."""
    app = make_repository(tmp_path)
    app.write("docs/soft.toml", 'suppressions = "allow"\n')
    app.write("belay.toml", "")
    app.commit("settings")
    app.git("branch", "-f", "main")
    (app.root / "belay.toml").unlink()
    (app.root / "belay.toml").symlink_to("docs/soft.toml")
    line_ignored(app)
    assert app.gate().refused == {"gate-settings-changed"}


def test_a_pushed_branch_can_not_name_its_own_base_unseen(tmp_path: Path) -> None:
    """P7: compared with itself, nothing would be new; the default branch's settings count."""
    app = make_repository(tmp_path)
    app.git("update-ref", "refs/remotes/origin/main", "main")
    app.write("belay.toml", 'base-ref = "HEAD"\n')
    line_ignored(app)
    payload = event(tmp_path, {"before": "0" * 40, "repository": {"default_branch": "main"}})
    runner = on_github(tmp_path, event_name="push", event_path=payload, ref="refs/heads/change")
    assert app.gate(runner=runner).refused == {"gate-settings-changed"}


def test_a_dropped_include_of_a_package_is_refused(tmp_path: Path) -> None:
    app = make_repository(tmp_path)
    app.configure(
        includes=["baseline.neon", "vendor/phpstan/phpstan-strict-rules/rules.neon"], more="rules:\n\t- A\\B\n"
    )
    app.commit("strict")
    app.git("branch", "-f", "main")
    app.configure(includes=["baseline.neon"])
    assert {"extension-dropped", "rule-dropped"} <= app.gate().refused


def test_a_configuration_that_is_gone_is_no_success(tmp_path: Path) -> None:
    app = make_repository(tmp_path)
    configuration_gone(app)
    assert "configuration-gone" in app.gate().refused


def test_phpstan_in_the_repository_can_not_be_swapped_unseen(tmp_path: Path) -> None:
    app = make_repository(tmp_path)
    app.write("tools/phpstan", "#!/bin/sh\nexec ../vendor/bin/phpstan\n")
    app.commit("phar")
    app.git("branch", "-f", "main")
    program = app.root / "tools" / "phpstan"
    program.unlink()
    program.symlink_to(app.root / "vendor" / "bin" / "phpstan")
    assert "phpstan-replaced" in app.gate("--phpstan", "tools/phpstan").refused


def test_a_folder_in_the_place_of_vendor_is_seen(php_repository: PhpRepository) -> None:
    """P7: `vendor` itself is a link into the repository."""
    app = php_repository
    target = (app.root / "vendor" / "bin" / "phpstan").readlink()
    shutil.rmtree(app.root / "vendor")
    (app.root / "tools" / "bin").mkdir(parents=True)
    (app.root / "tools" / "bin" / "phpstan").symlink_to(target)
    (app.root / "vendor").symlink_to("tools")
    assert "phpstan-replaced" in app.gate().refused


@pytest.mark.parametrize("file", ["vendor/phpstan/phpstan/phpstan.phar", "vendor/composer/installed.json"])
def test_packages_put_beside_the_installed_ones_are_seen(file: str, php_repository: PhpRepository) -> None:
    """P7: Composer takes what `installed.json` names for installed, and leaves it as it is."""
    php_repository.write(file, "{}")
    php_repository.git("add", "-f", file)
    php_repository.commit()
    assert php_repository.gate().refused == {"phpstan-replaced"}


def test_committed_packages_may_be_updated(tmp_path: Path) -> None:
    """No false alarm where vendor/ is in git, and was: composer.lock says what they are."""
    app = make_repository(tmp_path)
    for text in ("old", "new"):
        app.git("branch", "-f", "main")
        for file in ("vendor/phpstan/phpstan/phpstan.phar", "vendor/composer/installed.json"):
            app.write(file, text)
            app.git("add", "-f", file)
        app.commit()
    ended = app.gate()
    assert ended.code == 0, ended.log
    assert "packages-changed" in ended.reported


@pytest.mark.parametrize(
    "replay", ["bypass-bootstrap-exit0/json", "bypass-php-baseline-exit0/json", "bypass-shutdown-exit0/json"]
)
def test_an_analysis_that_was_ended_early_is_no_success(replay: str, php_repository: PhpRepository) -> None:
    """P7: row 11; recorded with exit status 0."""
    php_repository.configure(includes=["baseline.neon"], replay=replay)
    ended = php_repository.gate()
    assert (ended.code, ended.outputs["passed"]) == (1, "false")
    assert "::error title=Analysis failed::" in ended.log


@pytest.mark.parametrize("replay", ["bypass-fake-formatter/json", "bypass-no-rules/json", "bypass-ignore-all/json"])
def test_an_answer_without_the_canary_is_no_success(replay: str, php_repository: PhpRepository) -> None:
    """P7: row 12; recorded as well-formed, without errors, with exit status 0."""
    php_repository.configure(includes=["baseline.neon"], replay=replay, canary="blind")
    ended = php_repository.gate()
    assert (ended.code, ended.outputs["passed"]) == (1, "false")
    assert "::error title=Analysis failed::PHPStan did not report the error that Belay planted" in ended.log


def test_what_only_asserts_or_widens_types_is_told_and_passes(php_repository: PhpRepository) -> None:
    """Row 10: each has honest uses."""
    php_repository.write(
        "src/New.php",
        "<?php\nfunction f(mixed $x): int {\n\t/** @var int $y */\n\t$y = $x;\n\treturn $y;\n}\n",
    )
    ended = php_repository.gate()
    assert ended.code == 0, ended.log
    assert {"type-asserted", "type-widened"} <= ended.reported


@pytest.mark.parametrize("kind", ["bootstrapFiles", "stubFiles"])
def test_a_file_that_phpstan_loads_is_told_of_when_it_changes(kind: str, php_repository: PhpRepository) -> None:
    """Row 11: its name is the same."""
    app = php_repository
    app.write("load.php", "<?php\n")
    loaded: dict[str, Any] = {kind: ["load.php"]}
    app.configure(includes=["baseline.neon"], **loaded)
    app.commit()
    app.git("branch", "-f", "main")
    app.write("README.md", "more\n")
    assert "parameter-widened" not in app.gate().reported
    app.write("load.php", "<?php exit(0);\n")
    assert "parameter-widened" in app.gate().reported


def test_what_is_run_when_packages_are_installed_is_told(php_repository: PhpRepository) -> None:
    php_repository.write("composer.json", "{}")
    php_repository.commit()
    php_repository.git("branch", "-f", "main")
    php_repository.write("composer.json", json.dumps({"scripts": {"post-install-cmd": "cp fake vendor/bin/phpstan"}}))
    assert "packages-changed" in php_repository.gate().reported


def test_an_extension_of_the_container_is_told(php_repository: PhpRepository) -> None:
    """Row 12: it may replace the formatter as well."""
    php_repository.configure(includes=["baseline.neon"], more="extensions:\n\tx: Shop\\Extension\n")
    assert "service-changed" in php_repository.gate().reported


def test_bleeding_edge_may_come_and_not_go(php_repository: PhpRepository) -> None:
    """It is included from PHPStan's archive."""
    app = php_repository
    app.configure(includes=["baseline.neon", "phar://phpstan.phar/conf/bleedingEdge.neon"])
    ended = app.gate()
    assert ended.code == 0, ended.log
    app.git("branch", "-f", "main")
    app.configure(includes=["baseline.neon"])
    assert app.gate().refused == {"extension-dropped"}


def test_an_entry_with_a_path_that_no_disk_takes_is_refused(php_repository: PhpRepository) -> None:
    php_repository.write("baseline.neon", BASELINE + ENTRY.replace("src/Order.php", f"src/{'a' * 300}.php"))
    ended = php_repository.gate()
    assert (ended.refused, ended.outputs["passed"]) == ({"baseline-grew"}, "false"), ended.log


def test_a_changed_workflow_and_waiver_file_are_told(php_repository: PhpRepository) -> None:
    """Row 14."""
    php_repository.write(".github/workflows/other.yml", "on: push\njobs: {}\n")
    php_repository.write("phpstan-waivers.toml", "")
    assert {"workflow-changed", "waivers-changed"} <= php_repository.gate().reported


def test_report_and_allow_are_what_they_say(php_repository: PhpRepository) -> None:
    line_ignored(php_repository)
    told = php_repository.gate("--suppressions", "report")
    assert (told.code, told.outputs["suppressions"]) == (0, "1")
    assert "suppression-added" in told.reported
    assert php_repository.gate("--suppressions", "allow").outputs["suppressions"] == "0"


def test_a_frozen_baseline_may_not_even_shrink(php_repository: PhpRepository) -> None:
    php_repository.write("baseline.neon", "parameters:\n\tignoreErrors: []\n")
    assert php_repository.gate("--baseline", "frozen").refused == {"baseline-changed"}
    assert php_repository.gate("--baseline", "shrink").code == 0


def test_a_free_baseline_grows_in_the_open(php_repository: PhpRepository) -> None:
    entry_added(php_repository)
    ended = php_repository.gate("--baseline", "free")
    assert ended.code == 0, ended.log
    assert "baseline-grew" in ended.reported


def adopting(folder: Path) -> PhpRepository:
    """Return a repository whose base had no PHPStan, and whose change brings it, with a baseline."""
    app = make_repository(folder)
    for name in ("phpstan.neon", "baseline.neon"):
        app.git("rm", "-q", name)
    app.commit("without")
    app.git("branch", "-f", "main")
    app.write("baseline.neon", BASELINE)
    app.configure(includes=["baseline.neon"])
    return app


def test_the_first_baseline_of_a_repository_is_no_growth(tmp_path: Path) -> None:
    """Where there was no PHPStan, everything begins."""
    app = adopting(tmp_path)
    ended = app.gate()
    assert ended.code == 0, ended.log
    assert "phpstan-begun" in ended.reported


def test_a_first_configuration_beside_given_inputs_is_no_beginning(tmp_path: Path) -> None:
    """P7: level and paths come from the workflow, so the base was analysed without a file."""
    app = adopting(tmp_path)
    assert app.gate("--level", "9", "--paths", "src").refused == {"baseline-grew"}


def test_where_phpstan_can_not_tell_the_bases_parameters_the_files_do(tmp_path: Path) -> None:
    """P7: a change that breaks the base's view of itself, e.g. by a package that it removes, hides nothing so."""
    app = make_repository(tmp_path)
    app.change("replay.json", "{", '{"dump": "config-bad-syntax/json",')
    app.commit("can't be told")
    app.git("branch", "-f", "main")
    app.configure(includes=["baseline.neon"], level=5, checkNullables=False, customRulesetUsed=True)
    entry_added(app)
    ended = app.gate()
    assert ended.refused == {"level-lowered", "check-switched-off", "baseline-grew"}
    assert sum(bypass["rule"] == "check-switched-off" for bypass in ended.report["bypasses"]) == 2
    assert "base-not-compared" in ended.reported
