"""What people do every day is let through: no false alarm in any of these histories."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyhelpers.gate.workflows import audit_workflows
from tests.lab.php_repository import BASELINE, SAMPLE, PhpRepository, make_repository

TOP = Path(__file__).resolve().parents[3]
Change = Callable[[PhpRepository], None]
LOCK = {
    "packages-dev": [
        {
            "name": "phpstan/phpstan",
            "version": "2.1.0",
            "source": {"type": "git", "url": "https://github.com/phpstan/phpstan.git", "reference": "aaa"},
        },
        {"name": "acme/tool", "version": "1.0.0"},
    ]
}
IGNORED = """<?php declare(strict_types = 1);

namespace Shop;

function first(): int
{
	return strlen(null); // @phpstan-ignore argument.type
}

function second(): int
{
	/** @phpstan-ignore-next-line */
	return strlen(null);
}
"""


def entries(text: str) -> list[str]:
    """Return the baseline's entries."""
    return ["\t\t-\n" + entry.rstrip("\n") + "\n" for entry in text.split("\t\t-\n")[1:]]


def baseline(listed: list[str]) -> str:
    """Return a baseline of these entries."""
    return "parameters:\n\tignoreErrors:\n" + "\n".join(listed) if listed else "parameters:\n\tignoreErrors: []\n"


def nothing(app: PhpRepository) -> None:
    app.commit("nothing")


def documentation(app: PhpRepository) -> None:
    app.write("README.md", "# Shop\n\nNever write @phpstan-ignore.\n")


def file_renamed(app: PhpRepository) -> None:
    app.git("mv", "src/Order.php", "src/Bill.php")
    app.write("baseline.neon", app.read("baseline.neon").replace("src/Order.php", "src/Bill.php"))


def class_renamed(app: PhpRepository) -> None:
    app.git("mv", "src/Order.php", "src/Bill.php")
    app.change("src/Bill.php", "class Order", "class Bill")
    app.write(
        "baseline.neon", app.read("baseline.neon").replace("src/Order.php", "src/Bill.php").replace("Order", "Bill")
    )


def folder_renamed(app: PhpRepository) -> None:
    (app.root / "src/Shop").mkdir()
    for name in ("Item", "Order", "Priced", "functions"):
        app.git("mv", f"src/{name}.php", f"src/Shop/{name}.php")
    app.write("baseline.neon", app.read("baseline.neon").replace("src/", "src/Shop/"))


def lines_moved(app: PhpRepository) -> None:
    text = app.read("src/Ignored.php")
    head, first, second = text.split("function ")
    app.write("src/Ignored.php", f"{head}// A comment.\n\nfunction {second}\nfunction {first}")


def reformatted(app: PhpRepository) -> None:
    for name in ("src/Ignored.php", "src/Order.php"):
        app.write(name, app.read(name).replace("\t", "    ").replace(")\n{", ") {"))


def line_ends_changed(app: PhpRepository) -> None:
    app.write("src/Ignored.php", app.read("src/Ignored.php").replace("\n", "\r\n"))


def function_moved(app: PhpRepository) -> None:
    text = app.read("src/Ignored.php")
    head, first, second = text.split("function ")
    app.write("src/Ignored.php", f"{head}function {second}")
    app.write("src/Other.php", f"{head}function {first}")


def ignore_narrowed(app: PhpRepository) -> None:
    app.change("src/Ignored.php", "@phpstan-ignore-next-line", "@phpstan-ignore argument.type")


def ignore_removed(app: PhpRepository) -> None:
    app.change("src/Ignored.php", "strlen(null); // @phpstan-ignore argument.type", "strlen('');")


def ignored_file_renamed(app: PhpRepository) -> None:
    app.git("mv", "src/Ignored.php", "src/Kept.php")


def ignore_in_a_text(app: PhpRepository) -> None:
    app.write("src/Text.php", "<?php\n$a = '// @phpstan-ignore a.b';\n$b = <<<X\n# @phpstan-ignore-line\nX;\n")


def baseline_shrunk(app: PhpRepository) -> None:
    app.write("baseline.neon", baseline(entries(BASELINE)[:5]))


def baseline_emptied(app: PhpRepository) -> None:
    app.write("baseline.neon", baseline([]))


def baseline_removed(app: PhpRepository) -> None:
    app.git("rm", "-q", "baseline.neon")
    app.configure()


def baseline_reordered(app: PhpRepository) -> None:
    app.write("baseline.neon", baseline(entries(BASELINE)[::-1]))


def baseline_split(app: PhpRepository) -> None:
    app.write("baseline.neon", baseline(entries(BASELINE)[:6]))
    app.write("baseline/two.neon", baseline(entries(BASELINE)[6:]).replace("path: src", "path: ../src"))
    app.configure(includes=["baseline.neon", "baseline/two.neon"])


def baseline_to_php(app: PhpRepository) -> None:
    app.git("rm", "-q", "baseline.neon")
    app.write("baseline.php", (SAMPLE / "baseline.php").read_text())
    app.configure(includes=["baseline.php"])


def baseline_moved(app: PhpRepository) -> None:
    (app.root / "tools").mkdir()
    app.git("mv", "baseline.neon", "tools/baseline.neon")
    app.change("tools/baseline.neon", "path: src", "path: ../src")
    app.configure(includes=["tools/baseline.neon"])


def file_deleted(app: PhpRepository) -> None:
    app.git("rm", "-q", "src/Order.php")
    app.write("baseline.neon", baseline([entry for entry in entries(BASELINE) if "Order.php" not in entry]))


def file_added(app: PhpRepository) -> None:
    app.write("src/New.php", "<?php declare(strict_types = 1);\n\nfunction fresh(): int { return 1; }\n")


def level_raised(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], level=10)


def level_raised_to_max(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], level="max")


def switch_on(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], checkUninitializedProperties=True)


def paths_added(app: PhpRepository) -> None:
    app.write("tests/ATest.php", "<?php\n")
    app.configure(includes=["baseline.neon"], paths=["src", "tests"])


def paths_named_otherwise(app: PhpRepository) -> None:
    app.configure(includes=["baseline.neon"], paths=["src/Item.php", "src"])


def dist_renamed(app: PhpRepository) -> None:
    app.git("mv", "phpstan.neon", "phpstan.neon.dist")


def configuration_split(app: PhpRepository) -> None:
    app.git("mv", "phpstan.neon", "common.neon")
    app.write("phpstan.neon", "includes:\n\t- common.neon\n")


def tool_updated(app: PhpRepository) -> None:
    document = json.loads(json.dumps(LOCK))
    document["packages-dev"][0] |= {"version": "2.1.1"}
    document["packages-dev"][0]["source"]["reference"] = "bbb"
    document["packages-dev"][1]["version"] = "0.9.0"
    app.write("composer.lock", json.dumps(document))


def phpstan_updated_without_its_source(app: PhpRepository) -> None:
    """Packagist gives some packages as archives alone."""
    document = json.loads(json.dumps(LOCK))
    url = "https://api.github.com/repos/phpstan/phpstan/zipball/bbb"
    document["packages-dev"][0] = {
        "name": "phpstan/phpstan",
        "version": "2.1.1",
        "dist": {"type": "zip", "url": url, "reference": "bbb"},
    }
    app.write("composer.lock", json.dumps(document))


def extension_added(app: PhpRepository) -> None:
    document = json.loads(json.dumps(LOCK))
    document["packages-dev"].append({"name": "larastan/larastan", "version": "3.0", "type": "phpstan-extension"})
    app.write("composer.lock", json.dumps(document))


def stricter_gate(app: PhpRepository) -> None:
    app.write("belay.toml", 'baseline = "frozen"\n')


def comment_about_ignoring(app: PhpRepository) -> None:
    app.change(
        "src/Ignored.php", "namespace Shop;", "namespace Shop;\n\n// See the rules on phpstan-ignore in README.md."
    )


def property_documented(app: PhpRepository) -> None:
    app.change(
        "src/Item.php", "\tuse Priced;", "\tuse Priced;\n\n\t/** @var list<string> */\n\tpublic array $tags = [];"
    )


HARMLESS: tuple[Change, ...] = (
    nothing,
    documentation,
    file_renamed,
    class_renamed,
    folder_renamed,
    lines_moved,
    reformatted,
    line_ends_changed,
    function_moved,
    ignore_narrowed,
    ignore_removed,
    ignored_file_renamed,
    ignore_in_a_text,
    baseline_shrunk,
    baseline_emptied,
    baseline_removed,
    baseline_reordered,
    baseline_split,
    baseline_to_php,
    baseline_moved,
    file_deleted,
    file_added,
    level_raised,
    level_raised_to_max,
    switch_on,
    paths_added,
    paths_named_otherwise,
    dist_renamed,
    configuration_split,
    tool_updated,
    phpstan_updated_without_its_source,
    extension_added,
    stricter_gate,
    comment_about_ignoring,
    property_documented,
)


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__.replace("_", " "))
def test_a_harmless_change_passes(change: Change, tmp_path: Path) -> None:
    app = make_repository(tmp_path)
    app.write("src/Ignored.php", IGNORED)
    app.write("composer.lock", json.dumps(LOCK))
    app.commit("more")
    app.git("branch", "-f", "main")
    change(app)
    ended = app.gate()
    assert ended.code == 0, ended.log
    assert ended.refused == set()
    assert ended.outputs["passed"] == "true"


def test_what_a_package_brings_is_the_same_on_both_sides(tmp_path: Path) -> None:
    """The base's files lie elsewhere, with the checkout's packages linked into them."""
    app = make_repository(tmp_path)
    app.write("vendor/larastan/larastan/extension.neon", "services:\n\t- Larastan\\Thing\nrules:\n\t- A\\B\n")
    app.configure(includes=["baseline.neon", "vendor/larastan/larastan/extension.neon"])
    app.commit("larastan")
    app.git("branch", "-f", "main")
    app.write("README.md", "more\n")
    ended = app.gate()
    assert ended.code == 0, ended.log
    assert ended.refused == set()
    assert ended.reported == {"gate-not-found"}


def test_our_own_example_of_a_workflow_is_one_without_a_way_around(tmp_path: Path) -> None:
    place = tmp_path / ".github/workflows"
    place.mkdir(parents=True)
    shutil.copy(TOP / "examples/workflows/phpstan.yml", place)
    assert audit_workflows(tmp_path, action="phpstan-gate", check_name="PHPStan gate", branch="main") == []


def test_a_base_that_phpstan_can_not_tell_of_excludes_what_its_files_say(tmp_path: Path) -> None:
    """A change that mends what was broken is not charged with what was excluded before."""
    app = make_repository(tmp_path, baseline="")
    app.write("src/Old/Thing.php", "<?php\n")
    app.configure(excludePaths=["src/Old/*"])
    sound = app.read("replay.json")
    app.write("replay.json", "broken")
    app.commit()
    app.git("branch", "-f", "main")
    app.write("replay.json", sound)
    ended = app.gate()
    assert ended.code == 0, ended.log
    app.configure(excludePaths=["src/Old/*", "src/Order.php"])
    assert app.gate().refused == {"path-excluded"}
