"""Workflows for the audit: ways round the gate by the rule that sees them, and workflows that do nothing wrong."""

from __future__ import annotations

from pathlib import Path

STEP = "- uses: acme/belay/actions/phpstan-gate@v1"
PLAIN = f"""\
on:
  pull_request:
  merge_group:
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      {STEP}
"""


def job(*lines: str, on: str = "pull_request", step: str = "") -> str:
    """Return a workflow whose gate's job has more lines, and its step some `step` more."""
    more = "".join(f"    {line}\n" for line in lines)
    return f"on: {on}\njobs:\n  types:\n    runs-on: ubuntu-latest\n{more}    steps:\n      {STEP}\n{step}"


def beside(*lines: str) -> str:
    """Return the plain workflow with another job after the gate's."""
    return PLAIN + "".join(f"  {line}\n" for line in lines)


def needing(needs: str, *, a: str = "", b: str = "", more: str = "") -> str:
    """Return a workflow whose gate's job needs another; `a` and `b` are more lines of two other jobs."""
    others = "".join(
        f"  {name}:\n{lines}    runs-on: x\n    steps: [{{run: make}}]\n" for name, lines in {"a": a, "b": b}.items()
    )
    return f"on: pull_request\njobs:\n{others}  types:\n    needs: {needs}\n{more}    runs-on: x\n    steps:\n      {STEP}\n"


def script(text: str, *, shell: str = "") -> str:
    """Return a workflow that runs the gate by hand in a `run:` block."""
    lines = "".join(f"          {line}\n" for line in text.splitlines())
    more = f"        shell: {shell}\n" if shell else ""
    return f"on: pull_request\njobs:\n  types:\n    runs-on: ubuntu-latest\n    steps:\n      - name: types\n{more}        run: |\n{lines}"


def write(folder: Path, files: dict[str, str] | str) -> Path:
    """Write workflows (by name, or one), and other files by their path; return the folder."""
    for name, text in ({"gate.yml": files} if isinstance(files, str) else files).items():
        file = folder / (name if "/" in name else f".github/workflows/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


COMMAND = "./belay/pyhelpers/run gate phpstan"
WITH_IF = "        if: "

# name -> rule, files, the line it is told at (0: none)
BYPASSES: dict[str, tuple[str, dict[str, str] | str, int]] = {
    "step continue-on-error": ("gate-continue-on-error", job(step="        continue-on-error: true\n"), 7),
    "step continue-on-error, quoted": ("gate-continue-on-error", job(step="        continue-on-error: 'true'\n"), 7),
    "job continue-on-error": ("gate-continue-on-error", job("continue-on-error: true"), 5),
    "continue-on-error by an expression": (
        "gate-continue-on-error",
        job("continue-on-error: ${{ matrix.experimental }}"),
        5,
    ),
    "continue-on-error by an anchor": (
        "gate-continue-on-error",
        job("continue-on-error: *soft", on="pull_request\nx: &soft true"),
        6,
    ),
    "step if, never": ("gate-condition", job(step=WITH_IF + "${{ false }}\n"), 7),
    "step if, only after a failure": ("gate-condition", job(step=WITH_IF + "failure()\n"), 7),
    "job if, by a label": (
        "gate-condition",
        job("if: ${{ !contains(github.event.pull_request.labels.*.name, 'skip') }}"),
        5,
    ),
    "job if, by who it is": ("gate-condition", job("if: github.actor != 'dependabot[bot]'"), 5),
    "job if, by what the title says": (
        "gate-condition",
        job("if: \"!startsWith(github.event.pull_request.title, 'wip')\""),
        5,
    ),
    "job if, drafts": ("gate-condition", job("if: github.event.pull_request.draft == false"), 5),
    "job if, no forks": (
        "gate-condition",
        job("if: github.event.pull_request.head.repo.full_name == github.repository"),
        5,
    ),
    "job if, another event": ("gate-condition", job("if: github.event_name == 'push'", on="[push, pull_request]"), 5),
    "job if, always and more": ("gate-condition", job("if: always() && vars.GATE == 'on'"), 5),
    "job if, nonsense": ("gate-condition", job("if: github.event_name == 'pull_request' &&"), 5),
    "job if, not in the queue": (
        "gate-condition",
        job("if: github.event_name == 'pull_request'", on="[pull_request, merge_group]"),
        5,
    ),
    "needs a job that may be skipped": ("gate-needs", needing("b", b="    if: vars.CI == 'on'\n"), 11),
    "needs one that needs one that may be skipped": (
        "gate-needs",
        needing("b", a="    if: vars.CI == 'on'\n", b="    needs: a\n"),
        12,
    ),
    "paths": ("gate-path-filter", job(on="{pull_request: {paths: ['src/**.php']}}"), 1),
    "paths-ignore": ("gate-path-filter", job(on="\n  pull_request:\n    paths-ignore:\n      - docs/**"), 3),
    "all paths but some": ("gate-path-filter", job(on="{pull_request: {paths: ['**', '!src/any/**', '!any/**']}}"), 1),
    "branches": ("gate-branch-filter", job(on="{pull_request: {branches: [develop]}}"), 1),
    "branches-ignore": ("gate-branch-filter", job(on="{pull_request: {branches-ignore: ['ma*']}}"), 1),
    "branches of the queue": (
        "gate-branch-filter",
        job(on="{pull_request: , merge_group: {branches: [release/**]}}"),
        1,
    ),
    "types": ("gate-event-types", job(on="{pull_request: {types: [labeled]}}"), 1),
    "types, first commit only": ("gate-event-types", job(on="{pull_request: {types: [opened, reopened]}}"), 1),
    "pull_request_target": ("gate-pull-request-target", job(on="\n  pull_request_target:"), 2),
    "same name, by id": ("same-name-job", beside("PHPStan-Gate:", "  runs-on: x", "  steps: [{run: 'true'}]"), 10),
    "same name, by name": (
        "same-name-job",
        beside("dummy:", "  name: phpstan-gate", "  runs-on: x", "  steps: [{run: 'true'}]"),
        11,
    ),
    "same name, in another file": (
        "same-name-job",
        {
            "gate.yml": PLAIN,
            "skip.yaml": "on: {pull_request: {paths: [docs/**]}}\njobs:\n  phpstan-gate:\n    runs-on: x\n",
        },
        3,
    ),
    "same name, by a matrix": (
        "same-name-job",
        beside(
            "dummy:",
            "  name: ${{ matrix.tool }}-gate",
            "  strategy: {matrix: {tool: [psalm, phpstan]}}",
            "  runs-on: x",
        ),
        11,
    ),
    "same name, by an include": (
        "same-name-job",
        beside(
            "dummy:",
            "  name: ${{ matrix.name }}",
            "  strategy: {matrix: {include: [{name: phpstan-gate}]}}",
            "  runs-on: x",
        ),
        11,
    ),
    "same name, half known": (
        "same-name-job",
        beside("dummy:", "  name: phpstan-${{ inputs.what }}", "  runs-on: x"),
        11,
    ),
    "a status is forged": (
        "forged-check",
        beside(
            "forge:",
            "  runs-on: x",
            "  steps:",
            "    - run: gh api repos/acme/shop/statuses/$SHA -f state=success -f context=phpstan-gate",
        ),
        13,
    ),
    "a check is forged by a script": (
        "forged-check",
        beside(
            "forge:",
            "  runs-on: x",
            "  steps:",
            "    - uses: actions/github-script@v8",
            "      with: {script: \"github.rest.checks.create({name: 'phpstan-gate', conclusion: 'success'})\"}",
        ),
        13,
    ),
    "a check is forged by an action": (
        "forged-check",
        beside(
            "forge:",
            "  runs-on: x",
            "  steps:",
            "    - uses: someone/checks-action@v2",
            "      with: {name: phpstan-gate, conclusion: success}",
        ),
        13,
    ),
    "a job that says yes whatever the gate says": (
        "gate-result-ignored",
        beside("all:", "  needs: [types]", "  if: always()", "  runs-on: x", "  steps:", "    - run: echo all is well"),
        12,
    ),
    "a job that merges whatever the gate says": (
        "gate-result-ignored",
        beside(
            "merge:",
            "  needs: types",
            "  if: ${{ !cancelled() }}",
            "  runs-on: x",
            "  steps:",
            "    - run: gh pr merge --admin --squash $NUMBER",
        ),
        12,
    ),
    "a matrix that writes to one check": (
        "gate-matrix",
        job(
            "strategy: {fail-fast: false, matrix: {php: ['8.3', '8.4']}}",
            step="        with: {token: '${{ github.token }}'}\n",
        ),
        5,
    ),
    "fail-fast": (
        "gate-fail-fast",
        job("strategy: {matrix: {app: [api, web]}}", step="        with: {check-run: 'types of ${{ matrix.app }}'}\n"),
        5,
    ),
    "no merge_group": (
        "gate-merge-group",
        {"gate.yml": job(), "tests.yml": "on: [pull_request, merge_group]\njobs:\n  t:\n    runs-on: x\n"},
        1,
    ),
    "only after the merge": ("gate-not-on-pull-requests", job(on="push"), 6),
    "not at all": ("gate-not-found", "on: pull_request\njobs:\n  t:\n    runs-on: x\n", 0),
    "somewhere else": (
        "gate-hidden",
        "on: pull_request\njobs:\n  t:\n    uses: acme/infra/.github/workflows/checks.yml@v3\n",
        4,
    ),
    "a reusable workflow's caller": (
        "gate-condition",
        {
            "ci.yml": "on: pull_request\njobs:\n  types:\n    if: inputs.full\n    uses: ./.github/workflows/gate.yml\n",
            "gate.yml": job(on="workflow_call"),
        },
        4,
    ),
    "inside a reusable workflow": (
        "gate-continue-on-error",
        {
            "ci.yml": "on: pull_request\njobs:\n  types:\n    uses: ./.github/workflows/gate.yml\n",
            "gate.yml": job(on="workflow_call", step="        continue-on-error: true\n"),
        },
        7,
    ),
    "inside a composite action": (
        "gate-continue-on-error",
        {
            "ci.yml": "on: pull_request\njobs:\n  types:\n    runs-on: x\n    steps:\n      - uses: ./tools/types\n",
            "tools/types/action.yml": f"runs:\n  using: composite\n  steps:\n    {STEP}\n      continue-on-error: true\n",
        },
        5,
    ),
    "not readable": ("workflow-unreadable", PLAIN + "    runs-on: twice\n", 10),
    "a merge key": ("workflow-unreadable", f"x: &x {{a: 1}}\n{PLAIN}    <<: *x\n", 11),
    "|| true": ("gate-exit-status", script(f"{COMMAND} --level 9 || true"), 8),
    "|| :": ("gate-exit-status", script(f"cd app\n{COMMAND} || :"), 9),
    "|| echo": ("gate-exit-status", script(f"{COMMAND} || echo '::warning::types'"), 8),
    "|| on the next line": ("gate-exit-status", script(f"{COMMAND} \\\n  --level 9 ||\n  exit 0"), 8),
    "; true": ("gate-exit-status", script(f"{COMMAND}; true"), 8),
    "; exit 0": ("gate-exit-status", script(f"{COMMAND} ; exit 0"), 8),
    "set +e": ("gate-exit-status", script(f"set +e\n{COMMAND}\necho done"), 8),
    "set +eu": ("gate-exit-status", script(f"set +eu\n{COMMAND}"), 8),
    "set +o errexit": ("gate-exit-status", script(f"set +o errexit\n{COMMAND}"), 8),
    "a trap": ("gate-exit-status", script(f"trap 'exit 0' EXIT\n{COMMAND}"), 8),
    "in the background": ("gate-exit-status", script(f"{COMMAND} &\nwait"), 8),
    "negated": ("gate-exit-status", script(f"! {COMMAND}"), 8),
    "if": ("gate-exit-status", script(f"if {COMMAND}; then echo well; fi"), 8),
    "&& and more": ("gate-exit-status", script(f"{COMMAND} && echo well\necho done"), 8),
    "substituted": ("gate-exit-status", script(f'echo "$({COMMAND})"'), 8),
    "substituted into an export": ("gate-exit-status", script(f'export SAID="$({COMMAND})"'), 8),
    "a shell without -e": ("gate-exit-status", script(f"{COMMAND}\necho done", shell="bash {0}"), 9),
    "|| true behind what only looks like a line's end": (
        "gate-exit-status",
        PLAIN + f'      - run: "{COMMAND}\\u2028 || true"\n',
        10,
    ),
    "a pipe": ("gate-pipe", script(f"{COMMAND} | tee log"), 8),
    "a pipe of both": ("gate-pipe", script(f"{COMMAND} |& tee log"), 8),
    "a pipe with pipefail and || true": ("gate-exit-status", script(f"{COMMAND} | tee log || true", shell="bash"), 9),
}

HARMLESS: dict[str, dict[str, str] | str] = {
    "plain": PLAIN,
    "a list of events": job(on="[push, pull_request]"),
    "every branch and path": job(on="{pull_request: {branches: ['**'], paths: ['**']}}"),
    "the main branch": job(on="{pull_request: {branches: [main, 'release/**']}}"),
    "more types": job(on="{pull_request: {types: [opened, synchronize, reopened, ready_for_review]}}"),
    "quoted on": f'"on": pull_request\njobs:\n  types:\n    runs-on: x\n    steps:\n      {STEP}\n',
    "if always": job(step=WITH_IF + "always()\n"),
    "if not cancelled": job("if: ${{ !cancelled() }}"),
    "if success or failure": job("if: success() || failure()"),
    "if one of its events": job(
        "if: github.event_name == 'pull_request' || github.event_name == 'merge_group'",
        on="[push, pull_request, merge_group]",
    ),
    "if not another event": job(
        "if: ${{ github.event_name != 'schedule' }}", on="{schedule: [{cron: '0 3 * * 1'}], pull_request: }"
    ),
    "if in this repository": job("if: github.repository == 'acme/shop'"),
    "continue-on-error false": job("continue-on-error: false", step="        continue-on-error: ${{ false }}\n"),
    "continue-on-error by schedule": job(
        "continue-on-error: ${{ github.event_name == 'schedule' }}",
        on="{schedule: [{cron: '0 3 * * 1'}], pull_request: }",
    ),
    "one job for each event": (
        "on: [pull_request, merge_group]\njobs:\n  pr:\n    if: github.event_name == 'pull_request'\n    runs-on: x\n"
        f"    steps:\n      {STEP}\n  queue:\n    if: github.event_name == 'merge_group'\n    runs-on: x\n    steps:\n      {STEP}\n"
    ),
    "needs a build": needing("[a, b]"),
    "needs a conditional job and goes on": needing("a", a="    if: vars.CI == 'on'\n", more="    if: always()\n"),
    "continue-on-error and conditions elsewhere": beside(
        "lint:",
        "  runs-on: x",
        "  continue-on-error: true",
        "  if: github.event.pull_request.draft == false",
        "  steps: [{run: 'composer lint || true', continue-on-error: true}]",
    ),
    "a plain phpstan beside the gate": beside(
        "trend:", "  runs-on: x", "  steps: [{run: 'vendor/bin/phpstan analyse --level max | tee trend || true'}]"
    ),
    "a filtered workflow without the gate": {
        "gate.yml": PLAIN,
        "docs.yml": "on: {pull_request: {paths: [docs/**]}}\njobs:\n  docs:\n    runs-on: x\n    steps: [{run: make docs || true}]\n",
    },
    "a filtered gate beside one that isn't": {
        "gate.yml": PLAIN,
        "api.yml": job(on="{pull_request: {paths: [api/**]}}"),
    },
    "a nightly one that may fail": {
        "gate.yml": PLAIN,
        "nightly.yml": job("continue-on-error: true", on="{schedule: [{cron: '0 3 * * *'}]}"),
    },
    "a matrix with a name for each": job(
        "strategy:",
        "  fail-fast: false",
        "  matrix: {app: [api, web]}",
        step="        with: {token: x, check-run: 'types of ${{ matrix.app }}'}\n",
    ),
    "a matrix without a check run": job("strategy: {fail-fast: false, matrix: {php: ['8.3', '8.4']}}"),
    "other jobs in a matrix": beside(
        "tests:", "  name: tests (${{ matrix.php }})", "  strategy: {matrix: {php: ['8.3', '8.4']}}", "  runs-on: x"
    ),
    "a name that only a run knows": beside(
        "tests:",
        "  name: ${{ matrix.name }}",
        "  strategy: {matrix: '${{ fromJSON(needs.plan.outputs.matrix) }}'}",
        "  runs-on: x",
    ),
    "a summary that looks": beside(
        "all:",
        "  needs: [types]",
        "  if: always()",
        "  runs-on: x",
        "  steps: [{run: 'test \"$RESULT\" = success', env: {RESULT: '${{ needs.types.result }}'}}]",
    ),
    "a message whatever happens": beside(
        "tell:",
        "  needs: [types]",
        "  if: always()",
        "  runs-on: x",
        "  steps: [{uses: someone/slack@v2}, {run: './tell --done'}]",
    ),
    "a merge of what is green": beside(
        "merge:", "  needs: [types]", "  runs-on: x", "  steps: [{run: gh pr merge --auto --squash $NUMBER}]"
    ),
    "statuses of other names": beside(
        "tell:",
        "  runs-on: x",
        "  steps: [{run: gh api repos/acme/shop/statuses/$SHA -f state=success -f context=preview}]",
    ),
    "a local reusable workflow": {
        "ci.yml": "on: pull_request\njobs:\n  types:\n    uses: ./.github/workflows/gate.yml\n",
        "gate.yml": job(on="workflow_call"),
    },
    "the suite's reusable workflow": "on: pull_request\njobs:\n  types:\n    uses: acme/belay/.github/workflows/gate.yml@v1\n",
    "a local composite action": {
        "ci.yml": "on: pull_request\njobs:\n  types:\n    runs-on: x\n    steps:\n      - uses: ./tools/types\n",
        "tools/types/action.yml": f"runs:\n  using: composite\n  steps:\n    {STEP}\n",
    },
    "a vendored copy": "on: pull_request\njobs:\n  types:\n    runs-on: x\n    steps:\n      - uses: ./belay/actions/phpstan-gate\n",
    "anchors": (
        "on: pull_request\njobs:\n  a: &a\n    runs-on: x\n    steps:\n"
        f"      {STEP}\n  b:\n    runs-on: x\n    steps:\n      - &s\n        run: make\n      - *s\n"
    ),
    "text that speaks of it": beside("x:", "  runs-on: x", "  steps: [{run: 'echo run the phpstan-gate || true'}]"),
    "by hand": script(COMMAND),
    "by hand, with more around it": script(
        f"set -euo pipefail\ncd app\n{COMMAND} --level 9 2>&1 | tee log\necho done || true"
    ),
    "by hand, in bash with a pipe": script(f"{COMMAND} | tee log", shell="bash"),
    "by hand, with a failure that is kept": script(f'{COMMAND} || {{ echo "types are wrong"; exit 1; }}'),
    "by hand, in a condition that fails": script(f"if ! {COMMAND}; then\n  echo wrong\n  exit 1\nfi"),
    "by hand, and last": script(f"composer install && {COMMAND}"),
    "by hand, with its output kept": script(f'said=$({COMMAND})\necho "$said"'),
    "by hand, with signs in quotes": script(f"{COMMAND} --level '9 || true' \"; true\" # || true"),
    "by hand, over two lines": script(f"{COMMAND} \\\n  --level 9"),
}
