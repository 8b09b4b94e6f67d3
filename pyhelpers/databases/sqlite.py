"""SQLite: through the online backup API, so that locks and the write-ahead log are honoured."""

from pyhelpers.databases.engine import Engine

# DDL is transactional in SQLite, but Laravel's grammar doesn't use it (facts: `$transactions` is off): a failed
# migration leaves half of its work behind.
ENGINE = Engine(
    name="sqlite",
    label="SQLite",
    script="sqlite.sh",
    drivers=("sqlite",),
    atomic_migrations=False,
    own_mark=True,  # it is read from the database's own file
)
