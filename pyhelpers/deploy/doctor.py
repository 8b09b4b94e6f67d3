"""What would not work, said before the deploy that would have found out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyhelpers.app.app import App
from pyhelpers.app.site import inspect
from pyhelpers.backups.catalogue import Catalogue
from pyhelpers.backups.manifest import Manifest
from pyhelpers.databases.engine import Database, facts_in, number_in
from pyhelpers.deploy.cancellation import Cancellation
from pyhelpers.deploy.capacity import estimates, need_of, room, size
from pyhelpers.deploy.find_database import LOCAL, open_database
from pyhelpers.deploy.piecewise import find_site
from pyhelpers.deploy.settings import Trace
from pyhelpers.deploy.timeline import spans
from pyhelpers.deploy.transaction import DryRun, Story, Transaction
from pyhelpers.errors import BelayError, CommandFailed
from pyhelpers.hosts.agent import Agent

HOST_FACTS = Path(__file__).with_name("doctor.sh")
# As /proc/mounts names them (a FUSE file system as `fuse.NAME`); the agent itself refuses by what `stat -f` says.
NETWORK = re.compile(r"(nfs|smb|cifs|afs|ceph|lustre|9p|fuse\.(sshfs|glusterfs|s3fs|rclone|ceph|davfs)|davfs|beegfs)")
RECENT = 10  # deploys whose journals are read
# Nothing in the app's folder but what a deploy, or a person before the first one, makes beside the code.
NO_CODE = 'cd "$1" && ! ls -A | grep -qvxE "shared|releases|lost\\+found|[.]belay"'
LOW_DISK_KIB = 1 << 20  # 1 GiB: a release, a dump and a shadow of a small app


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: `level` is ok, warning or failed."""

    name: str
    level: str
    text: str


def examine(
    agent: Agent,
    path: str,
    trace: Trace,
    *,
    services: str = "",
    deployment: str,
    story: Story,
    cancellation: Cancellation,
    now: Callable[[], str],
) -> list[Finding]:
    """Return what was found. Takes the lock for a moment, for the fire drill; leaves nothing behind but its history."""
    facts = facts_in(agent.read("sh", "-c", HOST_FACTS.read_text(), "doctor.sh", path))  # before anything is installed
    findings = [*host_findings(facts), *mount_findings(facts)]
    free = number_in(facts, "free_kib") * 1024
    try:
        agent.install()
        agent.reap()
    except BelayError as error:
        return [*findings, Finding(name="reaper", level="failed", text=_told(error))]
    owner: dict[str, object] = {"since": now(), **trace.as_owner("doctor")}
    try:
        with Transaction.begin(agent, deployment, owner, story=story, cancellation=cancellation, lease=60) as deploy:
            status = agent.status(deploy.deployment)
            findings.append(Finding(name="reaper", level="ok", text="armed and proven by a fire drill"))
            findings.append(_reboot(status.reboot, facts))
            findings += _app_findings(agent, path, deploy, services, free)
            raise DryRun
    except DryRun:
        pass
    except BelayError as error:
        findings.append(Finding(name="reaper", level="failed", text=_told(error)))
    return findings


def _told(error: BelayError) -> str:
    """Return a failure and its remedy as sentences on one line."""
    text = error.told if isinstance(error, CommandFailed) else error.message
    return " ".join(f"{text.rstrip('.')}. {error.remedy}".split())


def host_findings(facts: dict[str, str]) -> Iterator[Finding]:
    """Return the findings about the host alone; pure."""
    missing = facts.get("missing", "")
    yield Finding(
        name="tools", level="failed" if missing else "ok", text=f"missing: {missing}" if missing else "all there"
    )
    writable = facts.get("base") == "writable" or (facts.get("base") == "missing" and facts.get("parent") == "writable")
    where = "the folder `path`" if facts.get("base") != "missing" else "the folder above `path`"
    yield Finding(
        name="rights",
        level="ok" if writable else "failed",
        text=f"{facts.get('user')} can{'' if writable else 'not'} write to {where}",
    )
    free = number_in(facts, "free_kib")
    yield Finding(
        name="disk",
        level="ok" if free > LOW_DISK_KIB else "warning",
        text=f"{size(free * 1024)} free ({facts.get('filesystem')})",
    )
    zstd = facts.get("compression") == "zstd"
    yield Finding(
        name="zstd",
        level="ok" if zstd else "warning",
        text="there" if zstd else "missing: gzip is used, about 2 times slower",
    )


def mount_findings(facts: dict[str, str]) -> Iterator[Finding]:
    """Return what is wrong with the file system that the app lies on; pure."""
    where, kind = facts.get("mount") or "/", facts.get("mount_type", "")
    options = set(facts.get("mount_options", "").split(","))
    if "ro" in options:
        yield Finding(
            name="mount",
            level="failed",
            text=f"{where} is mounted read-only: nothing can be deployed there. If a disk error made it so, `dmesg` "
            f"tells; then `mount -o remount,rw {where}`",
        )
    if NETWORK.match(kind):
        yield Finding(
            name="mount",
            level="failed",
            text=f"{where} is a network file system ({kind}): a lock there does not keep out another machine, and may "
            "be lost. Put `path` on a local disk, and share only what the app stores",
        )
    if "noexec" in options:
        yield Finding(
            name="mount",
            level="warning",
            text=f"{where} is mounted noexec: Belay's own scripts run (sh reads them), but a program in a release can't "
            "be started by its path (exit status 126). Call it by its interpreter, or remount with exec",
        )


def _reboot(trigger: str, facts: dict[str, str]) -> Finding:
    if trigger == "cron":
        return Finding(name="reboot", level="ok", text="cron settles a deploy that a reboot cut off")
    why = {
        "denied": "this user may not use crontab (/etc/cron.allow, /etc/cron.deny)",
        "none": "no cron daemon runs",
    }.get(facts.get("reboot", ""), "this user's crontab can't be written")
    return Finding(
        name="reboot",
        level="warning",
        text=f"{why}: after a reboot in mid-deploy, the next contact settles it. Let this user have cron, or schedule `recover`",
    )


def _app_findings(agent: Agent, path: str, deploy: Transaction, services: str, free: int) -> Iterator[Finding]:
    # Before the first deploy there is no link `current` to know the layout by, and no code either.
    fresh = agent.ask(["sh", "-c", NO_CODE, "doctor", path]).ok
    site = inspect(agent, path, "releases") if fresh else find_site(agent, path)
    live = agent.ask(["test", "-e", site.live_folder]).ok
    told = f"{site.kind}, layout {site.layout}" if live else f"nothing is live yet, layout {site.layout}"
    yield Finding(name="app", level="ok", text=told)
    app = App(site=site, agent=agent, folder=deploy.folder, services=services).leave_options()
    yield from _service_findings(app)
    try:
        database = open_database(app, deploy)
    except BelayError as error:
        yield Finding(name="database", level="failed", text=_told(error))
        return
    if database is None:
        needed = live and site.kind == "laravel" and site.layout == "releases"
        yield no_database(site.env_file, there=agent.ask(["test", "-e", site.env_file]).ok, needed=needed)
        return
    probe = database.probe()
    yield from database_findings(database, probe)
    backups = Catalogue(agent, f"{path}/.belay/backups").all()
    yield from capacity_findings(probe, backups, restores_on(agent), free, together=_here(agent, database))
    if site.kind == "laravel" and live:
        try:
            app.compare_database(site.live_folder, database.connection)
        except BelayError as error:
            yield Finding(name="settings", level="failed", text=_told(error))
        else:
            yield Finding(name="settings", level="ok", text="the app connects where its settings say")


def no_database(env_file: str, *, there: bool, needed: bool) -> Finding:
    """Return what it means that no database is configured; a Laravel app in releases does not start without the file."""
    if there:
        text = f"none is configured in {env_file}: nothing is backed up, and so no migration starts"
    else:
        text = f"there is no {env_file}: put the app's settings there once, readable by its user only"
        text += "" if needed else ". Laravel needs it; without it nothing is backed up, and so no migration starts"
    return Finding(name="database", level="failed" if needed and not there else "warning", text=text)


def _service_findings(app: App) -> Iterator[Finding]:
    """Return whether the host can serve what `services` asks for; nothing when nothing is asked."""
    if not app.services:
        return
    try:
        app.check_services()
    except BelayError as error:
        yield Finding(name="services", level="failed", text=f"{error.message}: {error.details.strip()}")
    else:
        yield Finding(name="services", level="ok", text="every line is understood, and its tool is there")


def database_findings(database: Database, probe: Mapping[str, str]) -> Iterator[Finding]:
    """Return what the engine's own probe said."""
    versions = f"server {probe.get('server_version', '?')}, client {probe.get('client_version', '?')}"
    yield Finding(
        name="database", level="ok", text=f"{database.engine.label} `{probe.get('database', '')}`: {versions}"
    )
    if probe.get("can_create") == "no":
        yield Finding(
            name="restore",
            level="warning",
            text="the account may not create a database: a restore is made inside the app's own. Another account, in "
            "`.belay/database.env` on the host, would change that (README, The database account)",
        )
    for warning in filter(None, probe.get("warning", "").splitlines()):
        yield Finding(name="database", level="warning", text=warning)


def capacity_findings(
    probe: Mapping[str, str], backups: Sequence[Manifest], restores: Sequence[float], free: int, *, together: bool
) -> Iterator[Finding]:
    """Return whether there is room for a backup, a restore and its attic, and how long they will take; pure."""
    size = number_in(probe, "data_bytes") or number_in(probe, "raw_bytes")
    if size:
        enough, text = room(need_of(size, backups), free, together=together)
        yield Finding(name="room", level="ok" if enough else "warning", text=text)
    for text in estimates(backups, restores):
        yield Finding(name="time", level="ok", text=text)


def _here(agent: Agent, database: Database) -> bool:
    """Whether the server's data lies on this host; on which of its disks can't be told."""
    server = agent.ask(["cat", f"{database.connection}/host"])
    return database.engine.name == "sqlite" or (server.ok and server.text.strip() in LOCAL)


def restores_on(agent: Agent) -> list[float]:
    """Return how long the restores among the last deploys of this host took, in seconds, the newest last."""
    found: list[float] = []
    for entry in agent.history()[-RECENT:]:
        found += [
            span.end - span.begin
            for span in spans(agent.journal(entry["id"]))
            if not span.failed and (span.name == "restore" or (span.kind == "undo" and span.name == "migrate"))
        ]
    return found
