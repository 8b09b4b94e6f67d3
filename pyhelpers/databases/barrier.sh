#!/bin/sh
# The barrier of a fleet: what the hosts that share a database know of each other when no runner is there to tell them.
#
#   sh barrier.sh seen  SCRIPT CONN NAME LEADER   is it there? Proves that this host uses the leader's database
#   sh barrier.sh back  SCRIPT CONN NAME LEADER   a follower's undo: waits until the leader has put the database back
#   sh barrier.sh ahead SCRIPT CONN NAME LEADER   a follower's finish: waits for what the leader decided
#   sh barrier.sh keep  SCRIPT CONN NAME LEADER   the leader has passed the point of no return: the others may open
#   sh barrier.sh drop  SCRIPT CONN NAME LEADER   the leader's undo behind its database's: the others may go on
#
# SCRIPT is the engine's (mariadb.sh, …), NAME hexadecimal digits, LEADER the host's name for people. The engine's verbs
# are `barrier CONN NAME` (prints barrier=STATE or none), `barrier-set CONN NAME STATE` and `barrier-drop CONN NAME`.
#
# The barrier lies in the shared database. The leader alone sets it:
#   open       nothing was migrated yet
#   migrating  from right before the migration on: a host that gives up keeps its visitors out
#   kept       the leader has passed the point of no return: everybody goes on to the new release
#   held       the leader's database waits for a person
# and it is gone when the leader has put the database back, or when every host has the new release for good.
#
# Why: each host has a reaper of its own. One that let visitors in to a migrated database, before the leader restored
# it, would let them write what the restore then throws away.
#
# Exit 0 go on; 11 (ahead) the leader went back, so this host has to as well; 10 hold, the last line says why; 1 failed.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
verb=$1
engine=$2
conn=$3
name=$4
leader=$5
SECONDS_OF_PATIENCE=${BELAY_BARRIER_SECONDS:-3600} # a restore of a large database takes that long
PAUSE=2
BACK=11

hold() {
    printf '%s\n' "$*"
    exit 10
}

# Sets $state; `unknown` while the server is away, which is no reason to let anybody in.
look() {
    state=unknown
    if found=$(sh "$here/$engine" barrier "$conn" "$name" 2>/dev/null); then state=${found#barrier=}; fi
}

uptime_now() { read -r up _ </proc/uptime && printf '%s\n' "${up%%.*}"; }

# Calls decide at each look; it ends the script, or returns to wait.
wait_and() {
    deadline=$(($(uptime_now) + SECONDS_OF_PATIENCE))
    while :; do
        look
        "$1"
        [ "$(uptime_now)" -lt "$deadline" ] || break
        sleep "$PAUSE"
    done
}

held_there() {
    [ "$state" != held ] ||
        hold "The leader $leader holds: its database waits for a person. Decide there first; \`rollback\` on this host then goes on."
}

decide_back() {
    case $state in none | open) exit 0 ;; esac
    held_there
}

decide_ahead() {
    case $state in
    kept) exit 0 ;;
    none)
        echo "the leader $leader went back to the release before"
        exit "$BACK"
        ;;
    esac
    held_there
}

# From here on visitors of other hosts may write, so this is written first: the leader's database is never restored by
# itself any more (rollback.sh), even if its own page was never lifted.
keep() {
    if [ ! -e "$BELAY_DEPLOY/live" ]; then
        date -u +%Y-%m-%dT%H:%M:%SZ >"$BELAY_DEPLOY/live.new"
        sync "$BELAY_DEPLOY/live.new" 2>/dev/null || sync
        mv -f "$BELAY_DEPLOY/live.new" "$BELAY_DEPLOY/live"
        sync "$BELAY_DEPLOY" 2>/dev/null || sync
    fi
    sh "$here/$engine" barrier-set "$conn" "$name" kept
}

drop() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if sh "$here/$engine" barrier-drop "$conn" "$name"; then exit 0; fi
        sleep 3
    done
    # The database is back all the same; the other hosts hold and say so, and the next deploy drops it.
    echo "The barrier of the fleet could not be dropped; the next deploy does."
}

case $verb in
seen)
    look
    [ "$state" != unknown ] || { echo "the database does not answer" >&2 && exit 1; }
    [ "$state" != none ] || { echo "this host's database is another one than that of the leader $leader" >&2 && exit 1; }
    ;;
back)
    wait_and decide_back
    case $state in
    kept) hold "The leader $leader kept the new release and this host went back to the old one, which may not fit the database. Unlock this host and deploy again." ;;
    unknown) hold "The database could not be asked whether the leader $leader has put it back. Visitors stay out; \`rollback\` asks again." ;;
    *) hold "The leader $leader has not put the database back in time. Visitors stay out; see its \`status\`, then \`rollback\` asks again." ;;
    esac
    ;;
ahead)
    wait_and decide_ahead
    hold "The leader $leader has not decided in time whether the new release stays. Visitors stay out; see its \`status\`."
    ;;
keep) keep ;;
drop) drop ;;
*)
    echo "barrier: no such verb: $verb" >&2
    exit 1
    ;;
esac
