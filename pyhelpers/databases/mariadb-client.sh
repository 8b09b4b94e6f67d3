# shellcheck shell=sh disable=SC2016,SC2034
# How mariadb.sh speaks to the server: which client, which options, and the small tools that every verb uses.
# Sourced, never run. Wants CONN, the connection folder (engine, database, client.cnf).

# Tables that a restore inside the database keeps there: _bs loads, _ba attic, _bu attic after an unrestore.
# They belong to no backup, no count and no schema.
OURS="'^_b[sau][0-9a-f]{4}_'"
TAB=$(printf '\t')
# The database of the session, to be compared byte for byte: information_schema takes `App` and `app` for the same.
THIS_DATABASE='CAST(DATABASE() AS BINARY)'
TABLE_TYPES="('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')"

say() { printf '%s\n' "$*" >&2; }

fail() { # SENTENCE: nothing was changed, or everything was put back
    say "mariadb: $*"
    exit 1
}

hold() { # SENTENCE: a person must look; the sentence is the last line of stdout
    say "mariadb: on hold: $*"
    printf '%s\n' "$*"
    exit 10
}

unknown() { # SENTENCE: the server can't be asked how it ended; running again asks it
    say "mariadb: unknown: $*"
    exit 6
}

# Writes standard input to file $1, whole or not at all, also when the power goes. The steps are chained, as callers may
# stand in a condition, where set -e doesn't hold.
durable() {
    cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "$(dirname "$1")"
}

# Makes SCRATCH, a folder for intermediate files that nobody else can read; gone when the script ends. Those of killed
# scripts go after a day.
new_scratch() {
    find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'belay-mariadb.*' -user "$(id -u)" -mmin +1440 -exec rm -rf {} + 2>/dev/null || :
    SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/belay-mariadb.XXXXXX")
    trap 'rm -rf "$SCRATCH"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

identifier() { printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"; }

literal() { printf "'%s'" "$(printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }

# The statement that opens each session. Checks are off: a row that breaks one got in while they were off, and is to come
# back. GUARD, when set, takes this restore's named lock, and fails without it: a client that an earlier, killed run left
# behind can then never work beside us. Sessions that fill a copy side by side have a lock each, GUARD.0, GUARD.1 and so on
# (mariadb-fill.sh). FENCE, when set, is one more condition.
opening() {
    printf "SET SESSION sql_mode = '', time_zone = '+00:00', lock_wait_timeout = 60, group_concat_max_len = 16777216, "
    printf 'foreign_key_checks = 0, unique_checks = 0 /*M!100508 , max_statement_time = 0 */'
    printf ' /*M!100201 , check_constraint_checks = 0 */'
    [ -z "${GUARD:-}" ] || printf ", @belay = IF(GET_LOCK('%s', 20) = 1 AND %s, 1, (SELECT 1 UNION SELECT 2))" "$GUARD" "${FENCE:-1}"
}

# Runs the statements on standard input in database $1; more options may follow. Rows come with tabs between columns;
# backslash, tab and newline inside a value are escaped.
query() {
    query_database=$1
    shift
    "$SQL_CLIENT" --defaults-file="$CONN/client.cnf" --batch --skip-column-names --skip-reconnect --local-infile=0 \
        --connect-timeout=20 --init-command="$(opening)" "$@" --database="$query_database"
}

ask() { printf '%s\n' "$2" | query "$1" --raw; } # DATABASE STATEMENT: the same for one short statement, unescaped

answers() { ask "$DATABASE" 'SELECT 1' >/dev/null 2>&1; }

# Waits for a server that went away (a crashed one is back in seconds); status 1 when it stays away.
wait_for_server() {
    wait_left=${BELAY_SERVER_WAIT:-60}
    until answers; do
        wait_left=$((wait_left - 1))
        [ "$wait_left" -gt 0 ] || return 1
        sleep 1
    done
}

is_mariadb_program() { "$1" --version 2>/dev/null | grep -qi mariadb; }

has_option() { "$1" --help 2>/dev/null | grep -q -e "--$2"; } # PROGRAM OPTION

# Sets SQL_CLIENT, DUMP_CLIENT, DATABASE, SERVER_VERSION and VENDOR (mariadb|mysql). A MySQL server gets MySQL's own
# clients where the host has them: MariaDB's dump writes values for generated columns, which MySQL refuses.
connect() {
    for file in client.cnf database; do
        [ -r "$CONN/$file" ] || fail "the connection folder $CONN lacks $file"
    done
    DATABASE=$(cat "$CONN/database")
    SQL_CLIENT=$(command -v mariadb || command -v mysql) || fail 'neither mariadb nor mysql is installed on this host'
    DUMP_CLIENT=$(command -v mariadb-dump || command -v mysqldump) || fail 'no mariadb-dump or mysqldump on this host'
    SERVER_VERSION=$(ask "$DATABASE" 'SELECT VERSION()') || fail "can't connect to the database $DATABASE"
    case $SERVER_VERSION in
    *MariaDB*) VENDOR=mariadb ;;
    *) VENDOR=mysql ;;
    esac
    if [ "$VENDOR" = mysql ] && command -v mysql >/dev/null && ! is_mariadb_program mysql; then
        SQL_CLIENT=$(command -v mysql)
        ! command -v mysqldump >/dev/null || is_mariadb_program mysqldump || DUMP_CLIENT=$(command -v mysqldump)
    fi
}

# Runs the dump client with options that are right for it; standard input is not read. It never drops anything where
# the dump is restored by hand, and needs no rights beyond those to read.
dump_client() {
    set -- --single-transaction --quick --hex-blob --tz-utc --default-character-set=utf8mb4 --no-tablespaces \
        --skip-add-drop-table --skip-add-locks --skip-disable-keys --max-allowed-packet=1G "$@"
    if ! is_mariadb_program "$DUMP_CLIENT"; then
        set -- --set-gtid-purged=OFF "$@"
        ! has_option "$DUMP_CLIENT" column-statistics || set -- --column-statistics=0 "$@"
    fi
    "$DUMP_CLIENT" --defaults-file="$CONN/client.cnf" "$@" </dev/null
}

# Runs untrusted SQL on standard input in database $1; more options may follow. Nothing in it can reach the shell or a file of this host:
# --binary-mode switches the client's own commands off (and keeps CR LF in routine bodies), --sandbox (MariaDB) and
# --skip-system-command (MySQL) do so once more where the client has them. --comments: MariaDB's client would strip
# them out of routine bodies.
load() { query "$@" --binary-mode --comments --max-allowed-packet=1G ${LOCKED_DOWN:+"$LOCKED_DOWN"}; }

find_lock_down() { # sets LOCKED_DOWN, the option for load
    LOCKED_DOWN=
    ! has_option "$SQL_CLIENT" system-command || LOCKED_DOWN=--skip-system-command
    ! has_option "$SQL_CLIENT" sandbox || LOCKED_DOWN=--sandbox
}

# The last error of a client's standard error $1, on one line.
reason() { sed -n '/^ERROR/p; /^mariadb/p; /^mysql/p' "$1" | tail -n 1 | tr -d '\000-\037' | cut -c 1-300; }
