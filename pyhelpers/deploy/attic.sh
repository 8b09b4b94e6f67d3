#!/bin/sh
# What restores replaced and is kept still.
#
#   sh attic.sh list                       of each: a byte 1, `id<TAB>status<TAB>engine<TAB>seconds<TAB>KiB<TAB>how`, the
#                                          owner's line of JSON
#   sh attic.sh drop SCRIPT CONN WORK      drops one
#
# `seconds` is when it was last used, since 1970; `how` is restored or undone. Runs in BELAY_BASE.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)

# Whether a restore began here: whatever it replaced is in an attic, and stays even when the restore itself was undone.
kept() { # DEPLOY
    [ -e "$1/restore/used" ] && [ ! -e "$1/restore/attic-dropped" ] && [ ! -e "$1/restore/dropped" ]
}

# An undo keeps what it replaced where its restore did, so it is no line of its own.
list() {
    for deploy in "$BELAY_BASE"/.belay/deploys/*/; do
        deploy=${deploy%/}
        kept "$deploy" || continue
        how=restored
        [ ! -e "$deploy/restore/undone" ] && [ ! -e "$deploy/restore/unrestore/done" ] || how=undone
        printf '\001%s\t%s\t%s\t%s\t%s\t%s\n' "$(basename "$deploy")" "$(cat "$deploy/status")" \
            "$(cat "$deploy/database/engine")" "$(stat -c %Y "$deploy/restore")" \
            "$(du -sk "$deploy/restore" | cut -f 1)" "$how"
        head -n 1 "$deploy/owner"
    done
}

case $1 in
list) list ;;
drop)
    sh "$here/$2" attic-drop "$3" "$4"
    : >"$4/attic-dropped"
    sync "$4/attic-dropped" 2>/dev/null || sync
    ;;
*)
    echo "attic: no such verb: $1" >&2
    exit 1
    ;;
esac
