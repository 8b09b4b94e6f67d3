"""Payloads that were cut, flipped or forged: refused, and the live MariaDB database stays as it was."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import OWN_DATABASE_ONLY, Account, open_account
from tests.lab.mariadb_shop import Snapshot, build, damage, snapshot

PAYLOAD = "payload.sql.zst"
TRACE = Path("/tmp/belay-was-here")  # what the hostile rows and lines try to make


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A shop with a backup, damaged since; what is refused would be loaded into the live database itself."""
    with running_mariadb(tmp_path_factory.mktemp("server")) as server:
        account = open_account(server, tmp_path_factory.mktemp("shop"), OWN_DATABASE_ONLY)
        with account.connect() as link:
            build(link)
        assert account.dump() == PAYLOAD
        with account.connect() as link:
            damage(link)
        yield account


def read(account: Account) -> Snapshot:
    with account.connect() as link:
        return snapshot(link)


def forged(shop: Account, folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """Return a copy of the backup whose payload is changed by someone who also writes its new hash."""
    folder.mkdir()
    for name in ("counts.tsv", "schema.txt", "inventory.tsv", "facts"):
        (folder / name).write_bytes((shop.backup / name).read_bytes())
    plain = subprocess.run(["zstd", "-dc", shop.backup / PAYLOAD], check=True, capture_output=True).stdout
    changed = change(plain)
    assert changed != plain
    sealed(folder, subprocess.run(["zstd", "-qc"], input=changed, check=True, capture_output=True).stdout)
    return folder


def sealed(folder: Path, payload: bytes) -> None:
    (folder / PAYLOAD).write_bytes(payload)
    (folder / "payload.sha256").write_text(f"{hashlib.sha256(payload).hexdigest()}  {PAYLOAD}\n")


def expect_refusal(shop: Account, backup: Path, work: Path) -> str:
    """Restore `backup`, expect that nothing changes, and return what the script said."""
    before = read(shop)
    databases = shop.server.query("SHOW DATABASES")
    done = shop.run("restore", backup, PAYLOAD, work)
    assert done.returncode == 1, done.stdout + done.stderr
    assert read(shop) == before
    assert not TRACE.exists()
    assert shop.facts("attic-drop", work) == {"dropped": "yes"}
    assert shop.server.query("SHOW DATABASES") == databases
    return done.stderr


def before_line(start: str, line: str) -> Callable[[bytes], bytes]:
    """Return a change that puts `line` before the first line that begins with `start`."""
    return lambda text: text.replace(f"\n{start}".encode(), f"\n{line}\n{start}".encode(), 1)


def swapped(old: str, new: str) -> Callable[[bytes], bytes]:
    """Return a change that replaces the first `old` by `new`."""
    return lambda text: text.replace(old.encode(), new.encode(), 1)


ROW = "(1,NULL),\n(2,1)"  # of the table `tree`

FORGERIES = {
    "another database is used": before_line("CREATE TABLE", "USE `mysql`;"),
    "a database is made": before_line("CREATE TABLE", "CREATE DATABASE evil;"),
    "a table is dropped": before_line("CREATE TABLE", "DROP TABLE `users`;"),
    "a setting is global": before_line("CREATE TABLE", "/*!40101 SET GLOBAL init_connect='DROP DATABASE x' */;"),
    "backslashes lose their meaning": before_line("CREATE TABLE", "/*!40101 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;"),
    "another character set is spoken": before_line("CREATE TABLE", "/*!40101 SET character_set_client = gbk */;"),
    "a file is read": before_line("CREATE TABLE", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE `tree`;"),
    "a shell is called": before_line("CREATE TABLE", f"\\! touch {TRACE}"),
    "a shell is called by name": before_line("CREATE TABLE", f"system touch {TRACE}"),
    "a file is sourced": before_line("CREATE TABLE", "source /etc/passwd"),
    "a table of another database is made": swapped("CREATE TABLE `tree`", "CREATE TABLE `mysql`.`tree`"),
    "a table of another database is filled": swapped("INSERT INTO `tree`", "INSERT INTO `mysql`.`user`"),
    "a table that isn't in the dump is filled": swapped("INSERT INTO `tree`", "INSERT INTO `_bs0000_tree`"),
    "a statement follows a row": swapped(ROW, "(1,NULL); DROP TABLE users; INSERT INTO tree VALUES\n(2,1)"),
    "a statement hides between comments": swapped(
        ROW, "(1,NULL/*'*/); DROP TABLE users; INSERT INTO tree VALUES (2,1/*'*/)"
    ),
    "a statement hides behind a comment": swapped(ROW, "(1,NULL-- '\n); DROP TABLE users; -- '"),
    "a statement hides in an open string": swapped(ROW, "(1,'),\n('); DROP TABLE users; INSERT INTO tree VALUES ('x')"),
    "a row asks another table": swapped(ROW, "(1,(SELECT 1 FROM DUAL)),\n(2,1)"),
    "a row names what the server knows": swapped(ROW, "(1,CURRENT_USER),\n(2,1)"),
    "a row calls a function": swapped(ROW, "(LENGTH(1),NULL),\n(2,1)"),
    "a row calls a function with a string": swapped(ROW, "(1,LOAD_FILE('/etc/passwd')),\n(2,1)"),
    "a statement follows a table": swapped(
        ") ENGINE=InnoDB", ") ENGINE=InnoDB; DROP TABLE users; CREATE TABLE x (i INT)"
    ),
    "a statement hides in a column": swapped(
        "  `id` int(11)", "  `id` int(11)); DROP TABLE users; CREATE TABLE y (i int"
    ),
    "a statement hides in a newer comment": swapped(
        "  `parent` int(11)", "  `parent` /*!99999 ' */ int); DROP TABLE users; CREATE TABLE y (i int /*!99999 ' */"
    ),
    "a statement hides in a comment that MariaDB skips": swapped(
        "  `parent` int(11)", "  `parent` /*!50700 ' */ int); DROP TABLE users; CREATE TABLE y (i int /*!50700 ' */"
    ),
    "a default names another database": swapped("nextval(`shop_", "nextval(`evil_"),
    "a part begins early": before_line("CREATE TABLE", "-- Belay: part triggers"),
    "another statement among the objects": before_line("-- Belay: part views", "DROP DATABASE mysql;"),
    "a use among the objects": before_line("-- Belay: part views", "USE mysql;"),
    "another database is altered": before_line("-- Belay: part views", "ALTER DATABASE `mysql` CHARACTER SET latin1;"),
    "a row is missing": swapped("(1,NULL),\n", ""),
    "a table is missing": swapped("CREATE TABLE `empty_one`", "CREATE TABLE `empty_two`"),
    "a column is another": swapped("`born` date", "`born` datetime"),
    "an index is missing": swapped("  KEY `parent` (`parent`),\n", ""),
    "a foreign key is missing": swapped(
        "  CONSTRAINT `long_key` FOREIGN KEY (`other`) REFERENCES `tree` (`id`)", "  KEY `k` (`id`)"
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_payload_is_refused(shop: Account, tmp_path: Path, name: str) -> None:
    """P2, P3: even by one who could write the hash; what it says reaches neither the database nor a shell."""
    said = expect_refusal(shop, forged(shop, tmp_path / "forged", FORGERIES[name]), tmp_path / "work")
    assert "untouched" in said


def test_a_row_that_calls_a_function_of_the_database_is_refused(shop: Account, tmp_path: Path) -> None:
    """P2: rows are loaded into the live database itself here, where such a function can be."""
    shop.server.execute("CREATE FUNCTION _f(i int) RETURNS int RETURN i", database=shop.database)
    said = expect_refusal(shop, forged(shop, tmp_path / "forged", swapped(ROW, "(1,_f(1)),\n(2,1)")), tmp_path / "work")
    assert "something other than rows" in said
    shop.server.execute("DROP FUNCTION _f", database=shop.database)


def test_a_payload_cut_at_a_line_is_refused(shop: Account, tmp_path: Path) -> None:
    """P1, P3: SQL that ends at a statement's end loads without an error; only the trailers tell."""
    for number, end in enumerate((b"\n-- Dump completed", b"\n-- Belay: part views", b"\nINSERT INTO `users`")):
        folder = tmp_path / str(number)
        backup = forged(shop, folder, lambda text, end=end: text[: text.index(end)] + b"\n")  # type: ignore[misc]
        expect_refusal(shop, backup, tmp_path / f"work{number}")
        digest = hashlib.sha256((backup / PAYLOAD).read_bytes()).hexdigest()
        assert shop.run("prove", backup, PAYLOAD, digest).returncode == 1


def test_cut_and_flipped_bytes_are_refused(shop: Account, tmp_path: Path) -> None:
    """P1, P3, P7: at any place, whether the hash notices or only the decompressor can."""
    whole = (shop.backup / PAYLOAD).read_bytes()
    folder = forged(shop, tmp_path / "backup", lambda text: text + b"\n")
    known = (shop.backup / "payload.sha256").read_text()
    for number, place in enumerate(range(0, len(whole) - 1, len(whole) // 5)):
        cut, flipped = whole[:place], bytearray(whole)
        flipped[place] ^= 0x10
        for kind, content in (("cut", cut), ("flipped", bytes(flipped))):
            (folder / PAYLOAD).write_bytes(content)
            (folder / "payload.sha256").write_text(known)
            assert shop.run("prove", folder, PAYLOAD, known.split()[0]).returncode == 1
            assert shop.run("restore", folder, PAYLOAD, tmp_path / f"work {kind} {number}").returncode == 1
            sealed(folder, content)
            expect_refusal(shop, folder, tmp_path / f"sealed {kind} {number}")
            assert shop.run("prove", folder, PAYLOAD, hashlib.sha256(content).hexdigest()).returncode == 1


def test_names_with_control_characters_stop_the_dump(shop: Account, tmp_path: Path) -> None:
    """P1: in a dump they would stand at the start of a line, where only structure may stand."""
    for statement in (
        "CREATE TABLE odd (`i\n) ENGINE=InnoDB;\nUSE mysql;\nx` int)",
        "CREATE TABLE `odd\nUSE mysql;\nx` (i int)",
    ):
        shop.server.execute(statement, database=shop.database)
        done = shop.run("dump", tmp_path / "backup")
        assert done.returncode == 1
        assert "control characters" in done.stderr
        shop.server.execute("DROP TABLE IF EXISTS odd, `odd\nUSE mysql;\nx`", database=shop.database)


def test_the_backup_still_restores_after_all_that(shop: Account, tmp_path: Path) -> None:
    """P3: the refusals above weren't for another reason."""
    TRACE.unlink(missing_ok=True)
    assert shop.facts("restore", shop.backup, PAYLOAD, tmp_path / "work")["restored"] == "yes"
    assert not TRACE.exists(), "a row that looks like a client's command is only a row"
    shop.facts("unrestore", tmp_path / "work")
    shop.facts("attic-drop", tmp_path / "work")
