#!/bin/sh
# For a deploy in pieces: the user's own step switches `current`, and this is the way back.
#
#   link.sh note      write down where `current` points now
#   link.sh restore   let it point there again, by one rename, if it points elsewhere
#
# Runs in BELAY_BASE, notes in BELAY_DEPLOY. Exit: 0 done, 1 failed and nothing changed, 10 hold with the reason.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/durable.sh"

note=$BELAY_DEPLOY/link
cd "$BELAY_BASE"
case ${1:-} in
    note)
        if [ ! -L current ] || [ -e "$note" ]; then exit 0; fi
        readlink current | store "$note"
        ;;
    restore)
        [ -s "$note" ] || exit 0
        before=$(cat "$note")
        [ "$(readlink current 2>/dev/null)" != "$before" ] || exit 0
        if [ ! -d "$before" ]; then
            echo "What 'current' named before this deploy ($before) is gone, so it still names the new one."
            exit 10
        fi
        if [ -e current ] && [ ! -L current ]; then
            echo "'current' was a link before this deploy and is none any more; set it to $before by hand."
            exit 10
        fi
        rm -f .current.belay
        ln -s "$before" .current.belay
        mv -f -T .current.belay current
        flush .
        ;;
    *)
        echo "link: there are note and restore" >&2
        exit 1
        ;;
esac
