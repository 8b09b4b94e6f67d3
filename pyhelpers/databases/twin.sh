#!/bin/sh
# The twin: a backup that was proven by loading it beside the live database, kept so that a restore only has to swap.
#
#   sh twin.sh load SCRIPT CONN FOLDER PAYLOAD WORK [TWIN]
#   sh twin.sh drop SCRIPT CONN WORK                           prints unloaded=yes|nothing
#   sh twin.sh undo SCRIPT CONN WORK                           drop as an undo: what fails is told, and holds up nothing
#   sh twin.sh restore SCRIPT CONN FOLDER PAYLOAD WORK         swaps in the twin in WORK; loads the backup first where
#                                                              there is none, or one of another backup
#
# TWIN is the work folder of an earlier deploy: an unused twin of this very backup in it is taken over into WORK.
# SCRIPT is the engine's (mariadb.sh, …). In WORK, `twin` holds the SHA-256 of the payload that was loaded; it is written
# before the load, so that whatever a crash leaves behind is found and dropped. `used` says that a restore began there:
# from then on only the engine knows what in WORK may go.
#
# Exit as the engine's own verbs: 0 done, 1 failed and nothing changed, 10 hold (the last line says why).
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
verb=$1
engine=$2
conn=$3
shift 3

flush() { sync "$1" 2>/dev/null || sync; }

# The payload's SHA-256, as its dump wrote it down; nothing for a backup that some other version made.
payload_of() { cut -d ' ' -f 1 "$1/payload.sha256" 2>/dev/null || :; } # FOLDER

# Is what lies in WORK a twin of the backup in FOLDER that nobody has used yet?
fits() { # FOLDER WORK
    [ -s "$2/twin" ] && [ ! -e "$2/used" ] && [ "$(cat "$2/twin")" = "$(payload_of "$1")" ]
}

# Does it say that it is of another one? A backup whose files are lost says nothing, and then the twin is all there is.
is_another() { # FOLDER WORK
    [ -e "$2/twin" ] && [ ! -e "$2/used" ] && [ -n "$(payload_of "$1")" ] && ! fits "$1" "$2"
}

# What lies in TWIN lies in WORK from now on, as if it had been loaded there.
take() { # FOLDER WORK TWIN
    if [ -z "$3" ] || [ -e "$2" ] || ! fits "$1" "$3"; then return 0; fi
    mv "$3" "$2"
    flush "$(dirname "$2")"
}

load() { # FOLDER PAYLOAD WORK [TWIN]
    take "$1" "$3" "${4-}"
    if [ -e "$3/used" ] || is_another "$1" "$3"; then
        echo "twin: $3 belongs to another backup" >&2
        exit 1
    fi
    mkdir -p "$3"
    payload_of "$1" >"$3/twin.new"
    flush "$3/twin.new"
    mv -f "$3/twin.new" "$3/twin"
    flush "$3"
    exec sh "$here/$engine" load "$conn" "$1" "$2" "$3"
}

drop() { # WORK
    dropped=nothing
    if [ -d "$1" ]; then
        facts=$(sh "$here/$engine" unload "$conn" "$1") || return 1
        case $facts in *unloaded=yes*) dropped=yes ;; esac
        if [ "$dropped" = yes ] || [ ! -e "$1/used" ]; then rm -rf -- "$1"; else rm -f -- "$1/twin"; fi
    fi
    printf '%s\n' "unloaded=$dropped"
}

restore() { # FOLDER PAYLOAD WORK
    if is_another "$1" "$3"; then drop "$3" >/dev/null || exit 1; fi
    mkdir -p "$3"
    : >"$3/used"
    flush "$3"
    twin=none
    [ ! -e "$3/twin" ] || twin=taken
    code=0
    sh "$here/$engine" restore "$conn" "$1" "$2" "$3" || code=$?
    [ "$code" -eq 0 ] || exit "$code"
    printf '%s\n' "twin=$twin"
}

case $verb in
load) load "$@" ;;
drop) drop "$@" ;;
undo) drop "$@" || echo "warning=the twin in $1 could not be dropped; the next deploy tries again" ;;
restore) restore "$@" ;;
*)
    echo "twin: no such verb: $verb" >&2
    exit 1
    ;;
esac
