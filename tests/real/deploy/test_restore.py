"""Restoring by hand, as a person does it at three in the morning: for real, as a rehearsal, back again, and wrongly typed."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos import checker, snapshot
from tests.lab.app_database import execute
from tests.lab.sampling import every
from tests.lab.site import Lab, Run, Site

HERE = {"INPUT_ENVIRONMENT": "production"}


def restore(site: Site, *words: str, **inputs: str) -> Run:
    """Restore as somebody who means it."""
    return site.run("restore", *words, environment=HERE, **{"confirm": "production", **inputs})


def outputs(run: Run) -> dict[str, str]:
    """Return what a step hands on."""
    found = re.findall(r"^([a-z-]+)<<(belay-\w+)\n(.*?)\n\2$", run.output.read_text(), re.MULTILINE | re.DOTALL)
    return {name: value for name, _, value in found}


def back_up(site: Site) -> str:
    """Make a backup; return its name."""
    run = site.run("backup", "create")
    assert run.code == 0, run.text
    return outputs(run)["backup-filename"]


def write(site: Site, count: int) -> None:
    """Let visitors write."""
    statement = {
        "plain": "INSERT INTO notes (body, made_at) VALUES ('since', 'now')",
        "laravel": "INSERT INTO changes (what) VALUES ('since')",
    }[site.kind]
    with closing(site.database.connect_as_app()) as link:
        execute(link, *[statement] * count)


def last_owner(site: Site) -> dict[str, str]:
    """Return who did the last thing on the host, as its history keeps it."""
    line = (site.base / ".belay" / "history.jsonl").read_text().splitlines()[-1]
    owner: dict[str, str] = json.loads(line)["owner"]
    return owner


def round_trip(site: Site) -> None:
    """Restore, undo it, undo the undo; each time a few rows were written before."""
    name = back_up(site)
    first = snapshot.facts(site)
    write(site, 7)
    second = snapshot.facts(site)

    refused = restore(site, backup_filename=name, accept_loss="6")
    assert refused.code == 1, refused.text
    assert "accept-loss: 7" in refused.text
    assert outputs(refused)["discarded-rows"] == "7"
    assert snapshot.facts(site) == second

    done = restore(site, backup_filename="latest", accept_loss="7")
    assert done.code == 0, done.text
    assert snapshot.facts(site) == first
    told = outputs(done)
    assert (told["restored"], told["discarded-rows"]) == ("true", "7")
    assert told["attic"]
    assert int(told["tables"]) > 0
    assert int(told["rows"]) > 0
    owner = last_owner(site)
    assert (owner["verb"], owner["mode"], owner["backup"]) == ("restore", "restore", name)

    write(site, 2)
    third = snapshot.facts(site)
    assert restore(site, "--undo", accept_loss="1").code == 1
    assert snapshot.facts(site) == third
    back = restore(site, "--undo", accept_loss="2")
    assert back.code == 0, back.text
    assert snapshot.facts(site) == second
    assert last_owner(site)["verb"] == "restore"

    forth = restore(site, "--undo")
    assert forth.code == 0, forth.text
    assert snapshot.facts(site) == third
    assert checker.strays(site) == checker.backups(site) == []


def test_a_restore_is_undone_and_the_undo_is_undone(site: Site) -> None:
    """P3, P9: each is one command; what would be discarded is counted first; rows come back to the last one."""
    round_trip(site)
    again = restore(site, "--undo")
    assert again.code == 0, again.text


@pytest.mark.parametrize("engine", every(2, ["postgresql", "mariadb"]))
def test_the_same_with_laravel_and_its_workers_over_ssh(lab: Lab, engine: str) -> None:
    """P3, P9: workers are stopped meanwhile, and run again afterwards."""
    with lab.site(engine, workers=True) as site:
        assert site.deploy(site.release("next")).code == 0
        round_trip(site)


@pytest.mark.parametrize("engine", every(2, ["mariadb", "postgresql"]))
def test_an_account_that_may_make_databases_rehearses_and_takes_dumps_of_other_tools(lab: Lab, engine: str) -> None:
    """P3, P9: what stock tools dumped is loaded while visitors are in, and behind the closed door only swapped in."""
    with lab.site(engine) as site:
        let_make_databases(site)
        dump, then = stock_dump(site), snapshot.facts(site)
        write(site, 4)
        later = snapshot.facts(site)

        done = restore(site, backup_filename=str(dump), accept_loss="4")
        assert done.code == 0, done.text
        assert "Load " in done.text
        assert done.text.index("Load ") < done.text.index("Maintenance on")
        assert checker.difference(then, snapshot.facts(site)) == ""
        assert restore(site, "--undo").code == 0
        assert checker.difference(later, snapshot.facts(site)) == ""

        looked = site.run("restore", backup_filename="latest", verify_only="true")
        assert looked.code == 0, looked.text
        assert "Load it beside" in looked.text
        rehearsed = site.run("restore", backup_filename="latest", into=f"{site.database.name}_rehearsal")
        assert rehearsed.code == 0, rehearsed.text
        assert outputs(rehearsed)["restored"] == "false"
        assert int(outputs(rehearsed)["rows"]) == int(outputs(looked)["rows"]) > 0
        for into in (f"{site.database.name}_rehearsal", site.database.name):
            refused = site.run("restore", backup_filename="latest", into=into)
            assert refused.code == 1, refused.text
        assert checker.difference(later, snapshot.facts(site)) == ""


def let_make_databases(site: Site) -> None:
    """Give the app's account what a copy beside its own database needs."""
    name = site.database.name
    with closing(site.database.connect()) as link:
        if site.engine == "mariadb":
            grants = [f"GRANT ALL ON `{name}\\_{end}`.* TO {name}@'127.0.0.1'" for end in ("\\_belay\\_%", "rehearsal")]
            execute(link, *grants)
        else:
            execute(link, f"ALTER ROLE {name} CREATEDB")


def stock_dump(site: Site) -> Path:
    """Dump the site's database as people do, into a file that the host's user may read."""
    assert site.sshd is not None
    settings, file = site.database.settings, site.base / "of another tool.dump"
    where = ["-h", settings["DB_HOST"], "-u" if site.engine == "mariadb" else "-U", settings["DB_USERNAME"]]
    if site.engine == "mariadb":
        words = ["mariadb-dump", *where, f"-P{settings['DB_PORT']}", "--routines", "--single-transaction"]
        secret = {"MYSQL_PWD": site.database.password}
    else:
        words = ["pg_dump", *where, "-p", settings["DB_PORT"], "-Fc"]
        secret = {"PGPASSWORD": site.database.password}
    done = subprocess.run([*words, site.database.name], env={**os.environ, **secret}, check=True, capture_output=True)
    file.write_bytes(done.stdout)
    shutil.chown(file, site.sshd.user)
    return file


def test_rows_that_came_for_others_are_counted(site: Site) -> None:
    """P9: as many were deleted as were added, and no table's size tells; they are shown, and have to be accepted."""
    with closing(site.database.connect()) as link:
        execute(link, "CREATE TABLE carts (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)")
        execute(link, *["INSERT INTO carts (body) VALUES ('full')"] * 3)
    back_up(site)
    before = snapshot.facts(site)
    with closing(site.database.connect()) as link:
        execute(link, "DELETE FROM carts WHERE id > 1", *["INSERT INTO carts (body) VALUES ('other')"] * 2)
    later = snapshot.facts(site)
    refused = restore(site, backup_filename="latest", accept_loss="3")
    assert refused.code == 1, refused.text
    assert "discard 2 rows that were written since and bring back 2 that were removed" in refused.text
    assert "carts: 3 rows then, 3 now, 2 of them added since" in refused.text
    assert snapshot.facts(site) == later
    done = restore(site, backup_filename="latest", accept_loss="4")
    assert done.code == 0, done.text
    assert snapshot.facts(site) == before
    undone = restore(site, "--undo")  # nothing came since: what is told is that nothing can be counted
    assert undone.code == 0, undone.text
    assert "discard no row that can be counted; changed rows can't be counted; nor rows that" in undone.text
    assert snapshot.facts(site) == later


def test_what_is_kept_is_listed_and_dropped_by_name(site: Site) -> None:
    """P9: dropping is asked for twice, and says what there is when the name is wrong."""
    back_up(site)
    write(site, 3)
    assert restore(site, backup_filename="latest", accept_loss="3").code == 0
    deployment = checker.journal(site)[0]["name"]
    listed = site.run("attic", "list")
    assert listed.code == 0, listed.text
    assert re.search(
        rf"{deployment}  restore  what it replaced  sqlite  3 tables, 34 rows  .* kept until 20", listed.text
    )
    for wrong in ({"confirm": "staging"}, {"confirm": ""}, {"deployment_id": "local-1-0123456789abcdef"}):
        inputs = {"confirm": "production", "deployment_id": deployment, **wrong}
        run = site.run("attic", "drop", environment=HERE, **inputs)
        assert run.code == 2, run.text
        assert ("There are: " + deployment in run.text) == ("deployment_id" in wrong)
    assert deployment in site.run("attic", "list").text
    dropped = site.run("attic", "drop", environment=HERE, confirm="production", deployment_id=deployment)
    assert dropped.code == 0, dropped.text
    assert deployment not in site.run("attic", "list").text
    before = snapshot.facts(site)
    gone = restore(site, "--undo", accept_loss="1000")
    assert gone.code == 1, gone.text
    assert "was dropped" in gone.text
    assert snapshot.facts(site) == before


def test_a_rehearsal_fills_another_database_and_leaves_the_live_one_alone(site: Site) -> None:
    """P3: no confirmation is needed for what changes nothing; the live database as its target is refused."""
    back_up(site)
    then = dump(Path(site.database.name))
    write(site, 5)
    before = snapshot.facts(site)
    into = site.sources / "rehearsal.sqlite"
    run = site.run("restore", backup_filename="latest", into=str(into))
    assert run.code == 0, run.text
    assert (outputs(run)["restored"], outputs(run)["rows"]) == ("false", "31")
    assert dump(into) == then
    for target in (into, site.shared / "app.sqlite"):
        again = site.run("restore", backup_filename="latest", into=str(target))
        assert again.code == 1, again.text
    assert snapshot.facts(site) == before


def test_a_backup_is_proven_again_and_nothing_changes(site: Site) -> None:
    """P3: a damaged one is found, and says so."""
    name = back_up(site)
    write(site, 5)
    before = snapshot.facts(site)
    run = site.run("restore", backup_filename=name, verify_only="true")
    assert run.code == 0, run.text
    assert f"{name} can be restored: 3 tables, 31 rows" in run.text
    payload = next((site.base / ".belay" / "backups" / name).glob("payload.sqlite.*"))
    content = bytearray(payload.read_bytes())
    content[len(content) // 2] ^= 1
    payload.write_bytes(content)
    damaged = site.run("restore", backup_filename=name, verify_only="true")
    assert damaged.code == 1, damaged.text
    real = restore(site, backup_filename=name, accept_loss="5")
    assert real.code == 1, real.text  # found before the door was closed: nothing had to be put back
    assert snapshot.facts(site) == before
    assert list(site.base.glob(".belay/deploys/*/*/shadow*")) == []


def test_a_dump_of_another_tool_becomes_a_backup_and_is_restored(site: Site) -> None:
    """P3, P9: a copied file, compressed or not, is checked and loaded first; it can be undone like any other."""
    old = site.sources / "old app.sqlite.gz"
    with closing(sqlite3.connect(site.sources / "old.sqlite")) as copy, closing(site.database.connect()) as live:
        live.backup(copy)
    old.write_bytes(gzip.compress((site.sources / "old.sqlite").read_bytes()))
    then = snapshot.facts(site)
    write(site, 4)
    later = snapshot.facts(site)
    done = restore(site, backup_filename=str(old), accept_loss="4")
    assert done.code == 0, done.text
    assert snapshot.facts(site) == then
    assert checker.backups(site) == []
    assert len(list((site.base / ".belay" / "backups").iterdir())) == 1
    assert restore(site, "--undo").code == 0
    assert snapshot.facts(site) == later


def test_a_database_that_is_gone_or_damaged_comes_back(site: Site) -> None:
    """P3: this is what backups are for; what comes back has to be accepted as well, and no row is thrown away."""
    back_up(site)
    before, file = snapshot.facts(site), Path(site.database.name)
    file.write_bytes(b"no database any more" * 500)
    damaged = restore(site, backup_filename="latest", accept_loss="31")
    assert damaged.code == 1, damaged.text
    assert "move a SQLite file aside" in damaged.text
    file.unlink()
    asked = restore(site, backup_filename="latest")
    assert asked.code == 1, asked.text
    assert "discard 0 rows that were written since and bring back 31 that were removed" in asked.text
    done = restore(site, backup_filename="latest", accept_loss="31")
    assert done.code == 0, done.text
    assert snapshot.facts(site) == before


def test_a_hostile_file_is_refused_and_leaves_nothing(site: Site) -> None:
    """P2: what another tool made is checked before it comes near the live database."""
    hostile = site.sources / "hostile.sqlite"
    with closing(sqlite3.connect(hostile)) as link:
        link.execute("CREATE TABLE notes (body TEXT)")
        link.execute("CREATE VIEW way_out AS SELECT load_extension('/tmp/evil.so')")
    before = snapshot.facts(site)
    for file in (hostile, site.sources / "text.sql"):
        if file != hostile:
            file.write_text("DROP TABLE notes;\n.shell touch /tmp/belay-was-here\n")
        run = restore(site, backup_filename=str(file), accept_loss="1000")
        assert run.code == 1, run.text
    assert snapshot.facts(site) == before
    assert list((site.base / ".belay" / "backups").iterdir()) == []


def test_a_restore_asks_twice_and_says_what_to_type(site: Site) -> None:
    """P9: nothing is restored, nor the host's lock taken, until the environment is named two times."""
    name = back_up(site)
    before, state = snapshot.facts(site), everything(site)
    wrong: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        (HERE, {}),
        ({}, {"confirm": "production"}),
        (HERE, {"confirm": "Production"}),
        (HERE, {"confirm": "staging"}),
        ({"INPUT_ENVIRONMENT": "staging"}, {"confirm": "production"}),
    ]
    for environment, inputs in wrong:
        run = site.run("restore", environment=environment, backup_filename=name, accept_loss="1000", **inputs)
        assert run.code == 2, run.text
        place = environment.get("INPUT_ENVIRONMENT", "production")
        assert f"`environment: {place}` and `confirm: {place}`" in run.text
        assert run.text.count("error: ") == 1
    (site.sources / "belay.toml").write_text('confirm = "production"\n')
    assert site.run("restore", environment=HERE, backup_filename=name).code == 2
    (site.sources / "belay.toml").unlink()
    assert everything(site) == state
    assert snapshot.facts(site) == before


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/../etc/passwd",
        "//etc/passwd",
        "/etc/",
        "/tmp/a'; DROP TABLE notes; --.sqlite",
        '/tmp/"$(touch evil)".sqlite',
        "/tmp/a\nb.sqlite",
        "20260131T235959Z-0123456789abcdef.sqlite.zst/../..",
        "20260131T235959Z-0123456789abcdef.sqlite.zst\nlatest",
        "newest",
        "",
        "/no/such/file.sqlite",
    ],
)
def test_a_name_that_can_not_be_one_is_refused_and_changes_nothing(site: Site, name: str) -> None:
    """P2: exit 2, one error, and not a byte on the host is another."""
    before, state = snapshot.facts(site), everything(site)
    run = restore(site, backup_filename=name, accept_loss="1000")
    assert run.code == 2, run.text
    assert run.text.count("error: ") == 1
    assert everything(site) == state
    assert snapshot.facts(site) == before


def test_a_wrong_name_is_told_what_there_is_the_nearest_first(site: Site) -> None:
    names = [back_up(site) for _ in range(3)]
    wrong = names[1][:25] + ("0" if names[1][25] != "0" else "1") + names[1][26:]
    run = restore(site, backup_filename=wrong)
    assert run.code == 2, run.text
    assert f"There are: {names[1]}, " in run.text
    assert all(name in run.text for name in names)
    store = restore(site, backup_filename=names[0], **{"from": "b2://bucket/prefix"})
    assert store.code == 2
    assert "from: `b2` is no place" in store.text


def test_nothing_is_undone_where_nothing_was_restored(site: Site) -> None:
    run = restore(site, "--undo")
    assert run.code == 2, run.text
    assert "nothing was restored by hand" in run.text
    assert site.run("attic", "list").code == 0


def test_an_undo_refuses_to_put_an_old_schema_under_new_code(site: Site) -> None:
    """P2: what was deployed since with a migration has to go back first."""
    back_up(site)
    write(site, 1)
    assert restore(site, backup_filename="latest", accept_loss="1").code == 0
    assert site.deploy(site.release("next", migration="good")).code == 0
    before = snapshot.facts(site)
    run = restore(site, "--undo", accept_loss="1000")
    assert run.code == 1, run.text
    assert "the schema changed since" in run.text
    assert snapshot.facts(site) == before


def dump(file: Path) -> list[str]:
    """Return a SQLite database as text."""
    with closing(sqlite3.connect(file)) as link:
        return list(link.iterdump())


def everything(site: Site) -> dict[str, bytes]:
    """Return every file of Belay's own on the host."""
    folder = Path(site.base, ".belay")
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
