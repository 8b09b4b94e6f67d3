"""Everything that reads what others wrote, against hostile text: it is read, or refused by an error of ours.

Nothing crashes, nothing of it is run, and no error shows a secret. One table for all of Belay's parsers. BELAY_PARSER_EXAMPLES is how many texts each is given (`make soak`: 10,000); the
scripts of the host, each a real shell, get a tenth of it in a short run. What a parser gives back goes on to those who
use it, since a wrong value breaks there.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhelpers.app.app import App
from pyhelpers.app.services import check_services
from pyhelpers.app.site import Site
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.manifest import check_name
from pyhelpers.cli.maintenance import _in_utc as in_utc
from pyhelpers.databases.engine import check_url, facts_in, table_in
from pyhelpers.deploy import report
from pyhelpers.deploy.doctor import capacity_findings, host_findings, mount_findings
from pyhelpers.deploy.incident import Where, ended_of, incident_of
from pyhelpers.deploy.recover import ends, judge, look
from pyhelpers.deploy.timeline import downtime, spans, touched
from pyhelpers.errors import BadInput, BelayError
from pyhelpers.forge.incidents import _mark
from pyhelpers.gate.base import event_of
from pyhelpers.gate.configuration import read_configuration
from pyhelpers.gate.history import Change, Diff
from pyhelpers.gate.lockfile import audit_lock, audit_manifest
from pyhelpers.gate.output import Completed
from pyhelpers.gate.output import read_answer as read_phpstan
from pyhelpers.gate.own_settings import audit_own_settings
from pyhelpers.gate.phpstan import Settings
from pyhelpers.gate.project import Tree, look_at_side
from pyhelpers.gate.suppressions import audit_source
from pyhelpers.gate.waivers import read_waivers
from pyhelpers.gate.weakening import Side, audit_configuration
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Bundle
from pyhelpers.hosts.connect import Connection, check_connection
from pyhelpers.hosts.fleet import addresses_in
from pyhelpers.hosts.known_hosts import KnownHosts
from pyhelpers.hosts.private_key import read_private_key
from pyhelpers.hosts.protocol import Result
from pyhelpers.hosts.status import Status, check_deployment_id, events_in, history_in, locked
from pyhelpers.runner.environment import Runner
from pyhelpers.runner.settings import load_defaults
from pyhelpers.runner.summary import text as plain
from pyhelpers.watch.health import asked_in, expectation_in
from pyhelpers.watch.http import Expectation, Response, _json, _lookup, _mismatch
from pyhelpers.watch.http import check_url as check_health_url

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("BELAY_PARSER_EXAMPLES", "60"))
SHELL_EXAMPLES = EXAMPLES if "BELAY_PARSER_EXAMPLES" in os.environ else EXAMPLES // 10
CANARY = "canary-9f8e7d"  # stands where the secret would; no error may hold it
WHERE = Where(host="h", path="/p", environment="production", server_url="https://github.com", repository="acme/shop")
STARTS = frozenset({"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect"})

# --- hostile texts --------------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        "$(touch EXECUTED)", "`touch EXECUTED`", "'; touch EXECUTED; '", '"; touch EXECUTED; "', "| touch EXECUTED",
        "-oProxyCommand=touch EXECUTED", "!!python/object/apply:os.system ['touch EXECUTED']", "{{7*7}}", "${IFS}", "%n%s",
        "::error::x", "::add-mask::", "%0A::set-output name=x::y", "<!-- belay", "<img src=x>", "@everyone", "../../../etc/passwd",
        "\x00", "\x1b]0;x\x07", "\r\n", "\n", "\u2028", "\u202e", "\ud800", "\ufeff", "é", "[" * 3000, "{" * 3000, '"', "\\", "\\u0000", "²", "٣",
        "9" * 5000, "1e999", "-1", "NaN", "Infinity", "null", "true", "=", ":", ",", "#", "|1|", "|", "*", "?", "~", "&", "\t", " ",
        "refs/heads/$(touch EXECUTED)", "ssh-ed25519 AAAA", "@cert-authority", "[host]:22", "::1", "mysql://", "sqlite:////",
        "DB_PASSWORD=", "DB_URL=", "[production]", "host = ", "status=", "json.a=", "current", "-----BEGIN OPENSSH PRIVATE KEY-----",
        CANARY,
    ]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS | st.text(max_size=12), max_size=8).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def objects(**sound: Any) -> st.SearchStrategy[str]:
    """JSON that is nearly what it should be: sound values, some of them replaced or left out; or any text at all."""
    fields = {name: st.just(value) | VALUES for name, value in sound.items()}
    whole = st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(fields)
    return whole.map(json.dumps) | VALUES.map(json.dumps) | TEXTS


EVENT = {"event": "fire", "name": "down", "text": "0", "uptime": 5, "boot": "b", "time": "2026-11-22T12:00:00Z"}
OWNER = {"verb": "deploy", "since": "2026-11-22T12:00:00Z", "run-id": "7", "sha": "a" * 40, "actor": "ann"}
STATUS = {
    "id": "one", "active": "one", "status": "held", "phase": "down", "epoch": 1, "reason": "x", "lease": 5, "overdue": 0,
    "reaper": "alive", "reboot": "cron", "running": "", "owner": OWNER,
}  # fmt: skip
END = {"id": "one", "verdict": "kept", "reason": "x", "time": "t", "owner": OWNER}
JOURNALS = st.lists(objects(**EVENT), max_size=4).map("\n".join)
HISTORIES = st.lists(objects(**END), max_size=4).map("\n".join)
MANIFEST = {
    "name": "20260131T235959Z-0123456789abcdef.mariadb.sql.zst", "created": "t", "engine": "mariadb", "payload": "p", "bytes": 1,
    "sha256": "0", "verification": "bytes", "tables": {"a": 1}, "counts_exact": True, "schema_sha256": "0", "inventory": {},
    "server_version": "1", "client_version": "1", "version": 1,
}  # fmt: skip
MANIFESTS = objects(**MANIFEST).map(lambda body: f"\x01{MANIFEST['name']}\n{body}")

FOUND = {"errors": 1, "messages": [{"message": "x", "line": 1, "ignorable": True, "identifier": "a.b", "tip": "t"}]}
PARAMETERS = {
    "usedLevel": "9", "paths": ["src"], "excludePaths": {"analyse": ["a*"]}, "fileExtensions": ["php"], "checkNullables": False,
    "ignoreErrors": [{"message": "#x#", "path": "a.php", "count": 1}], "stubFiles": [], "parallel": {}, "resultCachePath": "x",
}  # fmt: skip
PACKAGE = {"name": "phpstan/phpstan", "version": "2.1.0", "source": {"url": "u", "reference": "r"}, "type": "library"}
LOCK = {"packages": [PACKAGE], "packages-dev": [PACKAGE], "extra": {}, "require-dev": {"phpstan/phpstan": "^2"}}
PULL = {"number": 1, "head": {"sha": "a"}, "base": {"sha": "b", "ref": "main"}, "base_ref": "main", "head_sha": "a"}

# --- the parsers, and those who use what they give back -------------------------------------------------------------


@dataclass
class Says:
    """A host of which every answer is hostile: this text, whatever it is asked. A real one can't be made to."""

    answers: Mapping[str, str]
    name: str = "h"

    def run(self, argv: Any, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:  # noqa: ARG002  # Host's
        """Answer by the agent's verb, or by what is read."""
        told = next((text for word, text in self.answers.items() if any(word in each for each in argv)), "")
        return Result(exit_code=0, stdout=told.encode("utf-8", "surrogatepass"), stderr=b"")

    def another(self) -> Says:
        """Return itself."""
        return self

    def close(self) -> None:
        """Do nothing."""


def asked(**answers: str) -> Agent:
    return Agent(Says(answers), "/p", Bundle(b"", {}), sleep=lambda _seconds: None)  # type: ignore[arg-type]  # Says only answers


def read_status(text: str) -> None:
    status = Status.from_json(text)
    _ = (status.settled, status.over, status.abandoned, status.stuck)
    plain(f"{locked(status, 'h')}")
    report.summary(status, [], "h")
    judge(status, ends(asked(), status))


def read_journal(text: str) -> None:
    journal = events_in(text)
    _ = (spans(journal), downtime(journal), touched(journal))
    report.summary(Status(deployment="one", status="held", owner=OWNER), journal, "h")


def recover(pair: tuple[str, str]) -> None:
    journal, history = pair
    for line in history_in(history):
        check_deployment_id(line["id"])
    found = look(asked(status='{"id":null,"active":null}', journal=journal, **{"history.jsonl": history}))
    incident_of(found, WHERE)
    for end in found.recent:
        ended_of(end, WHERE)


def read_releases(text: str) -> None:
    site = Site(base="/p", layout="releases", kind="plain")
    App(site=site, agent=asked(**{"releases.sh": text}), folder="/p/.belay/deploys/one").live_release()


def read_manifests(text: str) -> None:
    for manifest in Catalogue(asked(list=text), "/p/.belay/backups").all():
        check_name(manifest.name)
        _ = (manifest.rows, manifest.digest, manifest.proven())


def read_answer(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    wanted = Expectation(texts=("x",), values={"a.0.b": "c"}, release="r")
    _mismatch(Response(status=200, headers={}, cookies=(), body=body), _json(body), "r", wanted)
    _lookup(_json(body), "a.9999999999999999999999.b")


def read_host_facts(text: str) -> None:
    facts = facts_in(text)
    list(host_findings(facts))
    list(mount_findings(facts))
    list(capacity_findings(facts, [], [], 1, together=True))
    in_utc(facts.get("free_kib", ""))
    table_in(text)


def read_branch(text: str) -> None:
    names = ("GITHUB_REF", "GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_REPOSITORY", "GITHUB_ACTOR")
    runner = Runner.from_environment(dict.fromkeys(names, text))
    assert "\n" not in plain(runner.run_url)


def read_known_hosts(text: str) -> None:
    KnownHosts.parse(text).pins_for("app.example", 22)


def connect(text: str) -> None:
    for name in ("host", "user", "path", "jump_host"):
        values: dict[str, Any] = {"host": "h", "user": "u", "path": "/p", "known_hosts": "h ssh-rsa x", name: text}
        try:
            check_connection(Connection(**values))
        except BadInput:
            continue


def read_settings(text: str) -> None:
    folder = Path(os.environ["BELAY_TEST_FOLDER"])
    (folder / "belay.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    load_defaults(folder, "production", {"host": str, "port": int, "dry-run": bool, "timeout": float})


def read_phpstans_answer(text: str) -> None:
    for status in (0, 1):
        answer = read_phpstan(Completed(exit_code=status, stdout=text, stderr=text))
        assert answer.failure or answer.findings or answer.stale or status == 0
        for finding in answer.findings:
            _ = (finding.link, finding.stale, finding.incomplete)


def read_phpstans_parameters(text: str) -> None:
    root = Path(os.environ["BELAY_TEST_FOLDER"])

    def start(_argv: Any, _folder: Path, /) -> Completed:
        return Completed(exit_code=0, stdout=text, stderr="")

    tree = Tree(root=root, tracked=None, start=start, temp=root)
    side, _failure = look_at_side(tree, "", Settings(phpstan="/bin/true"))
    empty = Side(
        configuration=read_configuration(root, None, tracked=None),
        parameters={"usedLevel": "9", "checkNullables": True, "ignoreErrors": [], "parallel": {}},
        ignores=(),
        analysed=frozenset(),
        excludes=frozenset(),
    )
    list(audit_configuration(empty, side, Diff(), suppressions="refuse"))
    list(audit_configuration(side, empty, Diff(), suppressions="refuse"))


def read_phpstans_files(pair: tuple[str, str]) -> None:
    folder = Path(os.environ["BELAY_TEST_FOLDER"])
    for name, text in zip(("phpstan.neon", "more.php"), pair, strict=True):
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    for name in ("phpstan.neon", "more.php"):
        configuration = read_configuration(folder, folder / name, tracked=None)
        _ = (configuration.all_ignores, configuration.baselines)


def read_source(pair: tuple[str, str]) -> None:
    texts = dict(zip(("old.php", "new.php"), (f"<?php {text}" for text in pair), strict=True))
    changes = (Change(old="old.php", new=None), Change(old=None, new="new.php"))
    diff = Diff(changes=changes, added={"new.php": frozenset(range(99))})
    audit_source(diff, analysed=frozenset(), before=texts.get, after=texts.get, severity="refuse")


def read_packages(pair: tuple[str, str]) -> None:
    for audit in (audit_lock, audit_manifest):
        list(audit(*pair, place="composer.json"))
    list(audit_own_settings(*pair))


def read_event(text: str) -> None:
    file = Path(os.environ["BELAY_TEST_FOLDER"]) / "event.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    event_of(Runner(event_path=file))


@dataclass(frozen=True, kw_only=True)
class Parser:
    """One row: what reads, what it is given, and whether its text is secret, so that no error may show it."""

    read: Callable[[Any], object]
    texts: st.SearchStrategy[Any] = TEXTS
    secret: bool = False


PARSERS: dict[str, Parser] = {
    "known-hosts": Parser(read=read_known_hosts),
    "ssh-key": Parser(read=read_private_key, secret=True),
    "hosts of a fleet": Parser(read=addresses_in),
    "host, user, path, jump-host": Parser(read=connect),
    "belay.toml": Parser(
        read=read_settings, texts=TEXTS | st.builds("{} = {}\n[{}]\n{}".format, TEXTS, TEXTS, TEXTS, TEXTS)
    ),
    "database-url": Parser(read=check_url, secret=True),
    "health-url": Parser(read=lambda text: check_health_url(text, source="health-url")),
    "health-expect": Parser(read=lambda text: expectation_in(text.split("\n"), source="health-expect")),
    "health-results": Parser(read=lambda text: asked_in(text, source="health-results")),
    "services": Parser(read=check_services),
    "deployment-id": Parser(read=check_deployment_id),
    "backup-filename": Parser(read=check_name),
    "branch and other names of a run": Parser(read=read_branch),
    "a host's status": Parser(read=read_status, texts=objects(**STATUS)),
    "a host's journal": Parser(read=read_journal, texts=JOURNALS),
    "a host's history, recovered": Parser(read=recover, texts=st.tuples(JOURNALS, HISTORIES)),
    "a host's releases": Parser(read=read_releases, texts=TEXTS | st.builds("{}\t{}\t{}".format, TEXTS, TEXTS, TEXTS)),
    "a host's manifests": Parser(read=read_manifests, texts=MANIFESTS | TEXTS),
    "a host's facts": Parser(
        read=read_host_facts,
        texts=TEXTS | st.builds("mount_options={}\nmount={}\nfree_kib={}\ndata_bytes={}\na\t{}".format, *[TEXTS] * 5),
    ),
    "a health check's answer": Parser(read=read_answer, texts=TEXTS | VALUES.map(json.dumps)),
    "an issue's text": Parser(read=_mark),
    "PHPStan's answer": Parser(
        read=read_phpstans_answer,
        texts=objects(totals={"errors": 0, "file_errors": 1}, files={"/a.php": FOUND}, errors=[]),
    ),
    "PHPStan's parameters": Parser(read=read_phpstans_parameters, texts=objects(**PARAMETERS)),
    "PHPStan's configuration": Parser(
        read=read_phpstans_files,
        texts=st.tuples(
            TEXTS | st.builds("parameters:\n\tignoreErrors:\n\t\t- {}\n\t\t-\n\t\t\tcount: {}\n".format, TEXTS, TEXTS),
            TEXTS | st.builds("<?php $ignoreErrors[] = ['count' => {}, {}];".format, TEXTS, TEXTS),
        ),
    ),
    "PHP": Parser(read=read_source, texts=st.tuples(TEXTS, TEXTS.map("// @phpstan-ignore {}".format))),
    "composer.lock": Parser(read=read_packages, texts=st.tuples(objects(**LOCK), objects(**LOCK))),
    "phpstan-waivers.toml": Parser(
        read=lambda text: read_waivers(text, dt.date(2026, 1, 1)),
        texts=TEXTS | st.builds("[[waiver]]\nrule = '{}'\npath = '{}'\nexpires = {}".format, TEXTS, TEXTS, TEXTS),
    ),
    "an event": Parser(read=read_event, texts=objects(pull_request=PULL, merge_group=PULL, repository={}, before="x")),
}
started: list[str] = []
watching = False


def note(event: str, _arguments: tuple[object, ...]) -> None:
    """Note what starts something while a parser reads."""
    if watching and event in STARTS:
        started.append(event)


sys.addaudithook(note)


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_hostile_text_is_read_or_refused(parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BELAY_TEST_FOLDER", str(tmp_path))
    started.clear()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(text=parser.texts)
    def read(text: Any) -> None:
        global watching  # noqa: PLW0603  # an audit hook can't be taken away again
        watching = True
        try:
            parser.read(text)
        except BelayError as error:
            told = f"{error.message} {error.remedy} {error.details} {error!r}"
            assert not (parser.secret and CANARY in told)
        finally:
            watching = False

    read()
    assert started == []
    assert not (tmp_path / "EXECUTED").exists()


# --- the scripts of the host -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Script:
    """One row: the words of a call (`{}` the folder, `TEXT` the hostile text), and how it may end."""

    words: tuple[str, ...]
    stdin: bool = False  # the text comes on standard input; otherwise it is TEXT among the words
    env_file: bool = False  # or it is the app's .env
    ends: frozenset[int] = frozenset({0, 1})


APP, AGENT = "pyhelpers/app", "pyhelpers/hosts/agent.sh"
SCRIPTS = {
    ".env": Script(words=(f"{APP}/credentials.sh", "read", "{}/.env", "{}/conn", "{}"), env_file=True),
    "database-url": Script(words=(f"{APP}/credentials.sh", "url", "{}/conn", "{}"), stdin=True),
    "release": Script(words=(f"{APP}/releases.sh", "switch", "{}", "TEXT"), ends=frozenset(range(128))),
    "deployment-id": Script(words=(AGENT, "{}", "status", "TEXT"), ends=frozenset({0, 2, 73})),
    "owner": Script(words=(AGENT, "{}", "begin", "one", "60", "off"), stdin=True, ends=frozenset({0, 2, 70, 75})),
    "step": Script(words=(AGENT, "{}", "step", "one", "1", "TEXT", "0", "0"), ends=frozenset({0, 2, 73, 76})),
    "app's folder": Script(words=(AGENT, "TEXT", "status"), ends=frozenset({0, 2, 78})),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_a_script_of_the_host_reads_or_refuses_it(shell: str, script: Script, tmp_path: Path) -> None:
    """P6: nothing in it is ever run, and no error shows what may be a password."""

    @settings(max_examples=SHELL_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(text=TEXTS)
    def call(text: str) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        if script.env_file:
            (tmp_path / ".env").write_bytes(b"DB_CONNECTION=mysql\nDB_PASSWORD=" + raw)
        argument = raw.replace(b"\0", b"")
        words = [argument if word == "TEXT" else word.format(tmp_path).encode() for word in script.words]
        words[0] = str(ROOT / script.words[0]).encode()
        done = subprocess.run(
            [*(part.encode() for part in shell.split()), *words],
            input=raw if script.stdin else b"",
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )
        assert done.returncode in script.ends, done
        assert b"yntax error" not in done.stderr, done
        if script.env_file or (script.stdin and script.words[1] == "url"):
            assert CANARY.encode() not in done.stderr + done.stdout, done
        assert not (tmp_path / "EXECUTED").exists()

    call()
