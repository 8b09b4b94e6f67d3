# shellcheck shell=sh disable=SC2016,SC2034
# A state: what the live database holds besides tables and rows, written down and made again. Sourced by mariadb.sh.
#
# It is a folder: schema.txt and inventory.tsv (mariadb-schema.sh), objects.sql (routines, views, triggers, events, as
# parts of a payload), keys.tsv (foreign keys), columns.sql (columns whose default names a sequence).

# --- what is saved before anything is touched ------------------------------------------------------------------------

# Writes the live database's state into folder $1, and its tables' definitions for people.
save_state() {
    rm -rf "$1.new"
    mkdir -p "$1.new"
    refuse_unseen
    refuse_undumpable
    inventory >"$1.new/inventory.tsv" || fail 'the objects of the live database could not be listed'
    schema_text >"$1.new/schema.txt" || fail 'the schema of the live database could not be read'
    : >"$SCRATCH/failed"
    dump_objects "$1.new/inventory.tsv" >"$1.new/objects.sql"
    { dump_tables --no-data && end_of_parts; } >"$1.new/tables.sql"
    [ ! -s "$SCRATCH/failed" ] || fail "the live database's definitions could not be saved: $(cat "$SCRATCH/failed")"
    : >"$1.new/keys.tsv"
    : >"$1.new/columns.sql" # a default keeps the name that it had, and that name is live again after the exchange
    TASK=keys KEYS=$1.new/keys.tsv SOURCE=$DATABASE read_payload <"$1.new/tables.sql" ||
        fail "the live database's foreign keys could not be read"
    sed -n "s/^broken-view$TAB//p" "$1.new/inventory.tsv" | while IFS= read -r view; do
        ask "$DATABASE" "SHOW CREATE VIEW $(identifier "$view")" 2>/dev/null || :
    done >"$1.new/broken-views.txt"
    sync "$1.new"/*
    rm -rf "$1"
    mv "$1.new" "$1"
    sync "$1"
}

# --- objects ---------------------------------------------------------------------------------------------------------

kind_of() { # CLASS: the first word of its lines in a schema text
    case $1 in
    routines) echo routine ;;
    views) echo view ;;
    triggers) echo trigger ;;
    events) echo event ;;
    esac
}

# Statements that drop all objects of class $1 from the live database; views that state $2 calls broken stay, as no
# dump holds them.
drop_statements() {
    case $1 in
    routines)
        ask "$DATABASE" "SELECT DISTINCT CONCAT('DROP ', REPLACE(routine_type, ' BODY', ''), ' IF EXISTS \`',
            REPLACE(routine_name, '\`', '\`\`'), '\`;') FROM information_schema.routines WHERE routine_schema = $THIS_DATABASE"
        ;;
    views)
        sed -n "s/^broken-view$TAB//p" "$2/inventory.tsv" >"$SCRATCH/stay"
        ask "$DATABASE" "SELECT table_name FROM information_schema.views WHERE table_schema = $THIS_DATABASE" >"$SCRATCH/have"
        awk 'FILENAME == ARGV[1] { stay[$0]; next } !($0 in stay)' "$SCRATCH/stay" "$SCRATCH/have" |
            sed 's/`/``/g; s/.*/DROP VIEW IF EXISTS `&`;/'
        ;;
    triggers)
        ask "$DATABASE" "SELECT CONCAT('DROP TRIGGER IF EXISTS \`', REPLACE(trigger_name, '\`', '\`\`'), '\`;')
            FROM information_schema.triggers WHERE trigger_schema = $THIS_DATABASE"
        ;;
    events)
        ask "$DATABASE" "SELECT CONCAT('DROP EVENT IF EXISTS \`', REPLACE(event_name, '\`', '\`\`'), '\`;')
            FROM information_schema.events WHERE event_schema = $THIS_DATABASE"
        ;;
    esac
}

# The part called $1 of the objects on standard input.
part_of_objects() {
    awk -v wanted="-- Belay: part $1" '
        !body && index($0, "-- Belay: part ") == 1 { inside = ($0 == wanted) }
        $0 == "DELIMITER ;;" { body = 1 }
        $0 == "DELIMITER ;" { body = 0 }
        inside && $0 !~ /^\/\*M?!999999\\- / { print }'
}

# Takes the definers out of objects on standard input: who creates them becomes their definer.
without_definers() {
    awk '
        $0 == "DELIMITER ;;" { body = 0 }
        !body && /^(CREATE |\/\*!50003 CREATE\*\/ |\/\*!50106 CREATE\*\/ )?(\/\*!50[0-9]+ )?DEFINER=`/ {
            sub(/DEFINER=`([^`]|``)*`(@`([^`]|``)*`)? ?/, "")
            body = /^(CREATE|\/\*!50003|\/\*!50106)/
        }
        $0 == "DELIMITER ;" { body = 0 }
        { print }'
}

# Writes down, once, which accounts have rights on single routines: they go with a routine that is dropped to be made again.
# Where this account may not read them (mysql.procs_priv), it says so.
note_routine_grants() {
    [ ! -f "$WORK/routine-grants" ] || return 0
    if ask "$DATABASE" "SELECT CONCAT('GRANT ', REPLACE(REPLACE(CAST(proc_priv AS CHAR), ',Grant', ''), ',', ', '), ' ON ', routine_type, ' \`', REPLACE(db, '\`', '\`\`'),
            '\`.\`', REPLACE(routine_name, '\`', '\`\`'), '\` TO \`', REPLACE(user, '\`', '\`\`'), '\`@\`', host, '\`',
            IF(FIND_IN_SET('Grant', proc_priv), ' WITH GRANT OPTION', ''))
        FROM mysql.procs_priv WHERE CAST(db AS BINARY) = $THIS_DATABASE AND proc_priv NOT IN ('', 'Grant')
            AND CONCAT(user, '@', host) <> CURRENT_USER()" >"$SCRATCH/routine-grants" 2>/dev/null; then
        sed '1 s/^/the routines were made again, so these rights of other accounts on them are gone; give them again: /' "$SCRATCH/routine-grants"
    else
        echo 'the routines were made again, so rights that other accounts had on single ones (GRANT EXECUTE ON PROCEDURE …) are gone; this account may not read which (mysql.procs_priv)'
    fi | awk 'NR > 1 { printf "; " } { gsub(/[\001-\037]/, " "); printf "%s", $0 } END { print "" }' | durable "$WORK/routine-grants"
}

class_statements() { # CLASS STATE
    drop_statements "$1" "$2" && cat "$SCRATCH/part"
}

# Makes the objects of class $1 as state $2 has them: drops what is there and creates it again. Leaves DEFINERS=gone
# when the server lets this account create them only as its own. Status 1: refused, see $SCRATCH/errors.
make_class() {
    part_of_objects "$1" <"$2/objects.sql" >"$SCRATCH/part"
    patiently class_statements "$1" "$2" && return 0
    grep -q 'ERROR 1227' "$SCRATCH/errors" || return 1
    part_of_objects "$1" <"$2/objects.sql" | without_definers >"$SCRATCH/part"
    DEFINERS=gone
    patiently class_statements "$1" "$2"
}

alter_database() {
    printf 'ALTER DATABASE %s ' "$(identifier "$DATABASE")"
    cat "$SCRATCH/charset"
}

# Makes every class whose objects aren't yet those of state $1. A class that is as it should be isn't touched: a
# routine keeps its grants, and an event its history.
make_objects() {
    schema_text >"$SCRATCH/have-schema" || return 1
    grep "^database$TAB" "$1/schema.txt" >"$SCRATCH/want-lines" || :
    grep "^database$TAB" "$SCRATCH/have-schema" >"$SCRATCH/have-lines" || :
    if [ -s "$SCRATCH/want-lines" ] && ! cmp -s "$SCRATCH/want-lines" "$SCRATCH/have-lines"; then
        sed "s/^database$TAB$TAB\([^$TAB]*\)$TAB\(.*\)/CHARACTER SET \1 COLLATE \2;/" "$SCRATCH/want-lines" >"$SCRATCH/charset"
        patiently alter_database || return 1
    fi
    for class in routines views triggers events; do
        grep "^$(kind_of "$class")$TAB" "$1/schema.txt" >"$SCRATCH/want-lines" || :
        grep "^$(kind_of "$class")$TAB" "$SCRATCH/have-schema" >"$SCRATCH/have-lines" || :
        ! cmp -s "$SCRATCH/want-lines" "$SCRATCH/have-lines" || continue
        [ "$class" != routines ] || [ ! -s "$SCRATCH/have-lines" ] || note_routine_grants || return 1
        make_class "$class" "$1" || return 1
    done
}

# --- the proof at the end ---------------------------------------------------------------------------------------------

# Compares the live schema with state $1, differences to file $2: `-` is missing, `+` is too much. Broken views of the
# state, definers that the server refused and events whose time is over only give warnings. Status 1: the schema can't be
# read.
find_differences() {
    schema_text >"$SCRATCH/have-schema" || return 1
    grep "^event$TAB" "$SCRATCH/have-schema" >"$SCRATCH/have-lines" || :
    rm -f "$SCRATCH/over"
    awk -F '\t' -v OFS='\t' -v over="$SCRATCH/over" -f "$HERE/mariadb-over.awk" "$SCRATCH/have-lines" "$1/schema.txt" \
        >"$SCRATCH/want-schema" || return 1
    for side in want have; do
        awk -F '\t' -v OFS='\t' -v definers="$DEFINERS" '
            FILENAME == ARGV[1] { if ($1 == "broken-view") broken[$2]; next }
            $1 == "view" && $2 in broken { next }
            definers == "gone" && /^(view|trigger|routine|event)\t/ { sub(/\t[^\t]*$/, "") }
            { print }' "$1/inventory.tsv" "$SCRATCH/$side-schema" | sort >"$SCRATCH/$side-comparable"
    done
    {
        comm -23 "$SCRATCH/want-comparable" "$SCRATCH/have-comparable" | sed 's/^/- /'
        comm -13 "$SCRATCH/want-comparable" "$SCRATCH/have-comparable" | sed 's/^/+ /'
    } >"$2"
    [ ! -s "$SCRATCH/over" ] ||
        WARNING="the time of these events is over, so they do not run again: $(tr '\n' ' ' <"$SCRATCH/over")"
    [ -z "$(cat "$WORK/routine-grants" 2>/dev/null)" ] || WARNING="${WARNING:+$WARNING; }$(cat "$WORK/routine-grants")"
    [ "$DEFINERS" = kept ] ||
        WARNING=${WARNING:+$WARNING; }'this account may create objects only as its own: definers of views, routines, triggers or events were replaced'
}

compare_with_state() { # STATE FILE, after the swap
    find_differences "$1" "$2" || unknown 'the tables were swapped, but the schema could not be read'
    [ ! -s "$2" ] || [ "${SAME_SERIES:-yes}" = no ] ||
        hold "The tables were swapped, but the schema isn't the saved one: see $2. What was live lies in the attic."
}
