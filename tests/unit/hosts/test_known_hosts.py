"""Pins are read strictly: what isn't a whole pin for one named server is refused with its line and a remedy."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.errors import BadInput
from pyhelpers.hosts.known_hosts import KEY_TYPES, KnownHosts


def blob(key_type: str, key: bytes = b"k" * 32) -> bytes:
    """Return a public key in ssh's binary form."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (key_type.encode(), key))


def key(key_type: str = "ssh-ed25519", content: bytes = b"k" * 32) -> str:
    """Return `type base64`, as it stands in a line."""
    return f"{key_type} {base64.b64encode(blob(key_type, content)).decode()}"


def test_a_plain_line_pins_its_key() -> None:
    (pin,) = KnownHosts.parse(f"app.example {key()} a comment\n").pins_for("app.example", 22)
    assert pin.key_type == "ssh-ed25519"
    assert pin.blob == blob("ssh-ed25519")


def test_what_ssh_keyscan_prints_is_taken_as_it_is() -> None:
    text = f"# app.example:22 SSH-2.0-OpenSSH_9.2p1\r\napp.example {key()}\r\n\r\napp.example {key('ssh-rsa')}"
    assert [pin.key_type for pin in KnownHosts.parse(text).pins_for("app.example", 22)] == ["ssh-ed25519", "ssh-rsa"]


def test_two_keys_of_one_type_are_both_pinned_while_a_server_changes_its_key() -> None:
    text = f"a.example {key(content=b'1' * 32)}\na.example {key(content=b'2' * 32)}\n"
    assert len(KnownHosts.parse(text).pins_for("a.example", 22)) == 2


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("a.example", "A.Example", 22),
        ("a.example,192.0.2.1", "192.0.2.1", 22),
        ("[a.example]:2222", "a.example", 2222),
        ("[a.example]:22", "a.example", 22),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222),
        ("2001:db8::1", "2001:db8::1", 22),
    ],
)
def test_names_are_found_as_ssh_finds_them(name: str, host: str, port: int) -> None:
    assert KnownHosts.parse(f"{name} {key()}").pins_for(host, port)


@pytest.mark.parametrize(
    ("name", "host", "port"), [("a.example", "a.example", 22), ("[a.example]:99", "a.example", 99)]
)
def test_names_that_openssh_hashed_are_found(tmp_path: Path, name: str, host: str, port: int) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{name} {key()}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "|1|" in file.read_text()
    known = KnownHosts.parse(file.read_text())
    assert known.pins_for(host, port)
    with pytest.raises(BadInput, match="hashed names"):
        known.pins_for("b.example", 22)


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    (pin,) = KnownHosts.parse("h " + (tmp_path / "key.pub").read_text()).pins_for("h", 22)
    assert pin.fingerprint == shown.stdout.split()[1]


@pytest.mark.parametrize(("host", "port"), [("a.example", 2222), ("b.example", 22), ("example", 22)])
def test_no_other_server_and_no_other_port_is_trusted(host: str, port: int) -> None:
    """A missing pin is an error that shows which servers have one, never trust on first use."""
    with pytest.raises(BadInput, match=r"only for a\.example") as caught:
        KnownHosts.parse(f"a.example {key()}").pins_for(host, port)
    assert "ssh-keyscan" in caught.value.remedy


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"@cert-authority *.example {key()}", "@cert-authority isn't supported"),
        (f"@revoked a.example {key()}", "@revoked isn't supported"),
        (f"*.example {key()}", "pattern"),
        (f"!a.example,b.example {key()}", "pattern"),
        (f"a.example,,b.example {key()}", "pattern"),
        (f"[a.example:22 {key()}", r"\[host\]:port"),
        (f"|2|abc|def {key()}", "hashed name"),
        (key(), "name is missing"),
        ("a.example ssh-ed25519", "isn't `name key-type key`"),
        ("SHA256:abcdef", "isn't `name key-type key`"),
        (f"a.example {key('ssh-dss')}", "key type 'ssh-dss'"),
        (f"a.example {key()[:-9]}", "isn't (base64|a whole ssh-ed25519 key)"),
        (f"a.example ssh-rsa {key().split()[1]}", "isn't a whole ssh-rsa key"),
        (f"a.example {key()}\\nb.example", "isn't base64"),
    ],
)
def test_a_line_that_cannot_be_vouched_for_is_refused_with_its_number(line: str, problem: str) -> None:
    with pytest.raises(BadInput, match=f"known-hosts: line 2 .*{problem}"):
        KnownHosts.parse(f"good.example {key()}\n{line}\n")


@pytest.mark.parametrize("text", ["", "\n \n", "# only a comment"])
def test_an_empty_input_trusts_nobody(text: str) -> None:
    with pytest.raises(BadInput, match="is empty"):
        KnownHosts.parse(text)


@given(st.text(max_size=200) | st.text("|1[]:,@*! \nasx=", max_size=200))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        known = KnownHosts.parse(text)
    except BadInput:
        return
    assert all(entry.pin.key_type in KEY_TYPES for entry in known.entries)


@given(st.integers(0, len(key()) - 1))
def test_a_line_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(BadInput):
        KnownHosts.parse(f"a.example {key()[:length]}")
