# shellcheck shell=sh
# Sourced by services.sh: who on this host still works on the code from before the last change. Reads /proc, changes nothing.

# Sets old to a sentence about the first of the given processes that began before the code changed, or that works in another
# release; empty when there is none.
find_old() {
    old=
    # Nobody noted a change: then nothing can be called new.
    [ -s "$BELAY_DEPLOY/changed" ] || old="it is not known when the code changed"
    read -r since boot 2>/dev/null <"$BELAY_DEPLOY/changed" || return 0
    # Ticks count from the boot: after another one all processes are new.
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || since=0
    releases=$(cd "$BELAY_BASE" && pwd -P)/releases
    live=$(readlink -f "$BELAY_BASE/current" || :)
    for pid in "$@"; do
        start=$(began "$pid") || continue
        folder=$(readlink "/proc/$pid/cwd" 2>/dev/null || :)
        case $folder/ in
        "$live"/*) ;;
        "$releases"/*) old="process $pid works in $folder" ;;
        esac
        [ "$start" -ge "$since" ] || old="process $pid began before the code changed"
        [ -z "$old" ] || return 0
    done
}

# Queue workers of this app, whoever started them: by their command line and folder.
queue_pids() {
    base=$(cd "$BELAY_BASE" && pwd -P)
    grep -la artisan /proc/[0-9]*/cmdline 2>/dev/null | while IFS= read -r match; do
        words=" $(tr '\000' ' ' <"$match" 2>/dev/null) "
        case $words in *' queue:work '* | *' queue:listen '* | *' horizon '*) ;; *) continue ;; esac
        match=${match%/cmdline}
        case "$(readlink "$match/cwd" 2>/dev/null)/$words" in
        "$base"/* | *" $BELAY_BASE/"* | *" $base/"*) echo "${match#/proc/}" ;;
        esac
    done
}

# Process ids of the children of process $1.
children() {
    for stat in /proc/[0-9]*/stat; do
        { all=$(cat "$stat"); } 2>/dev/null || continue
        parent=$1
        # shellcheck disable=SC2086  # the state, then the parent; split on purpose
        set -- ${all##*) }
        [ "$2" != "$parent" ] || basename "${stat%/stat}"
        set -- "$parent"
    done
}
