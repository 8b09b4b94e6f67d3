"""Fill the marked places of the READMEs: tables of inputs and outputs from action.yml, examples from their files.

A place begins with a comment and ends with `<!-- end -->`:

    <!-- inputs: action.yml -->      the action's own inputs (`connection:` the ones that all actions share)
    <!-- outputs: action.yml -->
    <!-- example: examples/workflows/deploy.yml -->

Usage: tables.py [--check]. With --check nothing is written, and the exit status is 1 when a file is stale.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"(<!-- (inputs|connection|outputs|example): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
CONNECTION = (
    "environment", "host", "port", "user", "ssh-key", "known-hosts", "jump-host", "path", "connect-timeout",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Fill every README, or check that each is fresh."""
    stale = []
    for file in [TOP / "README.md", *sorted(TOP.glob("actions/*/README.md"))]:
        old = file.read_text("utf-8")
        new = PLACE.sub(lambda place: f"{place[1]}{content(place[2], TOP / place[3])}{place[4]}", old)
        if new != old:
            stale.append(str(file.relative_to(TOP)))
            if "--check" not in arguments:
                file.write_text(new, "utf-8")
    print(
        "\n".join(f"{name}: {'is stale; run tools/tables' if '--check' in arguments else 'written'}" for name in stale)
    )
    return 1 if stale and "--check" in arguments else 0


def content(kind: str, file: Path) -> str:
    """Return the Markdown of one place, from the file that it names."""
    text = file.read_text("utf-8")
    if kind == "example":
        return f"```yaml\n{text}```\n"
    section = yaml.safe_load(text)["outputs" if kind == "outputs" else "inputs"]
    shared = [name for name in CONNECTION if name in section and "environment" in section]
    if kind == "connection":
        section = {name: section[name] for name in shared}
    elif kind == "inputs":
        section = {name: entry for name, entry in section.items() if name not in shared}
    rows = [f"| `{name}` | {cell(entry['description'])} |" for name, entry in section.items()]
    return "\n".join([f"| {'output' if kind == 'outputs' else 'input'} | |", "|---|---|", *rows, ""])


def cell(text: str) -> str:
    """Return `text` for one cell of a table: a bar would end it."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
