#!/usr/bin/env python3
"""Check the rules of our own that no linter knows: what actions may hold, and what no module may write.

- No `${{ … }}` inside `run:`. The runner pastes its value into the script, so a branch's name becomes code.
- No `uses:` in a published action. An organisation that demands pinned actions would be unable to use it, and what it
  pulls in would change under the pin that a user chose.
- Nothing in pyhelpers/ or in an action names GITHUB_ENV or GITHUB_PATH (comments and docstrings may): a step of ours
  must not change the steps after it.

Usage: lint_actions.py [FOLDER], the repository's top. Prints `file:line: what`; the exit status is 1 when there is any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

FORBIDDEN = re.compile(r"\bGITHUB_(ENV|PATH)\b")


def main(top: Path) -> int:
    """Return 1 after printing every finding below `top`, 0 when there is none."""
    published = [*top.glob("action.yml"), *top.glob("actions/*/action.yml")]
    workflows = [*top.glob(".github/workflows/*.yml")]
    findings = [
        *(f"{file}:{finding}" for file in [*published, *workflows] for finding in expressions_in_run(file)),
        *(f"{file}:{finding}" for file in published for finding in inner_actions(file)),
        *(f"{file}:{finding}" for file in published for finding in forbidden_lines(file)),
        *(f"{file}:{finding}" for file in sorted(top.glob("pyhelpers/**/*")) for finding in forbidden_names(file)),
    ]
    print("\n".join(findings) or "actions: nothing to complain of")
    return 1 if findings else 0


def entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """Give every key of every mapping in a YAML document, with its value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value
            yield from entries(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from entries(item)


def document(file: Path) -> yaml.Node | None:
    """Return a YAML file as nodes, which know their lines."""
    return yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)


def expressions_in_run(file: Path) -> Iterator[str]:
    """Give a finding for each `run:` that holds an expression."""
    for key, value in entries(document(file)):
        if key == "run" and isinstance(value, yaml.ScalarNode) and "${{" in value.value:
            yield f"{value.start_mark.line + 1}: an expression inside run:, pass it by env:"


def inner_actions(file: Path) -> Iterator[str]:
    """Give a finding for each `uses:`."""
    for key, value in entries(document(file)):
        if key == "uses":
            yield f"{value.start_mark.line + 1}: uses: in a published action"


def forbidden_names(file: Path) -> Iterator[str]:
    """Give a finding for each place in a program's code that names a file which steps after ours would read."""
    if file.suffix == ".py":
        tree = ast.parse(file.read_text("utf-8"))
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, owners)}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if FORBIDDEN.search(text) and text not in docstrings:
                yield f"{node.lineno}: names {text!r}"  # type: ignore[attr-defined]  # a constant has a line
    elif file.suffix == ".sh" or file.name == "run":
        yield from forbidden_lines(file)


def forbidden_lines(file: Path) -> Iterator[str]:
    """Give a finding for each such line of a file whose comments begin with `#`."""
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        if FORBIDDEN.search(line) and not line.lstrip().startswith("#"):
            yield f"{number}: {line.strip()}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
