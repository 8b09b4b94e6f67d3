#!/bin/sh
# What runs beside the app: stopped before the backup, told of new code after the switch, and looked at afterwards.
#
#   services.sh check  FILE                       every line is understood and its tool is there
#   services.sh stop   FILE APPDIR PHP            workers that run are stopped and noted down (before the backup)
#   services.sh start  FILE APPDIR PHP            those that were noted run again (also the undo of stop)
#   services.sh apply  FILE APPDIR PHP            all that run meet the new code; who has it already is left alone (also the
#                                                 undo, after the code was put back)
#   services.sh verify FILE APPDIR PHP SECONDS    nobody works on old code; waits up to SECONDS
#   services.sh mark                              the code changes now (releases.sh and inplace.sh do this themselves)
#
# FILE has one service a line; empty lines and comments (#) don't count:
#   php-fpm: NAME | php-fpm: /path/of/pid-file    reloaded, for opcache and the realpath cache
#   queue                                         artisan queue:restart (and horizon:terminate where there is Horizon)
#   reload                                        artisan reload, where the app has it, else as queue
#   supervisor: PROGRAM or GROUP:*                supervisor(/path/supervisord.conf): for a supervisor of one's own
#   systemd: UNIT                                 systemd(user): for a user's unit
#   pm2: NAME
#   command: any shell line, run in the app's folder
# Only what is listed is touched; a worker that a person stopped stays stopped, and one that `stop` stopped until `start`. Output: ok=, skipped=, stale=, failed= lines.
# Exit: 0 done, 1 at least one failed (all were tried). BELAY_BASE and BELAY_DEPLOY come from the agent.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/durable.sh"
# shellcheck source=/dev/null
. "$here/processes.sh"

limit=${BELAY_SERVICE_SECONDS:-600}
failures=0

fail() {
    printf 'services: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '%s=%s\n' "$1" "$line"
    case $1 in failed | stale) failures=$((failures + 1)) ;; esac
}

# Whatever is started here must not inherit the agent's locks.
ask() { as_app "$limit" "$@" 8>&- 9>&-; }
run() { ask "$@" >&2; }

# For what may belong to root: as ourselves if that is allowed, else by a sudo that needs no password.
run_privileged() {
    if run "$@"; then return; fi
    [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null 2>&1 && run sudo -n "$@"
}

# --- lines ----------------------------------------------------------------------------------------------------------

# Sets kind, option (in parentheses) and name from $line; fails when the line isn't one of the forms above.
understand() {
    kind=${line%%[:(]*}
    option=
    name=
    rest=${line#"$kind"}
    case $rest in
    '('*')'*)
        option=${rest#(}
        option=${option%%)*}
        rest=${rest#*)}
        ;;
    esac
    case $rest in
    :*) name=$(trimmed "${rest#:}") ;;
    ?*) return 1 ;;
    esac
    case $kind:$option in
    queue: | reload:) [ -z "$name" ] ;;
    command:) [ -n "$name" ] ;;
    php-fpm: | pm2: | supervisor: | supervisor:/* | systemd: | systemd:user)
        case $name in '' | -* | *[!A-Za-z0-9@._:*/+-]*) return 1 ;; esac
        ;;
    *) return 1 ;;
    esac
}

trimmed() { printf '%s\n' "$1" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//'; }

# Run $1 for each service.
for_each() {
    while IFS= read -r line || [ -n "$line" ]; do
        line=$(trimmed "$line")
        case $line in '' | '#'*) continue ;; esac
        understand || fail "this line of the services is not understood: $line"
        "$1" </dev/null
    done <"$file"
}

check_one() {
    case $kind in
    supervisor) tool=supervisorctl ;;
    systemd) tool=systemctl ;;
    pm2) tool=pm2 ;;
    *) tool= ;;
    esac
    if [ -n "$tool" ] && ! command -v "$tool" >/dev/null 2>&1; then say failed; else say ok; fi
}

# --- workers: what runs all the time --------------------------------------------------------------------------------

is_worker() { case $kind in supervisor | systemd | pm2) return 0 ;; *) return 1 ;; esac; }

# supervisorctl's exit status tells of states as well as of failures; `pid` only whether we may talk to the supervisor.
supervisor() {
    if [ -n "$option" ]; then set -- -c "$option" "$@"; fi
    if [ "$(id -u)" -eq 0 ] || ask supervisorctl ${option:+-c "$option"} pid >/dev/null 2>&1; then
        ask supervisorctl "$@"
    else
        ask sudo -n supervisorctl "$@"
    fi
}

systemd() {
    if [ "$option" = user ]; then run systemctl --user "$@"; else run_privileged systemctl --no-ask-password "$@"; fi
}

systemd_property() { ask systemctl ${option:+--user} show --property="$1" "$name" 2>/dev/null | sed -n "s/^$1=//p"; }

# running, stopped (somebody meant it), broken (tries and fails), or unknown (no such worker, or nobody to ask)
worker_state() {
    case $kind in
    supervisor)
        supervisor status "$name" 2>&1 | awk '
            $2 ~ /^(RUNNING|STARTING)$/ { running = 1; next }
            $2 == "STOPPED" { stopped = 1; next }
            $2 ~ /^(BACKOFF|EXITED|FATAL|STOPPING)$/ { broken = 1; next }
            NF { unknown = 1 }
            END {
                if (unknown || !(running + stopped + broken)) print "unknown"
                else if (broken) print "broken"
                else print (running ? "running" : "stopped")
            }
        '
        ;;
    systemd)
        case $(systemd_property LoadState):$(systemd_property ActiveState) in
        loaded:active | loaded:activating | loaded:reloading) echo running ;;
        loaded:inactive | loaded:deactivating) echo stopped ;;
        loaded:failed) echo broken ;;
        *) echo unknown ;;
        esac
        ;;
    pm2)
        ask pm2 pid "$name" 2>/dev/null | awk '
            /^[1-9][0-9]*$/ { running = 1 }
            /^0$/ { stopped = 1 }
            END { print (running ? "running" : (stopped ? "stopped" : "unknown")) }
        '
        ;;
    esac
}

worker_pids() {
    case $kind in
    supervisor) supervisor status "$name" 2>/dev/null | sed -n 's/^.* RUNNING *pid \([0-9]*\),.*/\1/p' ;;
    systemd) systemd_property MainPID ;;
    pm2) ask pm2 pid "$name" 2>/dev/null ;;
    esac | grep -E '^[1-9][0-9]*$' || :
}

# start, stop or restart; what came of it is asked afterwards, because the tools' exit statuses differ.
worker_do() {
    case $kind in
    supervisor) supervisor "$1" "$name" >&2 ;;
    systemd) systemd "$1" "$name" ;;
    pm2) if [ "$1" = stop ]; then run pm2 stop "$name"; else run pm2 restart "$name" --update-env; fi ;;
    esac || :
}

noted() { grep -qxF -- "$line" "$BELAY_DEPLOY/services-stopped" 2>/dev/null; }

stop_one() {
    is_worker || return 0
    case $(worker_state) in
    running | broken)
        # Noted before it is stopped: a cut in between starts what runs, and never leaves what doesn't.
        noted || { cat "$BELAY_DEPLOY/services-stopped" 2>/dev/null || :; printf '%s\n' "$line"; } | store "$BELAY_DEPLOY/services-stopped"
        worker_do stop
        if [ "$(worker_state)" = stopped ]; then say ok; else say failed; fi
        ;;
    stopped) if noted; then say ok; else say skipped; fi ;;
    *) say failed ;;
    esac
}

start_one() {
    if ! is_worker || ! noted; then return 0; fi
    [ "$(worker_state)" = running ] || worker_do start
    if [ "$(worker_state)" = running ]; then say ok; else say failed; fi
}

# The pool's processes. Nothing where the master can't be told.
fpm_pids() {
    case $name in
    /*) master=$(cat "$name" 2>/dev/null || :) ;;
    *) master=$(systemd_property MainPID || :) ;;
    esac
    case $master in '' | 0 | *[!0-9]*) ;; *) children "$master" ;; esac
}

pids_of_service() {
    case $kind in
    php-fpm) fpm_pids ;;
    queue | reload) queue_pids ;;
    *) worker_pids ;;
    esac
}

# --- the new code ---------------------------------------------------------------------------------------------------

signal_fpm() { kill -s USR2 "$1" 2>/dev/null || { [ "$(id -u)" -ne 0 ] && run sudo -n kill -s USR2 "$1"; }; }

reload_fpm() {
    case $name in
    /*) signal_fpm "$(cat "$name")" ;;
    *) if [ -d /run/systemd/system ]; then run_privileged systemctl --no-ask-password reload "$name"; else run_privileged service "$name" reload; fi ;;
    esac
}

artisan() { (cd "$app" && run "$php" artisan "$@" --no-ansi); }

commands() { (cd "$app" && ask "$php" artisan list --raw --no-ansi 2>/dev/null); }

restart_queue() {
    known=$(commands) || return 1
    case $known in *horizon:terminate*) artisan horizon:terminate || return 1 ;; esac
    artisan queue:restart
}

reload_app() {
    known=$(commands) || return 1
    if printf '%s\n' "$known" | grep -q '^reload '; then artisan reload; else restart_queue; fi
}

apply_worker() {
    state=$(worker_state)
    if [ "$state" = unknown ]; then
        say failed
    elif [ "$state" = stopped ]; then
        # Either a person meant it, or `start` comes later and lets it meet the new code.
        say skipped
    else
        # shellcheck disable=SC2046  # numbers
        find_old $(worker_pids)
        if [ "$state" = broken ] || [ -n "$old" ]; then worker_do restart; fi
        if [ "$(worker_state)" = running ]; then say ok; else say failed; fi
    fi
}

apply_one() {
    case $kind in
    php-fpm) ok_by reload_fpm ;;
    queue) ok_by restart_queue ;;
    reload) ok_by reload_app ;;
    command) ok_by run_line ;;
    *) apply_worker ;;
    esac
}

run_line() { (cd "$app" && run sh -c "$name"); }
ok_by() { if "$1"; then say ok; else say failed; fi; }

verify_one() {
    [ "$kind" != command ] || return 0
    if is_worker && [ "$(worker_state)" = stopped ]; then
        say skipped
        return
    fi
    while :; do
        # shellcheck disable=SC2046  # numbers
        find_old $(pids_of_service)
        if [ -z "$old" ] && is_worker && [ "$(worker_state)" != running ]; then old="it does not run"; fi
        if [ -z "$old" ] || [ "$patience" -le 0 ]; then break; fi
        sleep 1
        patience=$((patience - 1))
    done
    if [ -z "$old" ]; then
        say ok
    else
        say stale
        printf 'detail=%s\n' "$old"
    fi
}

verb=${1:-}
case $verb:$# in
mark:1)
    mark_change
    exit 0
    ;;
check:2 | stop:4 | start:4 | apply:4 | verify:5) ;;
*) fail "unknown verb or number of arguments: $verb" ;;
esac
file=$2 app=${3:-} php=${4:-} patience=${5:-0}
[ -r "$file" ] || fail "the list of services $file can't be read"
[ "$verb" != verify ] || [ -s "$BELAY_DEPLOY/changed" ] || fail "nobody noted when the code changed"
for_each "${verb}_one"
[ "$failures" -eq 0 ]
