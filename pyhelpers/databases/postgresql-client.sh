# shellcheck shell=sh disable=SC2034
# Finds PostgreSQL's client programs and connects them to what CONN describes. Sourced by postgresql.sh.
#
# Sets $LIVE (the database), $SERVER (its major version), $CLIENT (the programs' major version) and $BIN (their folder).
# Credentials travel by PGSERVICEFILE and PGPASSFILE only.

connect() { # CONN
    [ -f "$1/engine" ] || fail "no connection folder: $1"
    CONN=$(cd "$1" && pwd)
    LIVE=$(cat "$CONN/database")
    # What the caller's environment says about PostgreSQL is about another connection.
    # shellcheck disable=SC2046
    unset $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p') none
    PGSERVICEFILE=$CONN/pgservice.conf PGPASSFILE=$CONN/pgpass PGSERVICE=belay PGCONNECT_TIMEOUT=10 PGAPPNAME=belay
    export PGSERVICEFILE PGPASSFILE PGSERVICE PGCONNECT_TIMEOUT PGAPPNAME
    choose_client
}

# A database's name as part of a connection string.
conninfo() {
    printf "service=belay dbname='%s'" "$(printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/\\\\'/g")"
}

# Time limits that were set on the account are meant for its requests, not for this. But a statement whose client was
# killed is to end (PostgreSQL 14 and later notice it, on most systems).
no_limits="DO \$\$ BEGIN PERFORM pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout');
    SET client_min_messages = warning;
    BEGIN
        PERFORM pg_catalog.set_config(name, '250', false) FROM pg_catalog.pg_settings
        WHERE name = 'client_connection_check_interval';
    EXCEPTION WHEN OTHERS THEN NULL; END; END \$\$"

# sql DATABASE [OPTIONS OF psql]: SQL of our own from stdin or -f; values come in by -v and are quoted by psql.
sql() {
    database=$1
    shift
    case " $* " in
    *' -f '*) ;;
    *) set -- "$@" -f - ;;
    esac
    PGCLIENTENCODING=UTF8 "$BIN/psql" -X -q -w -A -t -v ON_ERROR_STOP=1 -d "$(conninfo "$database")" -c "$no_limits" "$@"
}

major_of() { # PROGRAM
    "$1" --version 2>/dev/null | sed -n 's/^[^0-9]*\([0-9][0-9]*\).*/\1/p' | head -n 1
}

# Folders that may hold the clients; Debian's /usr/bin/pg_dump is a wrapper that picks a version by rules of its own,
# so PATH comes last.
client_folders() {
    if [ -n "${BELAY_POSTGRESQL_BIN:-}" ]; then
        printf '%s\n' "$BELAY_POSTGRESQL_BIN"
    else
        for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin; do printf '%s\n' "$folder"; done
        found=$(command -v pg_dump) && dirname "$found"
    fi
    return 0
}

# A server that is just restarting, or that just ended this session for somebody else's swap, is asked again.
server_number() {
    for _ in 1 2 3 4 5 6; do
        answer=$(printf 'SHOW server_version_num' | sql "$LIVE" 2>&1) && printf '%s\n' "$answer" && return
        case $answer in
        *'terminating connection'* | *'starting up'* | *'shutting down'* | *'closed the connection'*) sleep 2 ;;
        *) break ;;
        esac
    done
    say "$answer"
    printf '0\n'
}

# pg_dump refuses a server newer than itself. One that is newer than the server is taken when there is no equal one;
# but from 17 on pg_restore sets a parameter (transaction_timeout) that servers up to 16 refuse.
choose_client() {
    BIN=
    clients=
    while IFS= read -r folder; do
        for program in pg_dump pg_restore psql; do [ -x "$folder/$program" ] || continue 2; done
        number=$(major_of "$folder/pg_dump")
        [ -n "$number" ] || continue
        clients="$clients$number $folder
"
        BIN=$folder
    done <<FOLDERS
$(client_folders)
FOLDERS
    [ -n "$BIN" ] || fail "this host has no PostgreSQL clients (pg_dump, pg_restore, psql): install postgresql-client"
    SERVER=$(($(server_number) / 10000))
    [ "$SERVER" -gt 0 ] || unknown "the database can't be reached"
    chosen=$(printf '%s' "$clients" | awk -v server="$SERVER" '
        $1 >= server && !(server < 17 && $1 >= 17) && (best == "" || $1 < best) { best = $1; line = $0 }
        END { print line }')
    [ -n "$chosen" ] || fail "the server is PostgreSQL $SERVER; install its clients (postgresql-client-$SERVER): found $(printf '%s' "$clients" | cut -d ' ' -f 1 | tr '\n' ' ')"
    CLIENT=${chosen%% *}
    BIN=${chosen#* }
}

# A database to stand in while the app's own is created or renamed.
maintenance_database() {
    for name in postgres template1; do
        if [ "$name" != "$LIVE" ] && printf 'SELECT 1' | sql "$name" >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return 0
        fi
    done
    return 1
}

# How many jobs a load may use: all processors but never more than four.
jobs() {
    number=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
    if [ "$number" -gt 4 ]; then number=4; fi
    printf '%s\n' "$number"
}

# What to do about it, where LOG says that a function found something by no schema's name: a dump is read, and restored,
# with an empty search_path.
path_hint() { # LOG
    culprit=$(sed -n -e 's/.*CONTEXT:  *\(SQL function "[^"]*"\).*/\1/p' -e 's/.*\(PL\/pgSQL function [^ ]*(.*)\) line .*/\1/p' "$1" | head -n 1)
    if [ -n "$culprit" ] && grep -q 'does not exist' "$1"; then
        printf '%s' ": the $culprit, which an index or a materialized view uses, finds what it names by the search_path, and a dump is read and restored without one. Set it for the function (ALTER FUNCTION … SET search_path = public, pg_temp), or write schemas before the names in it"
    fi
}

sha256_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
bytes_of() { wc -c <"$1" | tr -d ' '; }
lines_in() { awk 'END { print NR }' "$1"; }
rows_in() { awk -F '\t' '{ rows += $NF } END { printf "%.0f\n", rows }' "$1"; }

# Durable before it counts: content, then name, then the folder that holds the name.
settle() { # FILE: FILE.new becomes FILE
    sync "$1.new" 2>/dev/null || sync
    mv -f "$1.new" "$1"
    sync "$(dirname "$1")" 2>/dev/null || sync
}

mark() { # FILE LINE...
    marker=$1
    shift
    printf '%s\n' "$@" >"$marker.new"
    settle "$marker"
}

# A temporary folder inside FOLDER; what a killed run left there goes after a day.
scratch_in() {
    find "$1" -maxdepth 1 -name '.scratch.*' -mmin +1440 -exec rm -rf {} + 2>/dev/null || :
    SCRATCH=$(mktemp -d "$1/.scratch.XXXXXX") || fail "can't write in $1"
    trap 'rm -rf "$SCRATCH"' EXIT
    trap 'exit 1' HUP INT TERM
}
