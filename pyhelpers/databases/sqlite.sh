#!/bin/sh
# SQLite on the host: `sh sqlite.sh VERB CONN [ARGS]`. The verbs and what they print are the same for every engine.
#
# The live file is only ever read and written through SQLite's online backup API: a plain `cp` loses what is still in
# the WAL, and a renamed-over file leaves open connections on the deleted one. A backup API copy INTO the live file is
# one transaction: a reader sees the old state or the new one, and a crash in the middle rolls back by itself.
#
# Exit 0 done, 1 failed and nothing changed, 10 on hold (the last line of stdout says why).
set -eu
LC_ALL=C
export LC_ALL
umask 077
HERE=$(cd "$(dirname "$0")" && pwd)
TRIES=${BELAY_SQLITE_TRIES:-6}

fail() {
    printf '%s\n' "sqlite: $*" >&2
    exit 1
}

hold() {
    printf '%s\n' "$*"
    exit 10
}

say() { printf '%s\n' "sqlite: $*" >&2; }

[ $# -ge 2 ] || fail "usage: sqlite.sh VERB CONN [ARGS]"
verb=$1
CONN=$2
shift 2
[ -f "$CONN/database" ] || fail "no connection folder: $CONN"
LIVE=$(cat "$CONN/database")
case $LIVE in
/*) ;;
*) fail "the database must be an absolute path of a file, not '$LIVE'" ;;
esac

# --- the driver: the first client on this host that can read this database -----------------------------------------

run_driver() {
    case $1 in
    cli) shift && sh "$HERE/sqlite_driver.sh" "$@" ;;
    python) shift && python3 -I "$HERE/sqlite_driver.py" "$@" ;;
    php) shift && php "$HERE/sqlite_driver.php" "$@" ;;
    *) return 1 ;;
    esac
}

DRIVER=
choose_driver() {
    for candidate in ${BELAY_SQLITE_DRIVER:-cli python php}; do
        run_driver "$candidate" version >/dev/null 2>&1 || continue
        [ -n "$DRIVER" ] || DRIVER=$candidate
        if [ ! -e "$LIVE" ] || run_driver "$candidate" query "$LIVE" 'SELECT count(*) FROM sqlite_master' >/dev/null 2>&1; then
            DRIVER=$candidate
            return
        fi
    done
    [ -n "$DRIVER" ] || fail "this host has no SQLite client: install sqlite3, or python3, or PHP with its sqlite3 extension"
}

sqlite() { run_driver "$DRIVER" "$@"; }

# --- facts about one database file ---------------------------------------------------------------------------------

# A field of a line: backslash, tab and line ends written as two characters.
escaped() {
    printf '%s' "replace(replace(replace(replace($1, '\\', '\\\\'), char(9), '\\t'), char(10), '\\n'), char(13), '\\r')"
}

ours="name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

schema_of() {
    sqlite query "$1" "
        SELECT type || char(9) || $(escaped name) || char(9) || $(escaped tbl_name) || char(9)
            || $(escaped "coalesce(sql, '')") FROM sqlite_master WHERE $ours
        UNION ALL SELECT 'pragma' || char(9) || 'user_version' || char(9) || user_version FROM pragma_user_version
        UNION ALL SELECT 'pragma' || char(9) || 'application_id' || char(9) || application_id FROM pragma_application_id
        UNION ALL SELECT 'pragma' || char(9) || 'encoding' || char(9) || encoding FROM pragma_encoding" >"$2.unsorted" &&
        sort "$2.unsorted" >"$2" && rm -f "$2.unsorted"
}

counts_of() {
    sqlite counts "$1" >"$2.unsorted" && sort "$2.unsorted" >"$2" && rm -f "$2.unsorted"
}

inventory_of() {
    sqlite query "$1" "SELECT type || char(9) || $(escaped name) FROM sqlite_master WHERE $ours" >"$2.unsorted" &&
        sort "$2.unsorted" >"$2" && rm -f "$2.unsorted"
}

integrity_of() {
    verdict=$(sqlite query "$1" 'PRAGMA integrity_check') && [ "$verdict" = ok ]
}

rows_in() { awk -F '\t' '{ rows += $NF } END { printf "%.0f\n", rows }' "$1"; }
lines_in() { awk 'END { print NR }' "$1"; }
sha256_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
bytes_of() { wc -c <"$1" | tr -d ' '; }

# Durable before it counts: content, then name, then the folder that holds the name.
settle() { # FILE: FILE.new becomes FILE
    sync "$1.new" 2>/dev/null || sync
    mv -f "$1.new" "$1"
    sync "$(dirname "$1")" 2>/dev/null || sync
}

drop_database() { rm -f "$1" "$1-wal" "$1-shm" "$1-journal" "$1.counts" "$1.schema"; }

# A temporary folder inside FOLDER; what a killed run left there goes after a day.
scratch_in() {
    find "$1" -maxdepth 1 -name '.scratch.*' -mmin +1440 -exec rm -rf {} + 2>/dev/null || :
    SCRATCH=$(mktemp -d "$1/.scratch.XXXXXX") || fail "can't write in $1"
    trap 'rm -rf "$SCRATCH"' EXIT
    trap 'exit 1' HUP INT TERM
}

# shellcheck source=sqlite-dump.sh
. "$HERE/sqlite-dump.sh"
# shellcheck source=sqlite-restore.sh
. "$HERE/sqlite-restore.sh"
# shellcheck source=sqlite-load.sh
. "$HERE/sqlite-load.sh"
# shellcheck source=sqlite-adopt.sh
. "$HERE/sqlite-adopt.sh"

# --- who is using it -----------------------------------------------------------------------------------------------

# SQLite has no server and no sessions: what can be asked is whether somebody holds the write lock this moment.
writable() { # MILLISECONDS to wait
    [ -s "$LIVE" ] || return 0
    BELAY_SQLITE_WAIT_MS=$1 sqlite query "$LIVE" 'BEGIN IMMEDIATE' >/dev/null 2>&1
}

busy() {
    if writable 200; then printf '%s\n' 'busy=0'; else printf '%s\n' 'busy=1'; fi
}

stop_sql() {
    # A statement ends with its process; a dead writer's transaction is rolled back by the next reader.
    writable 20000 || fail "somebody holds the write lock of $LIVE and did not let go in 20 seconds"
    printf '%s\n' 'stopped=0'
}

ledger() { # TABLE
    [ -s "$LIVE" ] || return 0
    text=$(printf '%s' "$1" | sed "s/'/''/g")
    name=$(printf '%s' "$1" | sed 's/"/""/g')
    found=$(sqlite query "$LIVE" "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '$text'") ||
        fail "$LIVE can't be read"
    [ "$found" != 0 ] || return 0
    lines=$(sqlite query "$LIVE" "SELECT batch || char(9) || $(escaped migration) FROM \"$name\"") || fail "table $1 can't be read"
    [ -z "$lines" ] || printf '%s\n' "$lines" | sort
}

# When the last row of each table was written, as the app's own columns say it: `table<TAB>time`, sorted.
newest() {
    parts=$(sqlite query "$LIVE" "SELECT 'SELECT ' || quote($(escaped m.name)) || ' || char(9) || max(' || c.name
        || ') FROM \"' || replace(m.name, '\"', '\"\"') || '\"' FROM sqlite_master m JOIN pragma_table_info(m.name) c
        WHERE m.type = 'table' AND c.name IN ('updated_at', 'created_at')") || fail "$LIVE can't be read"
    [ -n "$parts" ] || return 0
    # Where all are NULL the whole is, and its line is empty.
    found=$(sqlite query "$LIVE" "$(printf '%s\n' "$parts" | sed '2,$ s/^/UNION ALL /')") || fail "$LIVE can't be read"
    printf '%s\n' "$found" | awk -F '\t' 'NF == 2 && $2 > newest[$1] { newest[$1] = $2 }
        END { for (name in newest) print name "\t" newest[name] }' | sort
}

# Tables whose key is counted up, as `table<TAB>column<TAB>statement<TAB>quoted column`.
# Ordinary names only: a control character would break the line. Without AUTOINCREMENT the key of a deleted row is given
# again.
integer_keys() { # WORDS of the statement before FROM, as SQL about m.name and c.name
    sqlite query "$LIVE" "SELECT $(escaped m.name) || char(9) || $(escaped c.name) || char(9) || 'SELECT ' || quote($(escaped m.name))
            || ' || char(9) || ' || $1 || ' FROM \"' || replace(m.name, '\"', '\"\"') || '\"' || char(9) || '\"' || replace(c.name, '\"', '\"\"') || '\"'
        FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.rootpage > 0 AND m.$ours
            AND c.pk = 1 AND upper(m.sql) LIKE '%AUTOINCREMENT%' AND 1 = (SELECT count(*) FROM pragma_table_info(m.name) k WHERE k.pk > 0)
            AND m.name || c.name NOT GLOB '*[' || char(1) || '-' || char(31) || ']*'"
}

# One after the other: a statement of many parts may have 500 of them at most.
each_statement() {
    while IFS= read -r statement; do sqlite query "$LIVE" "$statement" || return 1; done
}

# The highest key of each such table: what is above it later was written later.
tops() {
    [ -s "$LIVE" ] || return 0
    scratch_in "${TMPDIR:-/tmp}"
    failed=no
    integer_keys "quote($(escaped c.name)) || ' || char(9) || ifnull(max(\"' || replace(c.name, '\"', '\"\"') || '\"), ''NULL'')'" >"$SCRATCH/keyed" &&
        awk -F '\t' '{ print $3 }' "$SCRATCH/keyed" >"$SCRATCH/statements" &&
        each_statement <"$SCRATCH/statements" >"$SCRATCH/tops" || failed=yes
    [ "$failed" = no ] || fail "the highest keys of $LIVE can't be read"
    sort "$SCRATCH/tops"
}

# The rows above the tops in FILE now, `table<TAB>rows`, for each table that has the same key still. Nothing without FILE.
since() { # FILE
    [ -s "$LIVE" ] && [ -r "$1" ] || return 0
    scratch_in "${TMPDIR:-/tmp}"
    failed=no
    integer_keys "'count(*)'" >"$SCRATCH/keyed" &&
        awk -F '\t' '
            FILENAME == ARGV[1] { top[$1, $2] = $3; next }
            ($1, $2) in top {
                if (top[$1, $2] ~ /^-?[0-9]+$/) print $3 " WHERE " $4 " > " top[$1, $2]
                else if (top[$1, $2] == "NULL") print $3
            }' "$1" "$SCRATCH/keyed" >"$SCRATCH/statements" &&
        each_statement <"$SCRATCH/statements" >"$SCRATCH/since" || failed=yes
    [ "$failed" = no ] || fail "the rows that were added to $LIVE can't be counted"
    sort "$SCRATCH/since"
}

probe() {
    version=$(sqlite version)
    printf '%s\n' "server_version=$version" "client_version=$version" 'vendor=sqlite' "driver=$DRIVER" "database=$LIVE"
    parent=$(dirname "$LIVE")
    if [ -w "$parent" ] && { [ ! -e "$LIVE" ] || [ -w "$LIVE" ]; }; then
        printf '%s\n' 'can_create=yes'
    else
        printf '%s\n' 'can_create=no' "warning=this user can't write $LIVE and its folder: a restore would fail"
    fi
    printf '%s\n' "compression=$(compression)"
    if [ ! -e "$LIVE" ]; then
        printf '%s\n' 'missing=yes' 'raw_bytes=0' "warning=$LIVE doesn't exist yet; Laravel wants an empty file there (touch), other apps may make it"
        return
    fi
    sqlite query "$LIVE" 'SELECT count(*) FROM sqlite_master' >/dev/null || fail "$LIVE can't be read as a SQLite database"
    printf '%s\n' 'missing=no' "raw_bytes=$(bytes_of "$LIVE")" "journal_mode=$(sqlite query "$LIVE" 'PRAGMA journal_mode')"
}

# Print a fact file of the live database; one that doesn't exist yet has none.
print_of() { # counts_of|schema_of
    scratch_in "${TMPDIR:-/tmp}"
    source=$LIVE
    [ -e "$LIVE" ] || source=:memory:
    "$1" "$source" "$SCRATCH/facts" || fail "$LIVE can't be read"
    cat "$SCRATCH/facts"
}

choose_driver
case $verb in
probe) probe ;;
dump) dump "$1" ;;
prove) prove "$1" "$2" "$3" ;;
counts) print_of counts_of ;;
schema) print_of schema_of ;;
restore) restore "$1" "$2" "$3" ;;
load) load "$1" "$2" "$3" ;;
unload) unload "$1" ;;
unrestore) unrestore "$1" ;;
rehearse) rehearse "$1" "$2" "$3" ;;
adopt) adopt "$1" "$2" ;;
mark) mark_of_live ;;
attic-drop) attic_drop "$1" ;;
stop-sql) stop_sql ;;
busy) busy ;;
ledger) ledger "$1" ;;
tops) tops ;;
since) since "$1" ;;
newest) newest ;;
*) fail "no such verb: $verb" ;;
esac
