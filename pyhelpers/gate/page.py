"""The result in Markdown: for the step's summary, the check run and the comment, each with as many rows as it can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyhelpers.gate.bypass import Bypass
from pyhelpers.gate.gate import Result
from pyhelpers.gate.matching import Kind, Matched, distinct
from pyhelpers.gate.verdict import TITLES, Verdict
from pyhelpers.runner.summary import Markdown, code, table, text

SUMMARY_ROWS = 2000  # some 300 bytes each; a summary holds 1 MiB
CHECK_ROWS = 60  # a check run's summary holds 65,535 characters, and so does a comment
COMMENT_ROWS = 25
_ORDER = (Kind.IN_DIFF, Kind.ELSEWHERE, Kind.UNKNOWN, Kind.OLD)
_WORDS = {
    Kind.IN_DIFF: "new, on a changed line",
    Kind.ELSEWHERE: "new, broken from elsewhere",
    Kind.OLD: "was there before",
    Kind.UNKNOWN: "",
}


def headline(result: Result) -> str:
    """Return the verdict in one plain sentence."""
    refused = [bypass for bypass in result.bypasses if bypass.severity == "refuse"]
    failures = [failure for seen in result.seen for failure in seen.failures]
    match result.verdict:
        case Verdict.PASSED:
            return f"PHPStan analysed {result.files} files and found nothing"
        case Verdict.NOT_ANALYSED:
            return failures[0].cause
        case Verdict.WEAKENED | Verdict.BASELINE_GREW:
            others = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
            first = next((b for b in refused if not b.rule.startswith("baseline-")), refused[0])
            return f"{first.what.rstrip('.')}{others}"
        case _:
            new = sum(matched.kind in {Kind.IN_DIFF, Kind.ELSEWHERE} for matched in result.matched)
            compared = all(matched.kind is not Kind.UNKNOWN for matched in result.matched)
            told = f", {new} of them new" if result.base and compared else ", not compared with a base"
            stale = sum(matched.finding.stale for matched in result.matched) + len(result.stale)
            old = f"; {stale} are entries of a baseline that are no longer needed" if stale else ""
            return f"PHPStan reports {len(result.matched) + len(result.stale)} errors{told}{old}"


def page(result: Result, *, rows: int, trend: str = "", stale_patch: str = "") -> Markdown:
    """Return the whole result, with at most `rows` findings; the texts of PHPStan and the project can't act in it."""
    return Markdown("\n".join(part for part in _parts(result, rows, trend, stale_patch) if part))


def _parts(result: Result, rows: int, trend: str, stale_patch: str) -> Iterator[str]:
    mark = "✅" if result.verdict is Verdict.PASSED else "❌"
    yield f"## {mark} PHPStan gate: {TITLES[result.verdict]}\n"
    yield f"{text(headline(result))}.\n"
    yield _figures(result)
    for seen in result.seen:
        for failure in seen.failures:
            yield f"### {text(failure.cause)}\n\n{text(failure.remedy)}\n"
            yield f"```text\n{failure.words.replace('```', '` ` `')}\n```\n" if failure.words else ""
    yield _bypasses("Refused", [bypass for bypass in result.bypasses if bypass.severity == "refuse"], rows)
    yield _findings(result.matched, rows)
    yield _stale(result, rows, stale_patch)
    yield _bypasses("To look at", [bypass for bypass in result.bypasses if bypass.severity == "report"], rows)
    yield _waivers(result)
    yield trend


def _figures(result: Result) -> str:
    unknown = "" if result.base else " (nothing to compare with)"
    return table(
        ["errors", "new", "fixed", "in the baseline", "files", "PHPStan"],
        [
            [
                str(len(result.matched) + len(result.stale)),
                f"{len(result.new)}{unknown}",
                str(result.fixed),
                str(result.baseline_size),
                str(result.files),
                result.phpstan or "?",
            ]
        ],
    )


def _bypasses(title: str, listed: Sequence[Bypass], rows: int) -> str:
    if not listed:
        return ""
    lines = [[code(bypass.rule), code(bypass.place), bypass.what, bypass.remedy] for bypass in listed[:rows]]
    return f"### {title}: {len(listed)}\n\n{table(['rule', 'where', 'what', 'do'], lines)}{_more(len(listed), rows)}"


def _findings(matched: Sequence[Matched], rows: int) -> str:
    if not matched:
        return ""
    shown = sorted(distinct(matched), key=lambda each: (_ORDER.index(each.kind), each.finding.path, each.finding.line))
    lines = [_row(each) for each in shown[:rows]]
    return f"### Errors: {len(shown)}\n\n{table(['where', 'error', 'identifier', ''], lines)}{_more(len(shown), rows)}"


def _row(matched: Matched) -> list[str]:
    finding = matched.finding
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path
    identifier = Markdown(f"[{text(finding.identifier)}]({finding.link})") if finding.link else ""
    message = f"{finding.message} (in {finding.context})" if finding.context else finding.message
    tip = Markdown(f"{text(message)}<br>💡 {text(finding.tip)}") if finding.tip else message
    return [code(place), tip, identifier, _WORDS[matched.kind]]


def _stale(result: Result, rows: int, stale_patch: str) -> str:
    found = list(result.stale)
    parts = []
    if found:
        parts.append(
            f"### No longer needed in the baseline: {len(found)}\n\n{table(['entry'], [[t] for t in found[:rows]])}"
        )
    if stale_patch:
        size = stale_patch.count("\n")
        parts.append("The baseline has entries that nothing needs. `git apply` takes this patch:\n")
        if size <= 10 * rows:
            parts.append(
                f"<details><summary>stale-baseline.patch</summary>\n\n````diff\n{stale_patch}````\n</details>\n"
            )
        else:
            parts.append(f"It has {size} lines and is in the report's folder, as `stale-baseline.patch`.\n")
    return "\n".join(parts)


def _waivers(result: Result) -> str:
    lines = [
        [
            waiver.identifier or waiver.rule,
            code(waiver.path),
            waiver.owner,
            waiver.reason,
            waiver.expires.isoformat(),
            str(used),
        ]
        for waiver, used in result.waived.used.items()
    ]
    lines += [
        [
            waiver.identifier or waiver.rule,
            code(waiver.path),
            waiver.owner,
            waiver.reason,
            f"{waiver.expires} (over)",
            "0",
        ]
        for waiver in result.waived.expired
    ]
    return f"### Waivers\n\n{table(['what', 'where', 'owner', 'reason', 'expires', 'used'], lines)}" if lines else ""


def _more(count: int, rows: int) -> str:
    return f"\n{count - rows} more are in the report's folder.\n" if count > rows else ""
