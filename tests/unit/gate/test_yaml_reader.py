from __future__ import annotations

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pyhelpers.gate.yaml_reader import Unreadable, read

VALUES = st.recursive(
    st.text(max_size=20) | st.sampled_from(["true", "on", "no", "1.10", "0x1f", "~", "2026-11-25", "null", "<"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=5), st.booleans())
def test_it_reads_what_pyyaml_reads_as_texts(content: dict[str, object], flow: bool) -> None:  # noqa: FBT001
    text = yaml.safe_dump(content, default_flow_style=flow).encode()
    assert read(text) == yaml.load(text, Loader=yaml.BaseLoader) == content  # noqa: S506  # it builds texts only


@given(st.binary(max_size=200) | st.text("{}[]:-&*<>|!?#'\" \nab", max_size=60).map(str.encode))
def test_whatever_it_is_given_it_reads_or_refuses(content: bytes) -> None:
    with suppress(Unreadable):
        read(content)


@pytest.mark.parametrize("loader", ["libyaml", "Python"])
def test_each_key_and_text_knows_its_line(monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    if loader == "Python":  # a wheel for an odd machine may come without libyaml
        monkeypatch.delattr(yaml, "CBaseLoader")
    block = read(
        b"\xef\xbb\xbfon: x\njobs:\n  a:\n    - run: |\n        one\n        two\n    - {run: three,\n       if: y}\n"
    )
    assert (block.at("on"), block.at("jobs"), block.block("jobs").at("a")) == (1, 2, 3)
    first, second = block.block("jobs").blocks("a")
    assert (first.at("run"), first.starts["run"], second.at("run"), second.at("if")) == (4, 5, 7, 8)
    assert block.at("nowhere") == 1
    assert (first.text("run"), first.text("nowhere"), second.texts("if")) == ("one\ntwo", "", ["y"])
