"""One app on one host: the sh line for everything that a deploy does with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from pyhelpers.app.page import Page
from pyhelpers.app.release import Release, releases_in
from pyhelpers.app.site import Site
from pyhelpers.databases.engine import facts_in
from pyhelpers.errors import CommandFailed, NothingChanged
from pyhelpers.hosts.agent import Agent
from pyhelpers.hosts.bundle import Scripts

PHP = "php"


@dataclass(frozen=True, kw_only=True)
class App:
    """An app, the scripts that handle it, and the folder of the deploy that does so. Methods return lines of sh."""

    site: Site
    agent: Agent
    folder: str  # the deploy's folder on the host
    page: Page = field(default_factory=Page)
    services: str = ""
    first_release: str = ""  # set while no release is live: its code answers for the app

    def leave_options(self) -> App:
        """Leave the page's secret and the list of services in the deploy's folder, for scripts to read.

        They go by file: the secret must not be seen in a list of processes.
        """
        self.agent.put(self.page.secret.encode(), f"{self.folder}/secret")
        self.agent.put((self.services.strip() + "\n").encode(), f"{self.folder}/services")
        return self

    @property
    def scripts(self) -> Scripts:
        """The scripts on the host."""
        return self.agent.scripts

    @property
    def door(self) -> str:
        """The folder of the code that serves now, or will as the first."""
        return self.site.code_folder(self.first_release) if self.first_release else self.site.live_folder

    def read(self, script: str, *arguments: str) -> str:
        """Run a script that changes nothing, with the environment that the agent would give it; return its output."""
        environment = [f"BELAY_BASE={self.site.base}", f"BELAY_DEPLOY={self.folder}"]
        return self.agent.read("env", *environment, *self.scripts.argv(script, *arguments))

    def in_folder(self, folder: str, command: str) -> str:
        """Return the user's own command, to run in `folder` with the umask of a login.

        Like a workflow's `run:` it ends at the first line that fails: a good last line must not hide a bad first one.
        """
        return f'umask "${{BELAY_UMASK:-022}}"\ncd {shlex.quote(folder)} || exit 1\nset -e\n{command}\n'

    # --- releases ------------------------------------------------------------------------------------------------------

    def _releases(self, verb: str, *arguments: str) -> str:
        return self.scripts.call("releases.sh", verb, *arguments)

    def create_release_line(self, name: str) -> str:
        """Make the release's folder."""
        return self._releases("create", name)

    def fail_release_line(self, name: str) -> str:
        """Mark the release as one that failed."""
        return self._releases("fail", name)

    def finish_release_line(self, name: str) -> str:
        """Link what all releases share."""
        return self._releases("finish", name, self.site.kind)

    def switch_line(self, name: str) -> str:
        """Let `current` point to the release."""
        return self._releases("switch", name)

    def switch_back_line(self) -> str:
        """Let `current` point to what it was."""
        return self._releases("switch-undo")

    def prune_line(self, keep: int) -> str:
        """Delete old releases."""
        return self._releases("prune", str(keep))

    def releases(self) -> list[Release]:
        """Return the releases on the host, newest first; none in place."""
        if self.site.layout != "releases":
            return []
        return releases_in(self.read("releases.sh", "list"))

    def live_release(self) -> str:
        """Return the live release's name; empty when none is live, and in place."""
        return next((release.name for release in self.releases() if release.state == "current"), "")

    # --- in place ------------------------------------------------------------------------------------------------------

    def snapshot_line(self) -> str:
        """Copy the code, before the user's command changes it."""
        return self.scripts.call("inplace.sh", "snapshot", self.site.base)

    def restore_code_line(self) -> str:
        """Put the code back."""
        return self.scripts.call("inplace.sh", "restore", self.site.base)

    # --- maintenance ---------------------------------------------------------------------------------------------------

    def _maintenance(self, verb: str, *options: str) -> list[str]:
        return [verb, self.site.kind, self.door, PHP, *options]

    def down_line(self) -> str:
        """Put the maintenance page up, unless a person did."""
        page = self.page
        refresh = str(page.refresh) if page.refresh else ""
        options = [f"{self.folder}/secret", str(page.retry), refresh, page.render, page.redirect, str(page.status)]
        return self.scripts.call("maintenance.sh", *self._maintenance("down", *options))

    def up_line(self) -> str:
        """Say on the host that the public is let in, then lift the maintenance page if it is ours."""
        return self.scripts.call("maintenance.sh", *self._maintenance("up"))

    def lift_undo_line(self) -> str:
        """Lift the maintenance page if it is ours; works when the app can't boot."""
        return self.scripts.call("maintenance.sh", *self._maintenance("undo-down"))

    def held_arguments(self) -> list[str]:
        """Return the command that tells whether maintenance was held by us without a break."""
        return [f"{self.scripts.folder}/maintenance.sh", *self._maintenance("held")]

    def maintenance_status(self) -> dict[str, str]:
        """Return whether the app is down, since when, and by whom."""
        return facts_in(self.read("maintenance.sh", *self._maintenance("status")))

    def visitors_are_in(self) -> bool:
        """Return whether nobody has put the app down."""
        return self.maintenance_status().get("state") != "down"

    # --- services ------------------------------------------------------------------------------------------------------

    def _services(self, verb: str) -> str:
        return self.scripts.call("services.sh", verb, f"{self.folder}/services", self.site.live_folder, PHP)

    def check_services(self) -> None:
        """Raise `NothingChanged` when the host lacks the tool of a service that was asked for."""
        if not self.services:
            return
        try:
            self.read("services.sh", "check", f"{self.folder}/services")
        except CommandFailed as error:
            raise NothingChanged(
                "a line of `services` can't be served on this host", remedy="See below.", details=error.details
            ) from error

    def stop_writers_line(self) -> str:
        """Stop the workers."""
        return self._services("stop")

    def start_writers_line(self) -> str:
        """Start the workers."""
        return self._services("start")

    def apply_services_line(self) -> str:
        """Reload what holds code in memory, and see that it took."""
        return self._services("apply")

    def mark_change_line(self) -> str:
        """Note that the code changes now; what started before runs old code."""
        return self.scripts.call("services.sh", "mark")

    def verify_services_line(self, seconds: int) -> str:
        """See that nobody works on old code any more, within so many seconds."""
        arguments = [f"{self.folder}/services", self.site.live_folder, PHP, str(seconds)]
        return self.scripts.call("services.sh", "verify", *arguments)

    # --- Laravel -------------------------------------------------------------------------------------------------------

    def boots_line(self, folder: str) -> str:
        """See whether the code in `folder` boots."""
        return self.scripts.call("laravel.sh", "boots", folder, PHP)

    def migrate_line(self, folder: str) -> str:
        """Run the migrations of the code in `folder`."""
        return self.scripts.call("laravel.sh", "migrate", folder, PHP)

    def ledger_table(self, folder: str) -> str:
        """Return the name of the table in which the app in `folder` writes down its migrations."""
        return self._ledger_facts(folder).get("table", "migrations")

    def _ledger_facts(self, folder: str) -> dict[str, str]:
        return facts_in(self.read("laravel.sh", "ledger", folder, PHP))

    def pending(self, folder: str, ledger: str) -> list[str]:
        """Return the migrations in `folder` that aren't in the ledger.

        With an empty ledger Laravel loads a squashed schema first, and that is a change like any other.
        """
        path = f"{self.folder}/ledger.tsv"
        self.agent.put(ledger.encode(), path)
        facts = facts_in(self.read("laravel.sh", "pending", folder, PHP, path))
        names = [name for name in facts.get("migration", "").splitlines() if name]
        if facts.get("pending") != str(len(names)):
            raise NothingChanged("the app's list of pending migrations came in part", remedy="Try again.")
        if not names and not ledger and self._ledger_facts(folder).get("schema_dump") == "yes":
            names.append("the squashed schema")
        return names

    # --- database ------------------------------------------------------------------------------------------------------

    def find_database(self, connection: str) -> dict[str, str] | None:
        """Write the connection folder from the app's settings and return what is in it, without the password.

        None when the app has no settings file, or no database in it. Raises `NothingChanged` when it can't be read.
        """
        if not self.agent.ask(["test", "-f", self.site.env_file]).ok:
            return None
        own = f"{self.site.base}/.belay/database.env"
        argv = self.scripts.argv("credentials.sh", "read", self.site.env_file, connection, self.site.live_folder, own)
        result = self.agent.ask(argv)
        if not result.ok:
            raise NothingChanged(
                f"the app's settings ({self.site.env_file}) can't be used: {result.error_text.strip()}",
                remedy="Mend what is named there; Belay reads DB_ settings strictly and never guesses.",
            )
        facts = facts_in(result.text)
        return None if facts["engine"] == "none" else facts

    def compare_database(self, folder: str, connection: str) -> None:
        """Raise `NothingChanged` when the code in `folder` would connect elsewhere than its settings say."""
        result = self.agent.ask(self.scripts.argv("credentials.sh", "compare", connection, folder, PHP))
        if result.exit_code == 1:
            raise NothingChanged(
                f"{result.error_text.strip()}",
                remedy="A cached configuration (`php artisan config:clear`) or a variable of the environment is the usual cause.",
                details=result.text,
            )
        if not result.ok:
            raise CommandFailed("asking the app for its database", result.exit_code, result.error_text)
