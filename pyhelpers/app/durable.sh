# shellcheck shell=sh
# Sourced by the scripts beside it: files that are written whole or not at all and are on disk afterwards, the moment of
# the last change of code, and commands of the app.

flush() { sync "$1" 2>/dev/null || sync; }

# Standard input becomes the file $1 with the mode $2 (default 600).
store() {
    cat >"$1.new.$$" && chmod "${2:-600}" "$1.new.$$" && flush "$1.new.$$" && mv -f "$1.new.$$" "$1" && flush "${1%/*}"
}

# When a process began, in clock ticks of this boot; its command's name is in parentheses and may hold anything.
began() {
    { stat=$(cat "/proc/$1/stat"); } 2>/dev/null || return 1
    # shellcheck disable=SC2086  # the fields are numbers and a letter, split on purpose
    set -- ${stat##*) }
    printf '%s\n' "${20}"
}

# Remember that from now on the app's code is another one. A process that begins now is the clock: in containers
# /proc/uptime may tell another time than the one that processes begin in.
mark_change() {
    printf '%s %s\n' "$(began self)" "$(cat /proc/sys/kernel/random/boot_id)" | store "$BELAY_DEPLOY/changed"
}

# Run the app's own commands with the umask of the login (the agent tells), not with ours: what they write (caches,
# compiled views, logs) must be readable by the web server's user. A command that hangs is cut after $1 seconds.
as_app() {
    limit=$1
    shift
    (
        umask "${BELAY_UMASK:-022}"
        export COLUMNS=500
        if command -v timeout >/dev/null 2>&1; then exec timeout "$limit" "$@"; else exec "$@"; fi
    ) </dev/null
}
