"""The app's database, found as the app itself finds it: by its settings on the host, or by a URL that the user gives."""

from __future__ import annotations

from dataclasses import dataclass

from pyhelpers.app.app import App
from pyhelpers.databases.engine import Database, engine_named, facts_in
from pyhelpers.deploy.transaction import Transaction
from pyhelpers.errors import BadInput, NothingChanged

OWN = "database"  # the folder of a deploy that holds the connection to the database it is about
OTHER = "other-database"
LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})  # an empty name: a socket


def open_database(app: App, deploy: Transaction) -> Database | None:
    """Return the app's database as its own settings name it, or None when the app has none."""
    facts = app.find_database(f"{deploy.folder}/{OWN}")
    if facts is None:
        return None
    if facts.get("overridden"):
        deploy.story.warning(
            f"real environment variables override the app's .env: {facts['overridden']}; the app uses those, and so does this",
            title="Environment overrides .env",
        )
    return _reached(deploy, facts, OWN)


def database_from_url(deploy: Transaction, url: str, *, folder: str = OWN) -> Database:
    """Return the database of the input `database-url`; the URL goes to the host by standard input.

    `folder` is where the deploy keeps the connection. What it has in its own one, its undo goes by.
    """
    return _reached(deploy, _connection_of(deploy, url, folder), folder)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a database is, whoever asks for it."""

    engine: str
    database: str
    host: str
    port: str
    socket: str

    def same(self, other: Place) -> bool:
        """Return whether both are the same database: a socket leads to this host's server, whatever its port is."""
        if (self.engine, self.database) != (other.engine, other.database):
            return False
        here, there = self.host in LOCAL or bool(self.socket), other.host in LOCAL or bool(other.socket)
        if here != there or not (here or self.host == other.host):
            return False
        return bool(self.socket or other.socket) or self.port == other.port


def is_the_apps(app: App, deploy: Transaction, url: str) -> bool:
    """Return whether a URL names the app's own database, perhaps by another account; also where the app names none."""
    own = app.find_database(f"{deploy.folder}/{OTHER}")
    if own is None:
        return True
    place = _place(deploy, own)
    return place.same(_place(deploy, _connection_of(deploy, url, OTHER)))


def _place(deploy: Transaction, facts: dict[str, str]) -> Place:
    """Return where the connection in the folder `OTHER` leads to."""

    def known(name: str) -> str:
        answer = deploy.agent.ask(["cat", f"{deploy.folder}/{OTHER}/{name}"])
        return answer.text.strip("\n") if answer.ok else ""

    return Place(
        engine=facts["engine"],
        database=known("database"),
        host=known("host"),
        port=known("port"),
        socket=known("socket"),
    )


def _connection_of(deploy: Transaction, url: str, folder: str) -> dict[str, str]:
    """Write the connection of a URL into a folder of the deploy, and return what is in it, without the password."""
    agent = deploy.agent
    result = agent.ask(agent.scripts.argv("credentials.sh", "url", f"{deploy.folder}/{folder}"), stdin=url.encode())
    if not result.ok:
        raise BadInput(
            "database-url",
            result.error_text.strip().removeprefix("credentials: "),
            remedy="e.g. `mysql://user:password@host/name`.",
        )
    return facts_in(result.text)


def _reached(deploy: Transaction, facts: dict[str, str], folder: str) -> Database:
    engine = engine_named(facts["engine"])
    database = Database(
        engine=engine,
        connection=f"{deploy.folder}/{folder}",
        scripts=deploy.agent.scripts,
        read=deploy.agent.read,
        app_connection=f"{deploy.folder}/{folder}/app" if facts.get("own_account") == "yes" else "",
    )
    problem = database.reachable()
    if problem:
        raise NothingChanged(
            f"the app's database ({engine.label} `{facts.get('database', '')}`) does not answer: "
            + "; ".join(problem.strip().splitlines()),
            remedy="Check the DB_ settings in the app's .env on the host, and that the engine's client is installed.",
        )
    deploy.story.detail(f"database: {engine.label} {facts.get('database', '')}")
    return database
