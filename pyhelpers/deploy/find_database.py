"""The app's database, found as the app itself finds it: by its settings on the host, or by a URL that the user gives."""

from __future__ import annotations

from pyhelpers.app.app import App
from pyhelpers.databases.engine import Database, engine_named, facts_in
from pyhelpers.deploy.transaction import Transaction
from pyhelpers.errors import BadInput, NothingChanged


def open_database(app: App, deploy: Transaction) -> Database | None:
    """Return the app's database as its own settings name it, or None when the app has none."""
    facts = app.find_database(f"{deploy.folder}/database")
    if facts is None:
        return None
    if facts.get("overridden"):
        deploy.story.warning(
            f"real environment variables override the app's .env: {facts['overridden']}; the app uses those, and so does this",
            title="Environment overrides .env",
        )
    return _reached(deploy, facts)


def database_from_url(deploy: Transaction, url: str) -> Database:
    """Return the database of the input `database-url`; the URL goes to the host by standard input."""
    agent = deploy.agent
    result = agent.ask(agent.scripts.argv("credentials.sh", "url", f"{deploy.folder}/database"), stdin=url.encode())
    if not result.ok:
        raise BadInput(
            "database-url",
            result.error_text.strip().removeprefix("credentials: "),
            remedy="e.g. `mysql://user:password@host/name`.",
        )
    return _reached(deploy, facts_in(result.text))


def _reached(deploy: Transaction, facts: dict[str, str]) -> Database:
    engine = engine_named(facts["engine"])
    database = Database(
        engine=engine,
        connection=f"{deploy.folder}/database",
        scripts=deploy.agent.scripts,
        read=deploy.agent.read,
        app_connection=f"{deploy.folder}/database/app" if facts.get("own_account") == "yes" else "",
    )
    problem = database.reachable()
    if problem:
        raise NothingChanged(
            f"the app's database ({engine.label} `{facts.get('database', '')}`) does not answer",
            remedy="Check the DB_ settings in the app's .env on the host, and that the engine's client is installed.",
            details=problem,
        )
    deploy.story.detail(f"database: {engine.label} {facts.get('database', '')}")
    return database
