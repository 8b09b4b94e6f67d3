#!/bin/sh
# After a good deploy or a backup: let go of what its time is over. Nothing here is needed for going back.
#
#   sh tidy.sh DAYS KEEP all|old [ID...]
#
# - twins (loaded backups that nobody had to swap in) of others are dropped: `all` after a deploy, since what they would
#   put back is no more the state before the live one; else those that are older than DAYS days
# - attics (what a restore replaced) that are older than DAYS days are dropped, by the engine's own script
# - folders of deploys beyond the newest KEEP go, unless an attic of theirs is still kept, they hold the host, or they are
#   named by ID: those of the way back tell which release was before, which services there are, and that they migrated
# - dumps that were never finished go after a day
# Runs in BELAY_BASE. Prints dropped=, removed= and warning= lines; a failure here is told and harms nothing. Exit 0.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
days=$1
keep=$2
twins=$3
shift 3
standing=" $* "
state=$BELAY_BASE/.belay
active=$(cat "$state/active" 2>/dev/null || :)

# Older than the days asked for? `find -mtime +N` counts whole days, everywhere the same.
old() { [ -n "$(find "$1" -maxdepth 0 -mtime "+$days" 2>/dev/null)" ]; }

drop_attic() {
    work=$1/restore
    connection=$1/database
    engine=$(cat "$connection/engine" 2>/dev/null) || return 0
    if sh "$here/$engine.sh" attic-drop "$connection" "$work" >/dev/null; then
        : >"$work/attic-dropped"
        printf 'dropped=%s\n' "$(basename "$1")"
    else
        printf 'warning=the attic of %s could not be dropped\n' "$(basename "$1")"
    fi
}

drop_twin() {
    engine=$(cat "$1/database/engine" 2>/dev/null) || return 0
    if sh "$here/twin.sh" drop "$engine.sh" "$1/database" "$2" >/dev/null; then
        printf 'dropped-twin=%s\n' "$(basename "$1")"
    else
        printf 'warning=the twin of %s could not be dropped\n' "$(basename "$1")"
    fi
}

for twin in "$state"/deploys/*/*/twin; do
    work=$(dirname "$twin")
    deploy=$(dirname "$work")
    if [ ! -e "$twin" ] || [ "$(basename "$deploy")" = "$active" ]; then continue; fi
    if [ "$twins" = all ] || old "$twin"; then drop_twin "$deploy" "$work"; fi
done

for deploy in "$state"/deploys/*/; do
    deploy=${deploy%/}
    if [ ! -d "$deploy/restore" ] || [ -e "$deploy/restore/attic-dropped" ]; then continue; fi
    [ "$(basename "$deploy")" != "$active" ] || continue
    ! old "$deploy/restore" || drop_attic "$deploy"
done

number=0
# Ids are ours: letters, digits and dashes, so one a line is safe to read.
# shellcheck disable=SC2012
ls -1t "$state/deploys" | while IFS= read -r id; do
    number=$((number + 1))
    if [ "$number" -le "$keep" ] || [ "$id" = "$active" ]; then continue; fi
    case $standing in *" $id "*) continue ;; esac
    deploy=$state/deploys/$id
    if [ -d "$deploy/restore" ] && [ ! -e "$deploy/restore/attic-dropped" ]; then continue; fi
    rm -rf -- "$deploy"
    printf 'removed=%s\n' "$id"
done

find "$state/backups" -maxdepth 1 -name '.incoming-*' -mtime +1 -exec rm -rf -- {} +
