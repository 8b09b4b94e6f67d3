#!/bin/sh
# Belay's agent: the transaction manager that lives on the host.
#
#   sh agent.sh BASE VERB [ARGUMENT ...]
#
# A deploy is a saga. Each step leaves its undo here before it acts; `abort` (the runner asks) and the reaper (nobody
# asks any more, the lease ran out) run the same undo scripts in reverse order. This file knows nothing of databases,
# Laravel or git: what an undo does is in the script that it was given.
#
# Needs sh, flock, setsid, coreutils and Linux's /proc. No PHP (it may be what broke), no Python.
# Time is uptime plus boot id: clocks jump, and after a reboot every lease is over.
#
# State, all below BASE/.belay (0700):
#   lock            the mutex of all state changes, held for milliseconds
#   epoch           the fencing token: rises with every begin; a call with an older one is refused
#   active          id of the deploy that holds the host; no file, no holder
#   history.jsonl   one line per deploy that ended
#   deploys/ID/     owner epoch ttl path umask status phase lease limit reason journal.jsonl
#                   undo/NN-name.sh (+ .done) finish/NN-name.sh (+ .done) ops/NAME/{cmd,pid,out,rc}
#
# Status: open -> precommit -> confirmed, or open|precommit -> aborting -> rolled-back | held,
#         or precommit -> finishing -> kept (the lease ran out after all was healthy) | held,
#         or finishing -> aborting: a script that completes (one of a fleet asks the leader) says that all goes back.
#         held -> released (a person unlocked), refused (the reaper could not be armed).
#
# Exit: 0 done, 2 wrong call, 70 broken state, 73 no such deploy, 75 locked, 76 fenced (stale epoch or wrong status),
#       77 the holder's lease is over: `reap` first, 78 no folder that can be trusted, or the reaper can't be armed.
set -eu
login_umask=$(umask)
umask 077
LC_ALL=C
export LC_ALL

[ $# -ge 2 ] || { echo "usage: agent BASE VERB [ARGUMENT ...]" >&2; exit 2; }
base=$1
verb=$2
shift 2
case $0 in /*) self=$0 ;; *) self=$PWD/$0 ;; esac
state=$base/.belay
d=
late_seconds=30
attempts=3
hold_code=10
back_code=11

die() {
    code=$1
    shift
    printf '%s\n' "$*" >&2
    exit "$code"
}

# --- time, processes ------------------------------------------------------------------------------------------------

now() { read -r up _ </proc/uptime && printf '%s\n' "${up%%.*}"; }
boot() { read -r boot_id </proc/sys/kernel/random/boot_id && printf '%s\n' "$boot_id"; }
pause() { sleep "$1" 2>/dev/null || sleep 1; }

# Print "start-time session" of a process that runs (a zombie doesn't), from /proc/PID/stat.
process() {
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The command's name is in parentheses and may hold anything: count the fields behind the last one.
    # shellcheck disable=SC2086  # the fields are numbers, split on purpose
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] || return 1
    shift 3
    session=$1
    shift 16
    printf '%s %s\n' "$1" "$session"
}

# Is the process of a "pid start-time boot-id" file the one that wrote it?
alive() {
    { read -r pid start where <"$1"; } 2>/dev/null || return 1
    [ "$where" = "$(boot)" ] && found=$(process "$pid") && [ "${found% *}" = "$start" ]
}

sign() { printf '%s %s %s\n' "$$" "$(process $$ | cut -d' ' -f1)" "$(boot)" | store "$1"; }

# --- durable files --------------------------------------------------------------------------------------------------

flush() { sync "$1" 2>/dev/null || sync; }

# Standard input becomes the file, whole or not at all, and is on disk when this returns.
store() {
    cat >"$1.new.$$" && flush "$1.new.$$" && mv -f "$1.new.$$" "$1" && flush "${1%/*}"
}

value() { { read -r word <"$1"; } 2>/dev/null && printf '%s\n' "$word"; }
whole() { cat "$1" 2>/dev/null || :; }
text() { printf '%s' "$1" | tr '\000-\037\177' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# Standard input is added to the file, and is on disk when this returns. A line torn by a crash is closed first.
append() {
    [ -z "$(tail -c 1 "$1" 2>/dev/null)" ] || echo >>"$1"
    cat >>"$1" && flush "$1"
}

# journal EVENT NAME [TEXT]
journal() {
    read -r exact _ </proc/uptime
    printf '{"event":"%s","name":"%s","text":"%s","uptime":%s,"boot":"%s","time":"%s"}\n' \
        "$1" "$2" "$(text "${3-}")" "$exact" "$(boot)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" | append "$d/journal.jsonl"
}

# The state is obeyed (its scripts are run), so it has to be a folder of this user's own, in every call.
trusted() {
    # shellcheck disable=SC3067  # not in POSIX, but in dash, BusyBox, bash and ksh
    if [ ! -d "$state" ] || [ -L "$state" ] || [ ! -O "$state" ]; then
        die 78 "$state is not a folder of this user's own"
    fi
}

# --- the mutex, the fence -------------------------------------------------------------------------------------------

enter() {
    exec 9>>"$state/lock"
    command -v flock >/dev/null || die 70 "flock is not installed (Debian: util-linux)"
    flock -w 30 9 || die 70 "the lock file $state/lock was busy for 30 s"
}
leave() { exec 9>&-; }

named() {
    case $1 in '' | -* | .* | *[!a-zA-Z0-9._-]*) die 2 "not a name: $1" ;; esac
}
numbered() {
    case $1 in '' | *[!0-9]*) die 2 "not a number: $1" ;; esac
}

# receive BYTES: standard input becomes the file $request. It is read before the mutex is taken, so that a client whose
# link hangs holds up nobody; and counted, because a link that dies ends standard input just as a whole script does.
receive() {
    numbered "$1"
    request=$d/request.$$
    trap 'rm -f "$request" "$request.undo"' EXIT
    cat >"$request"
    [ "$(wc -c <"$request")" -eq "$1" ] || die 2 "standard input ended before its $1 bytes"
}

use() {
    named "$1"
    id=$1
    d=$state/deploys/$id
    [ -d "$d" ] || die 73 "no such deploy: $id"
}

# Sets $where (the boot id that the lease was made in, or why there is none) and $deadline. Renewals aren't flushed: after a
# power cut the file may be empty. A container that was started anew keeps the kernel's boot id while its uptime may begin
# again; a lease that lasts longer than any can is the sign of it, and else it ends within its usual time.
read_lease() {
    where=unknown
    deadline=0
    { read -r where deadline <"$1/lease"; } 2>/dev/null || :
    case $deadline in '' | *[!0-9]*) where=unknown deadline=0 ;; esac
    [ $((deadline - $(now))) -le "$(value "$1/ttl")" ] || where=restarted
}

expired() {
    read_lease "$1"
    [ "$where" = "$(boot)" ] && [ "$(now)" -lt "$deadline" ] && return 1
    return 0
}

# fence ID EPOCH STATUS...: enter the mutex, and go on only as the holder with the current epoch, in one of these states.
fence() {
    use "$1"
    token=$2
    shift 2
    enter
    status=$(value "$d/status") || die 70 "deploy $id has no status"
    [ "$(value "$state/active" || :)" = "$id" ] || die 76 "deploy $id does not hold the host any more (it is $status)"
    if [ "$(value "$d/epoch")" != "$token" ] || [ "$(value "$state/epoch")" != "$token" ]; then
        die 76 "epoch $token is stale"
    fi
    for allowed in "$@"; do
        [ "$status" != "$allowed" ] || return 0
    done
    die 76 "deploy $id is $status"
}

# Print the id of the deploy that holds the host; fails when none does.
holder() { word=$(value "$state/active") && [ -d "$state/deploys/$word" ] && printf '%s\n' "$word"; }

# settle STATUS [REASON]: the end of a deploy. Only the status decides; a crash right after it leaves a holder that is
# known to have ended, and the next contact concludes it.
settle() {
    rm -rf "$d/reserve"
    [ -z "${2-}" ] || printf '%s\n' "$2" | store "$d/reason"
    printf '%s\n' "$1" | store "$d/status"
    journal settled "$1" "${2-}"
    [ "$1" = held ] || conclude
}

# What remains to be done for a deploy that ended. May be repeated; that the host is free again comes last.
conclude() {
    verdict=$(value "$d/status") || die 70 "deploy $id has no status; look at $d, then remove $state/active"
    if ! grep -qx "{\"id\":\"$id\",\"verdict\":\"$verdict\".*}" "$state/history.jsonl" 2>/dev/null; then
        printf '{"id":"%s","verdict":"%s","reason":"%s","time":"%s","owner":%s}\n' "$id" "$verdict" \
            "$(text "$(whole "$d/reason")")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(whole "$d/owner")" |
            append "$state/history.jsonl"
    fi
    cron_line remove
    [ "$(value "$state/active" || :)" != "$id" ] || rm -f "$state/active"
}

# --- begin, arm -----------------------------------------------------------------------------------------------------

prepare() {
    mkdir -p "$state" || die 78 "can't make $state"
    trusted
    chmod 700 "$state" || die 78 "can't write to $state"
    # flock on network file systems is advisory between machines at best: the lock would not be one.
    case $(stat -f -c %T "$state" 2>/dev/null || echo unknown) in
        nfs* | smb* | cifs | fuseblk | sshfs) die 78 "$state lies on a network file system: locks can't be trusted there; put it on a local disk" ;;
    esac
    mkdir -p "$state/deploys" "$state/backups" || die 78 "can't write to $state"
}

# begin ID TTL on|off   (standard input: the owner, one line of JSON)
begin() {
    named "$1"
    numbered "$2"
    case $3 in on | off) ;; *) die 2 "the watchdog is neither on nor off: $3" ;; esac
    owner=$(tr -d '\000-\037\177')
    case $owner in '{'*'}') ;; *) die 2 "the owner is not a whole JSON object" ;; esac
    prepare
    enter
    if holder=$(holder); then
        use "$holder"
        case $(value "$d/status") in
            open | precommit)
                ! expired "$d" || die 77 "the lease of $holder is over"
                die 75 "$holder"
                ;;
            aborting | finishing) die 77 "$holder is being settled" ;;
            held) die 75 "$holder" ;;
            *) conclude ;;
        esac
    fi
    id=$1
    [ ! -e "$state/deploys/$id" ] || die 70 "deploy $id exists already"
    epoch=$(value "$state/epoch" || echo 0)
    numbered "$epoch"
    epoch=$((epoch + 1))
    # Made under a name that no deploy can have. The rename makes it the holder, whole or not at all.
    d=$state/deploys/.new
    rm -rf "$d"
    mkdir "$d" "$d/undo" "$d/finish" "$d/ops"
    printf '%s\n' "$owner" | store "$d/owner"
    printf '%s\n' "$epoch" | store "$d/epoch"
    printf '%s\n' "$2" | store "$d/ttl"
    printf '%s\n' "$PATH" | store "$d/path"
    printf '%s\n' "$login_umask" | store "$d/umask"
    printf '%s %s\n' "$(boot)" "$(($(now) + $2))" | store "$d/lease"
    printf 'open\n' | store "$d/status"
    # Room (bytes and files) to tell of a rollback on a full disk, let go when a deploy ends. Zeros would be compressed away.
    mkdir "$d/reserve"
    if ! (cd "$d/reserve" && touch 1 2 3 4 5 6 7 8 && dd if=/dev/urandom of=0 bs=65536 count=8 2>/dev/null); then
        rm -rf "$d"
        die 70 "no room left in $state"
    fi
    journal begin "$id"
    printf '%s\n' "$epoch" | store "$state/epoch"
    printf '%s\n' "$id" | store "$state/active"
    mv "$d" "$state/deploys/$id"
    d=$state/deploys/$id
    flush "$state/deploys"
    leave
    if [ "$3" = on ]; then arm; fi
    printf 'epoch=%s\n' "$epoch"
}

# The fire drill: the reaper starts in a session of its own and runs an undo script as it will run the real ones. Only
# when that script left its trace, and the reaper lives apart from this session, is it armed.
arm() {
    if logout_kills; then
        refuse "logind ends what this user leaves running at logout (KillUserProcesses, KillOnlyUsers), and the reaper" \
            "would go with it. Set KillUserProcesses=no in /etc/systemd/logind.conf, or add the user to KillExcludeUsers"
    fi
    mkdir "$d/drill"
    # shellcheck disable=SC2016  # expanded by the drill itself
    printf 'echo drilled >"$BELAY_DEPLOY/drilled"\n' | store "$d/drill/01-drill.sh"
    setsid sh "$self" "$base" reaper "$id" </dev/null >>"$d/reaper.log" 2>&1 9>&- &
    child=$!
    tries=0
    until [ -f "$d/armed" ] || [ "$tries" -ge 100 ]; do
        if [ "$tries" -ge 10 ] && ! process "$child" >/dev/null; then break; fi
        tries=$((tries + 1))
        pause 0.1
    done
    if alive "$d/armed"; then
        read -r pid _ <"$d/armed"
        ours=$(process $$)
        theirs=$(process "$pid" || :)
        if [ -n "$theirs" ] && [ "${ours#* }" != "${theirs#* }" ]; then
            enter
            journal armed reaper
            cron_line add
            leave
            return 0
        fi
    fi
    refuse "the reaper did not start: $(tail -n 1 "$d/reaper.log" 2>/dev/null)"
}

# refuse REASON...: end a deploy whose reaper can't be armed, before anything was changed.
refuse() {
    enter
    [ "$(value "$d/status")" != open ] || settle refused "$*"
    leave
    die 78 "the reaper could not be armed on this host: $*"
}

# Does logind end this user's processes when the session closes that this call came in? As its manager_shall_kill has it:
# an excluded user's never, otherwise those of the only users that are named, or of all. Lingering changes nothing here.
logout_kills() {
    [ -n "${XDG_SESSION_ID-}" ] || grep -q '/session-[^/]*[.]scope' /proc/$$/cgroup 2>/dev/null || return 1
    for file in /etc/systemd/logind.conf $(logind_parts); do
        [ ! -f "$file" ] || cat "$file" && echo
    done 2>/dev/null | awk -v user="$(id -un)" '
        { sub(/^[ \t]+/, ""); name = $0; sub(/[ \t]*=.*/, "", name); text = $0; sub(/^[^=]*=[ \t]*/, "", text) }
        name == "KillUserProcesses" { all = tolower(text) ~ /^(1|y|yes|t|true|on)[ \t]*$/ }
        name == "KillExcludeUsers" { excluded = text == "" ? "" : excluded " " text }
        name == "KillOnlyUsers" { only = text == "" ? "" : only " " text }
        END {
            if (index(" root " excluded " ", " " user " ")) exit 1
            if (only != "") exit !index(only " ", " " user " ")
            exit !all
        }'
}

# Print the additions to logind.conf in the order in which they count; of two with one name, /etc hides /run hides /usr.
logind_parts() {
    for place in /usr/lib /usr/local/lib /run /etc; do
        for file in "$place"/systemd/logind.conf.d/*.conf; do printf '%s %s\n' "${file##*/}" "$file"; done
    done | awk '{ last[$1] = $2 } END { for (name in last) print name, last[name] }' | sort | cut -d' ' -f2
}

# A second trigger, for the reaper's own death and for a reboot: this user's crontab, if a cron daemon really runs.
# Where it is refused (by cron.allow, say) the reaper is armed all the same; `status` tells that a reboot isn't covered.
cron_line() { # cron_line add|remove
    command -v crontab >/dev/null 2>&1 || return 0
    # One table for all the apps of this user, read and written back: the lock of one app is not enough.
    if [ -r "${HOME-}" ] && [ -d "$HOME" ]; then
        { flock -w 5 7 || :; change_cron_line "$1"; } 7<"$HOME"
    else
        change_cron_line "$1"
    fi
}

change_cron_line() { # add|remove
    mark="# belay '$base'"
    table=$state/crontab
    if [ "$1" = add ]; then
        case $base$self in *"'"* | *%*) return 0 ;; esac
        cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'crond?' || return 0
        entry="* * * * * sh '$self' '$base' reap cron >/dev/null 2>&1 $mark"
        if edit_table "$entry"; then echo cron >"$d/reboot"; fi
    elif crontab -l 2>/dev/null | grep -qF "$mark"; then
        edit_table '' || :
    fi
    rm -f "$table" "$table.old" "$table.error"
}

# edit_table LINE: the crontab without our line, and with LINE unless it is empty. A table that could be read or copied
# only in part (a full disk) is never written back: it holds lines that aren't ours.
edit_table() {
    if crontab -l >"$table.old" 2>"$table.error"; then
        [ "$(crontab -l | wc -c)" -eq "$(wc -c <"$table.old")" ] || return 1
    else
        grep -qiE 'no crontab|no such file' "$table.error" || return 1
    fi
    code=0
    grep -vF "$mark" "$table.old" >"$table" || code=$?
    [ "$code" -le 1 ] || return 1
    [ -z "$1" ] || printf '%s\n' "$1" >>"$table" || return 1
    crontab "$table" 2>/dev/null
}

# --- steps ----------------------------------------------------------------------------------------------------------

# next FOLDER NAME: the path of the next numbered script. A call that was cut off and comes again keeps its place.
next() {
    file=$(find "$1" -name "[0-9][0-9]-$2.sh")
    count=$(find "$1" -name '[0-9][0-9]-*.sh' | wc -l)
    [ -n "$file" ] || [ "$count" -lt 99 ] || die 70 "more than 99 scripts in $1"
    [ -n "$file" ] || file=$(printf '%s/%02d-%s.sh' "$1" "$((count + 1))" "$2")
    printf '%s\n' "$file"
}

# step ID EPOCH NAME UNDO_LINES BYTES   (standard input, BYTES long: UNDO_LINES lines of undo, the rest is the command)
# The undo is on disk before the command may start. A second call with the same name starts nothing.
step() {
    named "$3"
    numbered "$4"
    use "$1"
    receive "$5"
    fence "$1" "$2" open precommit
    op=$d/ops/$3
    if [ ! -d "$op" ]; then
        if [ "$4" -gt 0 ]; then
            head -n "$4" "$request" >"$request.undo"
            file=$(next "$d/undo" "$3")
            store "$file" <"$request.undo"
            journal undo "$3"
        fi
        # Made under a name that no step can have, then renamed: cut off anywhere, the same call starts over.
        new=$d/ops/.new
        rm -rf "$new"
        mkdir "$new"
        tail -n "+$(($4 + 1))" "$request" >"$new/cmd"
        flush "$new/cmd"
        # Only an undo: there is nothing to run.
        [ -s "$new/cmd" ] || echo 0 | store "$new/rc"
        mv "$new" "$op"
    fi
    leave
    launch "$1" "$2" "$3"
}

# Start a step's process, and believe that it started only when it has signed.
launch() {
    if [ -f "$op/pid" ] || [ -f "$op/rc" ]; then return 0; fi
    setsid sh "$self" "$base" op "$1" "$2" "$3" </dev/null >>"$d/reaper.log" 2>&1 9>&- &
    tries=0
    until [ -f "$op/pid" ] || [ -f "$op/rc" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 700 ] || die 70 "step $3 did not start"
        pause 0.05
    done
}

# op ID EPOCH NAME: runs detached, as leader of its own session. It passes the fence itself: what was aborted between
# its start and now does not run, and what runs is seen by the one who aborts.
op() {
    trap '' HUP
    use "$1"
    op=$d/ops/$3
    enter
    [ ! -f "$op/pid" ] || exit 0
    if [ "$(value "$state/active" || :)" != "$id" ] || [ "$(value "$state/epoch")" != "$2" ] ||
        ! { [ "$(value "$d/status")" = open ] || [ "$(value "$d/status")" = precommit ]; }; then
        echo 125 | store "$op/rc"
        exit 0
    fi
    journal start "$3"
    sign "$op/pid"
    leave
    code=0
    script "$op/cmd" "$op/out" || code=$?
    journal end "$3" "$code"
    echo "$code" | store "$op/rc"
}

# script FILE OUTPUT: run one script of ours as every script is run; the output is appended. A disk so full that no
# output can be kept is no reason not to undo.
script() {
    output=$2
    true 2>/dev/null >>"$output" || output=/dev/null
    (
        exec 9>&-
        # What the app's own commands write has to be readable by the web server's user, as after a login.
        BELAY_UMASK=$(value "$d/umask" || echo 022)
        export BELAY_UMASK
        cd "$base" && BELAY_BASE=$base BELAY_DEPLOY=$d exec sh "$1"
    ) </dev/null >>"$output" 2>&1
}

# register ID EPOCH NAME BYTES   (standard input: a script that completes the deploy, should the runner die after precommit)
register() {
    named "$3"
    use "$1"
    receive "$4"
    fence "$1" "$2" open
    file=$(next "$d/finish" "$3")
    store "$file" <"$request"
    journal finish "$3"
    leave
}

# wait ID NAME OFFSET SECONDS: one header line, then new output from that byte on. Returns as soon as there is news.
wait_step() {
    use "$1"
    named "$2"
    numbered "$3"
    numbered "$4"
    op=$d/ops/$2
    until=$(($(now) + $4))
    while :; do
        if [ -f "$op/rc" ]; then
            seen=ended
        elif [ ! -f "$op/pid" ]; then
            seen=none
        elif ! alive "$op/pid" && [ ! -f "$op/rc" ]; then
            seen=lost
        else
            seen=running
        fi
        size=0
        [ ! -f "$op/out" ] || size=$(wc -c <"$op/out")
        if [ "$seen" != running ] || [ "$size" -gt "$3" ] || [ "$(now)" -ge "$until" ]; then break; fi
        pause 0.1
    done
    more=$((size - $3))
    [ "$more" -ge 0 ] || more=0
    [ "$more" -le 262144 ] || more=262144
    printf 'state=%s rc=%s offset=%s status=%s\n' "$seen" "$(value "$op/rc" || echo -)" "$(($3 + more))" \
        "$(value "$d/status")"
    [ "$more" -eq 0 ] || tail -c "+$(($3 + 1))" "$op/out" | head -c "$more"
}

# renew ID EPOCH: the heartbeat. It comes from the client; what ran on the host by itself would renew for ever.
renew() {
    fence "$1" "$2" open precommit
    read_lease "$d"
    [ "$where" = "$(boot)" ] || die 77 "the host was rebooted"
    deadline=$(($(now) + $(value "$d/ttl")))
    # The phase's own limit holds against a runner that hangs and still sends heartbeats.
    if limit=$(value "$d/limit") && [ "$deadline" -gt "$limit" ]; then deadline=$limit; fi
    printf '%s %s\n' "$(boot)" "$deadline" >"$d/lease.new.$$"
    mv -f "$d/lease.new.$$" "$d/lease"
    leave
}

# phase ID EPOCH NAME SECONDS: where the deploy is, and how long that may take at most.
phase() {
    named "$3"
    numbered "$4"
    fence "$1" "$2" open precommit
    printf '%s\n' "$3" | store "$d/phase"
    printf '%s\n' "$(($(now) + $4))" | store "$d/limit"
    journal phase "$3"
    leave
    renew "$1" "$2"
}

# --- the ends: precommit, confirm, abort, hold, unlock ----------------------------------------------------------------

# Does a step still run? Its own shell may have been killed: what counts is whether anything of it is left.
busy() {
    for op in "$d"/ops/*/; do
        if [ ! -f "${op}pid" ] || [ -f "${op}rc" ]; then continue; fi
        read -r pid start where <"${op}pid"
        if [ "$where" = "$(boot)" ] && [ -n "$(members "$pid" "$start")" ]; then return 0; fi
    done
    return 1
}

precommit() {
    fence "$1" "$2" open
    ! busy || die 76 "a step still runs"
    printf 'precommit\n' | store "$d/status"
    journal precommit "$1"
    leave
}

confirm() {
    fence "$1" "$2" precommit
    ! busy || die 76 "a step still runs"
    settle confirmed
    leave
}

# abort ID EPOCH REASON: hand the undoing to a process of its own and return at once. On a deploy that is held, it tries again.
abort() {
    why=$3
    fence "$1" "$2" open precommit aborting held
    if [ "$status" != aborting ]; then
        printf '%s\n' "$why" | store "$d/reason"
        printf 'aborting\n' | store "$d/status"
        journal abort "$status" "$why"
    fi
    leave
    setsid sh "$self" "$base" unwind "$1" </dev/null >>"$d/reaper.log" 2>&1 9>&- &
}

hold() {
    why=$3
    fence "$1" "$2" open precommit
    settle held "$why"
    leave
}

# unlock ID [force]: a person takes the host back from a deploy that is held (or, forced, from any that holds it).
unlock() {
    use "$1"
    exec 8>>"$d/unwind.lock"
    flock -n 8 || die 75 "an undo of $id is running"
    enter
    status=$(value "$d/status")
    [ "$(value "$state/active" || :)" = "$id" ] || die 76 "deploy $id does not hold the host (it is $status)"
    case $status:${2-} in
        held:* | open:force | precommit:force | aborting:force | finishing:force)
            stop_steps || die 70 "a step could not be stopped"
            settle released "unlocked by hand"
            ;;
        *) die 76 "deploy $id is $status" ;;
    esac
    leave
}

# --- undoing, finishing, reaping --------------------------------------------------------------------------------------

# members PID START: the processes of a step that still run. A step is a session, not only a process group: `timeout`,
# for one, makes a group of its own. A leader with another start time means that the number was given anew.
members() {
    if found=$(process "$1"); then [ "${found% *}" = "$2" ] || return 0; fi
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        # shellcheck disable=SC2086  # state, parent, group, session: split on purpose
        set -- "$1" ${line##*) }
        [ "$2" = Z ] || [ "$2" = X ] || [ "$5" != "$1" ] || printf '%s\n' "${line%% *}"
    done
}

# terminate PID START: end a step's processes, TERM first, KILL after 10 s; fails when one of them can't be killed.
# The leader's group gets the signal at once: one by one, a script would go on with its next line when its child died.
# dash knows `kill -s TERM -- -PGID`, not `kill -TERM -- -PGID`; the wrong form once let a migration run on.
terminate() {
    for signal in TERM KILL; do
        until=$(($(now) + 10))
        asked=
        while left=$(members "$1" "$2") && [ -n "$left" ] && [ "$(now)" -lt "$until" ]; do
            if [ "$signal" = KILL ] || [ -z "$asked" ]; then
                asked=yes
                kill -s "$signal" -- "-$1" 2>/dev/null || :
                # shellcheck disable=SC2086  # process ids
                kill -s "$signal" $left 2>/dev/null || :
            fi
            pause 0.1
        done
    done
    [ -z "$left" ]
}

# stop_steps [all]: stop the steps that still run; with `all` also what ended steps left behind. Undoing beside them
# would be a race.
stop_steps() {
    for op in "$d"/ops/*/; do
        if [ ! -f "${op}pid" ] || { [ -f "${op}rc" ] && [ "${1-}" != all ]; }; then continue; fi
        read -r pid start where <"${op}pid"
        if [ "$where" = "$(boot)" ] && [ -n "$(members "$pid" "$start")" ]; then
            journal stop "$(basename "$op")"
            terminate "$pid" "$start" || return 1
        fi
        [ -f "${op}rc" ] || echo 137 | store "${op}rc"
    done
}

# run_all FOLDER ORDER: run each numbered script once; 0 all done, 10 one of them holds, 11 a finish says that all has
# to go back (the reason is in $reason).
run_all() {
    while read -r file; do
        if [ -z "$file" ] || [ -e "$file.done" ]; then continue; fi
        name=$(basename "$file" .sh)
        name=${name#??-}
        tries=1
        while :; do
            journal "$1-start" "$name"
            code=0
            rm -f "$file.out"
            script "$file" "$file.out" || code=$?
            journal "$1-end" "$name" "$code"
            [ "$code" -ne 0 ] || break
            reason=$(tail -c 2000 "$file.out" | tail -n 1)
            reason=${reason:-no reason was given by the $1 of $name}
            [ "$code" -ne "$hold_code" ] || return "$hold_code"
            if [ "$code" -eq "$back_code" ] && [ "$1" = finish ]; then return "$back_code"; fi
            if [ "$tries" -ge "$attempts" ]; then
                reason="$1 of $name failed $attempts times: $reason"
                return "$hold_code"
            fi
            pause "$tries"
            tries=$((tries + 1))
        done
        : | store "$file.done"
    done <<LIST
$(find "$d/$1" -name '[0-9][0-9]-*.sh' | sort "$2")
LIST
}

# unwind ID [cron]: undo (aborting) or complete (finishing), by one process at a time. Descriptor 8 is inherited by the
# scripts on purpose: if this process dies, the lock stays until its last script ended (so a daemon that an undo starts
# has to be started with 8>&-). May be run again at any time; cron doesn't wait, or its calls would pile up.
unwind() {
    # Caught, not ignored: what is ignored is inherited, and a script could not stop its own children any more.
    trap : HUP INT TERM
    use "$1"
    exec 8>>"$d/unwind.lock"
    if [ -n "${2-}" ]; then flock -n 8 || return 0; else flock 8; fi
    # cron's PATH is a short one; the undo scripts run with the one that the steps had.
    if path=$(value "$d/path"); then PATH=$path; fi
    rm -rf "$d/reserve"
    while :; do
        case $(value "$d/status") in
            aborting)
                if stop_steps all; then
                    code=0
                    run_all undo -r || code=$?
                else
                    code=$hold_code
                    reason="a step could not be stopped"
                fi
                end=rolled-back
                ;;
            finishing)
                code=0
                run_all finish -s || code=$?
                end=kept
                ;;
            *) return 0 ;;
        esac
        enter
        [ "$code" -eq "$back_code" ] || break
        printf '%s\n' "$reason" | store "$d/reason"
        printf 'aborting\n' | store "$d/status"
        journal abort finishing "$reason"
        leave
    done
    if [ "$code" -eq 0 ]; then settle "$end"; else settle held "$reason"; fi
    leave
}

# fire: turn a lease that ran out into its end. Called inside the mutex; one of fire and confirm wins.
fire() {
    case $(value "$d/status") in
        open) end=aborting ;;
        precommit) end=finishing ;;
        *) return 0 ;;
    esac
    expired "$d" || return 0
    rm -rf "$d/reserve"
    # Within a boot the reaper looks every second: this long after the lease, something kept it from acting.
    why="the host was rebooted"
    if [ "$where" = "$(boot)" ]; then
        why="the lease ran out (nobody renewed it)"
        late=$(($(now) - deadline))
        [ "$late" -lt "$late_seconds" ] || journal late reaper "$late"
    fi
    [ "$end" = finishing ] || printf '%s\n' "$why" | store "$d/reason"
    printf '%s\n' "$end" | store "$d/status"
    journal fire "$end" "$why"
}

# The reaper's part of the fire drill: an undo script, under the lock, with the PATH and by the function of real ones.
drill() {
    exec 8>>"$d/unwind.lock"
    flock 8
    if path=$(value "$d/path"); then PATH=$path; fi
    reason="the undo script of the fire drill left no trace"
    run_all drill -r && [ -f "$d/drilled" ] || { echo "$reason"; return 1; }
    exec 8>&-
}

# reaper ID: the process that acts when nobody asks any more.
reaper() {
    trap : HUP INT TERM
    use "$1"
    drill || exit 1
    sign "$d/armed"
    while :; do
        case $(value "$d/status" || :) in
            open | precommit)
                # A child does the deed: whatever goes wrong there (a full disk, say), this loop lives and tries again.
                if expired "$d"; then sh "$self" "$base" reap || :; fi
                ;;
            aborting | finishing) sh "$self" "$base" unwind "$1" || : ;;
            '') [ -d "$d" ] || exit 0 ;;
            *)
                # Ended; but whoever ended it may have died on the last metre.
                sh "$self" "$base" reap || :
                exit 0
                ;;
        esac
        pause 1
    done
}

# reap [cron]: the next contact (or cron) settles what a dead runner, a dead reaper or a reboot left behind.
reap() {
    [ -d "$state" ] || return 0
    enter
    if ! holder=$(holder); then
        cron_line remove
        leave
        return 0
    fi
    use "$holder"
    fire
    case $(value "$d/status") in
        open | precommit | held) leave ;;
        aborting | finishing)
            leave
            unwind "$holder" "${1-}"
            ;;
        *)
            conclude
            leave
            ;;
    esac
    status "$holder"
}

# status [ID]: what is known, as one line of JSON; without an ID, of the holder or else of the last deploy that ended.
status() {
    [ -d "$state" ] || { echo '{"id":null,"active":null}'; return 0; }
    holder=$(holder || :)
    id=${1-$holder}
    if [ -z "$id" ]; then
        id=$(tail -n 1 "$state/history.jsonl" 2>/dev/null | sed -n 's/^{"id":"\([^"]*\)".*/\1/p')
        [ -n "$id" ] || { echo '{"id":null,"active":null}'; return 0; }
    fi
    use "$id"
    reaper=dead
    if alive "$d/armed"; then
        reaper=alive
        { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || stat=
        case ${stat##*) } in [Tt]*) reaper=stopped ;; esac
    elif [ ! -f "$d/armed" ]; then
        reaper=off
    fi
    left=0
    overdue=0
    if ! expired "$d"; then
        left=$((deadline - $(now)))
    elif [ "$where" = "$(boot)" ]; then
        overdue=$(($(now) - deadline))
    else
        overdue=$(now)
    fi
    running=
    for op in "$d"/ops/*/; do
        if [ -f "${op}pid" ] && [ ! -f "${op}rc" ] && alive "${op}pid"; then running=$(basename "$op"); fi
    done
    printf '{"id":"%s","active":%s,"status":"%s","phase":"%s","epoch":%s,"reason":"%s","lease":%s,"overdue":%s,"reaper":"%s",' \
        "$id" "$(if [ -n "$holder" ]; then printf '"%s"' "$holder"; else echo null; fi)" "$(value "$d/status")" \
        "$(value "$d/phase" || :)" "$(value "$d/epoch")" "$(text "$(whole "$d/reason")")" "$left" "$overdue" "$reaper"
    printf '"reboot":"%s","running":"%s","owner":%s}\n' "$(value "$d/reboot" || echo none)" "$running" \
        "$(whole "$d/owner")"
}

case $base in
    *[[:cntrl:]]*) die 2 "the base folder has a control character in its name" ;;
    /*) ;;
    *) die 2 "not an absolute path: $base" ;;
esac
if [ -e "$state" ] || [ -L "$state" ]; then trusted; fi
case $verb in
    begin) begin "$@" ;;
    step) step "$@" ;;
    register) register "$@" ;;
    wait) wait_step "$@" ;;
    renew) renew "$@" ;;
    phase) phase "$@" ;;
    precommit) precommit "$@" ;;
    confirm) confirm "$@" ;;
    abort) abort "$@" ;;
    hold) hold "$@" ;;
    unlock) unlock "$@" ;;
    status) status "$@" ;;
    reap) reap "$@" ;;
    op) op "$@" ;;
    unwind) unwind "$@" ;;
    reaper) reaper "$@" ;;
    journal)
        use "$1"
        cat "$d/journal.jsonl"
        ;;
    *) die 2 "no such verb: $verb" ;;
esac
