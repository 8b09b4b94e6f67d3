#!/bin/sh
# The undo of a migration: put the database back, or say why that would be a guess.
#
#   sh rollback.sh SCRIPT CONN BACKUP PAYLOAD POLICY [HELD ...]
#
# SCRIPT is the engine's (mariadb.sh, …), BACKUP the folder of the proven backup, POLICY auto|hold|never|compatible (the
# code of before works with the new schema: a migration that ended well stays; for all else as auto), HELD the command
# that tells whether maintenance was held by us without a break (exit 0: it was).
#
# Restoring throws away what was written since the backup. It is done alone only where nothing can have been written
# but by the migration: maintenance held all the time, no public traffic let in. Everywhere else a schema and a ledger
# that equal the backup's are the proof that nothing has to be restored, and where the door was closed so are its rows,
# by number (with visitors in they tell nothing); anything else is held for a person.
#
# Exit 0 as before the migration, 10 hold (the last line says why), 1 try again.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
engine=$1
conn=$2
backup=$3
payload=$4
policy=$5
shift 5
work=$BELAY_DEPLOY/restore
ledger=$(cat "$backup/ledger-table" 2>/dev/null || echo migrations)

# The other hosts of a fleet wait for this database; they are told that it waits for a person.
hold() {
    if [ -s "$BELAY_DEPLOY/barrier" ]; then
        sh "$here/$engine" barrier-set "$conn" "$(cat "$BELAY_DEPLOY/barrier")" held >/dev/null || :
    fi
    printf '%s\n' "$*"
    exit 10
}

# Our own migration never started: there is nothing to undo. In a deploy made of pieces the user's own step migrates,
# and nobody but the database can tell whether it did; `migrate` is then a step without a command. So it is with the
# command that changes code in place, whose deploy leaves this undo by the name `database`.
command=$BELAY_DEPLOY/ops/deploy-command
own=yes
if [ -d "$BELAY_DEPLOY/ops/database" ]; then
    own=no
    [ -f "$command/pid" ] || exit 0
fi
if [ "$own" = yes ] && [ -s "$BELAY_DEPLOY/ops/migrate/cmd" ] && [ ! -f "$BELAY_DEPLOY/ops/migrate/pid" ]; then exit 0; fi
if [ -f "$work/rolled-back" ]; then exit 0; fi

# What a killed client left running on the server would go on behind the restore's back.
[ ! -d "$conn/app" ] || sh "$here/$engine" stop-sql "$conn/app" # the app's own account, where ours is another
sh "$here/$engine" stop-sql "$conn"

as_before() {
    sh "$here/$engine" schema "$conn" >"$BELAY_DEPLOY/schema.now" &&
        cmp -s "$BELAY_DEPLOY/schema.now" "$backup/schema.txt" &&
        sh "$here/$engine" ledger "$conn" "$ledger" >"$BELAY_DEPLOY/ledger.now" &&
        cmp -s "$BELAY_DEPLOY/ledger.now" "$backup/ledger.tsv" && { [ "$closed" = no ] || same_rows; }
}

# What a person decided about a deploy on hold: `rollback --database always` or `never`.
decision=$(cat "$BELAY_DEPLOY/decision" 2>/dev/null || :)
if [ "$decision" = never ]; then
    echo "The database stays as it is: a person decided so."
    exit 0
fi

if [ "$policy" = compatible ]; then
    if [ -z "$decision" ] && [ "$(cat "$BELAY_DEPLOY/ops/migrate/rc" 2>/dev/null || :)" = 0 ]; then
        echo "The schema change was declared compatible with the release before: it stays."
        exit 0
    fi
    policy=auto
fi

# A migration of rows alone changes no schema, and one that failed is in no ledger: what it left is seen by the counts.
same_rows() {
    sh "$here/$engine" counts "$conn" >"$BELAY_DEPLOY/counts.now" || return 1
    LC_ALL=C sort -o "$BELAY_DEPLOY/counts.now" "$BELAY_DEPLOY/counts.now"
    LC_ALL=C sort "$backup/counts.tsv" | cmp -s - "$BELAY_DEPLOY/counts.now"
}

# The page goes up again where somebody lifted it (the command itself, as many people's ends with `up`): the code is the
# old one by now, and the schema may be half a new one. HELD is `maintenance.sh held KIND APPDIR PHP`.
close_door() {
    [ $# -eq 5 ] || return 0
    sh "$1" down "$3" "$4" "$5" "$BELAY_DEPLOY/secret" '' '' '' '' '' >&2 || :
}

closed=no
lifted=no
why=
if [ ! -f "$backup/manifest.json" ]; then
    why="there is no proven backup"
elif [ "$decision" = always ]; then
    why=
elif [ -f "$BELAY_DEPLOY/live" ]; then
    why="public traffic was let in after the migration, and a restore would lose what came in"
elif [ ! -f "$BELAY_DEPLOY/held-down" ]; then
    why="the app was not in maintenance mode, so others may have written since the backup"
elif [ $# -gt 0 ] && ! sh "$@" >&2; then
    lifted=yes
    why="maintenance mode was lifted by someone meanwhile, so others may have written since the backup"
else
    closed=yes
    [ "$policy" = auto ] || why="database-rollback is '$policy'"
fi

if [ -n "$why" ]; then
    if as_before; then
        echo "The schema and the list of migrations are as before; nothing to restore ($why)."
        exit 0
    fi
    [ "$lifted" = no ] || close_door "$@"
    hold "What the migration changed was not put back: $why. Backup: $(basename "$backup"). Decide: \`rollback --database always\` restores it and puts the rest back, \`--database never\` puts back the rest alone, \`unlock\` leaves all as it is."
fi

if [ "$own" = no ] && [ -z "$decision" ] && [ ! -f "$BELAY_DEPLOY/ops/migrate/pid" ] && as_before; then
    echo "The command changed the code alone: schema, list of migrations and number of rows are as before."
    exit 0
fi

# A backup that was proven by loading it has its twin in this very folder: then this only swaps. The folder may be made
# anew on the way, so what is printed goes elsewhere first.
code=0
sh "$here/twin.sh" restore "$engine" "$conn" "$backup" "$payload" "$work" >"$BELAY_DEPLOY/restore.out" || code=$?
cat "$BELAY_DEPLOY/restore.out"
[ "$code" -eq 0 ] || exit "$code"
mv -f "$BELAY_DEPLOY/restore.out" "$work/out"
: >"$work/rolled-back"
sync "$work/rolled-back" 2>/dev/null || sync
