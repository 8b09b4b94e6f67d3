# shellcheck shell=sh disable=SC2016,SC2034
# The exchange: all tables of the live database leave for one place, and those of another place come in, by ONE
# RENAME TABLE. Restore and unrestore are the same exchange with other places. Sourced by mariadb.sh.
#
# A place is a database of its own (MODE=database), or a prefix inside the live database (MODE=inside), and has a
# letter: s = shadow, loaded from a backup; a = attic, what a restore replaced; u = what an unrestore replaced.
# A rehearsal (MODE=alone) has one place, the database itself.
# names.LETTER lists its tables: `name at the place<TAB>original name`.
#
# What a table has besides its rows comes after it, from a state (mariadb-state.sh): a foreign key's or a trigger's name
# may exist only once in a database.
#
# What is true is always asked from the server: a marker saves work, it never decides whether tables have moved.

LOCK_SECONDS=${BELAY_LOCK_SECONDS:-5} # how long one attempt waits for tables that others use, and blocks those after it
LOCK_ATTEMPTS=${BELAY_LOCK_ATTEMPTS:-12}

place_database() {
    if [ "$MODE" = database ]; then printf '%s__belay_%s_%s' "$BASE" "$1" "$ID"; else printf '%s' "$DATABASE"; fi
}

place_prefix() { [ "$MODE" != inside ] || printf '_b%s%s_' "$1" "$(printf '%s' "$ID" | cut -c 1-4)"; }

place_name() { if [ "$MODE" = database ]; then place_database "$1"; else place_prefix "$1"; fi; }

is_database() {
    [ "$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = CAST($(literal "$1") AS BINARY)")" = 1 ]
}

# The condition that a table of the place's database lies at place $1.
at_place() {
    case $MODE in
    database) printf TRUE ;;
    inside) printf "LEFT(table_name, 8) = '%s'" "$(place_prefix "$1")" ;;
    alone) printf "table_name NOT REGEXP %s" "$OURS" ;;
    esac
}

make_place() {
    [ "$MODE" = database ] || return 0
    ask "$DATABASE" "CREATE DATABASE IF NOT EXISTS $(identifier "$(place_database "$1")")"
}

# Drops a place and all in it. The names are made from this restore's own number, so this can't be the live database.
drop_place() {
    [ "$MODE" != alone ] || return 1
    if [ "$MODE" = database ]; then
        ask "$DATABASE" "DROP DATABASE IF EXISTS $(identifier "$(place_database "$1")")"
    else
        ask "$DATABASE" "SELECT CONCAT('DROP ', IF(table_type = 'SEQUENCE', 'SEQUENCE', 'TABLE'), ' IF EXISTS \`',
            table_name, '\`;') FROM information_schema.tables WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES
            AND $(at_place "$1")" >"$SCRATCH/drop" && query "$DATABASE" <"$SCRATCH/drop"
    fi
}

# Every table in the live database and at places $1 and $2, as `database<TAB>table`.
tables_now() {
    ask "$DATABASE" "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN $TABLE_TYPES
        AND table_schema IN ($(literal "$DATABASE"), $(literal "$(place_database "$1")"), $(literal "$(place_database "$2")"))"
}

# --- statements that have to wait for others -------------------------------------------------------------------------

blockers() {
    ask "$DATABASE" "SELECT CONCAT('connection ', id, ' of ', user, ': ', command, ' for ', time, ' s')
        FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = $THIS_DATABASE ORDER BY time DESC LIMIT 10" |
        tr '\n' ';'
}

# Runs the statements that the command "$@" prints in the live database, waiting a short time and trying again where
# others hold the tables or the server went away. The command is asked each time, as it knows what is left to do.
# Status 1: refused, $SCRATCH/errors says why.
patiently() {
    attempts_left=$LOCK_ATTEMPTS
    until "$@" >"$SCRATCH/do" 2>"$SCRATCH/errors" && run_with_short_wait 2>"$SCRATCH/errors"; do
        attempts_left=$((attempts_left - 1))
        [ "$attempts_left" -gt 0 ] || return 1
        if ! answers; then
            wait_for_server || unknown "the server went away and didn't come back within a minute"
        elif grep -q 'ERROR 1205' "$SCRATCH/errors"; then
            say "others hold the tables, trying again: $(blockers)"
            sleep 1
        elif ! grep -q -E 'ERROR (2006|2013|1053|1317)' "$SCRATCH/errors"; then # else: the server is back already
            return 1
        fi
    done
}

run_with_short_wait() {
    [ -s "$SCRATCH/do" ] || return 0
    { echo "SET SESSION lock_wait_timeout = $LOCK_SECONDS;" && cat "$SCRATCH/do"; } | load "$DATABASE"
}

# --- foreign keys ----------------------------------------------------------------------------------------------------

# Tables that left give up their foreign keys: a key's name may exist only once in a database, and a key whose table
# had been dropped would hold on to the one that came in.
drop_key_statements() { # LETTER
    ask "$(place_database "$1")" "SELECT CONCAT('ALTER TABLE \`', REPLACE(table_schema, '\`', '\`\`'), '\`.\`',
        REPLACE(table_name, '\`', '\`\`'), '\` ', GROUP_CONCAT(CONCAT('DROP FOREIGN KEY \`',
        REPLACE(constraint_name, '\`', '\`\`'), '\`') SEPARATOR ', '), ';')
        FROM information_schema.table_constraints WHERE table_schema = $THIS_DATABASE AND constraint_type = 'FOREIGN KEY'
        AND $(at_place "$1") GROUP BY CAST(table_name AS BINARY), table_schema, table_name"
}

# Adds the keys in file $1 that the live database lacks, one ALTER per table. With foreign_key_checks = 0 (opening)
# that changes definitions only and reads no rows; the rows were consistent when they were saved.
add_key_statements() { # KEYS
    ask "$DATABASE" "SELECT table_name, constraint_name FROM information_schema.table_constraints
        WHERE table_schema = $THIS_DATABASE AND constraint_type = 'FOREIGN KEY'
        UNION SELECT table_name, index_name FROM information_schema.statistics
        WHERE table_schema = $THIS_DATABASE AND index_name REGEXP '^_belay [0-9]+\$'" >"$SCRATCH/have-keys" || return 1
    awk -F '\t' -f "$HERE/mariadb-names.awk" -f "$HERE/mariadb-keys.awk" "$SCRATCH/have-keys" "$1"
}

# --- the move --------------------------------------------------------------------------------------------------------

# Prints the RENAME TABLE of all moves in file $1 that haven't happened; nothing when all have. How many have is
# left in file $SCRATCH/moved.
remaining_moves() { # MOVES FROM TO
    tables_now "$2" "$3" >"$SCRATCH/tables-now" || return 1
    awk -F '\t' -f "$HERE/mariadb-names.awk" -f "$HERE/mariadb-moves.awk" -v task=remaining -v moved="$SCRATCH/moved" \
        "$SCRATCH/tables-now" "$1"
}

# Writes file $1, `away|in<TAB>database<TAB>table<TAB>database<TAB>table`: all live tables to place $3, those of $2 in.
plan_moves() { # MOVES FROM TO
    ask "$DATABASE" "SELECT table_name FROM information_schema.tables WHERE table_schema = $THIS_DATABASE
        AND table_type IN $TABLE_TYPES AND table_name NOT REGEXP $OURS ORDER BY table_name" >"$SCRATCH/live-tables" || return 1
    LIVE=$DATABASE FROM=$(place_database "$2") TO=$(place_database "$3") PREFIX=$(place_prefix "$3") \
        awk -F '\t' -f "$HERE/mariadb-names.awk" -f "$HERE/mariadb-moves.awk" -v task=plan -v names="$SCRATCH/names" \
        "$SCRATCH/live-tables" "$WORK/names.$2" >"$SCRATCH/moves" || return 1
    durable "$WORK/names.$3" <"$SCRATCH/names" && durable "$1" <"$SCRATCH/moves"
}

# Until the first table has moved, the plan is made anew from what is there.
rename_statement() { # MOVES FROM TO
    if [ -f "$1" ]; then
        remaining_moves "$1" "$2" "$3" >"$SCRATCH/remaining" || return 1
        if [ "$(cat "$SCRATCH/moved")" != 0 ]; then
            cat "$SCRATCH/remaining"
            return 0
        fi
    fi
    plan_moves "$1" "$2" "$3" && remaining_moves "$1" "$2" "$3"
}

# Moves all tables and returns when the server shows them moved. Status 1: refused, and nothing moved.
move_tables() { # MOVES FROM TO
    if patiently rename_statement "$1" "$2" "$3"; then
        left=$(remaining_moves "$1" "$2" "$3") || unknown 'the server could not be asked which tables have moved'
        [ -n "$left" ] || return 0
    fi
    why=$(reason "$SCRATCH/errors")
    remaining_moves "$1" "$2" "$3" >/dev/null || unknown 'the server could not be asked which tables have moved'
    [ "$(cat "$SCRATCH/moved")" = 0 ] ||
        hold "Some tables have moved and others have not ($why). Running it again goes on from here."
    return 1
}

# --- the whole exchange ----------------------------------------------------------------------------------------------

# Triggers don't follow a table into another database, and a view may stand where a table must come.
prepare_statements() { # FOLDER FROM
    drop_statements triggers "$1/saved" &&
        awk -F '\t' 'FILENAME == ARGV[1] { comes[$2]; next } $1 ~ /view$/ && $2 in comes { print $2 }' \
            "$WORK/names.$2" "$1/saved/inventory.tsv" | sed 's/`/``/g; s/.*/DROP VIEW IF EXISTS `&`;/'
}

# Exchanges: what is live goes to place $3, what is at place $2 becomes live and gets the objects of state $4. Folder
# $1 keeps what is needed to finish, or to undo. Ends the script when it can't.
exchange() { # FOLDER FROM TO STATE
    DEFINERS=kept
    mkdir -p "$1"
    if [ ! -f "$1/prepared" ]; then
        save_state "$1/saved"
        make_place "$3" || fail 'the attic could not be made'
        refuse_unmakeable "$1/saved/inventory.tsv" "$3" # or the triggers that are about to go might not come again
        echo yes | durable "$1/prepared"
    fi
    if [ ! -f "$1/swapped" ]; then
        # A restore that was cut right after its move left the attic its keys: moved back, they would follow the tables
        # that leave, as the server gives every key the new name of the table it refers to.
        if ! patiently prepare_statements "$1" "$2" || ! patiently drop_key_statements "$2" ||
            ! move_tables "$1/moves.tsv" "$2" "$3"; then
            why=$(reason "$SCRATCH/errors")
            make_objects "$1/saved" ||
                hold "The tables were not swapped ($why), and triggers of the live tables could not be put back ($(reason "$SCRATCH/errors")). They are in $1/saved/objects.sql."
            rm -f "$1/prepared"
            fail "the tables could not be swapped, the live database is as it was: $why; others at work: $(blockers)"
        fi
        echo yes | durable "$1/swapped"
    fi
    patiently drop_key_statements "$3" || after_swap "$1" 'the foreign keys of the attic could not be dropped'
    patiently add_key_statements "$4/keys.tsv" || after_swap "$1" 'the foreign keys could not be added'
    patiently cat "$4/columns.sql" || after_swap "$1" 'defaults that name a sequence could not be set'
    make_objects "$4" || after_swap "$1" 'views, routines, triggers or events could not be made'
    compare_with_state "$4" "$1/differences.txt"
}

after_swap() { # FOLDER SENTENCE
    why=$(reason "$SCRATCH/errors")
    answers || unknown "the tables were swapped, then the server went away ($2)"
    hold "The tables were swapped, but $2: $why. Running it again goes on from here; what was live lies in the attic, its definitions in $1/saved."
}
