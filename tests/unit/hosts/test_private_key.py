"""The `ssh-key` input: real keys of every kind are read, and each usual mistake has its own sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhelpers.errors import BadInput
from pyhelpers.hosts.private_key import read_private_key


def make_key(folder: Path, *options: str, passphrase: str = "") -> Path:
    """Make a key pair with ssh-keygen and return the private file."""
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "x", "-f", str(path), *options], check=True)
    return path


@pytest.fixture
def ed25519(tmp_path: Path) -> str:
    return make_key(tmp_path, "-t", "ed25519").read_text()


KINDS = [
    ["-t", "ed25519"],
    ["-t", "ecdsa"],
    ["-t", "ecdsa", "-m", "PEM"],
    ["-t", "rsa"],
    ["-t", "rsa", "-m", "PEM"],
]


@pytest.mark.parametrize("options", KINDS, ids=" ".join)
def test_every_kind_of_key_is_read(tmp_path: Path, options: list[str]) -> None:
    path = make_key(tmp_path, *options)
    key = read_private_key(path.read_text())
    assert key.text == path.read_text()
    assert key.public_line == " ".join(Path(f"{path}.pub").read_text().split()[:2])


def test_damage_from_copying_is_repaired(ed25519: str) -> None:
    whole = read_private_key(ed25519)
    for text in (ed25519.replace("\n", "\r\n"), ed25519.rstrip(), f"\ufeff\n  {ed25519}\n\n"):
        assert read_private_key(text).text == whole.text
        assert read_private_key(text).public_line == whole.public_line


def test_a_public_key_is_named_as_such(tmp_path: Path) -> None:
    path = make_key(tmp_path, "-t", "ed25519")
    with pytest.raises(BadInput, match="ssh-key: is a public key"):
        read_private_key(Path(f"{path}.pub").read_text())


@pytest.mark.parametrize("options", KINDS, ids=" ".join)
def test_a_passphrase_is_named_as_the_reason(tmp_path: Path, options: list[str]) -> None:
    path = make_key(tmp_path, *options, passphrase="five words and a half")
    with pytest.raises(BadInput, match="ssh-key: is protected by a passphrase") as caught:
        read_private_key(path.read_text())
    assert "ssh-keygen" in caught.value.remedy


def test_backslash_n_instead_of_line_breaks_is_named(ed25519: str) -> None:
    with pytest.raises(BadInput, match="instead of line breaks"):
        read_private_key(ed25519.replace("\n", "\\n"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is missing"),
        (" \n", "is missing"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"),
        ("/home/me/.ssh/id_ed25519", "doesn't begin with"),
        ("-----BEGIN CERTIFICATE-----\n", "doesn't begin with"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "was it cut"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----", "can't be read"),
    ],
)
def test_what_is_no_key_is_refused(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=f"ssh-key: .*{problem}"):
        read_private_key(text)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_key_is_refused_and_never_quoted(ed25519: str, data: st.DataObject) -> None:
    """P6: no part of a key is in the error, nor in what led to it."""
    at = data.draw(st.integers(0, len(ed25519) - 2))
    damaged = data.draw(st.sampled_from([ed25519[:at], ed25519[:at] + "!" + ed25519[at + 1 :]]))
    with pytest.raises(BadInput) as caught:
        read_private_key(damaged)
    error = caught.value
    body = "".join(ed25519.splitlines()[1:-1])
    assert not any(body[start : start + 12] in f"{error} {error.remedy}" for start in range(0, len(body) - 12, 4))
    assert error.__suppress_context__ or error.__context__ is None


def test_a_key_is_not_in_its_own_repr(ed25519: str) -> None:
    """P6."""
    assert ed25519.splitlines()[2] not in repr(read_private_key(ed25519))
