# shellcheck shell=sh disable=SC2016
# Checksums of tables, by which a copy is compared to what was dumped where BELAY_CHECKSUMS=yes asks for it. Sourced by
# mariadb.sh. Wants mariadb-client.sh and mariadb-schema.sh.
#
# CHECKSUM TABLE adds up a hash of each row, in whatever order they lie, and gives the same for the same rows on the same
# version of the server, whatever the indexes. It takes about as long as the server's part of a dump.
#
# Two kinds of tables are left out, as what a dump holds of them isn't all: a FLOAT is dumped with six digits (a DOUBLE with all),
# and the history of rows can be dumped by newer clients only.

# `table<TAB>checksum` of each table that meets condition $2 in database $1; not sorted.
checksums_where() {
    {
        ask "$1" "SELECT CONCAT('CHECKSUM TABLE \`', REPLACE(table_name, '\`', '\`\`'), '\` EXTENDED;')
            FROM information_schema.tables t WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES
                AND table_type <> 'SEQUENCE' AND $2
                AND NOT EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_schema = t.table_schema
                    AND $(same c.table_name t.table_name) AND c.data_type = 'float')"
    } >"$SCRATCH/statements" || return 1
    query "$1" --raw <"$SCRATCH/statements" >"$SCRATCH/checksums-raw" || return 1
    OF="$1." awk '{ print substr($0, length(ENVIRON["OF"]) + 1) }' "$SCRATCH/checksums-raw"
}

live_checksums() {
    condition="table_name NOT REGEXP $OURS"
    has_history || condition="$condition AND table_type <> 'SYSTEM VERSIONED'"
    checksums_where "$DATABASE" "$condition" >"$SCRATCH/summed" || return 1
    sort "$SCRATCH/summed"
}

# A dump sees the rows of one moment, and no other session can be given the same one. So tables are summed before and
# after it, and only where both are the same it is that of the dumped rows, too.
checksums_before_dump() { # FOLDER
    rm -f "$1/checksums.tsv"
    [ "${BELAY_CHECKSUMS:-no}" = yes ] || return 0
    live_checksums >"$SCRATCH/checksums-before.tsv" || fail 'the rows could not be summed'
}

# Writes FOLDER/checksums.tsv and prints what became of it as facts.
checksums_after_dump() { # FOLDER
    if [ "${BELAY_CHECKSUMS:-no}" != yes ]; then
        echo checksums=no
        return
    fi
    live_checksums >"$SCRATCH/checksums-after.tsv" || fail 'the rows could not be summed again'
    comm -12 "$SCRATCH/checksums-before.tsv" "$SCRATCH/checksums-after.tsv" | durable "$1/checksums.tsv"
    echo checksums=yes
    left_out=$(awk -F '\t' 'FILENAME == ARGV[1] { known[$1]; next }
        !($1 in known) { out = out (out == "" ? "" : ", ") $1 }
        END { print out }' "$1/checksums.tsv" "$SCRATCH/counts.tsv")
    [ -z "$left_out" ] || echo "checksums_left_out=$left_out"
}

# Ends the script when a table of the shadow has other rows than were dumped. Another version of the server may sum
# them in another way, which proves nothing.
prove_checksums() {
    [ -r "$WORK/load/checksums.tsv" ] || return 0
    if [ "$(fact_of_backup server_version)" != "$SERVER_VERSION" ]; then
        say 'warning: the rows were not compared by their checksums, as another version of the server made them'
        return
    fi
    checksums_where "$(place_database s)" "$(at_place s)" >"$SCRATCH/summed" || fail 'the rows of the shadow could not be summed'
    original_names "$WORK/names.s" 1 raw <"$SCRATCH/summed" | sort >"$SCRATCH/have-lines"
    differ=$(comm -23 "$WORK/load/checksums.tsv" "$SCRATCH/have-lines" | cut -f 1 | head -n 3 | tr '\n' ' ')
    [ -z "$differ" ] || fail "rows differ from the dump's in $differ- the live database is untouched"
}
