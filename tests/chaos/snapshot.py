"""A site as an outsider sees it: every row and object of its database, its code, its door, its workers.

Shares no code with Belay, and asks by other ways: PyMySQL, psycopg and sqlite3 instead of the engines' clients, the
catalogues of the servers, plain HTTP. What Belay itself keeps in the database (the attic of a restore) is left out; that
is all that is known of it here.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.lab.app_database import AppDatabase
from tests.lab.site import Site

Facts = dict[str, Any]  # what it is -> how it is; equal facts are equal sites

# Belay's own, beside the app's: `_ba…_` in a MariaDB database (the attic), schemas `_belay_…` in a PostgreSQL database.
OWN_TABLES = re.compile(r"_b[sau][0-9a-f]{4}_")


def facts(site: Site) -> Facts:
    """Return everything about a site that a deploy could change and a rollback has to put back."""
    return {**database_facts(site.database), **code_facts(site), **door_facts(site), **worker_facts(site)}


def code_facts(site: Site) -> Facts:
    """Return which release is live, and a hash of every file in it."""
    current = site.base / "current"
    found: Facts = {"current": str(current.readlink())}
    whole = hashlib.sha256()
    for path in sorted(current.resolve().rglob("*")):
        if path.is_file() and not path.is_symlink() and not generated(path.name, path.parent.name):
            whole.update(str(path.relative_to(current.resolve())).encode() + b"\0" + path.read_bytes())
    found["code"] = whole.hexdigest()
    return found


def generated(name: str, folder: str) -> bool:
    """Whether the app itself writes such a file whenever it runs."""
    return folder in {"cache", "__pycache__"} or name.endswith(".pyc")


def door_facts(site: Site) -> Facts:
    """Return whether the app is in maintenance, by whose flag, and what a visitor gets."""
    status, body = get(f"{site.url}/health")
    flag = site.flag.read_bytes() if site.flag.exists() else None
    try:
        release = json.loads(body)["release"] if status == 200 else ""
    except (ValueError, KeyError, TypeError):
        release = "?"
    return {"maintenance": flag, "status": status, "release": release}


def worker_facts(site: Site) -> Facts:
    """Return the release that each worker was started in; the kernel knows it, whatever `current` says now."""
    if site.workers is None:
        return {}
    return {"workers": sorted(release_of(pid) for pid in site.workers.pids())}


def release_of(pid: int) -> str:
    """Return the name of the folder that a process works in; `gone` when there is no such process."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink().name
    except OSError:
        return "gone"


def get(url: str) -> tuple[int, str]:
    """Return status and body; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return response.status, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


# --- databases ----------------------------------------------------------------------------------------------------------


def database_facts(database: AppDatabase) -> Facts:
    """Return every object's definition and every table's rows; the database's own name reads APP in all of them."""
    with closing(database.connect()) as link:
        found = READERS[database.engine](link)
    return {without(name, database.name): without(how, database.name) for name, how in found.items()}


def without(value: Any, name: str) -> Any:
    """Return a value in which every text says APP instead of `name`."""
    if isinstance(value, str):
        return value.replace(name, "APP")
    return type(value)(without(part, name) for part in value) if isinstance(value, list | tuple) else value


def ledger(database: AppDatabase) -> set[str]:
    """Return the names of the migrations that the database says it has had."""
    with closing(database.connect()) as link:
        return {row[0] for row in rows(link, "SELECT migration FROM migrations")}


def rows(link: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    with closing(link.cursor()) as cursor:
        cursor.execute(statement, values) if values else cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


def contents(link: Any, tables: Iterable[str]) -> Facts:
    """Return the rows of each table (names quoted as the engine wants them), in an order of their own."""
    return {f"rows of {table}": sorted(map(repr, rows(link, f"SELECT * FROM {table}"))) for table in tables}


def _sqlite(link: sqlite3.Connection) -> Facts:
    objects = rows(link, "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'")
    found: Facts = {f"{kind} {name}": text for kind, name, text in objects}
    names = [name for kind, name, _ in objects if kind == "table"]
    found["check"] = rows(link, "PRAGMA integrity_check") + rows(link, "PRAGMA foreign_key_check")
    found["settings"] = rows(link, "PRAGMA user_version") + rows(link, "PRAGMA journal_mode")
    return found | contents(link, [f'"{name}"' for name in names])


_MARIADB = {
    "trigger": """SELECT trigger_name, event_object_table FROM information_schema.triggers
        WHERE trigger_schema = DATABASE()""",
    "event": "SELECT event_name, '' FROM information_schema.events WHERE event_schema = DATABASE()",
    "function": """SELECT routine_name, '' FROM information_schema.routines
        WHERE routine_schema = DATABASE() AND routine_type = 'FUNCTION'""",
    "procedure": """SELECT routine_name, '' FROM information_schema.routines
        WHERE routine_schema = DATABASE() AND routine_type = 'PROCEDURE'""",
}
_MARIADB_SETTINGS = """SELECT default_character_set_name, default_collation_name FROM information_schema.schemata
    WHERE schema_name = DATABASE()"""


def _mariadb(link: Any) -> Facts:
    found: Facts = {}
    tables = [
        (name, kind)
        for name, kind in rows(
            link, "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
        if not OWN_TABLES.match(name)
    ]
    for name, kind in tables:
        word = "VIEW" if kind == "VIEW" else "TABLE"
        found[f"{kind} {name}"] = rows(link, f"SHOW CREATE {word} `{name}`")[0][1]
    for kind, query in _MARIADB.items():
        for name, of in rows(link, query):
            if not OWN_TABLES.match(of):
                shown = rows(link, f"SHOW CREATE {kind} `{name}`")[0]
                found[f"{kind} {name}"] = (of, *shown[:3])  # its name, sql_mode and text; not when it was made
    found["database"] = rows(link, _MARIADB_SETTINGS)
    return found | contents(link, [f"`{name}`" for name, kind in tables if kind in {"BASE TABLE", "SEQUENCE"}])


_POSTGRESQL = {
    "column": """SELECT c.oid::regclass || '.' || attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
        attgenerated, pg_get_expr(adbin, adrelid), attnum FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum WHERE relkind IN ('r', 'p', 'v', 'm') AND {ours}""",
    "constraint": """SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
        JOIN pg_namespace n ON n.oid = connamespace WHERE {ours}""",
    "index": """SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index
        JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {ours}""",
    "view": """SELECT c.oid::regclass, pg_get_viewdef(c.oid) FROM pg_class c
        JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('v', 'm') AND {ours}""",
    "trigger": """SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
        JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE NOT tgisinternal AND {ours}""",
    "function": """SELECT p.oid::regprocedure, pg_get_functiondef(p.oid) FROM pg_proc p
        JOIN pg_namespace n ON n.oid = pronamespace WHERE {ours}""",
    "owner": """SELECT relkind::text || ' ' || c.oid::regclass::text, relowner::regrole, relacl::text FROM pg_class c
        JOIN pg_namespace n ON n.oid = relnamespace WHERE {ours}""",
    "schema": "SELECT nspname, nspowner::regrole, nspacl::text FROM pg_namespace n WHERE {ours}",
    "sequence": """SELECT schemaname || '.' || sequencename, last_value, increment_by, data_type::text FROM pg_sequences
        JOIN pg_namespace n ON nspname = schemaname WHERE {ours}""",
}
_OURS = r"nspname !~ '^(pg_|_belay_)' AND nspname <> 'information_schema'"
_POSTGRESQL_TABLES = f"""SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND {_OURS}"""


def _postgresql(link: Any) -> Facts:
    found: Facts = {}
    for kind, query in _POSTGRESQL.items():
        for name, *how in rows(link, query.replace("{ours}", _OURS)):
            found[f"{kind} {name}"] = how
    tables = rows(link, _POSTGRESQL_TABLES)
    return found | contents(link, [name for (name,) in tables])


READERS: dict[str, Callable[[Any], Facts]] = {"sqlite": _sqlite, "mariadb": _mariadb, "postgresql": _postgresql}
