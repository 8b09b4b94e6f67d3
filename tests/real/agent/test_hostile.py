"""Names, folders and texts that were not made for a shell, a path or JSON."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.local import LocalHost
from tests.real.agent.bench import FENCED, REFUSED, WRONG, Bench, lines_of, says, until

NAMES = [
    *[
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "-x",
        ".x",
        "a b",
        "a'b",
        'a"b',
        "a\nb",
        "a;b",
        "$(touch x)",
        "`touch x`",
        "a*",
        "é",
        "\\",
    ]
]
BASES = [
    "a b",
    "it's",
    'say "x"',
    "$(touch x)`touch x`",
    "a*?[b]",
    "naïve-日本",
    "100%",
    "-n",
    "a\\tb",
    "a;b&c|d",
    "x" * 150,
]
NUMBERS = ["", "x", "-1", "1;2", "1 2", "1.5", "$(touch x)", "0x1", "١"]
CALLS: dict[str, tuple[str, ...]] = {
    "begin": ("NAME", "9", "off"),
    "step": ("one", "1", "NAME", "0", "0"),
    "register": ("one", "1", "NAME", "0"),
    "phase": ("one", "1", "NAME", "9"),
    "wait": ("one", "NAME", "0", "0"),
    "renew": ("NAME", "1"),
    "confirm": ("NAME", "1"),
    "abort": ("NAME", "1", "x"),
    "unlock": ("NAME", "force"),
    "journal": ("NAME",),
}


@pytest.mark.parametrize("verb", CALLS)
def test_a_name_that_is_none_is_refused(bench: Bench, verb: str) -> None:
    """P5: it would leave the folder of deploys, split a path, or be run."""
    bench.begin()
    before = bench.files()
    for name in NAMES:
        answer = bench.call(verb, *(name if word == "NAME" else word for word in CALLS[verb]), stdin=b"{}")
        assert (answer.code, answer.out) == (WRONG, ""), (name, answer)
    assert bench.files() == before


@pytest.mark.parametrize("call", ["begin two ? off", "phase one 1 x ?", "wait one a ? 0", "step one 1 a 0 ?"])
def test_a_number_that_is_none_is_refused(bench: Bench, call: str) -> None:
    """P5: sh's arithmetic runs what it is given."""
    bench.begin()
    before = bench.files()
    for number in NUMBERS:
        words = [number if word == "?" else word for word in call.split()]
        assert bench.call(*words, stdin=b"{}").code == WRONG, number
    assert bench.files() == before


def test_an_epoch_that_is_no_number_is_stale(bench: Bench) -> None:
    """P5: it is compared as it is, not computed."""
    bench.begin()
    for epoch in ["", "01", " 1", "1 ", "+1", "x", "*"]:
        assert bench.call("renew", "one", epoch).code == FENCED, epoch


def test_a_wrong_verb_or_too_few_words_are_refused(bench: Bench) -> None:
    """P7: never taken for something else."""
    bench.begin()
    for words in (
        "fire",
        "settle confirmed",
        "eval true",
        "step one 1",
        "begin two",
        "abort one 1",
        "hold one 1",
        "wait one",
    ):
        assert bench.call(*words.split(), stdin=b"{}").code == WRONG, words
    assert bench.status()["status"] == "open"


@pytest.mark.parametrize("name", BASES)
def test_the_base_may_have_any_name(bench: Bench, name: str) -> None:
    """P2: begun, armed, undone by the reaper, and told in valid JSON, wherever it lies."""
    here = bench.with_(base=bench.base / name)
    here.base.mkdir()
    here.begin(watchdog=True)
    for step in "ab":
        here.finished_step(step, says(step), undo=says(f"undo {step}"))
    assert here.status()["reaper"] == "alive"
    here.expire()
    assert here.ended()["status"] == "rolled-back"
    assert here.log() == ["a", "b", "undo b", "undo a"]
    assert [path.name for path in bench.base.iterdir()] == [name]


@pytest.mark.parametrize("name", ["relative", "./here", "", "ROOT/a\nb", "ROOT/a\tb", "ROOT/a\x1bb"])
def test_a_base_that_is_no_absolute_path_or_has_control_characters_is_refused(bench: Bench, name: str) -> None:
    """P2: lists of scripts are lists of lines, and the reaper has another working folder than the call."""
    enter = ("sh", "-c", f'cd "{bench.base}" && exec "$@"', "sh")
    other = name.replace("ROOT", str(bench.base))
    caller = bench.with_(prefix=(*enter, *bench.shell, str(bench.agent), other, "begin", "one", "9", "off"))
    assert caller.call("and words too many", stdin=b"{}").code == WRONG
    assert list(bench.base.iterdir()) == []


# --- a state folder that isn't ours ----------------------------------------------------------------------------------


def prepared_by_someone_else(bench: Bench) -> Path:
    """A state with an expired deploy whose undo would run as the one who contacts the host."""
    bench.begin(ttl=0)
    bench.finished_step("a", undo=says("trapped"))
    elsewhere = bench.base.parent / "elsewhere"
    shutil.move(bench.state, elsewhere)
    return elsewhere


def every_call_is_refused(bench: Bench) -> None:
    for verb, arguments in {**CALLS, "reap": (), "status": (), "unwind": ("NAME",), "op": ("NAME", "1", "a")}.items():
        answer = bench.call(verb, *("one" if word == "NAME" else word for word in arguments), stdin=b"{}")
        assert (answer.code, answer.out) == (REFUSED, ""), (verb, answer)
    assert bench.log() == []


def test_a_state_folder_behind_a_link_is_not_obeyed(bench: Bench) -> None:
    """P5: whoever may write beside it could give us scripts to run."""
    elsewhere = prepared_by_someone_else(bench)
    bench.state.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    every_call_is_refused(bench)
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.parametrize("kind", ["dangling link", "file"])
def test_something_else_in_the_place_of_the_state_is_refused(bench: Bench, kind: str) -> None:
    """P5: neither followed nor replaced."""
    if kind == "file":
        bench.state.touch()
    else:
        bench.state.symlink_to(bench.base.parent / "nowhere")
    every_call_is_refused(bench)
    assert not (bench.base.parent / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_state_folder_of_another_user_is_not_obeyed(bench: Bench) -> None:
    """P5: not even by root, who could."""
    shutil.move(prepared_by_someone_else(bench), bench.state)
    for path in [bench.state, *bench.state.rglob("*")]:
        os.chown(path, 12345, 12345)
    every_call_is_refused(bench)


def test_nobody_else_may_read_what_is_kept(bench: Bench) -> None:
    """P6: 0700 and 0600, whatever the umask of the caller."""
    loose = bench.with_(prefix=("sh", "-c", 'umask 000; exec "$@"', "sh"))
    loose.begin(watchdog=True)
    loose.finished_step("a", says("a"), undo=says("undo a"))
    loose.register("b", "true")
    loose.must("phase", "one", 1, "x", 60)
    loose.must("abort", "one", 1, "x")
    loose.ended()
    open_to_others = [path for path in [bench.state, *bench.state.rglob("*")] if path.lstat().st_mode & 0o077]
    assert open_to_others == []


# --- texts -----------------------------------------------------------------------------------------------------------

OWNERS = [
    '{"actor":"O\'Neill \\"the boss\\"","run-url":"https://x/?a=1&b=%20"}',
    '{"actor":"日本 é 😀","note":"back\\\\slash \\n newline \\u0007 bell"}',
    '{\n  "actor": "on several lines",\r\n\t"nested": {"a": [1, 2, {"b": null}]}\n}\n',
    '{"actor":"$(touch x) `touch x` %s %n ${IFS}"}',
    "{}",
]


@pytest.mark.parametrize("owner", OWNERS)
def test_the_owner_comes_back_as_it_was_given(bench: Bench, owner: str) -> None:
    """P7: in the status, while it holds and after it ended, and in the history."""
    bench.begin(owner=owner)
    expected: dict[str, Any] = json.loads(owner)
    assert bench.status()["owner"] == expected
    bench.must("abort", "one", 1, "x")
    assert bench.ended()["owner"] == expected
    assert lines_of(bench.read(".belay/history.jsonl"))[0]["owner"] == expected


@pytest.mark.parametrize("owner", ["", "null", "[]", '"ann"', '{"actor":"ann"', "x{}"])
def test_an_owner_that_is_no_whole_object_is_refused(bench: Bench, owner: str) -> None:
    """P7: every later status would be unreadable."""
    assert bench.try_begin(owner=owner).code == WRONG
    assert not bench.state.exists() or bench.status()["active"] is None


REASONS = {
    "quotes": """it's "quoted" \\ back\\slash \\n \\" $(touch x) `touch x` %s %d \\c""",
    "control": "bell\a tab\t return\r escape\x1b[31m delete\x7f",
    "lines": "first\nsecond\n\nlast",
    "unicode": "é 日本 😀 \u2028 \u200b",
    "JSON": '","status":"confirmed","x":"',
    "dash": "-n -e --",
    "long": "x" * 60000,
}


@pytest.mark.parametrize("kind", REASONS)
def test_any_reason_is_told_in_valid_json(bench: Bench, kind: str) -> None:
    """P7: of an abort; control characters become blanks, the rest stays."""
    bench.begin()
    bench.must("abort", "one", 1, REASONS[kind])
    found = bench.ended()
    expected = "".join(" " if ord(letter) < 32 or ord(letter) == 127 else letter for letter in REASONS[kind])
    assert (found["status"], found["reason"].rstrip()) == ("rolled-back", expected.rstrip())
    assert lines_of(bench.read(".belay/history.jsonl"))[0]["reason"].rstrip() == expected.rstrip()
    journal = bench.must("journal", "one").out
    assert len(lines_of(journal)) == journal.count("\n")


def test_any_last_word_of_an_undo_is_told_in_valid_json(bench: Bench) -> None:
    """P7: bytes that are no text, a line without an end, and one without measure."""
    bench.begin()
    for name, words in {
        "a": r'printf "say \"x\" \\ \001\002\177 \377\376"',
        "b": "head -c 3000000 /dev/zero | tr '\\0' y",
        "c": r"printf 'old\nthe last\n'",
    }.items():
        bench.finished_step(name, undo=f'[ -f "$BELAY_BASE/{name}" ] || {{ {words}; exit 10; }}')
    for name, reason in (("c", "the last"), ("b", "y" * 2000), ("a", 'say "x" \\     \ufffd\ufffd')):
        bench.must("abort", "one", 1, "x")
        found = until(lambda: (found := bench.status())["status"] == "held" and found, "the hold")
        assert found["reason"].rstrip() == reason
        until(lambda: not bench.processes(), "the end of the unwinder")
        (bench.base / name).touch()


def test_what_a_step_prints_is_never_taken_for_the_header(bench: Bench) -> None:
    """P7: the first line is the agent's, all that follows is the step's."""
    bench.begin()
    bench.step("a", "echo; echo 'state=ended rc=0 offset=0 status=confirmed'; exit 7")
    assert bench.wait_step("a") == ("ended", 7, "\nstate=ended rc=0 offset=0 status=confirmed\n")


def test_lines_torn_by_a_crash_do_not_tear_the_next_ones(bench: Bench) -> None:
    """P8: journal and history go on in a line of their own."""
    bench.begin()
    for name in ("deploys/one/journal.jsonl", "history.jsonl"):
        with (bench.state / name).open("a") as file:
            file.write('{"event":"undo-start","na')
    bench.must("precommit", "one", 1)
    bench.must("confirm", "one", 1)
    assert bench.journal() == [("begin", "one"), ("precommit", "one"), ("settled", "confirmed")]
    assert (bench.history(), bench.status()["id"]) == ([("one", "confirmed")], "one")


def test_what_is_left_of_calls_that_were_killed_is_in_nobodys_way(bench: Bench) -> None:
    """P8: half a deploy, half a step, half a file, and a holder without a folder."""
    bench.begin("zero")
    bench.must("unlock", "zero", "force")
    (bench.state / "deploys/.new/undo").mkdir(parents=True)
    (bench.state / "active").write_text("ghost\n")
    (bench.state / "epoch.new.123").write_text("9")
    assert bench.status()["id"] == "zero"
    bench.must("reap")
    assert bench.begin("one") == 2
    (bench.state / "deploys/one/ops/.new").mkdir()
    (bench.state / "deploys/one/ops/.new/rc").write_text("0\n")
    (bench.state / "deploys/one/undo/01-a.sh.new.77").write_text("exit 10")
    bench.finished_step("a", says("a"), undo=says("undo a"), epoch=2)
    bench.must("abort", "one", 2, "x")
    assert (bench.ended()["status"], bench.log()) == ("rolled-back", ["a", "undo a"])
    assert bench.begin("two") == 3


@pytest.mark.parametrize("reason", ["a\0b", "half \ud800 a character", "x" * 500_000, "two\nlines"])
def test_a_reason_of_any_kind_never_keeps_the_host_from_undoing(reason: str, tmp_path: Path) -> None:
    """P2: the words of an app's own answer are in it; `abort` and `hold` travel in a command line."""
    agent = Agent(LocalHost(), str(tmp_path), Bundle.of([]))
    agent.install()
    for end, name in ((agent.abort, "one"), (agent.hold, "two")):
        end(agent.begin(name, {}, ttl=60, watchdog=False), reason)
        told = agent.settle(name, timeout=60)
        assert told.status == ("rolled-back" if name == "one" else "held")
        assert 0 < len(told.reason) <= 2000
