"""The phases of a deploy, in their order. Each leaves its undo on the host before it acts.

The undos run backwards, so the order here is chosen for the way back: the switch comes after the migration, so that on
the way back the old code is in place first, then the old database; services are reloaded after both, and only then is
the maintenance page lifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from pyhelpers.app.app import App
from pyhelpers.backups.retention import prune
from pyhelpers.databases.engine import facts_in
from pyhelpers.deploy.transaction import Transaction
from pyhelpers.deploy.which import remembered, way_back
from pyhelpers.deploy.work import Work
from pyhelpers.errors import BelayError, CommandFailed, NothingChanged
from pyhelpers.watch.health import Health, probe
from pyhelpers.watch.http import Answer

PREPARE_SECONDS = 3600
SHORT_SECONDS = 900
LONG_SECONDS = 6 * 3600  # GitHub's limit for a job: dumps and migrations of large databases
ATTIC_DAYS = 14  # how long what a restore replaced is kept: two weekends for somebody to miss a row
KEEP_DEPLOYS = 50  # folders of deploys on the host, a few KiB each
QUIET_SECONDS = 10  # how long requests that began before maintenance get to end
STALE_SECONDS = 20  # how long workers get to end the job that they are at
MIGRATE = "migrate"  # its name is known to rollback.sh
LOOK = "The old release serves again; look at the app's own log of that time. Is all well there, is `health-url` right?"
ASKED = {"inside": "behind the maintenance page", "public": "as a visitor"}  # how the health check's names read


class Unhealthy(NothingChanged):
    """The new release does not answer as it should."""

    title = "Unhealthy"


def upload(work: Work) -> None:
    """Bring the new release to the host and make it bootable; the live one is not touched."""
    deploy, app, settings = work.deploy, work.app, work.settings
    deploy.phase("prepare", limit=PREPARE_SECONDS)
    deploy.run(
        "release",
        f"Make release {work.release}",
        command=app.create_release_line(work.release),
        undo=app.fail_release_line(work.release),
    )
    deploy.story.step(f"Upload {settings.source}")
    deploy.agent.send_tree(settings.source, work.folder, exclude=(".git", ".belay", "node_modules"))
    deploy.run("link", "Link shared files", command=app.finish_release_line(work.release))
    if settings.deploy_command:
        command = app.in_folder(work.folder, settings.deploy_command)
        deploy.run("deploy-command", "Run deploy-command", command=command, timeout=LONG_SECONDS, show=True)
    if app.site.kind == "laravel":
        deploy.run("boot", "See whether the new release boots", command=app.boots_line(work.folder))


def replace_in_place(work: Work) -> None:
    """Run the user's own command on the live folder, a snapshot of the code taken before it."""
    deploy, app, settings = work.deploy, work.app, work.settings
    deploy.phase("replace", limit=PREPARE_SECONDS)
    if undo := _database_undo(work):
        # The command may migrate by itself. Before the snapshot, so that it runs once the old code is back.
        deploy.leave_undo("database", undo)
    # The undo knows by itself whether the snapshot is whole; one that was never finished has nothing to put back.
    deploy.run(
        "snapshot",
        "Take a snapshot of the code",
        command=app.snapshot_line(),
        undo=app.restore_code_line(),
        timeout=PREPARE_SECONDS,
    )
    command = app.in_folder(work.folder, settings.deploy_command)
    deploy.run("deploy-command", "Run deploy-command", command=command, timeout=LONG_SECONDS, show=True)
    # A worker that started while the command was at work may hold a mixture: only from here on is one new.
    deploy.run("changed", "Note that the code is new", command=app.mark_change_line())


def close(work: Work) -> None:
    """Keep visitors and writers out: stop the workers, put up the maintenance page."""
    deploy, app = work.deploy, work.app
    deploy.phase("down", limit=SHORT_SECONDS)
    if app.services:
        deploy.run("writers", "Stop the workers", command=app.stop_writers_line(), undo=app.start_writers_line())
    deploy.run("down", "Maintenance on", command=app.down_line(), undo=app.lift_undo_line())


def quieten(work: Work) -> None:
    """With all doors closed, wait until the database is quiet."""
    deploy = work.deploy
    if work.database is None:
        return
    for _ in range(QUIET_SECONDS):
        if work.database.busy() == 0:
            work.quiet = True
            return
        work.sleep(1.0)
        deploy.alive()
    deploy.story.warning(
        f"{work.database.busy()} sessions are still at work in the database after {QUIET_SECONDS} s of maintenance; "
        "a worker or a job that ignores maintenance mode may be writing",
        title="Database not quiet",
    )


def reload_undo(work: Work) -> None:
    """Leave the undo that lets services notice the old code again; it runs after code and database are back."""
    if work.app.services:
        work.deploy.leave_undo("services-back", work.app.apply_services_line())


def migrate(work: Work) -> None:
    """Run the migrations, with the database's way back on the host before them."""
    deploy, app, database = work.deploy, work.app, work.database
    deploy.phase("migrate", limit=LONG_SECONDS)
    command = work.settings.choice.migrate_command or app.migrate_line(work.folder)
    if database is not None and (work.backup is None or not work.backup.manifest.proven()):
        raise NothingChanged("no migration starts without a proven backup", remedy="This is a bug; please report it.")
    in_place = work.settings.choice.layout == "in-place"  # left before the command that changed the code
    deploy.run(
        MIGRATE,
        f"Migrate ({len(work.pending)} pending)" if work.pending else "Migrate",
        command=app.in_folder(work.folder, command),
        undo="" if in_place else _database_undo(work),
        timeout=LONG_SECONDS,
        show=True,
    )
    if database is not None and app.site.kind == "laravel" and not work.settings.choice.migrate_command:
        left = app.pending(work.folder, database.ledger())
        if left:
            raise NothingChanged(f"the migration ended with status 0, but {len(left)} are still pending: {left[0]} …")


def _database_undo(work: Work) -> str:
    """Return the database's way back to the backup; nothing where there is none."""
    database, backup = work.database, work.backup
    if database is None or backup is None:
        return ""
    choice = work.settings.choice
    return work.deploy.agent.scripts.call(
        "rollback.sh",
        database.engine.script,
        database.connection,
        backup.path,
        backup.manifest.payload,
        "compatible" if choice.compatible else choice.database_rollback,
        *work.app.held_arguments(),
    )


def switch(work: Work) -> None:
    """Let `current` point to the new release, in one atomic step."""
    work.deploy.phase("switch", limit=SHORT_SECONDS)
    work.deploy.run(
        "switch",
        f"Switch to {work.release}",
        command=work.app.switch_line(work.release),
        undo=work.app.switch_back_line(),
    )


def apply_services(work: Work) -> None:
    """Reload what holds old code in memory, and see that it took."""
    if work.app.services:
        work.deploy.run("services", "Reload services", command=work.app.apply_services_line())
        verify_services(work)


def verify_services(work: Work) -> None:
    """Say which worker still runs old code. A long job may keep one busy for minutes, so that alone undoes nothing."""
    try:
        command = work.app.verify_services_line(STALE_SECONDS)
        work.deploy.run("services-new", "See that nobody runs old code", command=command)
    except CommandFailed as error:
        work.deploy.story.warning(error.details.strip() or error.message, title="Old code still runs")


def look_inside(work: Work) -> None:
    """Ask the new release on this host, behind the maintenance page by the bypass cookie."""
    health = work.settings.health
    if health is None:
        return
    work.deploy.phase("health", limit=SHORT_SECONDS)
    secret = work.settings.secret if _down(work) else ""
    _ask(work, health.at(work.address), secret=secret, name="inside" if secret or work.address else "public")


def look_outside(work: Work) -> None:
    """Ask the new release as a visitor."""
    if work.settings.health is not None:
        _ask(work, work.settings.health, secret="", name="public")


def _down(work: Work) -> bool:
    return work.plan is not None and work.plan.maintenance


def leave_finish(work: Work) -> None:
    """Leave what lets visitors in, should the runner die after the point of no return."""
    deploy, app = work.deploy, work.app
    if _down(work):
        if app.services:
            deploy.agent.register(deploy.token, "writers", app.start_writers_line())
        deploy.agent.register(deploy.token, "up", app.up_line())
    deploy.phase("open", limit=SHORT_SECONDS)


def open_up(work: Work) -> bool:
    """Past the point of no return: let visitors in; return whether they are in now that weren't before."""
    deploy, app = work.deploy, work.app
    if not _down(work):
        return False
    if app.services:
        deploy.run("writers-up", "Start the workers", command=app.start_writers_line())
    # Its undo closes the door again: with visitors on a schema that goes back, or code that does, none of it is safe.
    return let_visitors_in(deploy, app, undo=app.down_line())


def let_visitors_in(deploy: Transaction, app: App, *, undo: str = "") -> bool:
    """Lift our maintenance page; return whether visitors are in now, since what a person put down stays down."""
    end = deploy.run("up", "Maintenance off", command=app.up_line(), undo=undo)
    if facts_in(end.output).get("state") != "down":
        return True
    deploy.story.warning(
        "somebody else put the app down, and only they lift it: visitors still see their maintenance page",
        title="Still down",
    )
    return False


def tidy(work: Work) -> None:
    """Let go of old releases, deploys, attics and backups. A failure here undoes nothing: the new release is well."""
    deploy, app, settings = work.deploy, work.app, work.settings
    try:
        if app.site.layout == "releases":
            deploy.run("prune", "Let go of old releases", command=app.prune_line(settings.keep_releases))
        # This one isn't in the history yet.
        standing = [*way_back(remembered(deploy.agent))[-1:], deploy.deployment]
        let_go(deploy, twins="all", standing=standing)
        prune(deploy, work.catalogue, settings.keep_backups, deployments=standing)
    except CommandFailed as error:
        deploy.story.warning(f"{error.message}; disk space may run out one day", title="Not tidied up")


def let_go(deploy: Transaction, *, twins: str, standing: Sequence[str]) -> None:
    """Let go of what other deploys keep on the host: attics that are old, and twins, `all` of them or `old` ones.

    Of `standing`, the deploys of the way back, what the host noted stays however many came after them.
    """
    line = deploy.agent.scripts.call("tidy.sh", str(ATTIC_DAYS), str(KEEP_DEPLOYS), twins, *standing)
    deploy.run("tidy", "Let go of what was kept long enough", command=line)


def _ask(work: Work, health: Health, *, secret: str, name: str) -> None:
    deploy = work.deploy
    deploy.story.step(f"Health check ({'behind the maintenance page' if secret else 'as a visitor'})")
    answer = probe(health.for_release(work.release), secret=secret, name=name, sleep=work.sleep, between=deploy.alive)
    answer = replace(answer, host=work.host if health.address else "")
    work.answers.append(answer)
    if not answer.healthy:
        where = f" on {answer.host}" if answer.host else ""
        raise Unhealthy(
            f"the new release is not healthy{where} ({health.url}, {ASKED.get(name, name)}): {answer.reason}",
            remedy=_direct(health) if answer.host and not answer.status else LOOK,
        )
    if not answer.release:
        deploy.story.warning(
            f"{health.url} is healthy, but does not tell which release answers; give it a JSON key `release` or a "
            "header `X-Release` with the content of the file RELEASE",
            title="Release not proven",
        )


def _direct(health: Health) -> str:
    parts = urlsplit(health.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (
        f"Each host of a fleet is asked by itself: its web server has to answer this runner at {health.address}, port "
        f"{port}, for {parts.hostname}."
    )


def look_back(work: Work, health: Health) -> Answer:
    """Return how the old release answers, after everything was put back."""
    host = work.host if work.address else ""
    try:
        return replace(probe(health.at(work.address), name="after rollback", sleep=work.sleep), host=host)
    except BelayError as error:
        return Answer(name="after rollback", url=health.url, verdict="unknown", reason=error.message, host=host)
