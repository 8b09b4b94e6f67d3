"""The page of one release: how many notes there are."""

import sqlite3


def page(connection: sqlite3.Connection) -> dict[str, object]:
    """Return what the page shows."""
    (notes,) = connection.execute("SELECT count(*) FROM notes").fetchone()
    return {"status": "ok", "notes": notes}
