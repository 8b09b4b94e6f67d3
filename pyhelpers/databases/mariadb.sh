#!/bin/sh
# MariaDB and MySQL on the host: sh mariadb.sh VERB CONN [ARGS]
#
#   probe CONN                      versions, rights, warnings
#   dump CONN FOLDER                a payload and what it must hold
#   prove CONN FOLDER PAYLOAD SHA   reads a payload back whole
#   counts CONN, schema CONN        the live database: rows per table, canonical text
#   restore CONN FOLDER PAYLOAD WORK, unrestore CONN WORK, attic-drop CONN WORK
#   load CONN FOLDER PAYLOAD WORK   the first half of restore: loads beside the live database, proves it, and stops
#   unload CONN WORK                drops what load made, unless a restore has begun to use it
#   rehearse CONN FOLDER PAYLOAD INTO   loads into another, empty database and proves it there
#   adopt CONN FILE FOLDER          makes a backup in FOLDER of a dump that another tool made
#   mark CONN                       a text that is another one after every write
#   stop-sql CONN                   ends statements that dead clients of this account left behind
#   busy CONN                       how many other sessions are at work
#   ledger CONN TABLE               Laravel's list of migrations
#   tops CONN, since CONN FILE      the highest key of each table, and the rows above those in FILE now
#   newest CONN                     when each table's last row was written, where the app keeps that
#   barrier CONN NAME, barrier-set CONN NAME STATE, barrier-drop CONN NAME   see barrier.sh
#
# Exit: 0 done; 1 failed, nothing changed; 6 the server can't be asked how it ended, run again; 10 on hold, the last
# line of stdout says why.
# shellcheck source-path=SCRIPTDIR disable=SC1091
set -eu
umask 077
LC_ALL=C
export LC_ALL
HERE=$(cd "$(dirname "$0")" && pwd)

[ $# -ge 2 ] || { echo 'usage: mariadb.sh VERB CONN [ARGS]' >&2 && exit 1; }
VERB=$1
CONN=$2 # the connection folder, for all that is sourced
shift 2

# shellcheck source=mariadb-client.sh
. "$HERE/mariadb-client.sh"
# shellcheck source=mariadb-probe.sh
. "$HERE/mariadb-probe.sh"
# shellcheck source=mariadb-unseen.sh
. "$HERE/mariadb-unseen.sh"
# shellcheck source=mariadb-schema.sh
. "$HERE/mariadb-schema.sh"
# shellcheck source=mariadb-checksums.sh
. "$HERE/mariadb-checksums.sh"
# shellcheck source=mariadb-dump.sh
. "$HERE/mariadb-dump.sh"
# shellcheck source=mariadb-state.sh
. "$HERE/mariadb-state.sh"
# shellcheck source=mariadb-exchange.sh
. "$HERE/mariadb-exchange.sh"
# shellcheck source=mariadb-fill.sh
. "$HERE/mariadb-fill.sh"
# shellcheck source=mariadb-load.sh
. "$HERE/mariadb-load.sh"
# shellcheck source=mariadb-restore.sh
. "$HERE/mariadb-restore.sh"

# shellcheck source=mariadb-rehearse.sh
. "$HERE/mariadb-rehearse.sh"
# shellcheck source=mariadb-adopt.sh
. "$HERE/mariadb-adopt.sh"
# shellcheck source=mariadb-mark.sh
. "$HERE/mariadb-mark.sh"
# shellcheck source=mariadb-barrier.sh
. "$HERE/mariadb-barrier.sh"

new_scratch
connect
case $VERB/$# in
probe/0) probe ;;
dump/1) dump "$1" ;;
prove/3) prove "$1" "$2" "$3" ;;
counts/0) counts || fail 'the rows could not be counted' ;;
schema/0) schema_text || fail 'the schema could not be read' ;;
restore/3) restore "$1" "$2" "$3" ;;
unrestore/1) unrestore "$1" ;;
load/3) load_beside "$1" "$2" "$3" ;;
unload/1) unload "$1" ;;
attic-drop/1) attic_drop "$1" ;;
rehearse/3) rehearse "$1" "$2" "$3" ;;
adopt/2) adopt "$1" "$2" ;;
mark/0) mark ;;
stop-sql/0) stop_sql ;;
busy/0) busy ;;
ledger/1) ledger "$1" ;;
tops/0) tops || fail 'the highest keys could not be read' ;;
since/1) since "$1" || fail 'the rows that were added could not be counted' ;;
newest/0) newest || fail 'the newest rows could not be found' ;;
barrier/1) barrier "$1" ;;
barrier-set/2) barrier_set "$1" "$2" ;;
barrier-drop/1) barrier_drop "$1" ;;
*) fail "unknown verb or wrong number of arguments: $VERB" ;;
esac
