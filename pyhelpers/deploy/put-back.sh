#!/bin/sh
# The undo of a restore: the database that it replaced becomes live again.
#
#   sh put-back.sh restore SCRIPT CONN STEP FOLDER PAYLOAD WORK
#   sh put-back.sh attic   SCRIPT CONN STEP FOLDER PAYLOAD WORK ATTIC
#
# restore: the step STEP restored the backup in FOLDER, by the work folder WORK.
# attic:   it swapped back what the restore in ATTIC had replaced. An engine does that once, so the way forth again is
#          the backup in FOLDER, made right before the swap.
#
# A step that was killed is completed first: on which side of its swap it was is certain only then. One that ended by
# itself and says that nothing changed is believed if rows and schema are those of before.
#
# Exit 0 as before, 10 hold (the last line says why), 1 try again.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
kind=$1
engine=$2
conn=$3
step=$BELAY_DEPLOY/ops/$4
folder=$5
payload=$6
work=$7
attic=${8-}

[ -f "$step/pid" ] || exit 0

# What a killed client left running on the server would go on behind our back.
[ ! -d "$conn/app" ] || sh "$here/$engine" stop-sql "$conn/app"
sh "$here/$engine" stop-sql "$conn"

now() { sh "$here/$engine" "$1" "$conn" >"$BELAY_DEPLOY/now.$1" && LC_ALL=C sort "$BELAY_DEPLOY/now.$1"; }
before() { LC_ALL=C sort "$BELAY_DEPLOY/before.$1"; }
same() { now "$1" >"$BELAY_DEPLOY/now.sorted" && before "$1" | cmp -s - "$BELAY_DEPLOY/now.sorted"; }
unchanged() { [ "$(cat "$step/rc" 2>/dev/null || :)" = 1 ] && same schema && same counts; }

# Nothing was replaced: what the restore may have loaded goes, and nobody has to keep its folder.
nothing_replaced() {
    sh "$here/twin.sh" undo "$engine" "$conn" "$work" || :
    [ ! -d "$work" ] || : >"$work/attic-dropped"
    exit 0
}

swap() { # restore, or unrestore WORK: the engine's verb; its hold is ours
    code=0
    if [ "$1" = restore ]; then
        set -- "$here/twin.sh" restore "$engine" "$conn" "$folder" "$payload" "$work"
    else
        set -- "$here/$engine" unrestore "$conn" "$2"
    fi
    sh "$@" >"$BELAY_DEPLOY/swap.out" || code=$?
    cat "$BELAY_DEPLOY/swap.out"
    [ "$code" -ne 10 ] || exit 10
    return "$code"
}

case $kind in
restore)
    [ -e "$work/used" ] || nothing_replaced
    if swap unrestore "$work"; then
        ! grep -qx 'unrestored=nothing' "$BELAY_DEPLOY/swap.out" || nothing_replaced
        exit 0
    fi
    if unchanged; then nothing_replaced; fi
    swap restore
    swap unrestore "$work"
    ;;
attic)
    if ! swap unrestore "$attic"; then
        if unchanged; then nothing_replaced; fi
        exit 1
    fi
    swap restore
    # What ATTIC held lies in WORK's from now on, for whoever undoes that restore again.
    printf '%s\n' "$work" >"$attic/moved-to.new"
    sync "$attic/moved-to.new" 2>/dev/null || sync
    mv -f "$attic/moved-to.new" "$attic/moved-to"
    ;;
*)
    echo "put-back: no such undo: $kind" >&2
    exit 1
    ;;
esac
