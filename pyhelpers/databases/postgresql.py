"""PostgreSQL: a custom-format archive, read by pg_restore only, swapped in by two renames in one transaction."""

from pyhelpers.databases.engine import Engine

ENGINE = Engine(
    name="postgresql",
    label="PostgreSQL",
    script="postgresql.sh",
    drivers=("pgsql", "postgres", "postgresql"),
    atomic_migrations=True,
)
