# shellcheck shell=sh disable=SC2016
# Dump and prove. Sourced by mariadb.sh. Wants mariadb-client.sh and mariadb-schema.sh.
#
# A payload is one compressed SQL file that any stock client restores by hand into an empty database:
#   zstd -dc payload.sql.zst | mariadb --comments DATABASE
# It has parts, each one run of the dump client: tables with their rows, then routines, views, triggers, events. A
# comment line begins each part, each part has its own `-- Dump completed`, and the last line says that it is the end.

compressor() {
    if [ "$1" = zstd ]; then zstd -q -1 -T0 -c; else gzip -c; fi
}

decompress() { # PAYLOAD
    case $1 in
    *.zst) zstd -d -q -c -- "$1" ;;
    *.gz) gzip -d -c -- "$1" ;;
    *) return 1 ;;
    esac
}

sha256_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# Writes one part; a failure of the dump client leaves a line in $SCRATCH/failed, as no pipe reports it.
part() { # NAME OPTION...
    printf '%s\n' "-- Belay: part $1"
    part_name=$1
    shift
    dump_client "$@" || echo "the dump of $part_name failed" >>"$SCRATCH/failed"
    printf '\n'
}

end_of_parts() { printf '%s\n' '-- Belay: end'; } # a payload cut between two parts lacks it

# Names of all tables of ours and all views, which no part may dump as tables.
tables_to_leave_out() {
    ask "$DATABASE" "SELECT table_name FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND (table_type NOT IN $TABLE_TYPES OR table_name REGEXP $OURS)"
}

# Whether tables keep the history of their rows, and the dump client can write it.
has_history() {
    [ "$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND table_type = 'SYSTEM VERSIONED'")" != 0 ] &&
        has_option "$DUMP_CLIENT" dump-history
}

dump_tables() { # OPTION...
    tables_to_leave_out >"$SCRATCH/left-out" || echo 'the views could not be listed' >>"$SCRATCH/failed"
    while IFS= read -r name; do
        set -- "$@" "--ignore-table=$DATABASE.$name"
    done <"$SCRATCH/left-out"
    has_history && set -- --dump-history "$@"
    part tables --skip-triggers "$@" -- "$DATABASE"
}

# Names of the views in inventory $1, each after those that it reads: the dump client keeps the order it is given, and
# a view WITH CHECK OPTION can't be made while the one below it is only a stand-in.
views_in_order() {
    ask "$DATABASE" "SELECT table_name, REPLACE(view_definition, '\n', ' ') FROM information_schema.views
        WHERE table_schema = $THIS_DATABASE" >"$SCRATCH/views-and-texts" || return 1
    LIVE=$DATABASE awk -F '\t' -f "$HERE/mariadb-names.awk" -f "$HERE/mariadb-views.awk" \
        "$1" "$SCRATCH/views-and-texts" >"$SCRATCH/pairs" || return 1
    tsort "$SCRATCH/pairs" >"$SCRATCH/order" || return 1
    awk -F '\t' '
        FILENAME == ARGV[1] { if ($1 == "view") name[++views] = $2; next }
        { print name[$1] }' "$1" "$SCRATCH/order"
}

# Everything but tables, as inventory $1 lists it; a broken view can't be dumped and is left where it is.
dump_objects() {
    if grep -q -E "^(procedure|function|package|package body)$TAB" "$1"; then
        part routines --no-data --no-create-info --skip-triggers --routines -- "$DATABASE"
    fi
    if grep -q "^view$TAB" "$1"; then
        views_in_order "$1" >"$SCRATCH/good-views" || echo 'the views could not be put in order' >>"$SCRATCH/failed"
        set -- "$1" --no-data --skip-triggers -- "$DATABASE"
        while IFS= read -r name; do set -- "$@" "$name"; done <"$SCRATCH/good-views"
        objects_inventory=$1
        shift
        part views "$@"
        set -- "$objects_inventory"
    fi
    if grep -q "^trigger$TAB" "$1"; then
        part triggers --no-data --no-create-info --triggers -- "$DATABASE"
    fi
    if grep -q "^event$TAB" "$1"; then
        part events --no-data --no-create-info --skip-triggers --events -- "$DATABASE"
    fi
}

# The dump client looks for ever for a delimiter that isn't in an event with `;;` (MariaDB 10.11), and a deploy with it.
# Names with control characters would make lines of structure out of data (and CVE-2026-86047 out of a comment).
refuse_undumpable() {
    unprintable=$(ask "$DATABASE" "SELECT COUNT(*) FROM (
        SELECT table_name AS n FROM information_schema.tables WHERE table_schema = $THIS_DATABASE
        UNION ALL SELECT column_name FROM information_schema.columns WHERE table_schema = $THIS_DATABASE
        UNION ALL SELECT index_name FROM information_schema.statistics WHERE table_schema = $THIS_DATABASE
        UNION ALL SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema = $THIS_DATABASE
        UNION ALL SELECT partition_name FROM information_schema.partitions WHERE table_schema = $THIS_DATABASE
        UNION ALL SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = $THIS_DATABASE
        UNION ALL SELECT routine_name FROM information_schema.routines WHERE routine_schema = $THIS_DATABASE
        UNION ALL SELECT event_name FROM information_schema.events WHERE event_schema = $THIS_DATABASE
        ) AS names WHERE n REGEXP '[[:cntrl:]]'") || fail 'the names of tables and columns could not be read'
    [ "$unprintable" = 0 ] || fail "$unprintable names of tables, columns or other objects hold control characters"
    endless=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = $THIS_DATABASE
        AND INSTR(CONCAT_WS(' ', event_name, event_definition, event_comment), ';;')") || fail 'the events could not be read'
    [ "$endless" = 0 ] || fail "$endless events hold two semicolons in a row (;;), at which the dump client would not end: write them apart"
    case $DATABASE in
    *[\'\"\\]*)
        unreachable=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = $THIS_DATABASE") ||
            fail 'the events could not be read'
        [ "$unreachable" = 0 ] || fail "the dump client can't read the $unreachable events of a database with a quote or a backslash in" \
            "its name ($DATABASE): move them into a database with another name, or drop them"
        ;;
    esac
    unreadable=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.routines
        WHERE routine_schema = $THIS_DATABASE AND routine_definition IS NULL") || fail 'the routines could not be read'
    [ "$unreadable" = 0 ] || fail "the account may not read $unreadable routines of others, so a backup would lack them:" \
        'grant it SELECT on mysql.proc (MariaDB) or SHOW_ROUTINE (MySQL), or make it their definer'
}

# Sets compression and payload, as BELAY_COMPRESSION says; zstd where the host has it when that is left open.
choose_compression() {
    compression=${BELAY_COMPRESSION:-auto}
    if [ "$compression" = auto ]; then
        compression=gzip
        ! command -v zstd >/dev/null || compression=zstd
    fi
    case $compression in
    zstd) payload=payload.sql.zst ;;
    gzip) payload=payload.sql.gz ;;
    *) fail "the compression is zstd or gzip, not $compression" ;;
    esac
}

dump() { # FOLDER
    folder=$1
    mkdir -p "$folder"
    refuse_unseen
    refuse_undumpable
    choose_compression
    inventory >"$SCRATCH/inventory.tsv" || fail 'the objects could not be listed'
    schema_text >"$SCRATCH/schema.txt" || fail 'the schema could not be read'
    checksums_before_dump "$folder"
    counts >"$SCRATCH/counts.tsv" || fail 'the rows could not be counted'
    {
        dump_tables
        dump_objects "$SCRATCH/inventory.tsv"
        end_of_parts
    } | {
        compressor "$compression" || echo "$compression failed" >>"$SCRATCH/failed"
    } | {
        tee "$folder/$payload.part" || echo 'the payload could not be written (is the disk full?)' >>"$SCRATCH/failed"
    } | sha256sum >"$SCRATCH/sha256" || fail 'the payload could not be hashed'
    [ ! -s "$SCRATCH/failed" ] || fail "$(cat "$SCRATCH/failed")"
    counts >"$SCRATCH/counts-after.tsv" || fail 'the rows could not be counted again'
    schema_text >"$SCRATCH/schema-after.txt" || fail 'the schema could not be read again'
    cmp -s "$SCRATCH/schema.txt" "$SCRATCH/schema-after.txt" || fail 'the schema changed during the dump; try again'
    data_bytes=$(ask "$DATABASE" "SELECT IFNULL(SUM(data_length + index_length), 0) FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES AND table_name NOT REGEXP $OURS") ||
        fail 'the size of the tables could not be read'
    counts_exact=yes
    cmp -s "$SCRATCH/counts.tsv" "$SCRATCH/counts-after.tsv" || counts_exact=no
    checksums_after_dump "$folder" >"$SCRATCH/checksum-facts"
    sha256=$(cut -d ' ' -f 1 "$SCRATCH/sha256")
    [ "${#sha256}" -eq 64 ] || fail 'the payload could not be hashed'
    for file in inventory.tsv schema.txt counts.tsv; do
        durable "$folder/$file" <"$SCRATCH/$file"
    done
    printf '%s  %s\n' "$sha256" "$payload" | durable "$folder/payload.sha256"
    sync "$folder/$payload.part"
    mv -f "$folder/$payload.part" "$folder/$payload"
    {
        echo "payload=$payload"
        echo "bytes=$(wc -c <"$folder/$payload" | tr -d ' ')"
        echo "sha256=$sha256"
        echo "compression=$compression"
        echo "schema_sha256=$(sha256_of "$folder/schema.txt")"
        echo "counts_exact=$counts_exact"
        cat "$SCRATCH/checksum-facts"
        awk -F '\t' '{ rows += $2 } END { printf "tables=%d\nrows=%.0f\n", NR, rows }' "$folder/counts.tsv"
        echo "data_bytes=$data_bytes"
        echo "vendor=$VENDOR"
        echo "server_version=$SERVER_VERSION"
        echo "client_version=$("$DUMP_CLIENT" --version | tr -d '\n')"
        printf '%s\n' "database=$DATABASE"
        sed -n "s/^broken-view$TAB/warning=the view can not be used as it is and is left out: /p" "$folder/inventory.tsv"
    } | durable "$folder/facts"
    cat "$folder/facts"
}

# Reads the payload with the task (check, make, rows, keys) that the environment names; see mariadb-payload.awk.
read_payload() {
    LC_ALL=C awk -f "$HERE/mariadb-names.awk" -f "$HERE/mariadb-lines.awk" -f "$HERE/mariadb-tables.awk" \
        -f "$HERE/mariadb-rows.awk" -f "$HERE/mariadb-payload.awk"
}

prove() { # FOLDER PAYLOAD SHA256
    known_payload "$2"
    [ -r "$1/$2" ] || fail "there is no payload $1/$2"
    sha256_of "$1/$2" >"$SCRATCH/sha256" & # while it is read
    hashing=$!
    source=$(sed -n 's/^database=//p' "$1/facts" 2>/dev/null | head -n 1)
    whole=yes
    {
        decompress "$1/$2" || echo 'it does not decompress' >>"$SCRATCH/failed"
    } | TASK=check SOURCE=${source:-$DATABASE} read_payload >"$SCRATCH/proof" 2>"$SCRATCH/errors" || whole=no
    wait "$hashing" || fail "the payload $2 could not be hashed"
    [ "$(cat "$SCRATCH/sha256")" = "$3" ] || fail "the payload $2 was changed: its SHA-256 isn't the recorded one"
    [ "$whole" = yes ] || fail "the payload $2 is incomplete or damaged: $(head -n 1 "$SCRATCH/errors")"
    [ ! -s "$SCRATCH/failed" ] || fail "the payload $2 is damaged: $(cat "$SCRATCH/failed")"
    expected=$(grep -c -E "^(table|sequence)$TAB" "$1/inventory.tsv") || :
    [ "$(head -n 1 "$SCRATCH/proof")" = "tables=$expected" ] || fail "the payload $2 doesn't hold the $expected tables it should"
    refuse_too_long "$(sed -n 's/^longest=//p' "$SCRATCH/proof")"
    echo 'verified=bytes'
    cat "$SCRATCH/proof"
}

# A row of a blob is twice as long in a dump as it came in (--hex-blob), and the server takes no statement that is longer
# than its max_allowed_packet: it would refuse the restore. 1 KiB is for the longer name that a table may get meanwhile.
refuse_too_long() { # BYTES of the longest statement
    packet=$(ask "$DATABASE" 'SELECT @@max_allowed_packet') || fail 'the server does not answer'
    [ "$1" -le $((packet - 1024)) ] ||
        fail "the payload holds a row that is $1 bytes long as SQL, and this server takes $packet (max_allowed_packet), so no" \
            "restore could load it: set max_allowed_packet to $(($1 / 1048576 + 2))M or more in the server's settings"
}

known_payload() { # only names that dump gives
    case $1 in
    payload.sql.zst) command -v zstd >/dev/null || fail 'the payload is compressed by zstd, which this host lacks' ;;
    payload.sql.gz) ;;
    *) fail "$1 isn't a payload of this engine" ;;
    esac
}
