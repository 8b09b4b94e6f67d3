# shellcheck shell=sh disable=SC2016,SC2034
# A rehearsal: a backup is loaded into another database and proven there. Sourced by mariadb.sh. Wants all the others.

# The table that says whose an unfinished rehearsal is, and whether it made the database (made) or found it empty
# (found). It has a name of ours, so no count and no schema sees it. What is left of a killed rehearsal may go on by
# itself; the number in it tells each of its new sessions that the database is another rehearsal's by now (FENCE).
UNFINISHED=_bs0000_rehearsal

rehearse() { # FOLDER PAYLOAD INTO
    LIVE=$DATABASE
    INTO=$3
    refuse_as_stage
    find_lock_down
    stage_lock=belay:r$(printf '%s' "$INTO" | sha256sum | cut -c 1-16)
    take_over "$stage_lock"
    take_stage
    # shellcheck disable=SC2154 # it is assigned in the trap itself
    trap 'code=$?; (GUARD= && FENCE= && take_over "$stage_lock" && clear_stage) || :; rm -rf "$SCRATCH"; exit "$code"' EXIT
    set +e # a command on the left of || would lose its own set -e
    (
        set -e
        perform "$1" "$2"
    )
    performed=$?
    set -e
    [ "$performed" -eq 0 ] || exit "$performed"
    ask "$INTO" "DROP TABLE $UNFINISHED" || fail "the rehearsal could not be finished in $INTO"
    trap 'rm -rf "$SCRATCH"' EXIT
    awk -F '\t' '{ rows += $2 } END { printf "tables=%d\nrows=%.0f\n", NR, rows }' "$SCRATCH/rehearsal/load/rows.tsv"
    echo rehearsed=yes
    printf '%s\n' "into=$INTO"
    cat "$SCRATCH/rehearsal/warnings"
}

# --- the database where it takes place -------------------------------------------------------------------------------

refuse_as_stage() {
    plain=$(printf '%s' "$INTO" | tr -d '\000-\037')
    if [ -z "$INTO" ] || [ "$plain" != "$INTO" ]; then
        fail 'the database to rehearse in needs a name'
    fi
    [ "$(ask "$DATABASE" "SELECT LOWER($(literal "$INTO")) = LOWER(DATABASE())")" = 0 ] ||
        fail "$INTO is the live database; a rehearsal takes place in another one"
    ! printf '%s' "$INTO" | grep -q -i -E '__belay_[a-z]_[0-9a-f]+$' ||
        fail "$INTO is a database that Belay keeps for itself; give a rehearsal another one"
}

# Takes the empty database INTO, or makes it. What a killed rehearsal left there is thrown away first.
take_stage() {
    if is_database "$INTO"; then
        STAGE=found
        clear_stage
        things=$(ask "$DATABASE" "SELECT
            (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = $(literal "$INTO")) +
            (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = $(literal "$INTO")) +
            (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = $(literal "$INTO"))") ||
            fail "the database $INTO could not be looked at"
        [ "$things" = 0 ] || fail "the database $INTO holds $things tables or other objects already; a rehearsal wants an empty one"
    fi
    if ! is_database "$INTO"; then
        STAGE=made
        ask "$DATABASE" "CREATE DATABASE $(identifier "$INTO")" 2>"$SCRATCH/errors" ||
            fail "the database $INTO could not be made: $(reason "$SCRATCH/errors")"
    fi
    token=$(random_hex)
    ask "$INTO" "CREATE TABLE $UNFINISHED (i INT) COMMENT = 'Belay: unfinished rehearsal, $token, $STAGE'" 2>"$SCRATCH/errors" ||
        fail "nothing may be made in $INTO: $(reason "$SCRATCH/errors")"
    FENCE="EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = $(literal "$INTO")
        AND table_name = '$UNFINISHED' AND table_comment LIKE '%, $token, %')"
}

# Throws away an unfinished rehearsal, if there is one in INTO, and shuts its FENCE before that: all of it was put there
# by us. A database that was found stays, empty.
clear_stage() {
    left=$(ask "$LIVE" "SELECT CONCAT(SUBSTRING_INDEX(table_comment, ', ', -1), ' CHARACTER SET ', default_character_set_name,
        ' COLLATE ', default_collation_name) FROM information_schema.tables JOIN information_schema.schemata
        ON schema_name = table_schema WHERE table_schema = $(literal "$INTO") AND table_name = '$UNFINISHED'
        AND table_comment LIKE 'Belay: unfinished rehearsal, %'") || fail "the database $INTO could not be looked at"
    [ -n "$left" ] || return 0
    ask "$LIVE" "ALTER TABLE $(identifier "$INTO").$UNFINISHED COMMENT = 'Belay: unfinished rehearsal, cleared, ${left%% *}'" ||
        fail "what an unfinished rehearsal left in $INTO could not be taken over"
    take_over "$stage_lock" # those who came in before that
    case $left in
    made*) ask "$LIVE" "DROP DATABASE $(identifier "$INTO")" ;;
    found*) ask "$LIVE" "DROP DATABASE $(identifier "$INTO"); CREATE DATABASE $(identifier "$INTO")${left#found}" ;;
    esac || fail "what an unfinished rehearsal left in $INTO could not be dropped"
}

# --- the rehearsal ---------------------------------------------------------------------------------------------------

perform() { # FOLDER PAYLOAD
    DATABASE=$INTO
    MODE=alone # the place is the database itself
    WORK=$SCRATCH/rehearsal
    DEFINERS=kept
    WARNING=
    mkdir "$WORK"
    compare_series "$1"
    take_state "$1" "$2"
    silence_events
    refuse_unmakeable "$WORK/load/inventory.tsv" s
    fill_shadow "$1" "$2"
    prove_shadow
    patiently add_key_statements "$WORK/load/keys.tsv" || fail "the foreign keys could not be added in $INTO: $(reason "$SCRATCH/errors")"
    make_objects "$WORK/load" ||
        fail "views, routines, triggers or events could not be made in $INTO: $(reason "$SCRATCH/errors")"
    find_differences "$WORK/load" "$WORK/differences" || fail "the schema of $INTO could not be read"
    [ ! -s "$WORK/differences" ] || [ "$SAME_SERIES" = no ] ||
        fail "what was loaded into $INTO isn't what was saved: $(head -n 2 "$WORK/differences" | tr '\t\n' '  ' | cut -c 1-300)"
    [ -z "$WARNING" ] || echo "warning=$WARNING" >>"$WORK/warnings"
}

# Events of a rehearsal would run beside the live ones, and what they name they would change.
silence_events() {
    : >"$WORK/warnings"
    scheduler=$(ask "$DATABASE" 'SELECT @@event_scheduler') || fail 'the server does not answer'
    if [ "$scheduler" = ON ] && grep -q "^event$TAB" "$WORK/load/inventory.tsv"; then
        for file in inventory.tsv schema.txt; do
            sed -i "/^event$TAB/d" "$WORK/load/$file"
        done
        echo "warning=events were left out of the rehearsal: the server's event scheduler is on and would run them" >>"$WORK/warnings"
    fi
}
