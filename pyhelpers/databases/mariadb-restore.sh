# shellcheck shell=sh disable=SC2016,SC2034
# Restore, unrestore, attic-drop. Sourced by mariadb.sh. Wants all the others.
#
# WORK holds everything a later run needs: id, mode, base (names of the places), names.LETTER, load/ (the backup's
# state), restore/ and unrestore/ (each one exchange, see mariadb-exchange.sh). Every step can be cut anywhere and run
# again.

# Takes the WORK folder for this process alone. A killed run may have left its client behind, still at work on the
# server: it keeps the file locked, and ends when its connection is killed.
begin_work() { # WORK
    find_lock_down
    WORK=$1
    mkdir -p "$WORK"
    exec 9>"$WORK/lock"
    waits_left=120
    until flock -n 9; do
        [ ! -f "$WORK/id" ] || end_earlier_session "belay:$(cat "$WORK/id")" || :
        waits_left=$((waits_left - 1))
        [ "$waits_left" -gt 0 ] || fail 'an earlier run on the same work folder is still busy'
        sleep 1
    done
    [ -f "$WORK/mode" ] || choose_places
    ID=$(cat "$WORK/id")
    MODE=$(cat "$WORK/mode")
    BASE=$(cat "$WORK/base")
    take_over "belay:$ID"
}

# Ends what an earlier run with the named lock $1 left on the server; from here on every session of ours takes the lock.
take_over() {
    GUARD= # or it would end itself
    waits_left=120
    until end_earlier_session "$1"; do
        waits_left=$((waits_left - 1))
        [ "$waits_left" -gt 0 ] || fail 'a statement of an earlier run is still being rolled back by the server'
        sleep 1
    done
    GUARD=$1
}

# Kills the connections that hold lock $1, or one of those of its jobs; status 0 when none does.
end_earlier_session() {
    locks="IS_USED_LOCK('$1')"
    for earlier_job in 0 1 2 3; do
        locks="$locks, IS_USED_LOCK('$1.$earlier_job')"
    done
    earlier=$(ask "$DATABASE" "SELECT CONCAT_WS(' ', $locks)") || return 1
    [ -n "$earlier" ] || return 0
    for session in $earlier; do
        ask "$DATABASE" "KILL $session" 2>/dev/null || :
    done
    return 1
}

random_hex() { od -A n -N 4 -t x1 /dev/urandom | tr -d ' \n'; }

# Tries it, as grants can be written in too many ways to be read. A killed try may leave the database, so its NAME is
# written down before, or is always the same; the next try with it drops it. Two tries at once wait for each other.
can_create_database() { # NAME
    trial=$(identifier "$1")
    ask "$DATABASE" "DO GET_LOCK('belay:trial', 60); DROP DATABASE IF EXISTS $trial; CREATE DATABASE $trial;
        CREATE TABLE $trial.t (i INT); DROP DATABASE $trial" >/dev/null
}

choose_places() {
    [ -f "$WORK/id" ] || random_hex | durable "$WORK/id"
    new_id=$(cat "$WORK/id")
    new_base=$(ask "$DATABASE" 'SELECT LEFT(DATABASE(), 40)') || fail 'the server does not answer'
    new_mode=inside
    if can_create_database "${new_base}__belay_s_$new_id" 2>"$SCRATCH/errors"; then
        new_mode=database
    elif [ -n "$(full_disk_hint "$(reason "$SCRATCH/errors")")" ]; then # that isn't what the account may do
        fail "the server could not make a database, nothing was changed: $(reason "$SCRATCH/errors") (is the server's disk full?)"
    fi
    taken=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = $THIS_DATABASE
        AND table_name REGEXP '^_b[sau]$(printf '%s' "$new_id" | cut -c 1-4)_'") || fail 'the server does not answer'
    if [ "$taken" != 0 ]; then
        rm -f "$WORK/id"
        fail 'the number drawn for this restore is in use; try again'
    fi
    if [ "$new_mode" = inside ] && [ "$VENDOR" = mysql ]; then
        refuse_named_checks
    fi
    printf '%s\n' "$new_base" | durable "$WORK/base"
    printf '%s\n' "$new_mode" | durable "$WORK/mode"
}

# MySQL wants the names of CHECK constraints to be unique in a database, so two copies of a table can't lie in one.
refuse_named_checks() {
    checks=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.check_constraints
        WHERE constraint_schema = $THIS_DATABASE") || fail 'the server does not answer'
    [ "$checks" = 0 ] || fail 'MySQL can load tables with CHECK constraints only into a database of their own, and the' \
        'account may not create one: grant it ALL on databases that begin with the name of this one'
}

# --- verbs -----------------------------------------------------------------------------------------------------------

restore() { # FOLDER PAYLOAD WORK
    begin_work "$3"
    [ ! -f "$WORK/unrestore/prepared" ] || fail 'this restore was undone; give a restore a new work folder'
    if [ ! -f "$WORK/restore/done" ]; then
        [ ! -f "$WORK/dropped" ] || fail 'this restore was given up; give a restore a new work folder'
        compare_series "$1"
        WARNING=
        ensure_shadow "$1" "$2"
        exchange "$WORK/restore" s a "$WORK/load"
        drop_empty_shadow
        {
            printf '%s\n' "attic=$(place_name a)"
            awk -F '\t' '{ rows += $2 } END { printf "tables=%d\nrows=%.0f\n", NR, rows }' "$WORK/load/counts.tsv"
            echo restored=yes
            echo "mode=$MODE"
            [ -z "$WARNING" ] || echo "warning=$WARNING"
        } | durable "$WORK/restore/done"
    fi
    cat "$WORK/restore/done"
}

drop_empty_shadow() {
    if [ "$MODE" = database ] && is_database "$(place_database s)"; then
        drop_place s || say "warning: the empty database $(place_database s) could not be dropped"
    fi
}

# Whether any table of this restore has moved, as the server shows it.
has_swapped() {
    [ -f "$WORK/restore/moves.tsv" ] || return 1
    remaining_moves "$WORK/restore/moves.tsv" s a >/dev/null || unknown 'the server could not be asked which tables have moved'
    [ "$(cat "$SCRATCH/moved")" != 0 ]
}

unrestore() { # WORK
    begin_work "$1"
    [ ! -f "$WORK/dropped" ] || fail 'the attic of this restore was dropped; it can no longer be undone'
    if [ ! -f "$WORK/unrestore/done" ]; then
        DEFINERS=kept
        WARNING=
        if [ ! -d "$WORK/unrestore" ] && ! has_swapped; then
            undo_preparation
            return
        fi
        if [ ! -d "$WORK/unrestore" ]; then
            move_tables "$WORK/restore/moves.tsv" s a ||
                hold "The restore moved only some tables, and the others can't follow: $(reason "$SCRATCH/errors")"
            # What goes into the attic shall be usable by hand, but is no reason not to undo.
            patiently cat "$WORK/load/columns.sql" || :
        fi
        exchange "$WORK/unrestore" a u "$WORK/restore/saved"
        {
            printf '%s\n' "attic=$(place_name u)"
            echo unrestored=yes
            echo "mode=$MODE"
            [ -z "$WARNING" ] || echo "warning=$WARNING"
        } | durable "$WORK/unrestore/done"
    fi
    cat "$WORK/unrestore/done"
}

# A restore that was cut before its swap may have dropped triggers already.
undo_preparation() {
    if [ -f "$WORK/restore/prepared" ]; then
        make_objects "$WORK/restore/saved" ||
            hold "Triggers of the live tables could not be put back ($(reason "$SCRATCH/errors")). They are in $WORK/restore/saved/objects.sql."
        rm -f "$WORK/restore/prepared"
    fi
    echo unrestored=nothing
    echo "mode=$MODE"
}

attic_drop() { # WORK
    begin_work "$1"
    if [ -f "$WORK/unrestore/prepared" ]; then
        [ -f "$WORK/unrestore/done" ] || fail 'the undoing of this restore is unfinished; run unrestore first'
    elif [ -f "$WORK/restore/prepared" ]; then
        [ -f "$WORK/restore/done" ] || fail 'this restore is unfinished; run restore or unrestore first'
    fi
    echo yes | durable "$WORK/dropped"
    for letter in s a u; do
        drop_place "$letter" || fail "the place $(place_name "$letter") could not be dropped"
    done
    echo dropped=yes
}
