"""A workspace, an environment and settings that would break or redirect a start, if they were heeded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.launcher import Machine

TRAP = 'raise SystemExit("the workspace was imported")\n'

HOSTILE_ENVIRONMENT = {
    "PYTHONHOME": "/no/such/python",
    "PYTHONSTARTUP": "/no/such/file",
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "PYTHONUSERBASE": "/no/such/base",
    "VIRTUAL_ENV": "/no/such/virtualenv",
    "CDPATH": "/:/tmp",
    "PIP_USER": "1",
    "PIP_TARGET": "/no/such/target",
    "PIP_PREFIX": "/no/such/prefix",
    "PIP_PYTHON": "/no/such/python",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_CONSTRAINT": "/no/such/constraints",
    "PIP_DRY_RUN": "1",
    "UV_SYSTEM_PYTHON": "1",
    "UV_PYTHON": "/no/such/python",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_NO_BINARY": "1",
    "UV_CONSTRAINT": "/no/such/constraints",
    "UV_CONFIG_FILE": "/no/such/uv.toml",
    "UV_PROJECT_ENVIRONMENT": "/no/such/environment",
    "UV_REQUIRE_VIRTUALENV": "1",
}

HOSTILE_PIP_CONF = """
user = true
target = /no/such/target
prefix = /no/such/prefix
require-virtualenv = true
no-binary = :all:
dry-run = true
"""

HOSTILE_UV_TOML = """
exclude-newer = "2001-01-01"
required-version = "==0.0.1"
[pip]
target = "/no/such/target"
no-binary = [":all:"]
"""


@pytest.fixture
def hostile(machine: Machine) -> Machine:
    """The machine, with everything against us that users really have, all at once."""
    (machine.workspace / "click.py").write_text(TRAP)
    for package in ("fabric", "pyhelpers", "pip", "json"):
        (machine.workspace / package).mkdir()
        (machine.workspace / package / "__init__.py").write_text(TRAP)
    (machine.workspace / "sitecustomize.py").write_text(TRAP)
    (machine.workspace / "uv.toml").write_text(HOSTILE_UV_TOML)
    (machine.workspace / "pyproject.toml").write_text("[tool.uv]\nexclude-newer = '2001-01-01'\n")
    home = Path(machine.environ["HOME"])
    for file, content in (
        (".config/pip/pip.conf", f"[global]{HOSTILE_PIP_CONF}[install]{HOSTILE_PIP_CONF}"),
        (".config/uv/uv.toml", HOSTILE_UV_TOML),
    ):
        (home / file).parent.mkdir(parents=True)
        (home / file).write_text(content)
    machine.environ |= HOSTILE_ENVIRONMENT | {"PYTHONPATH": str(machine.workspace)}
    return machine


def test_nothing_of_the_users_gets_in_the_way(hostile: Machine) -> None:
    facts = hostile.facts("deploy", "--host", "x")
    (home,) = hostile.homes()
    assert facts["python"] == str(home)
    assert facts["click"] == str(next(home.glob("lib/python3*/site-packages/click.py")))
    assert facts["libraries"] == ["click", "fabric"]
    assert hostile.facts("deploy", "--host", "x") == facts, "and the same on the warm start"


def test_nothing_of_the_users_is_changed(hostile: Machine) -> None:
    before = {path: path.stat().st_mtime_ns for path in hostile.workspace.rglob("*")}
    facts = hostile.facts("health")
    assert {path: path.stat().st_mtime_ns for path in hostile.workspace.rglob("*")} == before
    assert facts["virtualenv"] == "/no/such/virtualenv", "what the verb starts finds the environment that the user set"
    assert facts["folder"] == str(hostile.workspace)


@pytest.mark.parametrize("section", ["global", "install"])
@pytest.mark.parametrize("file", [".config/pip/pip.conf", ".pip/pip.conf", "named by PIP_CONFIG_FILE"])
def test_the_index_of_a_pip_conf_is_honoured_among_hostile_settings(hostile: Machine, file: str, section: str) -> None:
    """Behind a company's mirror there is no other index; with uv the same settings must do."""
    conf = Path(hostile.environ["HOME"]) / file
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text(f"[{section}]{HOSTILE_PIP_CONF}index-url = {hostile.environ.pop('PIP_INDEX_URL')}\n")
    if file.startswith("named"):
        hostile.environ["PIP_CONFIG_FILE"] = str(conf)
    hostile.facts("health")
    assert hostile.index.downloads == ["click"]


@pytest.mark.parametrize("machine", ["uv"], indirect=True)
@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_itself_was_told_stands_over_pips_settings(machine: Machine, name: str) -> None:
    url = machine.environ.pop("PIP_INDEX_URL")
    machine.facts("health", **{name: url}, PIP_INDEX_URL="http://127.0.0.1:1/simple")
    assert machine.index.downloads == ["click"]


def test_wheels_in_a_folder_are_found_without_any_index(machine: Machine, tmp_path: Path) -> None:
    """A runner without a way out, with the wheels on its disk."""
    from tests.lab.package_index import wheel

    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/click-1.0-py3-none-any.whl").write_bytes(wheel("click"))
    del machine.environ["PIP_INDEX_URL"]
    assert machine.facts("health", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "wheels"))
    assert machine.index.downloads == []


def test_a_pip_conf_that_cannot_be_read_is_passed_over_and_named(machine: Machine) -> None:
    conf = Path(machine.environ["HOME"]) / ".config/pip/pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("this is no configuration\n")
    done = machine.start("exit", "5")
    assert done.returncode == 5, done.stderr
    assert f"{conf} is ignored" in done.stderr
