"""Ways in which a `run:` block loses the exit status of a command in it.

GitHub runs a block with `bash -e`, which ends at the first command that fails, but not where the command stands left of `||`
or `&&`, in a condition, in the background, or left of a pipe (only `shell: bash` sets pipefail).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 10_000  # characters of a script with the gate in it
_FAILS = re.compile(r"\b(?:exit|return)\s+(?:[1-9]|\"?\$)|(?:^|[\s;{&|])false\b")
_PIPEFAIL = re.compile(r"\bset\s+-\w*o\s+pipefail\b|\bset\s+-o\s+\w+\s+-o\s+pipefail\b")
_NO_ERREXIT = re.compile(r"\bset\s+\+(?:\w*e|o\s+errexit\b)")
_QUIET_TRAP = re.compile(r"\btrap\b.*\bexit\s+0\b")
_CONDITION = re.compile(r"(?:^|[;&|({]|\bthen|\belse|\bdo)\s*(?:if|elif|while|until)\s+(?:[^;]*)$")
_NEGATED = re.compile(r"(?:^|[;&|({]|\bthen|\bdo|\belse)\s*!\s+[^;&|]*$")
_SUBSTITUTED = re.compile(r"\$\([^)]*$|`[^`]*$")
_DECLARED = re.compile(r"\b(?:local|export|readonly|declare)\s[^;&|]*$")
_WORDS = re.compile(r"(?:\"(?:\\.|[^\"])*\"|'[^']*'|\\.|\d?>&\d?|&>+|[^|&;\n])*")
_CLOSED = re.compile(r"\s*(?:\}|\)|fi\b|done\b|esac\b)")
_ASSIGNED = re.compile(r"(?:^|[;&|]\s*|\s)[A-Za-z_]\w*=\"?(?:\$\(|`)[^)`]*$")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One way in which the status is lost: which rule, on which line of the block (from 0), and what stands there."""

    rule: str
    line: int
    seen: str


def losses(script: str, command: re.Pattern[str], *, shell: str = "") -> list[Loss]:
    """Return how the block loses the exit status of what matches `command`; `shell` is the step's, empty for the default."""
    if len(script) > LONGEST:
        return [
            Loss(
                rule="gate-exit-status",
                line=0,
                seen=f"a script of more than {LONGEST} characters, which isn't looked through",
            )
        ]
    lines = list(_logical(script))
    errexit, pipefail = _options(shell)
    last = max((number for number, (_at, text) in enumerate(lines) if text.strip(" })")), default=0)
    found: list[Loss] = []
    for number, (at, text) in enumerate(lines):
        if _NO_ERREXIT.search(text) and any(command.search(after) for _at, after in lines[number:]):
            found.append(Loss(rule="gate-exit-status", line=at, seen="set +e"))
        if _QUIET_TRAP.search(text):
            found.append(Loss(rule="gate-exit-status", line=at, seen="a trap that ends in exit 0"))
        pipefail = pipefail or bool(_PIPEFAIL.search(text))
        for match in command.finditer(text):
            before, after = text[: match.start()], text[match.end() :]
            rest = "\n".join(each for _at, each in lines[number + 1 :])
            ways = list(_ways(before, after, rest, pipefail=pipefail, last=number == last))
            if not errexit and number != last:
                ways.append(("gate-exit-status", f"`shell: {shell}`, which goes on after a failure"))
            found += [Loss(rule=rule, line=at, seen=seen) for rule, seen in ways]
    return found


def _options(shell: str) -> tuple[bool, bool]:
    """Return whether the shell ends at a failure, and whether a pipe fails with each of its parts."""
    if shell in {"", "sh"}:
        return True, False
    if "{0}" not in shell:  # a name: bash gets -e and pipefail; the others have ways of their own
        return True, shell == "bash"
    return bool(re.search(r"\s-\w*e|errexit", shell)), "pipefail" in shell


def _ways(before: str, after: str, rest: str, *, pipefail: bool, last: bool) -> Iterator[tuple[str, str]]:
    """Yield how the status of a command is lost, which stands between `before` and `after` on its line."""
    sign, tail = _following(f"{after}\n{rest}")
    while sign in {";", "\n"} and (closed := _CLOSED.match(tail)):  # what follows the group around it
        sign, tail = _following(tail[closed.end() :])
    words = tail.partition("\n")[0].strip()
    if seen := _operator(sign, words, pipefail=pipefail, last=last):
        yield "gate-pipe" if sign == "|" and not pipefail else "gate-exit-status", seen
    if _NEGATED.search(before):
        yield "gate-exit-status", "`!`, which turns a failure into a success"
    if _CONDITION.search(before) and not _FAILS.search(tail):
        yield "gate-exit-status", "a condition (`if`, `while`) that no `exit 1` follows"
    if _SUBSTITUTED.search(before) and (not _ASSIGNED.search(before) or _DECLARED.search(before)):
        yield "gate-exit-status", "a substitution `$( )`, whose status isn't looked at"


def _operator(sign: str, words: str, *, pipefail: bool, last: bool) -> str:  # noqa: PLR0911  # one line for each operator
    """Return how the operator after a command loses its status, in words; nothing where it doesn't."""
    short = words[:60]
    if sign == "||" and not _FAILS.search(words):
        return f"`|| {short}`"
    if sign == "|" and not pipefail:
        return f"`| {short}` without pipefail"
    if sign == "|" and (swallowed := re.search(r"\|\|(.*)", words)) and not _FAILS.search(swallowed[1]):
        return f"`||{swallowed[1][:60]}`"
    if sign == "&&" and not last:
        return "`&&`, with more lines after it"
    if sign == "&":
        return "`&`: it runs in the background"
    if sign == ";" and re.match(r"(?:true|:|exit\s+0)\s*(?:$|[;})])", words):
        return f"`; {short}`"
    return ""


def _following(after: str) -> tuple[str, str]:
    """Return the operator that ends a command's words, and what stands behind it; quoted ones are words."""
    match = _WORDS.match(after)
    end = match.end() if match else 0
    sign = next((sign for sign in ("||", "&&", "|&", "|", "&", ";", "\n") if after.startswith(sign, end)), "")
    return sign.removesuffix("&") if sign == "|&" else sign, after[end + len(sign) :]


def _logical(script: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block with the number of each, comments left out and continued ones joined."""
    whole, begun = "", 0
    for number, raw in enumerate(script.split("\n")):  # as bash: nothing else ends a line
        line = re.sub(r"(?:^|\s)#.*", "", raw)
        begun = begun if whole else number
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        if re.search(r"(?:\|\||&&|\|)\s*$", line):  # goes on after an operator
            whole += line + " "
            continue
        yield begun, whole + line
        whole = ""
    if whole:
        yield begun, whole
