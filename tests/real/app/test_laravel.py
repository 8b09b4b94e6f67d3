"""What a deploy asks of a Laravel release, with the real framework."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.lab import laravel
from tests.lab.shells import Shell, error, facts


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return laravel.make_in_place(tmp_path / "the app", database={"DB_CONNECTION": "sqlite"})


def ledger(app: Path) -> Path:
    """The ledger as an engine's script prints it."""
    with sqlite3.connect(app / "database" / "database.sqlite") as database:
        rows = database.execute("SELECT batch, migration FROM migrations ORDER BY migration").fetchall()
    database.close()
    file = app.parent / "ledger.tsv"
    file.write_text("".join(f"{batch}\t{name}\n" for batch, name in rows))
    return file


def pending(shell: Shell, app: Path, php: str = "php") -> list[str]:
    """The names that the script calls pending."""
    done = shell.run("laravel.sh", "pending", app, php, ledger(app))
    assert done.returncode == 0, error(done)
    names = [line.split("=")[1] for line in done.stdout.decode().splitlines() if line.startswith("migration=")]
    assert facts(done)["pending"] == str(len(names))
    assert facts(done)["source"] == ("app" if php else "folder")
    return names


@pytest.mark.parametrize("php", ["php", ""])
def test_pending_migrations_are_those_that_laravel_would_run(shell: Shell, app: Path, php: str) -> None:
    """P1: a migration that is overlooked would run without a backup."""
    assert pending(shell, app, php) == []
    folder = app / "database" / "migrations"
    for name in ("2025_01_01_000000_later", "2024_06_01_000000_sooner"):
        shutil.copy(laravel.FIXTURES / "slow-migration.php", folder / f"{name}.php")
    (folder / "below").mkdir()
    (folder / "below" / "2024_06_01_000000_ignored.php").touch()
    (folder / "nounderscore.php").touch()
    (folder / "2024_06_01_notes.txt").touch()
    assert pending(shell, app, php) == ["2024_06_01_000000_sooner", "2025_01_01_000000_later"]
    assert laravel.artisan(app, "migrate", "--force", "--pretend").stdout.count("create table") >= 8


def test_an_empty_ledger_makes_all_migrations_pending(shell: Shell, app: Path, tmp_path: Path) -> None:
    """P1: the first deploy; an empty first file is where awk programs with two inputs go wrong."""
    (tmp_path / "empty.tsv").touch()
    assert facts(shell.run("laravel.sh", "pending", app, "php", tmp_path / "empty.tsv"))["pending"] == "2"


def test_migrations_that_a_package_brings_are_seen(shell: Shell, app: Path) -> None:
    """P1: they are not in database/migrations, and `artisan migrate` runs them all the same."""
    package = app / "vendor" / "package" / "migrations"
    package.mkdir(parents=True)
    shutil.copy(laravel.FIXTURES / "slow-migration.php", package / "2024_09_01_000000_from_a_package.php")
    provider = app / "app" / "Providers" / "RouteServiceProvider.php"
    text = provider.read_text().replace(
        "boot()\n    {", f"boot()\n    {{\n        $this->loadMigrationsFrom('{package}');", 1
    )
    provider.write_text(text)
    assert pending(shell, app) == ["2024_09_01_000000_from_a_package"]
    assert pending(shell, app, php="") == [], "the folder alone doesn't tell, and says source=folder"


def test_the_ledgers_table_is_named_with_its_prefix(shell: Shell, app: Path) -> None:
    """P1: looking into the wrong table would find no migration done."""
    config = app / "config" / "database.php"
    config.write_text(config.read_text().replace("'prefix' => ''", "'prefix' => 'shop_'", 1))
    found = facts(shell.run("laravel.sh", "ledger", app, "php"))
    assert (found["table"], found["schema_dump"], found["files"]) == ("shop_migrations", "no", "2")
    (app / "database" / "schema").mkdir()
    (app / "database" / "schema" / "sqlite-schema.sql").touch()
    config.write_text(config.read_text().replace("'migrations' => 'migrations'", "'migrations' => ['table' => 'done']"))
    found = facts(shell.run("laravel.sh", "ledger", app, "php"))
    assert (found["table"], found["schema_dump"]) == ("shop_done", "yes"), "as Laravel 11 writes it"


@pytest.mark.parametrize(("fixture", "status"), [("good", 0), ("failing", 1)])
def test_migrating_passes_on_what_artisan_said(shell: Shell, app: Path, fixture: str, status: int) -> None:
    """P7: exit status and the whole SQLSTATE line, which a narrow terminal would cut."""
    shutil.copy(laravel.FIXTURES / f"{fixture}-migration.php", app / "database/migrations/2024_06_01_000000_next.php")
    done = shell.run("laravel.sh", "migrate", app, "php")
    assert done.returncode == status
    if status:
        assert (
            b'no such table: no_such_table (SQL: alter table "no_such_table" add column "never"'
            in done.stdout + done.stderr
        )
    else:
        assert pending(shell, app) == []


def test_what_an_app_writes_can_be_read_by_the_web_servers_user(shell: Shell, app: Path) -> None:
    """P2: with the agent's own umask the site would answer 500 after its first deploy."""
    shutil.copy(laravel.FIXTURES / "failing-migration.php", app / "database/migrations/2024_06_01_000000_next.php")
    shell.run("laravel.sh", "migrate", app, "php")
    log = app / "storage" / "logs" / "laravel.log"
    assert log.stat().st_mode & 0o777 == 0o644
    log.unlink()
    shell.run("laravel.sh", "migrate", app, "php", environment={"BELAY_UMASK": "002"})
    assert log.stat().st_mode & 0o777 == 0o664


def test_a_release_that_does_not_start_is_noticed_and_nothing_is_guessed(shell: Shell, app: Path) -> None:
    """P7."""
    assert facts(shell.run("laravel.sh", "boots", app, "php"))["boots"] == "yes"
    (app / "vendor" / "autoload.php").write_text("<?php throw new Exception('broken');")

    def refused(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
        done = shell.run("laravel.sh", *words)
        assert done.returncode == 1
        assert "does not start" in error(done)
        return done

    refused("boots", app, "php")
    refused("boots", app, "no-such-php")
    refused("pending", app, "php", ledger(app))
    # an app that ends in the middle, with status 0
    (app / "vendor" / "autoload.php").write_text("<?php exit(0);")
    done = shell.run("laravel.sh", "pending", app, "php", ledger(app))
    assert done.returncode == 1
    assert "no whole list" in error(done)
    (app / "vendor" / "autoload.php").write_text("<?php exit(1);")
    assert b"pending=" not in refused("ledger", app, "php").stdout
