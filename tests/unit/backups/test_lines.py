"""Names in what a host's script prints: a line ends at a newline, whatever else Python takes for an end."""

from __future__ import annotations

import pytest

from pyhelpers.backups.create import _inventory
from pyhelpers.databases.engine import Database, engine_named
from pyhelpers.hosts.bundle import Scripts

ENDS = ("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c")


@pytest.mark.parametrize("end", ENDS)
def test_a_name_with_a_separator_of_lines_is_one_name(end: str) -> None:
    """P3: a database may have such a name, and the manifest has to list it as it is."""
    name = f"or{end}ders"
    assert _inventory(f"table\t{name}\ntable\tusers\nview\t{name}\n") == {"table": [name, "users"], "view": [name]}


@pytest.mark.parametrize("end", ENDS)
def test_the_newest_row_is_told_of_the_table_that_has_it(end: str) -> None:
    """P9."""
    name = f"or{end}ders"

    def read(*_words: str, timeout: float) -> str:
        """Answer as the host would: a script of its own prints this."""
        assert timeout > 0
        return f"{name}\t2026-01-01 00:00:00\nusers\t2025-01-01 00:00:00\n"

    database = Database(engine=engine_named("sqlite"), connection="/c", scripts=Scripts(folder="/s"), read=read)
    assert database.newest() == {name: "2026-01-01 00:00:00", "users": "2025-01-01 00:00:00"}
