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
# that equal the backup's are the proof that nothing has to be restored; anything else is held for a person.
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
# and nobody but the database can tell whether it did; `migrate` is then a step without a command.
if [ -s "$BELAY_DEPLOY/ops/migrate/cmd" ] && [ ! -f "$BELAY_DEPLOY/ops/migrate/pid" ]; then exit 0; fi
if [ -f "$work/rolled-back" ]; then exit 0; fi

# What a killed client left running on the server would go on behind the restore's back.
[ ! -d "$conn/app" ] || sh "$here/$engine" stop-sql "$conn/app" # the app's own account, where ours is another
sh "$here/$engine" stop-sql "$conn"

as_before() {
    sh "$here/$engine" schema "$conn" >"$BELAY_DEPLOY/schema.now" &&
        cmp -s "$BELAY_DEPLOY/schema.now" "$backup/schema.txt" &&
        sh "$here/$engine" ledger "$conn" "$ledger" >"$BELAY_DEPLOY/ledger.now" &&
        cmp -s "$BELAY_DEPLOY/ledger.now" "$backup/ledger.tsv"
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

why=
if [ ! -f "$backup/manifest.json" ]; then
    why="there is no proven backup"
elif [ "$decision" = always ]; then
    why=
elif [ "$policy" != auto ]; then
    why="database-rollback is '$policy'"
elif [ -f "$BELAY_DEPLOY/live" ]; then
    why="public traffic was let in after the migration, and a restore would lose what came in"
elif [ ! -f "$BELAY_DEPLOY/held-down" ]; then
    why="the app was not in maintenance mode, so others may have written since the backup"
elif [ $# -gt 0 ] && ! sh "$@" >&2; then
    why="maintenance mode was lifted by someone meanwhile, so others may have written since the backup"
fi

if [ -n "$why" ]; then
    if as_before; then
        echo "The schema and the list of migrations are as before; nothing to restore ($why)."
        exit 0
    fi
    hold "The migration changed the schema and it was not put back: $why. Backup: $(basename "$backup"). Decide: \`rollback --database always\` restores it and puts the rest back, \`--database never\` puts back the rest alone, \`unlock\` leaves all as it is."
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
