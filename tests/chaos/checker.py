"""The judge of a chaos test: is the site whole? It shares no code with what it judges.

A site that was deployed to, whatever happened meanwhile, ends in one of three ways (P2); all else is a `Violation`:

- `as before`: every fact is what it was.
- `new`: the new release serves, and schema and code belong together.
- `held`: down, with a reason that a person can read, and the lock kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import snapshot
from tests.chaos.snapshot import Facts
from tests.lab.site import Run, Site

SETTLE_SECONDS = 180
STRAY_SECONDS = 30
AS_BEFORE, NEW, HELD = "as before", "new", "held"

# What each exit code says of the site (README, "Exit codes"). None: nobody knows; the host settles it.
TOLD: dict[int, set[str] | None] = {
    0: {NEW},
    1: {AS_BEFORE},
    2: {AS_BEFORE},
    3: {AS_BEFORE},
    4: {HELD},
    5: {AS_BEFORE},
    6: None,
    130: None,
    -9: None,
}


class Violation(AssertionError):
    """The site is neither as before, nor new and whole, nor held with a reason."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a site ended, and why when it is held; `seconds` is how long that took to come."""

    kind: str
    reason: str = ""
    seconds: float = 0.0


def judge(
    site: Site,
    before: Facts,
    run: Run | None = None,
    *,
    expected: Facts | None = None,
    may_be_up: bool = False,
    ignoring: str = "",
) -> Verdict:
    """Wait until the host is settled, then say what the site is; raises `Violation`.

    With `run`, its exit code has to tell the truth (P7). `expected` is the database after an undisturbed deploy of the
    same release: where the new release stays, the database has to be that. `may_be_up`: somebody wanted no maintenance, so
    a site that is held may be up. Facts whose names begin with `ignoring` don't count.
    """
    begun = time.monotonic()
    settle(site)
    seconds = time.monotonic() - begun
    problems = [*strays(site), *backups(site), *unproven(site)]
    after = snapshot.facts(site)
    if ignoring:
        before, after = (
            {name: how for name, how in x.items() if not name.startswith(ignoring)} for x in (before, after)
        )
    if held(site):
        verdict = Verdict(kind=HELD, reason=reason(site), seconds=seconds)
        problems += unexplained(verdict, after, may_be_up=may_be_up)
    elif after == before:
        verdict = Verdict(kind=AS_BEFORE, seconds=seconds)
    else:
        verdict = Verdict(kind=NEW, seconds=seconds)
        wrong = inconsistent(site, before, after, expected)
        problems += [f"neither as before ({difference(before, after)}) nor new: {'; '.join(wrong)}"] if wrong else []
    if run is not None:
        allowed = TOLD.get(run.code, set())
        if allowed is not None and verdict.kind not in allowed:
            problems.append(f"exit code {run.code}, but the site is {verdict.kind} {verdict.reason}")
    if problems:
        log = f"\n--- log ---\n{run.text}" if run is not None else ""
        raise Violation("\n".join(problems) + f"\n--- journal ---\n{journal_text(site)}{log}")
    return verdict


# --- the host -----------------------------------------------------------------------------------------------------------


def holder(site: Site) -> Path | None:
    """Return the folder of the deploy that holds the host."""
    try:
        name = (site.base / ".belay" / "active").read_text().strip()
    except OSError:
        return None
    return site.base / ".belay" / "deploys" / name


def status(deploy: Path) -> str:
    """Return the word that the host keeps of a deploy."""
    try:
        return (deploy / "status").read_text().strip()
    except OSError:
        return ""


def held(site: Site) -> bool:
    """Whether a deploy waits for a person."""
    deploy = holder(site)
    return deploy is not None and status(deploy) == "held"


def reason(site: Site) -> str:
    """Return why."""
    deploy = holder(site)
    path = deploy / "reason" if deploy else None
    return path.read_text().strip() if path is not None and path.exists() else ""


def settle(site: Site, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until nothing on the host will change by itself any more."""
    deadline = time.monotonic() + seconds
    while not (held(site) or holder(site) is None):
        if time.monotonic() > deadline:
            raise Violation(f"not settled after {seconds:.0f} s\n{journal_text(site)}")
        time.sleep(0.1)


def strays(site: Site) -> list[str]:
    """Wait until no process of a deploy is left on the host; return those that stay.

    A call that a runner on this machine has only begun is the runner's own: it waits for its words while that sleeps.
    """
    deadline = time.monotonic() + STRAY_SECONDS
    while (found := [words for pid, words in processes(site).items() if not of_a_runner(pid)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.2)
    return [f"left running: {words}" for words in found]


def of_a_runner(pid: int) -> bool:
    """Whether a process is the child of a runner."""
    try:
        parent = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1]
        return b"pyhelpers/__main__.py" in Path(f"/proc/{parent}/cmdline").read_bytes()
    except (OSError, IndexError):
        return False


def processes(site: Site) -> dict[int, str]:
    """Return what runs for a deploy of this site: its agent, its steps and undos, and all that they started."""
    mark, place = f"BELAY_BASE={site.base}\0".encode(), f"{site.base}/.belay/".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            ours = place in words or mark in (entry / "environ").read_bytes()
        except OSError:
            continue
        if ours and words and b"pyhelpers/__main__.py" not in words:
            found[int(entry.name)] = words.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return found


def backups(site: Site) -> list[str]:
    """Return what is wrong with the backups: each one that is there has to be whole (P3)."""
    wrong: list[str] = []
    folder = site.base / ".belay" / "backups"
    for backup in sorted(folder.iterdir()) if folder.is_dir() else []:
        if backup.name.startswith(".incoming"):
            wrong.append(f"an unfinished backup was left: {backup.name}")
            continue
        manifest = json.loads((backup / "manifest.json").read_text())
        payload = (backup / manifest["payload"]).read_bytes()
        if hashlib.sha256(payload).hexdigest() != manifest["sha256"]:
            wrong.append(f"the backup {backup.name} is not what its manifest says")
    return wrong


def unproven(site: Site) -> list[str]:
    """Return which migration started without a backup that was read back whole before it (P1)."""
    wrong: list[str] = []
    for deploy in (site.base / ".belay" / "deploys").glob("[!.]*"):
        events = [(event["event"], event["name"], event["text"]) for event in events_of(deploy)]
        if ("start", "migrate", "") not in events:
            continue
        earlier = events[: events.index(("start", "migrate", ""))]
        if not any(event == "end" and name.startswith("prove-") and text == "0" for event, name, text in earlier):
            wrong.append(f"{deploy.name} migrated, and no backup was read back before")
        manifests = (site.base / ".belay" / "backups").glob("*/manifest.json")
        if not any(json.loads(manifest.read_text())["deployment"] == deploy.name for manifest in manifests):
            wrong.append(f"{deploy.name} migrated, and its backup is not there")
    return wrong


def events_of(deploy: Path) -> list[dict[str, str]]:
    """Return the journal of one deploy; a line that is being written is left out."""
    lines = (deploy / "journal.jsonl").read_text().splitlines() if (deploy / "journal.jsonl").exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def journal(site: Site) -> list[dict[str, str]]:
    """Return the events of the last deploy that began."""
    deploys = list((site.base / ".belay" / "deploys").glob("[!.]*"))
    return events_of(max(deploys, key=lambda path: int((path / "epoch").read_text()))) if deploys else []


def journal_text(site: Site) -> str:
    """Return the journal for a person."""
    return "\n".join(f"{e['time']} {e['event']:<12} {e['name']} {e['text']}" for e in journal(site))


# --- the app ------------------------------------------------------------------------------------------------------------


def unexplained(verdict: Verdict, after: Facts, *, may_be_up: bool) -> list[str]:
    """Return what is wrong with a site that is held: it has to be down, and to say why."""
    wrong = [] if len(verdict.reason.split()) >= 4 else [f"held without a reason: {verdict.reason!r}"]
    return (
        wrong
        if may_be_up or after["status"] == 503
        else [*wrong, f"held ({verdict.reason}), but visitors get {after['status']}"]
    )


def inconsistent(site: Site, before: Facts, after: Facts, expected: Facts | None) -> list[str]:
    """Return why a site that changed is not a new release, whole: its code, schema and data, door and workers."""
    live = Path(after["current"]).name
    wrong = [] if after["current"] != before["current"] else ["the old release is live"]
    if after["maintenance"] != before["maintenance"]:
        wrong.append("the maintenance flag is not as before")
    if before["status"] == 200 and (after["status"], after["release"]) != (200, live):
        wrong.append(f"visitors get {after['status']} {after['release']}, and {live} is live")
    if (folder := site.base / "releases" / live / ".belay-failed").exists():
        wrong.append(f"the live release is marked as failed: {folder}")
    wanted, done = migrations(site), snapshot.ledger(site.database)
    if wanted != done:
        wrong.append(f"the code brings the migrations {sorted(wanted)}, the database had {sorted(done)}")
    if expected is not None and (found := database_part(after)) != expected:
        wrong.append(f"the database is not as after an undisturbed deploy: {difference(expected, found)}")
    if site.workers is not None and after["workers"] != [live] * len(before["workers"]):
        wrong.append(f"the workers run {after['workers']}")
    return wrong


def migrations(site: Site) -> set[str]:
    """Return the migrations that the live code brings."""
    live = site.base / "current"
    folder = live / ("database/migrations" if site.kind == "laravel" else "migrations")
    return {path.stem for path in folder.glob("*") if path.suffix in {".php", ".sql"}}


def database_part(found: Facts) -> Facts:
    """Return the facts of the database alone."""
    others = {"current", "code", "maintenance", "status", "release", "workers"}
    return {name: how for name, how in found.items() if name not in others}


def difference(before: Facts, after: Facts) -> str:
    """Return what differs, in short."""
    told = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, "nothing"), after.get(name, "nothing")
        if old != new:
            told.append(f"{name}: {shorten(old)} -> {shorten(new)}")
    return "; ".join(told)


def shorten(value: object) -> str:
    """Return a value cut to what a person reads."""
    text = f"{len(value)} of {value}" if isinstance(value, list) else str(value)
    return text if len(text) < 300 else f"{text[:300]}…"
