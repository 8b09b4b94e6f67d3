"""SQLite: a backup is proven by loading it beside the live database, and a rehearsal by loading it into another one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from tests.lab.sqlite_shop import DAMAGE, LARAVEL, Site, execute, picture

ROUNDS = int(os.environ.get("BELAY_KILL_ROUNDS", "4"))  # kills at random moments


def test_what_was_loaded_is_the_twin_that_a_restore_only_swaps_in(site: Site) -> None:
    """P1, P3: the restore needs the payload no more."""
    before = picture(site.live)
    dumped = site.dump()
    loaded = site.facts("load", site.folder, dumped["payload"], site.work)
    assert picture(site.live) == before
    assert picture(Path(loaded["shadow"])) == before
    assert (loaded["loaded"], loaded["mode"]) == ("yes", "database")
    assert (loaded["tables"], loaded["rows"]) == (dumped["tables"], dumped["rows"])
    assert site.facts("load", site.folder, dumped["payload"], site.work) == loaded, "P8"

    execute(site.live, DAMAGE)
    damaged = picture(site.live)
    (site.folder / dumped["payload"]).unlink()
    restored = site.restore(dumped["payload"])
    assert picture(site.live) == before
    assert picture(Path(restored["attic"])) == damaged


def test_a_twin_that_was_changed_or_cut_is_loaded_again(cli: Site) -> None:
    """P3: only what was proven is swapped in."""
    before = picture(cli.live)
    dumped = cli.dump()
    shadow = Path(cli.facts("load", cli.folder, dumped["payload"], cli.work)["shadow"])
    execute(shadow, "UPDATE users SET name = 'changed'")
    cli.restore(dumped["payload"])
    assert picture(cli.live) == before


def test_a_payload_that_is_not_what_was_dumped_is_not_loaded(cli: Site) -> None:
    """P1: intact bytes of another content."""
    dumped = cli.dump()
    counts = cli.folder / "counts.tsv"
    counts.write_text(counts.read_text().replace("users\t3", "users\t4"))
    before = picture(cli.live)
    assert cli.call("load", cli.folder, dumped["payload"], cli.work)[0] == 1
    assert not (cli.work / "shadow.ready").exists()
    assert picture(cli.live) == before


def test_rows_of_another_content_are_seen(cli: Site) -> None:
    """P1: the same tables, the same number of rows, an intact payload with its own hash, and yet not what was dumped."""
    dumped = cli.dump()
    right = cli.folder
    assert cli.facts("load", right, dumped["payload"], cli.work)["checksums"] == "yes"
    execute(cli.live, "UPDATE users SET name = 'LI' WHERE id = 3")
    cli.folder = cli.root / "other"
    other = cli.dump()
    assert (right / "counts.tsv").read_text() == (cli.folder / "counts.tsv").read_text()
    for file in (other["payload"], "payload.sha256"):
        shutil.copy(cli.folder / file, right / file)
    for verb, words in (("prove", (other["sha256"],)), ("load", (cli.root / "another work",))):
        status, _, errors = cli.call(verb, right, other["payload"], *words)
        assert (status, "isn't what was dumped" in errors) == (1, True), verb
    (right / "raw.sha256").unlink()  # as a backup of an earlier version
    assert cli.facts("load", right, other["payload"], cli.root / "another work")["checksums"] == "no"


def test_unloading_drops_the_twin_once_and_never_what_a_restore_uses(site: Site) -> None:
    """P8, P9."""
    dumped = site.dump()
    assert site.facts("unload", site.work) == {"unloaded": "nothing"}
    site.facts("load", site.folder, dumped["payload"], site.work)
    assert site.facts("unload", site.work) == {"unloaded": "yes"}
    assert not list(site.work.glob("*.sqlite*"))
    assert site.facts("unload", site.work) == {"unloaded": "nothing"}

    before = picture(site.live)
    site.facts("load", site.folder, dumped["payload"], site.work)
    execute(site.live, DAMAGE)
    damaged = picture(site.live)
    restored = site.restore(dumped["payload"])
    (site.work / "restored").unlink()  # as if it had been killed just before it noted its success
    shutil.copy(restored["attic"], site.work / "shadow.sqlite")
    assert site.facts("unload", site.work) == {"unloaded": "nothing"}
    assert (site.work / "shadow.sqlite").exists()
    assert picture(Path(restored["attic"])) == damaged
    assert site.call("load", site.folder, dumped["payload"], site.work)[0] == 1
    assert site.restore(dumped["payload"]) == restored
    assert picture(site.live) == before


def test_a_load_killed_at_any_moment_leaves_the_live_database_alone_and_a_rerun_completes_it(tmp_path: Path) -> None:
    """P2, P8."""
    site = Site(tmp_path)
    execute(site.live, LARAVEL + "CREATE TABLE bulk (v BLOB);" + "INSERT INTO bulk VALUES (randomblob(900000));" * 8)
    before = picture(site.live)
    dumped = site.dump()
    started = time.monotonic()
    site.facts("load", site.folder, dumped["payload"], site.work)
    duration = time.monotonic() - started
    draw = random.Random("load")
    for number in range(ROUNDS):
        site.work = tmp_path / f"work{number}"
        with site.start("load", site.folder, dumped["payload"], site.work) as process:
            time.sleep(draw.uniform(0, duration))
            os.killpg(process.pid, signal.SIGKILL)
        loaded = site.facts("load", site.folder, dumped["payload"], site.work)
        assert picture(Path(loaded["shadow"])) == before == picture(site.live)
        assert site.facts("unload", site.work) == {"unloaded": "yes"}


def test_a_rehearsal_fills_another_file_and_leaves_the_live_one_alone(site: Site) -> None:
    """P3."""
    before = picture(site.live)
    dumped = site.dump()
    execute(site.live, DAMAGE)
    damaged = picture(site.live)
    fresh = site.root / "re hear'sed.sqlite"
    rehearsed = site.facts("rehearse", site.folder, dumped["payload"], fresh)
    assert rehearsed == {"tables": dumped["tables"], "rows": dumped["rows"], "rehearsed": "yes"}
    assert picture(fresh) == before
    empty = site.root / "empty.sqlite"
    execute(empty, "PRAGMA user_version = 3; CREATE TABLE x (y); DROP TABLE x")
    site.facts("rehearse", site.folder, dumped["payload"], empty)
    assert picture(empty) == before
    assert picture(site.live) == damaged
    assert not list(site.root.glob(".scratch*"))


def test_a_rehearsal_never_goes_where_something_is(cli: Site) -> None:
    """P9: the live database, whatever it is called, one of ours, one that holds something."""
    dumped = cli.dump()
    before = picture(cli.live)
    filled = cli.root / "filled.sqlite"
    execute(filled, "CREATE TABLE x (y)")
    letter = cli.root / "letter.txt"
    letter.write_text("no database at all")
    alias = cli.root / "alias"
    alias.symlink_to(cli.live)
    dangling = cli.root / "dangling"
    dangling.symlink_to(cli.root / "elsewhere")
    ours = cli.root / ".belay" / "work"
    ours.mkdir(parents=True)
    for place, reason in (
        (cli.live, "live database"),
        (cli.root / "backup" / ".." / cli.live.name, "live database"),
        (alias, "live database"),
        (dangling, "is a link"),
        (filled, "holds something"),
        (letter, "holds something"),
        (ours / "attic.sqlite", "Belay keeps its own"),
        (cli.root / "no such folder" / "x.sqlite", "folder"),
        ("relative.sqlite", "absolute"),
    ):
        status, _, errors = cli.call("rehearse", cli.folder, dumped["payload"], place)
        assert (status, reason in errors, len(errors.splitlines())) == (1, True, 1), errors
    assert picture(cli.live) == before
    assert letter.read_text() == "no database at all"
    cli.live.unlink()
    assert "live database" in cli.call("rehearse", cli.folder, dumped["payload"], cli.live)[2], (
        "also while it is missing"
    )


def test_a_rehearsal_of_other_content_leaves_nothing_behind(cli: Site) -> None:
    """P3."""
    dumped = cli.dump()
    schema = cli.folder / "schema.txt"
    schema.write_text(schema.read_text().replace("42", "41"))
    place = cli.root / "fresh.sqlite"
    assert cli.call("rehearse", cli.folder, dumped["payload"], place)[0] == 1
    assert not place.exists()
    assert not list(cli.root.glob(".scratch*"))
