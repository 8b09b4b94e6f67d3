# shellcheck shell=sh disable=SC2016,SC2034
# What a database holds, as text: canonical schema, inventory, counts. Equal texts are equal schemas.
# Sourced by mariadb.sh. Wants mariadb-client.sh.
#
# Every line is `kind<TAB>name<TAB>…`, sorted by bytes. AUTO_INCREMENT counters, statistics and dates are left out:
# they move without anybody changing the schema. The database's own name is taken out of definitions, so that the same
# objects in another database give the same text. A definer is always the last column.

LC_ALL=C
export LC_ALL

TABLE_KINDS='table|column|index|check|partition|sequence' # what a shadow without foreign keys can already show

# Expression $1 without the name of this database in it, and without prefix $2 of the tables that it names there.
without_database() {
    printf "REPLACE(%s, CONCAT('\`', REPLACE(DATABASE(), '\`', '\`\`'), '\`.\`%s'), '\`')" "$1" "${2:-}"
}

# Whether two names are the same: information_schema compares them without regard to case and accents.
same() { printf 'CAST(%s AS BINARY) = CAST(%s AS BINARY)' "$1" "$2"; }

# PAGE_CHECKSUM=1 is what Aria has anyway, and says only of a table that was made from its own SHOW CREATE TABLE.
# Statements whose rows describe the tables that meet condition $1 (on table_name); $2 is the prefix that their names
# have at a place, or nothing: a default such as nextval(`database`.`sequence`) has it too.
table_statements() {
    if [ "$VENDOR" = mariadb ]; then
        generated="is_generated, $(without_database generation_expression "${2:-}")"
        default=$(without_database column_default "${2:-}")
        index_extra="''"
        case $SERVER_VERSION in
        10.[0-5].*) ;;
        *) index_extra=ignored ;;
        esac
        checks="SELECT 'check', table_name, constraint_name, check_clause FROM information_schema.check_constraints
            WHERE constraint_schema = $THIS_DATABASE AND $1;"
    else
        generated="'', generation_expression"
        default=column_default
        index_extra="CONCAT_WS(' ', is_visible, expression)"
        checks="SELECT 'check', table_name, constraint_name, check_clause, enforced
            FROM information_schema.table_constraints JOIN information_schema.check_constraints
            USING (constraint_schema, constraint_name) WHERE constraint_schema = $THIS_DATABASE AND $1;"
    fi
    cat <<STATEMENTS
SELECT 'table', table_name, table_type, engine, row_format,
    IF(table_type = 'SEQUENCE', '', table_collation), TRIM(REPLACE(create_options, 'page_checksum=1', '')), table_comment
    FROM information_schema.tables WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES AND $1;
SELECT 'column', t.table_name, column_name, ordinal_position, QUOTE($default), is_nullable, column_type,
    character_set_name, collation_name, extra, $generated, column_comment
    FROM information_schema.columns c JOIN information_schema.tables t
        ON t.table_schema = c.table_schema AND $(same t.table_name c.table_name)
    WHERE c.table_schema = $THIS_DATABASE AND t.table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES
        AND $(printf '%s' "$1" | sed 's/table_name/t.&/g');
SELECT 'index', table_name, index_name, seq_in_index, non_unique, column_name, collation, sub_part, index_type,
    index_comment, $index_extra FROM information_schema.statistics WHERE table_schema = $THIS_DATABASE AND $1;
$checks
SELECT 'partition', table_name, partition_name, subpartition_name, partition_ordinal_position,
    subpartition_ordinal_position, partition_method, subpartition_method, partition_expression,
    subpartition_expression, partition_description, partition_comment
    FROM information_schema.partitions WHERE table_schema = $THIS_DATABASE AND partition_name IS NOT NULL AND $1;
STATEMENTS
}

# Statements whose rows describe the sequences that meet condition $2 in database $1. A sequence is a table of one
# row; its counter is data, not schema.
sequence_statements() {
    [ "$VENDOR" = mariadb ] || return 0
    ask "$1" "SELECT CONCAT('SELECT ''sequence'', ', QUOTE(table_name), ', start_value, minimum_value, maximum_value, ',
        'increment, cache_size, cycle_option FROM \`', REPLACE(table_name, '\`', '\`\`'), '\`;')
        FROM information_schema.tables WHERE table_schema = $THIS_DATABASE AND table_type = 'SEQUENCE' AND $2;"
}

object_statements() {
    body=$(without_database view_definition)
    algorithm="''"
    [ "$VENDOR" = mysql ] || algorithm=algorithm
    cat <<STATEMENTS
SELECT 'database', '', default_character_set_name, default_collation_name
    FROM information_schema.schemata WHERE schema_name = $THIS_DATABASE;
SELECT 'foreign-key', k.table_name, k.constraint_name, GROUP_CONCAT(k.column_name ORDER BY k.ordinal_position),
    IF(MAX(k.referenced_table_schema) = $THIS_DATABASE, '', MAX(k.referenced_table_schema)),
    MAX(k.referenced_table_name), GROUP_CONCAT(k.referenced_column_name ORDER BY k.ordinal_position),
    MAX(r.update_rule), MAX(r.delete_rule)
    FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
    ON r.constraint_schema = k.constraint_schema AND $(same r.constraint_name k.constraint_name)
        AND $(same r.table_name k.table_name)
    WHERE k.table_schema = $THIS_DATABASE AND r.constraint_schema = $THIS_DATABASE AND k.referenced_table_name IS NOT NULL AND k.table_name NOT REGEXP $OURS
    GROUP BY CAST(k.table_name AS BINARY), CAST(k.constraint_name AS BINARY), k.table_name, k.constraint_name;
SELECT 'trigger', trigger_name, event_manipulation, event_object_table, action_timing, action_order,
    action_statement, sql_mode, character_set_client, collation_connection, database_collation,
    definer FROM information_schema.triggers
    WHERE trigger_schema = $THIS_DATABASE AND event_object_table NOT REGEXP $OURS;
SELECT 'view', table_name, $body, check_option, security_type, character_set_client, collation_connection,
    $algorithm, definer FROM information_schema.views WHERE table_schema = $THIS_DATABASE;
SELECT 'routine', r.routine_name, r.routine_type, r.dtd_identifier,
    (SELECT GROUP_CONCAT(CONCAT_WS(' ', p.parameter_mode, p.parameter_name, p.dtd_identifier, p.character_set_name,
        p.collation_name) ORDER BY p.ordinal_position SEPARATOR ', ') FROM information_schema.parameters p
        WHERE p.specific_schema = r.routine_schema AND p.specific_name = r.specific_name
            AND p.routine_type = r.routine_type),
    r.routine_definition, r.is_deterministic, r.sql_data_access, r.security_type, r.sql_mode, r.routine_comment,
    r.character_set_client, r.collation_connection, r.database_collation, r.definer
    FROM information_schema.routines r WHERE r.routine_schema = $THIS_DATABASE;
SELECT 'event', event_name, event_type, execute_at, interval_value, interval_field, starts, ends, time_zone, status,
    on_completion, event_definition, sql_mode, event_comment, character_set_client, collation_connection,
    database_collation, definer FROM information_schema.events WHERE event_schema = $THIS_DATABASE;
STATEMENTS
}

# The canonical text of the live database.
schema_text() {
    {
        table_statements "table_name NOT REGEXP $OURS" && object_statements &&
            sequence_statements "$DATABASE" "table_name NOT REGEXP $OURS"
    } >"$SCRATCH/statements" || return 1
    query "$DATABASE" <"$SCRATCH/statements" >"$SCRATCH/unsorted" || return 1
    sort "$SCRATCH/unsorted"
}

# The same for the tables that meet condition $2 in database $1, under the names that names file $3 gives them; $4 is
# the prefix that they have there.
schema_text_of_place() {
    {
        table_statements "$2" "$4" && sequence_statements "$1" "$2"
    } >"$SCRATCH/statements" || return 1
    query "$1" <"$SCRATCH/statements" >"$SCRATCH/placed" || return 1
    original_names "$3" 2 escaped <"$SCRATCH/placed" | sort
}

# Rewrites column $2 of the lines on standard input from the names at a place to the original ones, by names file $1.
# $3 is raw or escaped, as the lines are.
original_names() {
    awk -F '\t' -v OFS='\t' -v column="$2" -v form="$3" '
        FILENAME == ARGV[1] { name = $2; if (form == "escaped") gsub(/\\/, "&&", name); original[$1] = name; next }
        { if ($column in original) $column = original[$column]; print }' "$1" -
}

# `kind<TAB>name` of every object. A view that its tables or columns no longer support is a broken-view.
inventory() {
    cat >"$SCRATCH/statements" <<STATEMENTS
SELECT CASE table_type WHEN 'SEQUENCE' THEN 'sequence' WHEN 'VIEW' THEN 'view' ELSE 'table' END, table_name
    FROM information_schema.tables
    WHERE table_schema = $THIS_DATABASE AND (table_type = 'VIEW' OR table_type IN $TABLE_TYPES)
        AND table_name NOT REGEXP $OURS;
SELECT 'trigger', trigger_name FROM information_schema.triggers
    WHERE trigger_schema = $THIS_DATABASE AND event_object_table NOT REGEXP $OURS;
SELECT LOWER(routine_type), routine_name FROM information_schema.routines WHERE routine_schema = $THIS_DATABASE;
SELECT 'event', event_name FROM information_schema.events WHERE event_schema = $THIS_DATABASE;
STATEMENTS
    query "$DATABASE" --raw <"$SCRATCH/statements" >"$SCRATCH/objects" || return 1
    broken_views "$SCRATCH/objects" >"$SCRATCH/broken" || return 1
    awk -F '\t' -v OFS='\t' '
        FILENAME == ARGV[1] { broken[$0]; next }
        $1 == "view" && $2 in broken { $1 = "broken-view" }
        { print }' "$SCRATCH/broken" "$SCRATCH/objects" | sort
}

# Names of the views in inventory $1 whose columns the server can't name any more. One question for all of them, and
# only where it fails one for each.
broken_views() {
    awk -F '\t' '$1 == "view" { print $2 }' "$1" >"$SCRATCH/views"
    [ -s "$SCRATCH/views" ] || return 0
    sed 's/`/``/g; s/.*/SHOW COLUMNS FROM `&`;/' "$SCRATCH/views" >"$SCRATCH/look"
    query "$DATABASE" <"$SCRATCH/look" >/dev/null 2>"$SCRATCH/errors" && return 0
    answers || return 1
    while IFS= read -r view; do
        printf 'SHOW COLUMNS FROM %s;\n' "$(identifier "$view")" | query "$DATABASE" >/dev/null 2>&1 || printf '%s\n' "$view"
    done <"$SCRATCH/views"
}

# Rows of each table that meets condition $2 in database $1, as `table<TAB>rows`, in one snapshot; not sorted.
counts_where() {
    {
        echo 'START TRANSACTION WITH CONSISTENT SNAPSHOT;'
        ask "$1" "SELECT CONCAT('SELECT ', QUOTE(table_name), ', COUNT(*) FROM \`', REPLACE(table_name, '\`', '\`\`'), '\`;')
            FROM information_schema.tables WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES
                AND table_type <> 'SEQUENCE' AND $2 ORDER BY table_name;"
    } >"$SCRATCH/statements" || return 1
    query "$1" --raw <"$SCRATCH/statements"
}

counts() {
    counts_where "$DATABASE" "table_name NOT REGEXP $OURS" >"$SCRATCH/counted" || return 1
    sort "$SCRATCH/counted"
}

counts_of_place() { # DATABASE CONDITION NAMES, as schema_text_of_place
    counts_where "$1" "$2" >"$SCRATCH/counted" || return 1
    original_names "$3" 1 raw <"$SCRATCH/counted" | sort
}
