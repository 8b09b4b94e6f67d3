"""What keeps packages from being installed: one line with the cause and the remedy, exit status 1, nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pyhelpers.bootstrap.failures import explain
from tests.lab.launcher import Machine, one_error
from tests.lab.package_index import running_index

NOWHERE = "http://127.0.0.1:1/simple/"


def failure(machine: Machine, **environ: str) -> str:
    """Start a verb that must fail for want of packages; return its one error line."""
    done = machine.start("health", GITHUB_ACTIONS="true", **environ)
    assert done.returncode == 1, done.stderr
    assert done.stdout == "", "standard output belongs to the verb"
    assert done.stderr.count("::group::") == done.stderr.count("::endgroup::") == 1
    assert done.stderr.index("::endgroup::") < done.stderr.index("::error"), "the error isn't folded away"
    assert not machine.homes()
    assert not machine.left_behind()
    return one_error(done)


def test_a_file_that_is_not_the_locked_one_is_refused(machine: Machine) -> None:
    machine.index.tampered = True
    assert failure(machine).startswith("::error title=Wrong hash::")
    machine.index.tampered = False
    assert machine.facts("health"), "once the index is right again, so is the start"


def test_a_lock_without_hashes_is_refused(machine: Machine) -> None:
    (machine.checkout / "requirements/core.txt").write_text("click==1.0\n")
    assert "::error title=" in failure(machine)


def test_no_network_is_said(machine: Machine) -> None:
    error = failure(machine, PIP_INDEX_URL=NOWHERE)
    assert error.startswith("::error title=No package index::")
    assert "HTTPS_PROXY" in error


def test_a_proxy_that_is_not_there_is_said(machine: Machine) -> None:
    error = failure(machine, PIP_INDEX_URL="https://index.example/simple/", PIP_PROXY="http://127.0.0.1:1")
    assert error.startswith("::error title=No package index::")


def test_an_index_without_tls_that_nobody_called_trusted_is_not_asked(machine: Machine) -> None:
    """By pip's rule, which uv doesn't have: a name without an address ends there at the latest."""
    assert failure(machine, PIP_INDEX_URL="http://index.invalid/simple/").startswith("::error title=No package index::")


def test_a_version_that_the_index_does_not_have_is_said(machine: Machine) -> None:
    lock = machine.checkout / "requirements/core.txt"
    lock.write_text(lock.read_text().replace("1.0", "2.0"))
    assert failure(machine).startswith("::error title=No wheel::")


def test_a_source_distribution_is_never_built(machine: Machine, tmp_path: Path) -> None:
    """What runs on building comes from the network, and needs a compiler."""
    (tmp_path / "click-1.0.tar.gz").write_bytes(b"")
    error = failure(machine, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert error.startswith("::error title=No wheel::")


def test_off_github_the_installers_words_are_shown_only_when_it_fails(machine: Machine) -> None:
    done = machine.start("health", PIP_INDEX_URL=NOWHERE)
    assert done.returncode == 1
    assert "::" not in done.stderr.replace(NOWHERE, "")
    *words, error = done.stderr.splitlines()
    assert error.startswith("error: No package index: ")
    assert len(words) > 1, "what pip or uv said"
    assert len(machine.start("health").stderr.splitlines()) == 2, "that it installs, and how long it took"


def test_a_password_in_the_indexs_address_is_not_printed(machine: Machine) -> None:
    """P6."""
    for url in (NOWHERE, machine.index.url):
        done = machine.start(
            "health", PIP_INDEX_URL=url.replace("//", "//someone:hunter2@"), GITHUB_ACTIONS="true", PIP_NO_CACHE_DIR="1"
        )
        assert "hunter2" not in done.stderr + done.stdout


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of nobody's for 127.0.0.1, with its key, in one file."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl isn't installed")
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    made = subprocess.run(
        [
            openssl,
            *options.split(),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            file,
            "-out",
            f"{file}.crt",
        ],
        check=False,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def test_a_certificate_of_the_users_own_authority_is_honoured(machine: Machine, certificate: Path) -> None:
    with running_index(certificate) as index:
        machine.environ["PIP_INDEX_URL"] = index.url
        assert failure(machine).startswith("::error title=Certificate refused::")
        conf = Path(machine.environ["HOME"]) / ".config/pip/pip.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(f"[global]\ncert = {certificate}\n")
        machine.facts("health")
        assert index.downloads == ["click"]


def test_a_failure_that_nobody_foresaw_points_to_what_was_printed() -> None:
    assert explain("something new").title == "Packages not installed"
