"""MariaDB and MySQL: one dump that a stock client restores, swapped in by one RENAME TABLE."""

from pyhelpers.databases.engine import Engine

# Every DDL statement commits by itself.
ENGINE = Engine(
    name="mariadb",
    label="MariaDB/MySQL",
    script="mariadb.sh",
    drivers=("mysql", "mariadb"),
    atomic_migrations=False,
)
