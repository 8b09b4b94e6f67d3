"""Run each file of `migrations/` that wasn't run yet, one statement at a time, as most frameworks do.

A statement that fails leaves the ones before it done: that is what a proven backup is for.
"""

import os
import sqlite3
import sys
import time
from pathlib import Path


def setting(name: str) -> str:
    """Return a value of the app's .env, two folders up from here in `shared/`."""
    for line in (Path(__file__).resolve().parents[2] / "shared" / ".env").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == name:
            return value.strip().strip('"')
    sys.exit(f"{name} is missing in .env")


def statements(text: str) -> list[str]:
    """Return the statements of a file; `;` at a line's end closes one."""
    return [part.strip() for part in text.split(";\n") if part.strip()]


def main() -> None:
    """Migrate."""
    connection = sqlite3.connect(setting("DB_DATABASE"), isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY, migration TEXT, batch INTEGER)")
    done = {name for (name,) in connection.execute("SELECT migration FROM migrations")}
    for file in sorted((Path(__file__).parent / "migrations").glob("*.sql")):
        if file.stem in done:
            continue
        print(f"migrating {file.stem}", flush=True)
        for statement in statements(file.read_text()):
            if statement.startswith("-- wait "):
                time.sleep(float(statement.split()[2]))
                continue
            try:
                connection.execute(statement)
            except sqlite3.Error as error:
                sys.exit(f"{file.name}: {error}")
        connection.execute("INSERT INTO migrations (migration, batch) VALUES (?, 1)", (file.stem,))
    print("migrated", flush=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
