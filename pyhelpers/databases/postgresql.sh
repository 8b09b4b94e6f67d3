#!/bin/sh
# PostgreSQL on the host: sh postgresql.sh VERB CONN [ARGS]
#
#   probe CONN                      versions, rights, warnings
#   dump CONN FOLDER                payload.dump (pg_dump's custom format) and what it must hold
#   prove CONN FOLDER PAYLOAD SHA   reads a payload back whole
#   counts CONN, schema CONN        the live database: rows of each table, canonical text
#   restore CONN FOLDER PAYLOAD WORK, unrestore CONN WORK, attic-drop CONN WORK
#   load CONN FOLDER PAYLOAD WORK, unload CONN WORK   the proven copy that a restore with this WORK swaps in
#   rehearse CONN FOLDER PAYLOAD INTO   the same in another database, which stays
#   adopt CONN FILE FOLDER          a backup of ours, made of another tool's archive
#   mark CONN                       a text that is another one after every write
#   stop-sql CONN                   ends statements that dead clients of this account left behind
#   busy CONN                       how many other sessions are at work
#   tops CONN, since CONN FILE      the highest key of each table, and the rows above those in FILE now
#   newest CONN                     when each table's last row was written, where the app keeps that
#   ledger CONN TABLE               Laravel's list of migrations
#   barrier CONN NAME, barrier-set CONN NAME STATE, barrier-drop CONN NAME   see barrier.sh
#
# A dump is loaded by pg_restore alone: psql would obey `\!` and its like inside a hostile one.
#
# Exit 0 done; 1 failed, nothing changed; 6 the server can't be asked how it ended, run again; 10 on hold, the last line
# of stdout says why.
set -eu
umask 077
LC_ALL=C
export LC_ALL
HERE=$(cd "$(dirname "$0")" && pwd)
TRIES=${BELAY_POSTGRESQL_TRIES:-5} # of a swap or a move that others' sessions or locks stand in the way of, 5 s each

fail() {
    printf '%s\n' "postgresql: $*" >&2
    exit 1
}

unknown() {
    printf '%s\n' "postgresql: $*" >&2
    exit 6
}

hold() {
    printf '%s\n' "$*"
    exit 10
}

say() { printf '%s\n' "postgresql: $*" >&2; }

# shellcheck source=postgresql-client.sh
. "$HERE/postgresql-client.sh"
# shellcheck source=postgresql-dump.sh
. "$HERE/postgresql-dump.sh"
# shellcheck source=postgresql-probe.sh
. "$HERE/postgresql-probe.sh"
# shellcheck source=postgresql-database.sh
. "$HERE/postgresql-database.sh"
# shellcheck source=postgresql-copy.sh
. "$HERE/postgresql-copy.sh"
# shellcheck source=postgresql-inside.sh
. "$HERE/postgresql-inside.sh"
# shellcheck source=postgresql-restore.sh
. "$HERE/postgresql-restore.sh"
# shellcheck source=postgresql-load.sh
. "$HERE/postgresql-load.sh"
# shellcheck source=postgresql-adopt.sh
. "$HERE/postgresql-adopt.sh"
# shellcheck source=postgresql-barrier.sh
. "$HERE/postgresql-barrier.sh"

[ $# -ge 2 ] || fail "usage: postgresql.sh VERB CONN [ARGS]"
verb=$1
connect "$2"
shift 2
case $verb/$# in
probe/0) probe ;;
dump/1) dump "$1" ;;
prove/3) prove "$1" "$2" "$3" ;;
counts/0) print_of counts_of ;;
schema/0) print_of schema_of ;;
restore/3) restore "$1" "$2" "$3" ;;
load/3) load "$1" "$2" "$3" ;;
unload/1) unload "$1" ;;
unrestore/1) unrestore "$1" ;;
rehearse/3) rehearse "$1" "$2" "$3" ;;
adopt/2) adopt "$1" "$2" ;;
mark/0) mark_of_live ;;
attic-drop/1) attic_drop "$1" ;;
stop-sql/0) stop_sql ;;
busy/0) busy ;;
ledger/1) ledger "$1" ;;
tops/0) tops ;;
since/1) since "$1" ;;
newest/0) newest ;;
barrier/1) barrier "$1" ;;
barrier-set/2) barrier_set "$1" "$2" ;;
barrier-drop/1) barrier_drop "$1" ;;
*) fail "unknown verb or wrong number of arguments: $verb" ;;
esac
