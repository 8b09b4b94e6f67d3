"""The result as files: JSON for programs (and for the next run, as the base's findings), SARIF, JUnit."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from pyhelpers.errors import BadInput, NothingChanged
from pyhelpers.gate.finding import Finding
from pyhelpers.gate.gate import Result
from pyhelpers.gate.matching import Kind, Matched
from pyhelpers.gate.verdict import TITLES, Verdict

VERSION = 1
SARIF_RESULTS = 25_000  # per run; GitHub, "SARIF support for code scanning"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_reports(result: Result, folder: Path, *, commit: str, sarif: Path | None) -> list[Path]:
    """Write report.json, report.sarif and junit.xml into `folder` (and SARIF to the file `sarif`, too); return them.

    Raises `NothingChanged` when one can't be written.
    """
    files: dict[Path, Callable[[], str]] = {
        folder / "report.json": lambda: json.dumps(as_json(result, commit=commit), ensure_ascii=False),
        folder / "report.sarif": lambda: json.dumps(as_sarif(result), ensure_ascii=False),
        folder / "junit.xml": lambda: "".join(as_junit(result)),
    }
    if sarif is not None:
        files[sarif] = files[folder / "report.sarif"]
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text(), "utf-8", errors="replace")
        except OSError as error:
            raise NothingChanged(
                f"{file} could not be written: {error.strerror}", remedy="Is the disk full?"
            ) from error
    return list(files)


def as_json(result: Result, *, commit: str) -> dict[str, Any]:
    """Return the whole result; the shape is versioned."""
    waived = {id(matched) for matched in result.waived.covered}
    everything = [*result.matched, *result.waived.covered]
    return {
        "version": VERSION,
        "verdict": result.verdict.value,
        "title": TITLES[result.verdict],
        "commit": commit,
        "base": result.base,
        "phpstan": result.phpstan,
        "errors": len(result.matched),
        "new-errors": len(result.new),
        "fixed-errors": result.fixed,
        "baseline-size": result.baseline_size,
        "files": result.files,
        "projects": [
            {
                "name": seen.name,
                "configuration": seen.side.configuration.files,
                "failures": [vars(failure) for failure in seen.failures],
                "stale": list(seen.stale),
            }
            for seen in result.seen
        ],
        "bypasses": [vars(bypass) for bypass in result.bypasses],
        "waivers": [
            {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires.isoformat(), "used": used}
            for waiver, used in result.waived.used.items()
        ],
        "findings": [
            {**_finding(matched.finding), "kind": matched.kind.value, "waived": id(matched) in waived}
            for matched in everything
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in Finding.__dataclass_fields__}


def saved_findings(file: Path | None) -> Callable[[str, str], Sequence[Finding] | None]:
    """Return the function that gives a commit's findings in a project from a saved report.json, or None where it can't.

    Raises `BadInput` for a file that is no report. The report only tells new findings from old; it decides nothing.
    """
    if file is None or not file.exists():
        return lambda _commit, _project: None
    try:
        document = json.loads(file.read_text("utf-8"))
        usable = document["version"] == VERSION and document["verdict"] != Verdict.NOT_ANALYSED
        names = {str(project["name"]) for project in document["projects"]}
        fields = set(Finding.__dataclass_fields__)
        findings = [Finding(**{name: entry[name] for name in fields}) for entry in document["findings"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput("BELAY_BASE_REPORT", f"{file} is no report of the gate", remedy="Leave it unset.") from error

    def known(commit: str, project: str) -> Sequence[Finding] | None:
        if not usable or document["commit"] != commit or project not in names:
            return None
        others = [name for name in names if name and name != project and len(name) > len(project)]
        prefix = f"{project}/" if project else ""
        return [
            finding
            for finding in findings
            if finding.path.startswith(prefix) and not any(finding.path.startswith(f"{name}/") for name in others)
        ]

    return known


def as_sarif(result: Result) -> dict[str, Any]:
    """Return the findings as SARIF 2.1.0, at most as many as GitHub takes.

    The fingerprints hold no line and no folder of the machine, so that a moved line is the same alert.
    """
    seen: Counter[str] = Counter()
    results = [
        _sarif_result(matched, seen, waived=waived)
        for listed, waived in ((result.matched, False), (result.waived.covered, True))
        for matched in listed
    ][:SARIF_RESULTS]
    identifiers = sorted({entry["ruleId"] for entry in results})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "PHPStan",
                        "informationUri": "https://phpstan.org",
                        **({"version": result.phpstan} if result.phpstan else {}),
                        "rules": [
                            {"id": name, "helpUri": f"https://phpstan.org/error-identifiers/{name}"}
                            for name in identifiers
                        ],
                    }
                },
                "invocations": [{"executionSuccessful": result.verdict is not Verdict.NOT_ANALYSED}],
                "results": results,
            }
        ],
    }


def _sarif_result(matched: Matched, seen: Counter[str], *, waived: bool) -> dict[str, Any]:
    finding = matched.finding
    what = f"{finding.path}\x00{finding.context}\x00{finding.identifier}\x00{finding.message}"
    seen[what] += 1
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.path, errors="replace")}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    entry: dict[str, Any] = {
        "ruleId": finding.identifier or "phpstan",
        "level": "error",
        "message": {"text": f"{finding.message}\n{finding.tip}".strip()},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {
            "belay/v1": hashlib.sha256(f"{what}\0{seen[what]}".encode("utf-8", "replace")).hexdigest()
        },
    }
    if matched.kind is not Kind.UNKNOWN:
        entry["baselineState"] = "unchanged" if matched.kind is Kind.OLD else "new"
    if waived:
        entry["suppressions"] = [{"kind": "external", "justification": "a reviewed waiver"}]
    return entry


def as_junit(result: Result) -> Iterator[str]:
    """Give the pieces of a JUnit file: one suite, one failing case for each finding and each refusal, or one that passed."""
    cases = [*_cases(result)]
    failed = len(cases)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuite name="phpstan-gate" tests="{failed or 1}" failures="{failed}">\n'
    for name, message, text in cases:
        yield f"<testcase name={_attribute(name)}><failure message={_attribute(message)}>{_text(text)}</failure></testcase>\n"
    if not cases:
        yield '<testcase name="phpstan-gate"/>\n'
    yield "</testsuite>\n"


def _cases(result: Result) -> Iterable[tuple[str, str, str]]:
    for seen in result.seen:
        for failure in seen.failures:
            yield seen.name or "phpstan", failure.cause, f"{failure.words}\n{failure.remedy}"
    for bypass in result.bypasses:
        if bypass.severity == "refuse":
            yield bypass.place or bypass.rule, bypass.what, bypass.remedy
    for matched in result.matched:
        finding = matched.finding
        yield f"{finding.path}:{finding.line}", finding.message, f"{finding.identifier} {finding.tip}"
    for text in result.stale:
        yield "baseline", text, "Remove the entry."


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))
