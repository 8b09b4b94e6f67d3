"""Secrets stay secret: in GitHub's log, and in every text that we make ourselves (P6)."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pyhelpers.runner import masks
from pyhelpers.runner.console import Console
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.masks import Masks
from tests.unit.runner.github_runner import read_log

# Characters that some quoting changes, and some that none does; no "*", which is what hides.
secret_texts = st.text(st.sampled_from("aZ09/+='\"\\%&$`é€😀 :@?#|;-_.~"), min_size=4, max_size=24).filter(
    lambda text: len("".join(text.split())) >= 4
)
around = st.text(st.sampled_from("abc \n\t:,{}0"), max_size=30)

KEY = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACB/made+up/for/this/test/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
abc=
xy
-----END OPENSSH PRIVATE KEY-----
"""


def knowing(*secrets: str) -> Masks:
    """Return a registry that knows these secrets."""
    known = Masks()
    for secret in secrets:
        known.register(secret)
    return known


def announced(secret: str, *, on_github: bool = True) -> list[str]:
    """Return the values that the runner is told to hide."""
    stream = io.StringIO()
    masks.mask(secret, Runner(on_github=on_github), Console(stream), known=Masks())
    commands, plain = read_log(stream.getvalue())
    assert plain == [""]
    assert {command.name for command in commands} <= {"add-mask"}
    return [command.data for command in commands]


@given(secret=secret_texts, before=around, after=around)
def test_no_form_of_a_secret_survives(secret: str, before: str, after: str) -> None:
    known = knowing(secret)
    forms = {
        secret,
        quote(secret, safe=""),
        re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret).replace("/", "\\/")[1:-1],  # PHP
        json.dumps(secret, ensure_ascii=False).replace("/", "\\/")[1:-1],  # PHP with JSON_UNESCAPED_UNICODE
        shlex.quote(secret),
        secret.replace("'", "'\\''"),
        secret.replace("'", "''"),
    }
    for form in forms:
        assume(len("".join(form.split())) >= 4)
        shown = known.scrub(f"{before}{form}{after}")
        assert form.strip(" '") not in shown
        assert "***" in shown


@given(
    secret=secret_texts,
    cuts=st.lists(st.tuples(st.integers(0, 24), st.sampled_from(["\n", "\r\n", "\n    "])), max_size=6),
)
def test_a_secret_that_was_wrapped_over_lines_is_found(secret: str, cuts: list[tuple[int, str]]) -> None:
    wrapped = secret
    for at, end in sorted(cuts, reverse=True):
        wrapped = wrapped[:at] + end + wrapped[at:]
    assert "".join(knowing(secret).scrub(f"<<{wrapped}>>").split()) == "<<***>>"


@given(secret=st.text(min_size=9, max_size=40), before=st.binary(max_size=9), after=st.binary(max_size=9))
@example(secret="???>>>???>>>", before=b"", after=b"")  # gives "/" and "+", which URLs spell "_" and "-"
def test_base64_gives_it_away_at_no_place_in_a_stream(secret: str, before: bytes, after: bytes) -> None:
    secret = f"<{secret.strip()}>"
    stream = before + secret.encode() + after
    encodings = (base64.b64encode(stream), base64.encodebytes(stream), base64.urlsafe_b64encode(stream))
    inside = (len(before) + len(secret.encode())) * 8 // 6 - -(-len(before) * 8 // 6)  # characters of the secret only
    for text in (encoding.decode() for encoding in encodings):
        shown = knowing(secret).scrub(text)
        assert len("".join(shown.replace("***", "").split())) <= len("".join(text.split())) - inside


@given(text=st.text())
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    assume("@" not in text)
    assert knowing("correct horse battery staple").scrub(text) == text


@given(secret=secret_texts, text=around)
def test_scrubbing_twice_is_the_same_as_once(secret: str, text: str) -> None:
    known = knowing(secret)
    once = known.scrub(text + secret + text)
    assert known.scrub(once) == once


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://app:secret@db:3306/app", "mysql://app:***@db:3306/app"),
        ("redis://:secret@cache", "redis://:***@cache"),
        ("postgresql://a:p@ss/w#rd?@h/x", "postgresql://a:***@h/x"),
        ("see https://x:y@h/a and https://u:v@h/b", "see https://x:***@h/a and https://u:***@h/b"),
        ('{"url":"https://x:y@h/a","mail":"a@b.c"}', '{"url":"https://x:***@h/a","mail":"a@b.c"}'),
        ("http://127.0.0.1:8080/up?mail=a@b.c", "http://127.0.0.1:8080/up?mail=a@b.c"),
        ("ssh://git@host:22/x", "ssh://git@host:22/x"),
        ("deploy@host:/srv", "deploy@host:/srv"),
    ],
)
def test_a_password_in_a_url_is_hidden_without_being_known(url: str, shown: str) -> None:
    assert Masks().scrub(url) == shown


def test_a_known_url_is_hidden_whole_with_what_follows_its_password() -> None:
    assert knowing("mysql://a:b@h/db?ssl-key=abcdef").scrub("at mysql://a:b@h/db?ssl-key=abcdef!") == "at ***!"


def test_overlapping_secrets_leave_nothing_between_them() -> None:
    assert knowing("abcdef", "defghi").scrub("xabcdefghix") == "x***x"


def test_each_line_of_a_key_is_hidden_but_not_its_armour_nor_a_crumb() -> None:
    hidden = announced(KEY)
    assert "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW" in hidden
    assert "abc=" in hidden
    assert not any("\n" in value for value in hidden)
    assert json.dumps(KEY.strip())[1:-1] in hidden  # the whole key as it stands in JSON
    assert "xy" not in hidden
    assert "-----BEGIN OPENSSH PRIVATE KEY-----" not in hidden
    shown = knowing(KEY).scrub(
        "QyNTUxOQAAACB/made+up/for/this/test/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA was refused, xy"
    )
    assert shown == "*** was refused, xy"
    assert knowing(KEY).scrub(f"key: {KEY}") == "key: ***\n"


def test_the_runner_is_told_the_secret_and_its_derived_forms_one_line_each() -> None:
    assert announced("it's 100%\"") == [
        "it's 100%\"",
        "it%27s%20100%25%22",
        "it%27s+100%25%22",
        "it's 100%\\\"",
        "it'\"'\"'s 100%\"",
        "it'\\''s 100%\"",
        "it''s 100%\"",
        "it\\'s 100%\"",
    ]


def test_a_plain_secret_is_announced_once() -> None:
    stream = io.StringIO()
    known = Masks()
    for _ in range(2):
        masks.mask("plain-secret", Runner(on_github=True), Console(stream), known=known)
    assert stream.getvalue() == "::add-mask::plain-secret\n"


@pytest.mark.parametrize("secret", ["", " ", "\n", "\r\n\t"])
def test_blank_is_no_secret(secret: str) -> None:
    assert announced(secret) == []
    assert knowing(secret).scrub("a b\n c") == "a b\n c"


def test_a_short_secret_is_hidden_too() -> None:
    assert announced("pw") == ["pw"]
    assert knowing("pw").scrub("the pw, not p w") == "the ***, not p w"


def test_off_github_nothing_is_printed_but_the_secret_is_known() -> None:
    assert announced("s3cret", on_github=False) == []
    known = Masks()
    masks.mask("s3cret", Runner(), Console(io.StringIO()), known=known)
    assert known.scrub("a s3cret") == "a ***"


def test_the_process_has_one_registry_for_exception_texts() -> None:
    masks.mask("only-in-this-test", Runner(), Console(io.StringIO()))
    assert masks.scrub("it was only-in-this-test.") == "it was ***."
