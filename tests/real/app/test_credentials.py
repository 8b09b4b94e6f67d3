"""The app's database settings: read exactly as Laravel reads them, or refused, and never run or shown."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lab import laravel
from tests.lab.shells import Shell, error, facts

ORACLE = Path(__file__).with_name("oracle.php")
SERVER = "DB_CONNECTION=mysql\nDB_HOST=db.example\nDB_DATABASE=shop\nDB_USERNAME=shop\n"
Oracle = Callable[[bytes, Mapping[str, bytes]], dict[str, bytes] | None]

exhaustive = settings(
    max_examples=int(os.environ.get("BELAY_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """What PHP itself makes of a .env: the connection's settings, or None when it refuses the file."""
    php = subprocess.Popen(["php", ORACLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=laravel.environment())
    assert php.stdin
    assert php.stdout
    asks, answers = php.stdin, php.stdout

    def ask(file: bytes, environment: Mapping[str, bytes]) -> dict[str, bytes] | None:
        encoded = {name: base64.b64encode(value).decode() for name, value in environment.items()}
        request = {"file": base64.b64encode(file).decode(), "environment": encoded}
        asks.write(json.dumps(request).encode() + b"\n")
        asks.flush()
        answer = json.loads(answers.readline())
        return answer and {name: base64.b64decode(value) for name, value in answer.items()}

    yield ask
    asks.close()
    php.wait(10)
    answers.close()


def read(
    shell: Shell, folder: Path, text: str | bytes, app: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the script on a .env of this text; the connection folder is `folder/conn`."""
    (folder / ".env").write_bytes(text if isinstance(text, bytes) else text.encode())
    return shell.run("credentials.sh", "read", folder / ".env", folder / "conn", app or folder, environment=environment)


def written(folder: Path) -> dict[str, bytes]:
    """The settings in a connection folder, the password as MariaDB's and PostgreSQL's clients would read it."""
    conn = folder / "conn"
    found = {
        name: (conn / name).read_bytes().removesuffix(b"\n")
        for name in ("engine", "database", "host", "port", "user", "socket")
    }
    if found["engine"] == b"mariadb":
        line = next(line for line in (conn / "client.cnf").read_bytes().splitlines() if line.startswith(b"password="))
        found["password"] = unescaped(line.removeprefix(b'password="').removesuffix(b'"'))
    if found["engine"] == b"postgresql":
        line = (conn / "pgpass").read_bytes().removesuffix(b"\n")
        found["password"] = unescaped(
            line[len(b"*:*:*:") + len(found["user"].replace(b"\\", b"\\\\").replace(b":", b"\\:")) + 1 :]
        )
    return found


def unescaped(text: bytes) -> bytes:
    """Undo backslash escapes."""
    out, meanings = bytearray(), {ord("n"): 10, ord("r"): 13, ord("t"): 9}
    bytes_left = iter(text)
    for byte in bytes_left:
        if byte == ord("\\"):
            escaped = next(bytes_left)
            out.append(meanings.get(escaped, escaped))
        else:
            out.append(byte)
    return bytes(out)


def same_as_oracle(found: dict[str, bytes], expected: dict[str, bytes] | None) -> bool:
    """Whether the folder says what PHP says."""
    if expected is None:
        return False
    engine = {b"mysql": b"mariadb", b"mariadb": b"mariadb", b"pgsql": b"postgresql"}.get(expected["driver"])
    pairs = {
        "engine": engine,
        "database": expected["database"],
        "host": expected["host"].removeprefix(b"[").removesuffix(b"]"),
        "port": expected["port"],
        "user": expected["username"],
        "socket": expected["unix_socket"],
        "password": expected["password"],
    }
    return all(found[name] == value for name, value in pairs.items())


def check_against_oracle(
    shell: Shell, folder: Path, oracle: Oracle, text: bytes, environment: Mapping[str, str] | None = None
) -> bool:
    """Run the script; if it took the file, PHP must agree. Returns whether it took the file."""
    done = read(shell, folder, text, environment=environment)
    if done.returncode:
        assert done.returncode == 1, error(done)
        assert error(done).startswith("credentials: "), "a refusal says why"
        return False
    expected = oracle(text, {name: value.encode() for name, value in (environment or {}).items()})
    assert same_as_oracle(written(folder), expected), (written(folder), expected)
    return True


UNUSUAL = st.text(st.sampled_from(list("ab=\"'`\\$#{}() \t\n\rnDB_%é")), max_size=24)
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="\x7f"), max_size=60)


@pytest.mark.parametrize("driver", ["mysql", "pgsql"])
@exhaustive
@given(password=st.one_of(UNUSUAL, PRINTABLE))
def test_a_password_in_any_writing_is_read_as_php_reads_it(
    shell: Shell, tmp_path: Path, oracle: Oracle, driver: str, password: str
) -> None:
    """P7: equal to phpdotenv or refused, never different."""
    for line in (password, f"'{password}'", f'"{password}"'):
        text = (
            f"DB_CONNECTION={driver}\nDB_DATABASE=shop\nDB_USERNAME=shop\nDB_PASSWORD={line}\nDB_PORT=3307\n".encode()
        )
        # A line break may leave the rest of the password as a malformed line of its own: there PHP refuses, we needn't.
        if "\n" in line or "\r" in line:
            text = text if oracle(text, {}) else b""
        if text:
            check_against_oracle(shell, tmp_path, oracle, text)


@exhaustive
@given(password=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_a_password_quoted_as_it_should_be_is_always_taken(
    shell: Shell, tmp_path: Path, oracle: Oracle, password: str
) -> None:
    """The strictness above must not turn away what people really have."""
    if password.lower().strip("()") in {"true", "false", "null", "empty"}:
        return
    quoted = password.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    text = f'{SERVER}DB_PASSWORD="{quoted}"\n'.encode()
    assert check_against_oracle(shell, tmp_path, oracle, text)


FRAGMENTS = [
    "DB_HOST=one", 'DB_HOST="two"', "export DB_HOST=three", "'DB_HOST'=four", "DB_HOST", "DB_HOST = five # note",
    "# a comment", '#DB_HOST="six', 'APP_NAME="My shop', 'shop"', '"', "OTHER=${DB_HOST}", "DB_PASSWORD=${OTHER}x",
    'DB_PASSWORD="${APP_NAME} \\${DB_HOST} ${DB_HOST}"', "DB_PASSWORD='${OTHER}'", 'DB_PASSWORD="a\\nb"', "BAD LINE = x y",
    "=x", "DB_PASSWORD=x y", "DB_PASSWORD=", "DB_PASSWORD=null", "DB_PASSWORD=(empty)", "DB_PASSWORD=\"'inner'\"",
    'DB_HOST="multi', "DB_PASSWORD=a#b", 'DB_PASSWORD=a\\"b', "export\tDB_PASSWORD=tab", "DB_SOCKET=/run/x.sock", "", "  ",
    'DB_PASSWORD="ends in backslash\\\\"', 'A="x\\"', "DB_PASSWORD=${A${DB_HOST}}",
]  # fmt: skip


@exhaustive
@given(
    lines=st.lists(st.sampled_from(FRAGMENTS), max_size=7), end=st.sampled_from(["\n", "\r\n", "\r"]), bom=st.booleans()
)
def test_whole_files_are_split_into_entries_as_php_does(
    shell: Shell, tmp_path: Path, oracle: Oracle, lines: list[str], end: str, *, bom: bool
) -> None:
    """P7: values over several lines, comments that swallow lines, repeated keys, references, line ends, a byte-order mark.

    Where another key's line is malformed PHP refuses the whole file and we don't; such files are left out here.
    """
    text = end.join([*SERVER.splitlines(), *lines, ""]).encode()
    text = b"\xef\xbb\xbf" + text if bom else text
    if oracle(text, {}) is not None:
        check_against_oracle(shell, tmp_path, oracle, text)


URL_TEXT = st.text(st.sampled_from(list("abz019-_.~%:@/?#[]!$&'()*+,;=\"{}\\né")), max_size=16)


@exhaustive
@given(user=URL_TEXT, password=URL_TEXT, host=st.one_of(st.just("db.example"), URL_TEXT), rest=URL_TEXT)
def test_a_url_in_the_settings_is_taken_apart_as_laravel_does(
    shell: Shell, tmp_path: Path, oracle: Oracle, user: str, password: str, host: str, rest: str
) -> None:
    """P7: equal to parse_url and Laravel's parser, or refused."""
    text = f"DB_CONNECTION=mysql\nDB_USERNAME=me\nDB_PASSWORD=own\nDATABASE_URL='mysql://{user}:{password}@{host}/{rest}'\n"
    check_against_oracle(shell, tmp_path, oracle, text.encode())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "mysql://u:p%40ss%2Fw%3A@db.example:3307/shop",
            {"user": b"u", "password": b"p@ss/w:", "port": b"3307", "database": b"shop"},
        ),
        ("mysql://u@db.example/shop", {"password": b"own"}),
        ("mysql://u:@db.example/shop", {"password": b""}),
        ("pgsql://u:p@[::1]:5433/shop?sslmode=require", {"engine": b"postgresql", "host": b"::1", "port": b"5433"}),
        ("postgres://u:p@db.example/shop", {"engine": b"postgresql", "database": b"shop"}),
        ("mysql://u:p@localhost/shop?unix_socket=/run/my.sock&charset=utf8mb4", {"socket": b"/run/my.sock"}),
        ("mysql://u:12345@db.example/shop", {"password": b"12345"}),
    ],
)
def test_urls_that_people_write_are_taken(
    shell: Shell, tmp_path: Path, oracle: Oracle, url: str, expected: dict[str, bytes]
) -> None:
    text = f'DB_CONNECTION=mysql\nDB_USERNAME=me\nDB_PASSWORD=own\nDATABASE_URL="{url}"\n'.encode()
    done = read(shell, tmp_path, text)
    assert done.returncode == 0, error(done)
    assert expected.items() <= written(tmp_path).items()
    if "pg" not in url and "postgres" not in url:  # the oracle's port of a missing port belongs to mysql
        assert check_against_oracle(shell, tmp_path, oracle, text)


@pytest.mark.parametrize(
    "password", ["1e3", "007x1", "true", "null", '"quoted"', "[1]", "12345678901234567890", "1.10", " 1"]
)
def test_parts_of_a_url_that_laravel_would_change_are_refused_or_equal(
    shell: Shell, tmp_path: Path, oracle: Oracle, password: str
) -> None:
    """P7: Laravel reads URL parts as JSON; whoever wrote 1e3 would log in with 1000."""
    encoded = "".join(f"%{byte:02x}" for byte in password.encode())
    text = f"DB_CONNECTION=mysql\nDB_PASSWORD=own\nDATABASE_URL=mysql://u:{encoded}@db.example/shop\n"
    check_against_oracle(shell, tmp_path, oracle, text.encode())


@exhaustive
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_a_real_environment_variable_wins_over_the_file_and_is_named(
    shell: Shell, tmp_path: Path, oracle: Oracle, value: str
) -> None:
    """P2: a variable in an ssh login silently changes which database a migration hits; so it is used, and reported."""
    text = f"{SERVER}DB_PASSWORD=from-file\n".encode()
    if check_against_oracle(shell, tmp_path, oracle, text, {"DB_PASSWORD": value}):
        assert facts(read(shell, tmp_path, text, environment={"DB_PASSWORD": value}))["overridden"] == "DB_PASSWORD"


def test_nothing_in_the_file_or_the_environment_is_ever_run_or_shown(shell: Shell, tmp_path: Path) -> None:
    """P6: no secret in any output; and a .env is data."""
    trap = tmp_path / "ran"
    hostile = f"'; touch {trap}; `touch {trap}` $(touch {trap}) \\"
    for text in (
        f'{SERVER}DB_PASSWORD="{hostile[:-1]}"\n',
        f"{SERVER}DB_PASSWORD=x{hostile}\n",
        f"{SERVER}$(touch {trap})\n",
    ):
        for extra in ({}, {"DB_PASSWORD": hostile + "very-secret"}):
            done = read(shell, tmp_path, text + "SECRET=very-secret\n", environment=extra)
            assert b"touch" not in done.stdout + done.stderr
            assert b"very-secret" not in done.stdout + done.stderr
    assert not trap.exists()


@pytest.mark.parametrize(
    "text", ["DB_PASSWORD=very secret", 'DB_PASSWORD="very', 'DB_PASSWORD="very\\secret"', "DB_PASSWORD=${very}"]
)
def test_a_refusal_names_the_key_and_not_its_value(shell: Shell, tmp_path: Path, text: str) -> None:
    """P6: the text of an error is public."""
    done = read(shell, tmp_path, SERVER + text + ("" if text.endswith('"very') else "\n"))
    if text == 'DB_PASSWORD="very':
        # phpdotenv drops an unfinished last value without a word; so the key isn't set, for both
        assert done.returncode == 0
        assert written(tmp_path)["password"] == b""
        return
    assert done.returncode == 1
    assert "DB_PASSWORD" in error(done)
    assert "secret" not in error(done)
    assert not (tmp_path / "conn" / "engine").exists()


def test_other_keys_may_be_as_broken_as_they_like(shell: Shell, tmp_path: Path) -> None:
    text = b'\xff\xfe=x\nAPP NAME=a b\n=\nMAIL="a"b\n\0\n' + SERVER.encode() + b"DB_PASSWORD=right\n# caf\xe9\n"
    assert read(shell, tmp_path, text).returncode == 0
    assert written(tmp_path)["password"] == b"right"


@pytest.mark.parametrize(
    "line", [b"DB_PASSWORD=caf\xe9", b"DB_PASSWORD=a\0b", b"DB HOST=x\nDB_-HOST=y", b"DB_HOST=true", b"DB_PORT=x"]
)
def test_what_php_would_quietly_rewrite_is_refused(shell: Shell, tmp_path: Path, line: bytes) -> None:
    """P7: a password that isn't UTF-8 reaches the app with question marks in it."""
    assert read(shell, tmp_path, SERVER.encode() + line + b"\n").returncode == 1


def test_settings_that_can_only_be_read_in_part_are_refused(shell: Shell, tmp_path: Path) -> None:
    """P7: a disk that fails in the middle must not look like a short file. `od` stands in for the disk."""
    tools = tmp_path / "tools"
    tools.mkdir()
    numbers = " ".join(str(byte) for byte in SERVER.encode())
    (tools / "od").write_text(f"#!/bin/sh\necho {numbers}\nexit 1\n")
    (tools / "od").chmod(0o755)
    done = read(shell, tmp_path, SERVER + "DB_PASSWORD=x\n", environment={"PATH": f"{tools}:{shell.path}"})
    assert done.returncode == 1
    assert not (tmp_path / "conn" / "engine").exists()


def test_a_long_password_is_taken_or_refused_but_never_cut(shell: Shell, tmp_path: Path) -> None:
    """MariaDB's clients cut lines of an option file at 4 KiB."""
    for length, taken in ((3900, True), (4096, False)):
        done = read(shell, tmp_path, f"{SERVER}DB_PASSWORD={'p' * length}\n")
        assert (done.returncode == 0) is taken
        if taken:
            assert len(written(tmp_path)["password"]) == length
    long = f"{SERVER.replace('mysql', 'pgsql')}DB_PASSWORD={'p' * 4096}\n"
    assert read(shell, tmp_path, long).returncode == 0
    assert len(written(tmp_path)["password"]) == 4096


def test_mariadbs_own_tools_read_the_password_that_was_meant(shell: Shell, tmp_path: Path) -> None:
    """The option file is quoted as its real reader wants it."""
    password = "".join(map(chr, range(32, 127))) + "\\ ä\n\ttail#"
    quoted = password.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    assert read(shell, tmp_path, f'{SERVER}DB_PASSWORD="{quoted}"\n').returncode == 0
    shown = subprocess.run(
        ["my_print_defaults", f"--defaults-file={tmp_path / 'conn/client.cnf'}", "client"],
        check=True,
        capture_output=True,
    ).stdout.decode()
    assert f"--password={password}\n" in shown


def test_the_folder_is_private_and_a_second_run_replaces_it_whole(shell: Shell, tmp_path: Path) -> None:
    """P6, P8: nobody else may read it; going from one engine to another leaves nothing of the first."""
    assert read(shell, tmp_path, SERVER).returncode == 0
    pgsql = "DB_CONNECTION=pgsql\nDB_DATABASE=d\nDB_USERNAME=u\nDB_PASSWORD=p\n"
    first = read(shell, tmp_path, pgsql)
    assert facts(first) == facts(read(shell, tmp_path, pgsql))
    conn = tmp_path / "conn"
    assert conn.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in conn.iterdir()} == {
        "engine", "database", "user", "host", "port", "socket", "pgservice.conf", "pgpass",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in conn.iterdir()} == {0o600}


def test_sqlite_paths_are_made_absolute_and_free_of_links(shell: Shell, tmp_path: Path) -> None:
    """P1: a backup of `current/…` after the switch would be a backup of another file."""
    app = tmp_path / "releases" / "1"
    (app / "database").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    database = app / "database" / "database.sqlite"
    found = facts(read(shell, tmp_path, "DB_CONNECTION=sqlite\n", tmp_path / "current"))
    assert (found["database"], found["database_exists"]) == (str(database), "no")
    database.touch()
    for text in (
        "",
        f"DB_DATABASE={tmp_path}/current/database/database.sqlite\n",
        f"DATABASE_URL=sqlite:///{tmp_path}/current/database/database.sqlite\n",
    ):
        found = facts(read(shell, tmp_path, "DB_CONNECTION=sqlite\n" + text, tmp_path / "current"))
        assert (found["database"], found["database_exists"]) == (str(database), "yes")
        assert written(tmp_path)["database"] == str(database).encode()
    assert read(shell, tmp_path, "DB_CONNECTION=sqlite\nDB_DATABASE=:memory:\n", app).returncode == 1


def test_the_url_key_is_the_one_that_the_apps_own_config_reads(shell: Shell, tmp_path: Path) -> None:
    """P2: Laravel 11 renamed DATABASE_URL to DB_URL; following the wrong one would back up another database."""
    both = f"{SERVER}DB_URL=mysql://u:p@new.example/d\nDATABASE_URL=mysql://u:p@old.example/d\n"
    assert read(shell, tmp_path, both).returncode == 1, "without a config nobody knows which"
    (tmp_path / "config").mkdir()
    for key, host in (("DB_URL", b"new.example"), ("DATABASE_URL", b"old.example"), ("MY_URL", b"db.example")):
        (tmp_path / "config" / "database.php").write_text(f"<?php return ['url' => env('{key}')];")
        assert read(shell, tmp_path, both).returncode == 0
        assert written(tmp_path)["host"] == host


def test_a_cached_config_and_another_env_file_are_noticed(shell: Shell, tmp_path: Path) -> None:
    """P2: with a cached config the .env isn't what the app reads."""
    (tmp_path / "bootstrap" / "cache").mkdir(parents=True)
    assert facts(read(shell, tmp_path, SERVER))["config_cached"] == "no"
    (tmp_path / "bootstrap" / "cache" / "config.php").touch()
    assert facts(read(shell, tmp_path, SERVER))["config_cached"] == "yes"
    (tmp_path / ".env.staging").write_text(SERVER.replace("db.example", "staging.example"))
    assert facts(read(shell, tmp_path, SERVER, environment={"APP_ENV": "staging"}))["host"] == "staging.example"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u:p%20w@db.example/shop", {"engine": b"mariadb", "password": b"p w", "port": b"3306"}),
        ("postgresql://u:1e3@db.example:5433/shop\n", {"engine": b"postgresql", "password": b"1e3", "port": b"5433"}),
        ("sqlite:////var/lib/app.sqlite", {"engine": b"sqlite", "database": b"/var/lib/app.sqlite"}),
        ("sqlite:///var/lib/app.sqlite", {"engine": b"sqlite", "database": b"/var/lib/app.sqlite"}),
    ],
)
def test_a_url_given_by_a_person_comes_on_standard_input(
    shell: Shell, tmp_path: Path, url: str, expected: dict[str, bytes]
) -> None:
    done = shell.run("credentials.sh", "url", tmp_path / "conn", stdin=url.encode(), environment={"DB_PASSWORD": "no"})
    assert done.returncode == 0, error(done)
    assert expected.items() <= written(tmp_path).items()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "mysql://",
        "mysql://u:p@h",
        "mysql://u:p@h/d?host=x",
        "oracle://u:p@h/d",
        "mysql://u:p@h/d\nx",
        "mysql://u:p#w@h/d",
    ],
)
def test_a_url_that_is_not_understood_is_refused_without_being_shown(shell: Shell, tmp_path: Path, url: str) -> None:
    """P6."""
    done = shell.run("credentials.sh", "url", tmp_path / "conn", stdin=url.encode())
    assert done.returncode == 1
    assert "u:p" not in error(done)


def test_the_app_itself_is_asked_and_a_difference_is_refused(shell: Shell, tmp_path: Path) -> None:
    """P1: a backup of another database than the one that migrations change is no backup."""
    site = laravel.make_site(tmp_path / "site", database={"DB_CONNECTION": "sqlite"}, migrate=False)
    conn, app = tmp_path / "conn", site / "current"

    def compare(**environment: str) -> subprocess.CompletedProcess[bytes]:
        return shell.run("credentials.sh", "compare", conn, app, "php", environment=environment)

    assert shell.run("credentials.sh", "read", site / "shared/.env", conn, app).returncode == 0
    assert compare().returncode == 0, "the same"
    laravel.artisan(app, "config:cache")
    (site / "shared" / ".env").write_text(
        laravel.env_file({"DB_CONNECTION": "mysql", "DB_DATABASE": "d", "DB_USERNAME": "u"})
    )
    assert shell.run("credentials.sh", "read", site / "shared/.env", conn, app).returncode == 0
    done = compare()
    assert (done.returncode, facts(done)["app_engine"]) == (1, "sqlite")
    laravel.artisan(app, "config:clear")
    assert compare().returncode == 0
    done = compare(DB_HOST="elsewhere.example", DB_PASSWORD="very-secret")
    assert (done.returncode, facts(done)["differs"], facts(done)["app_host"]) == (1, "host", "elsewhere.example")
    assert b"very-secret" not in done.stdout + done.stderr, "P6"
    (app / "vendor" / "autoload.php").write_text("<?php exit(255);")
    assert compare().returncode == 2, "an app that doesn't boot can't say"


def with_own(shell: Shell, folder: Path, own: str, text: str = SERVER, mode: int = 0o600) -> tuple[int, str, str]:
    """Run the script with a file of another account beside the settings."""
    (folder / ".env").write_text(text)
    (folder / "own.env").write_text(own)
    (folder / "own.env").chmod(mode)
    done = shell.run("credentials.sh", "read", folder / ".env", folder / "conn", folder, folder / "own.env")
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_an_account_of_belays_own_stands_in_for_the_apps(shell: Shell, tmp_path: Path) -> None:
    """P2, P6: an app that may not even drop a table can be put back all the same; its own connection stays known."""
    code, out, _ = with_own(
        shell, tmp_path, "# may do more\nDB_USERNAME=keeper\nDB_PASSWORD='s3 cret'\n", f"{SERVER}DB_PASSWORD=p"
    )
    assert (code, "own_account=yes\n" in out, "user=keeper\n" in out) == (0, True, True)
    conn = tmp_path / "conn"
    assert [(path / "user").read_text().strip() for path in (conn, conn / "app")] == ["keeper", "shop"]
    assert 'password="s3 cret"' in (conn / "client.cnf").read_text()
    assert (conn / "app").stat().st_mode & 0o777 == 0o700
    assert "s3 cret" not in out


def test_without_the_file_nothing_is_left_of_it(shell: Shell, tmp_path: Path) -> None:
    """P8."""
    with_own(shell, tmp_path, "DB_USERNAME=keeper\nDB_PASSWORD=x\n")
    (tmp_path / "own.env").unlink()
    done = shell.run("credentials.sh", "read", tmp_path / ".env", tmp_path / "conn", tmp_path, tmp_path / "own.env")
    assert (done.returncode, "own_account" in done.stdout.decode()) == (0, False)
    assert not (tmp_path / "conn" / "app").exists()
    assert (tmp_path / "conn" / "user").read_text().strip() == "shop"


@pytest.mark.parametrize(
    ("own", "text", "mode", "words"),
    [
        ("DB_USERNAME=keeper\nDB_PASSWORD=x\n", SERVER, 0o644, "0600"),
        ("DB_USERNAME=keeper\nDB_PASSWORD=x\n", SERVER, 0o620, "0600"),
        ("DB_USERNAME=keeper\nDB_HOST=elsewhere\n", SERVER, 0o600, "DB_USERNAME and DB_PASSWORD only"),
        ("DB_USERNAME=shop\nDB_PASSWORD=x\n", SERVER, 0o600, "the app's own account"),
        (
            "DB_USERNAME=keeper\nDB_PASSWORD=x\n",
            "DB_CONNECTION=mysql\nDB_URL=mysql://shop:p@db.example/shop\n",
            0o600,
            "out of the URL",
        ),
    ],
)
def test_a_file_that_says_too_much_or_to_too_many_is_refused(
    shell: Shell, tmp_path: Path, own: str, text: str, mode: int, words: str
) -> None:
    """P6."""
    code, _, err = with_own(shell, tmp_path, own, text, mode)
    assert (code, words in err) == (1, True), err


@pytest.mark.parametrize(
    ("text", "named"), [("", False), ("APP_KEY=x\n", False), ("DB_HOST=x\n", True), ("X_DB_=1\n", True)]
)
def test_settings_that_say_nothing_of_a_database_are_those_of_an_app_without_one(
    shell: Shell, tmp_path: Path, text: str, *, named: bool
) -> None:
    """Half a database is refused as before: a key that was forgotten must not look like an app that needs none."""
    done = read(shell, tmp_path, text)
    if named:
        assert "DB_CONNECTION is not set" in error(done)
        return
    assert facts(done)["engine"] == "none"
    assert not (tmp_path / "conn").exists()
    assert read(shell, tmp_path, text, environment={"DB_HOST": "x"}).returncode == 1
