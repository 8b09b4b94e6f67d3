"""`make bench`: what Belay itself costs, as ratios against baselines measured in the same run.

Each round runs every contender once, in turn, so that a machine whose speed drifts slows all of them alike. Quoted are
medians. Seconds are printed to show the order of magnitude; the ratios are what can be compared between machines.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.follow import follow
from pyhelpers.hosts.local import LocalHost

ROUNDS = int(os.environ.get("ROUNDS", "5"))
STEPS = 20  # per round of the agent's measurement
RUN = str(ROOT / "pyhelpers" / "run")
LOCK = "ssh"

Contender = Callable[[], None]


def rounds(contenders: Mapping[str, Contender]) -> dict[str, float]:
    """Return the median seconds of each contender over interleaved rounds; a first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(ROUNDS + 1):
        for name, work in contenders.items():
            begun = time.perf_counter()
            work()
            if number:
                times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


def table(title: str, medians: Mapping[str, float], baseline: str) -> None:
    """Print one table; the ratio is to `baseline`."""
    print(f"\n### {title}\n\n| what | median | ratio |\n| --- | ---: | ---: |")
    for name, seconds in medians.items():
        mark = " (baseline)" if name == baseline else ""
        print(f"| {name}{mark} | {seconds:.3f} s | {seconds / medians[baseline]:.2f} |")
    sys.stdout.flush()


def quiet(words: list[str], **environment: str) -> None:
    """Run a command that must end well, without its output."""
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, **environment})


def launcher(folder: Path) -> None:
    """Cold and warm starts of `pyhelpers/run`, against pip installing the same set into a new virtualenv."""
    uv = shutil.which("uv") or str(ROOT / ".dev" / "venv" / "bin" / "uv")
    plain = folder / "path-without-uv"
    plain.mkdir()
    # A PATH in which uv can't be found, but everything else can.
    for name in ("bash", "python3", "env", "sh", "cat", "uname", "mkdir", "rm", "mv"):
        found = shutil.which(name)
        if found:
            (plain / name).symlink_to(found)
    python = shutil.which("python3") or sys.executable
    home = folder / "homes"

    def fresh(name: str) -> str:
        shutil.rmtree(home / name, ignore_errors=True)
        return str(home / name)

    def by_pip() -> None:
        target = fresh("baseline")
        quiet([python, "-m", "venv", target])
        quiet(
            [
                f"{target}/bin/pip",
                "install",
                "-q",
                "--require-hashes",
                "--no-deps",
                "-r",
                str(ROOT / "requirements" / f"{LOCK}.txt"),
            ]
        )

    def cold(name: str, path: str) -> Contender:
        return lambda: quiet(["bash", RUN, "--version"], BELAY_HOME=fresh(name), BELAY_LOCK=LOCK, PATH=path)

    with_uv = f"{Path(uv).parent}:{os.environ['PATH']}"
    without = f"{plain}:/usr/bin:/bin"
    medians = rounds(
        {
            "pip install of the same set, into a new virtualenv": by_pip,
            "cold start, pip": cold("pip", without),
            **({"cold start, uv": cold("uv", with_uv)} if Path(uv).exists() else {}),
        }
    )
    table("First start on a machine", medians, "pip install of the same set, into a new virtualenv")
    warm = home / "warm"
    quiet(["bash", RUN, "--version"], BELAY_HOME=str(warm), BELAY_LOCK=LOCK)
    gate = ["bash", RUN, "gate", "phpstan", "--help"]  # with the gate's own small lock
    quiet(gate, BELAY_HOME=str(warm))
    medians = rounds(
        {
            "python3 -c pass": lambda: quiet([python, "-I", "-c", "pass"]),
            "python3 -c 'import click'": lambda: quiet(
                [next(str(path) for path in warm.glob("pyhelpers/*/bin/python")), "-I", "-c", "import click"]
            ),
            "warm start: run --version": lambda: quiet(
                ["bash", RUN, "--version"], BELAY_HOME=str(warm), BELAY_LOCK=LOCK
            ),
            "warm start: run deploy --help": lambda: quiet(
                ["bash", RUN, "deploy", "--help"], BELAY_HOME=str(warm), BELAY_LOCK=LOCK
            ),
            "warm start: run gate phpstan --help": lambda: quiet(gate, BELAY_HOME=str(warm)),
        }
    )
    table("Every start after it", medians, "python3 -c pass")


def agent_steps(folder: Path) -> None:
    """What a step costs over running its command alone: journal, fsync, a process of its own, the watching."""
    base = folder / "site"
    base.mkdir()
    host = LocalHost()
    agent = Agent(host, str(base), Bundle.of([]))
    agent.install()
    count = 0

    def bare() -> None:
        for _ in range(STEPS):
            host.run(["sh", "-c", "true"])

    def steps() -> None:
        nonlocal count
        count += 1
        token = agent.begin(f"bench-{count}", {"actor": "bench"}, ttl=600, watchdog=False)
        for number in range(STEPS):
            agent.step(token, f"step-{number}", command="true", undo="true")
            follow(agent, token, f"step-{number}", timeout=60, on_output=lambda _text: None, alive=lambda: None)
        agent.precommit(token)
        agent.confirm(token)

    medians = rounds({"the command alone": bare, "as a step with its undo": steps})
    table(f"{STEPS} steps on this machine", medians, "the command alone")
    print(
        f"\nOver the command alone, a step costs {(medians['as a step with its undo'] - medians['the command alone']) / STEPS * 1000:.0f} ms."
    )


def deploys(folder: Path) -> None:
    """A whole deploy of the small app: with a migration and without; how long the page was up."""
    base = folder / "app"
    (base / "shared").mkdir(parents=True)
    (base / "shared" / ".env").write_text(f"DB_CONNECTION=sqlite\nDB_DATABASE={base}/shared/app.sqlite\n")
    sources = folder / "sources"
    shutil.copytree(ROOT / "examples" / "plain-app", sources, ignore=shutil.ignore_patterns("serve.py", "README.md"))
    output = folder / "outputs"
    downtimes: list[float] = []

    def deploy(*words: str) -> Contender:
        def work() -> None:
            output.write_text("")
            quiet(
                ["bash", RUN, "deploy", "--path", str(base), "--source", str(sources), "--keep-releases", "2", *words],
                GITHUB_OUTPUT=str(output),
            )
            lines = output.read_text().splitlines()
            where = max(number for number, line in enumerate(lines) if line.startswith("downtime-seconds<<"))
            if words:
                downtimes.append(float(lines[where + 1]))

        return work

    copy = folder / "copy"

    def by_hand() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        quiet(["sh", "-c", 'cp -r "$1" "$2" && ln -sfn "$2" "$3"', "sh", str(sources), str(copy), str(folder / "link")])

    medians = rounds(
        {
            "cp -r and ln -sfn, without any safety": by_hand,
            "deploy, nothing to migrate": deploy(),
            "deploy with backup, proof and migration": deploy("--migrate-command", f"{sys.executable} migrate.py"),
        }
    )
    table("A deploy of the small app on this machine", medians, "cp -r and ln -sfn, without any safety")
    print(f"\nThe maintenance page was up for {statistics.median(downtimes):.2f} s (median), 0 s without a migration.")


def main() -> None:
    """Run all, in a temporary folder."""
    print(f"## make bench: {ROUNDS} rounds, Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="belay-bench-") as name:
        for measure in (launcher, agent_steps, deploys):
            folder = Path(name) / measure.__name__
            folder.mkdir()
            measure(folder)


if __name__ == "__main__":
    main()
