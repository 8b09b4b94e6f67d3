"""What a start does when nothing is in its way: the right Python, the right lock, the words unchanged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab.launcher import BASH, LOCKS, Machine, base_python, one_error

either_installer = pytest.mark.parametrize("machine", ["uv"], indirect=True)


def test_the_first_start_installs_and_the_second_only_starts(machine: Machine) -> None:
    first = machine.facts("health")
    assert machine.index.downloads == ["click"]
    (home,) = machine.homes()
    assert first["click"].startswith(f"{home}/lib/"), "the library comes from the environment of our own"
    machine.index.downloads.clear()
    second = machine.start("health", PIP_INDEX_URL="http://127.0.0.1:1/")
    assert (second.returncode, second.stderr) == (0, ""), "a warm start says nothing and needs no index"
    assert machine.left_behind() == []


def test_every_word_arrives_unchanged_and_the_exit_status_comes_back(machine: Machine) -> None:
    words = ["health", "", "a b", "*", "$HOME", "two\nlines", "--", "--lock", '"']
    assert machine.facts(*words)["arguments"] == words, "on the start that installs"
    assert machine.facts(*words)["arguments"] == words, "and on the next"
    assert machine.start("exit", "4").returncode == 4


@either_installer
def test_nothing_but_python_is_needed_on_the_path(machine: Machine) -> None:
    """`machine` has only python3 (and uv) there: no sha256sum, mktemp, dirname, mv."""
    assert machine.facts("health")["folder"] == str(machine.workspace)


@either_installer
@pytest.mark.parametrize(
    ("arguments", "environ", "library"),
    [
        (["health", "--url", "x"], {"INPUT_HOST": "app.example"}, None),
        (["no-such-verb"], {}, None),
        ([], {}, None),
        (["deploy"], {}, None),
        (["deploy"], {"INPUT_HOST": ""}, None),
        (["deploy"], {"INPUT_HOST": "app.example"}, "fabric"),
        (["deploy"], {"INPUT_INVENTORY": "hosts.yml#web"}, "fabric"),
        (["status", "--inventory", "hosts.yml#web"], {}, "fabric"),
        (["backup", "create", "--host", "app.example"], {}, "fabric"),
        (["doctor", "--host=app.example"], {}, "fabric"),
        (["recover", "--host", "app.example"], {}, "fabric"),
        (["recover"], {"INPUT_TOKEN": "x"}, "github"),
        (["gate", "phpstan"], {}, "yaml"),
        (["claim", "take"], {}, "sqlalchemy"),
        (["db-user"], {}, "sqlalchemy"),
        (["offsite", "push"], {}, "boto3"),
        (["drill"], {"BELAY_LOCK": "db"}, "sqlalchemy"),
    ],
)
def test_a_verb_installs_what_it_needs_and_no_more(
    machine: Machine, arguments: list[str], environ: dict[str, str], library: str | None
) -> None:
    assert machine.facts(*arguments, **environ)["libraries"] == (["click", library] if library else ["click"])


@either_installer
def test_recover_with_a_token_needs_both_ways(machine: Machine) -> None:
    facts = machine.facts("recover", "--host", "app.example", INPUT_TOKEN="x")
    assert facts["libraries"] == ["click", "fabric", "github"]


@either_installer
def test_the_gate_with_a_token_needs_githubs_api_too(machine: Machine) -> None:
    assert machine.facts("gate", "phpstan", INPUT_TOKEN="x")["libraries"] == ["click", "github", "yaml"]


@either_installer
@pytest.mark.parametrize("line", ['host = "app.example"', 'inventory = "servers.yml#web"'])
@pytest.mark.parametrize("name", ["belay.toml", "other.toml"])
def test_hosts_in_the_apps_own_settings_count(machine: Machine, line: str, name: str) -> None:
    (machine.workspace / name).write_text(f"[production]\n{line}\n")
    environ = {} if name == "belay.toml" else {"BELAY_CONFIG": name}
    assert "fabric" in machine.facts("status", **environ)["libraries"]


@either_installer
def test_a_lock_that_is_not_there_is_named(machine: Machine) -> None:
    done = machine.start("health", BELAY_LOCK="everything", GITHUB_ACTIONS="true")
    assert done.returncode == 2
    assert "requirements/everything.txt" in one_error(done)


@either_installer
def test_another_lock_is_another_environment_and_the_old_one_stays(machine: Machine) -> None:
    """Two versions of Belay on one self-hosted runner don't undo each other's environments."""
    machine.facts("health")
    lock = machine.checkout / "requirements/core.txt"
    lock.write_text("# a newer lock\n" + lock.read_text())
    machine.facts("health")
    assert len(machine.homes()) == 2


@either_installer
@pytest.mark.parametrize("lock", LOCKS)
def test_verbs_with_the_same_lock_share_an_environment(machine: Machine, lock: str) -> None:
    machine.facts("one", BELAY_LOCK=lock)
    machine.facts("two", BELAY_LOCK=lock)
    assert len(machine.homes()) == 1


@either_installer
def test_it_starts_by_a_relative_path_too(machine: Machine) -> None:
    for folder, word in ((machine.run.parent, "run"), (machine.checkout, "pyhelpers/run")):
        for command in ([BASH, word], [f"./{word}"]):
            done = subprocess.run(
                command,
                cwd=folder,
                env=machine.environ | {"PATH": f"{machine.environ['PATH']}:{Path(BASH).parent}", "CDPATH": str(folder)},
                check=False,
                capture_output=True,
            )
            assert done.returncode == 0, (command, done.stderr)


@either_installer
@pytest.mark.parametrize("missing", ["not there", "too old"])
def test_without_a_new_enough_python_it_says_so_with_exit_status_2(machine: Machine, missing: str) -> None:
    """An old Python can't be had everywhere; this one fails its first question, as an old one does."""
    python = Path(machine.environ["PATH"]) / "python3"
    python.unlink()
    if missing == "too old":
        python.write_text("#!/bin/sh\nexit 1\n")
        python.chmod(0o755)
    done = machine.start("health", GITHUB_ACTIONS="true")
    assert done.returncode == 2
    assert "3.11" in one_error(done)
    assert "setup-python" in one_error(done), "the remedy"
    plain = machine.start("health")
    assert plain.stderr.startswith("error: No Python: "), "in plain words off GitHub"
    assert len(plain.stderr.splitlines()) == 1


@either_installer
def test_the_tool_caches_python_serves_where_the_one_on_path_is_too_old(machine: Machine) -> None:
    """GitHub's ubuntu-22.04 has Python 3.10 on PATH, and newer ones beside it."""
    python = Path(machine.environ["PATH"]) / "python3"
    python.unlink()
    for version in ("3.10.1", "3.12.1"):
        kept = machine.cache / f"Python/{version}/x64/bin/python3"
        kept.parent.mkdir(parents=True)
        if version == "3.10.1":
            kept.write_text("#!/bin/sh\nexit 1\n")
            kept.chmod(0o755)
        else:
            kept.symlink_to(base_python())
    assert machine.facts("health")["python"] == str(machine.homes()[0])


@either_installer
def test_belay_python_is_taken_and_no_other(machine: Machine, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen python"
    chosen.symlink_to(base_python())
    (Path(machine.environ["PATH"]) / "python3").unlink()
    machine.facts("health", BELAY_PYTHON=str(chosen))
    (Path(machine.environ["PATH"]) / "python3").symlink_to(base_python())
    done = machine.start("health", BELAY_PYTHON="/no/such/python")
    assert done.returncode == 2
    assert "/no/such/python" in done.stderr


@either_installer
def test_belay_home_is_where_environments_go(machine: Machine, tmp_path: Path) -> None:
    machine.facts("health", BELAY_HOME=str(tmp_path / "mine"))
    assert machine.homes() == []
    assert len(list((tmp_path / "mine").glob("pyhelpers/*/.complete"))) == 1


@either_installer
def test_off_github_environments_go_to_the_users_cache(machine: Machine) -> None:
    del machine.environ["RUNNER_TOOL_CACHE"]
    place = Path(machine.facts("health")["python"])
    assert place.parent == Path(machine.environ["HOME"]) / ".cache/belay/pyhelpers"
    place = Path(machine.facts("health", XDG_CACHE_HOME=str(machine.workspace / "cache"))["python"])
    assert place.parent == machine.workspace / "cache/belay/pyhelpers"
