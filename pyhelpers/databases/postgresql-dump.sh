# shellcheck shell=sh
# dump, prove, counts and schema. Sourced by postgresql.sh.

counts_of() { # DATABASE FILE
    sql "$1" -f "$HERE/postgresql-counts.sql" >"$2.raw" && sort "$2.raw" >"$2" && rm -f "$2.raw"
}

schema_of() { # DATABASE FILE
    sql "$1" -f "$HERE/postgresql-schema.sql" >"$2.raw" && sort "$2.raw" >"$2" && rm -f "$2.raw"
}

# What postgresql-facts.sql left in FOLDER, sorted, in three files; the checksums are empty where none were asked for.
# Lines are counted because BusyBox's own tools end well on a full disk.
sorted_facts() { # FOLDER SCHEMA COUNTS CHECKSUMS
    awk -F '\t' 'NF == 3 { print $1 "\t" $3 }' "$1/counts.raw" >"$1/checksums.raw" &&
        awk -F '\t' '{ print $1 "\t" $2 }' "$1/counts.raw" >"$1/rows.raw" &&
        sort "$1/schema.raw" >"$2" && sort "$1/rows.raw" >"$3" && sort "$1/checksums.raw" >"$4" &&
        [ "$(lines_in "$2") $(lines_in "$3")" = "$(lines_in "$1/schema.raw") $(lines_in "$1/counts.raw")" ] &&
        rm -f "$1/schema.raw" "$1/counts.raw" "$1/rows.raw" "$1/checksums.raw"
}

# pg_dump goes on beside the session that failed.
stop_archive() {
    [ ! -f "$SCRATCH/pg_dump.pid" ] || kill "$(cat "$SCRATCH/pg_dump.pid")" 2>/dev/null || :
    flock -w 60 "$SCRATCH/archive.lock" true || :
}

print_of() { # counts_of|schema_of
    scratch_in "${TMPDIR:-/tmp}"
    "$1" "$LIVE" "$SCRATCH/facts" || fail "the database can't be read"
    cat "$SCRATCH/facts"
}

# `kind<TAB>name`, taken from the schema's text.
inventory_of() { # SCHEMA FILE
    awk -F '\t' 'BEGIN { OFS = FS }
        $1 ~ /^(table|view|materialized view|sequence|routine|aggregate|type)$/ { print $1, $2 }
        $1 == "trigger" { print $1, $2 "." $3 }
        $1 == "database" && $2 == "extension" { print $2, $3 }' "$1" | sort >"$2"
}

# A materialized view is filled by its query when it is restored. One whose plan can't even be made without a search_path
# dumps well, and is a backup that no restore could load.
unrestorable_views() { # LOG; prints their names
    sql "$LIVE" -f "$HERE/postgresql-views.sql" 2>"$1" >/dev/null && sed -n 's/.*WARNING:  no plan for //p' "$1"
}

refuse_unrestorable_views() {
    unrestorable_views "$SCRATCH/views.log" >"$SCRATCH/views" || fail "the materialized views can't be read"
    [ ! -s "$SCRATCH/views" ] ||
        fail "no restore could fill the materialized view $(head -n 1 "$SCRATCH/views")$(path_hint "$SCRATCH/views.log")"
}

dump() { # FOLDER
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    drop_left_copies
    scratch_in "$folder"
    refuse_unrestorable_views
    BELAY_PG_DUMP=$BIN/pg_dump BELAY_HERE=$HERE BELAY_ARCHIVE=$(compression)
    export BELAY_PG_DUMP BELAY_HERE BELAY_ARCHIVE
    payload=payload.dump
    [ "$BELAY_ARCHIVE" = gzip ] || payload=payload.dump.zst
    if [ "${BELAY_CHECKSUMS:-no}" = yes ]; then checksums=yes; else checksums=no; fi
    (cd "$SCRATCH" && sql "$LIVE" -v checksums="$checksums" -f "$HERE/postgresql-snapshot.sql" 2>read.log) || {
        stop_archive
        cat "$SCRATCH/read.log" >&2
        cat "$SCRATCH/pg_dump.log" >&2 2>/dev/null || :
        fail "the database can't be read whole$(path_hint "$SCRATCH/read.log")"
    }
    cat "$SCRATCH/read.log" >&2
    [ ! -s "$SCRATCH/pg_dump.log" ] || cat "$SCRATCH/pg_dump.log" >&2
    # Without zstd pg_dump can't go on either.
    [ "$(cat "$SCRATCH/zstd.status" 2>/dev/null)" = 0 ] || fail "zstd failed (is the disk full?)"
    [ "$(cat "$SCRATCH/pg_dump.status" 2>/dev/null)" = 0 ] || fail "pg_dump failed: $(tail -n 1 "$SCRATCH/pg_dump.log")"
    sorted_facts "$SCRATCH" "$SCRATCH/schema.txt" "$SCRATCH/counts.tsv" "$SCRATCH/checksums.tsv" ||
        fail "$SCRATCH can't be written (is the disk full?)"
    inventory_of "$SCRATCH/schema.txt" "$SCRATCH/inventory.tsv"
    sha256=$(sha256_of "$SCRATCH/payload")
    printf '%s  %s\n' "$sha256" "$payload" >"$SCRATCH/payload.sha256"
    mv "$SCRATCH/payload" "$SCRATCH/$payload"
    rm -f "$folder/checksums.tsv"
    if [ "$checksums" = yes ]; then
        mv "$SCRATCH/checksums.tsv" "$folder/checksums.tsv.new"
        settle "$folder/checksums.tsv"
    fi
    for file in counts.tsv schema.txt inventory.tsv settings.json payload.sha256 "$payload"; do
        mv "$SCRATCH/$file" "$folder/$file.new"
        settle "$folder/$file"
    done
    printf '%s\n' "payload=$payload" "bytes=$(bytes_of "$folder/$payload")" "sha256=$sha256" \
        "compression=$BELAY_ARCHIVE" 'counts_exact=yes' "schema_sha256=$(sha256_of "$folder/schema.txt")" \
        "tables=$(lines_in "$folder/counts.tsv")" "rows=$(rows_in "$folder/counts.tsv")" \
        "checksums=$checksums"
}

# zstd or gzip, as asked for by BELAY_COMPRESSION; zstd where the host has it when that is left open.
compression() {
    case ${BELAY_COMPRESSION:-auto} in
    auto) if command -v zstd >/dev/null 2>&1; then echo zstd; else echo gzip; fi ;;
    *) printf '%s\n' "$BELAY_COMPRESSION" ;;
    esac
}

payload_name() {
    case $1 in
    payload.dump | payload.dump.zst) ;;
    *) fail "not a payload of ours: '$1'" ;;
    esac
}

# Give the archive in PAYLOAD to a pg_restore that reads stdin. Without zstd around it, pg_restore's own gzip is inside.
unpacked() { # PAYLOAD
    case $1 in
    *.zst) zstd -q -d -c "$1" ;;
    *) cat "$1" ;;
    esac
}

# The archive's entries; they stand at its beginning, so the rest is not waited for.
contents_of() { # PAYLOAD
    unpacked "$1" 2>/dev/null | "$BIN/pg_restore" -l
}

# The archive is read to its last byte: listing it alone says nothing about the data (half a file lists well).
read_back() { # FOLDER PAYLOAD SCRATCH
    payload_name "$2"
    for file in "$2" counts.tsv schema.txt; do
        [ -f "$1/$file" ] || fail "$1 lacks $file"
    done
    damaged=no
    {
        outcome=0
        unpacked "$1/$2" || outcome=$?
        echo "$outcome" >"$3/unpack.status"
    } 2>"$3/unpack.log" | {
        outcome=0
        "$BIN/pg_restore" -f /dev/null 2>"$3/read.log" || outcome=$?
        cat >/dev/null # so that the other side is read to its end too
        exit "$outcome"
    } || damaged=yes
    [ "$(cat "$3/unpack.status")" = 0 ] || damaged=yes
    if [ "$damaged" = yes ]; then
        cat "$3/unpack.log" "$3/read.log" >&2
        fail "the payload can't be read to its end: it is damaged or cut short"
    fi
    contents_of "$1/$2" >"$3/contents" || fail "the payload's table of contents can't be read"
    # Each counted table must have its data in the archive. Lines there read `…; … TABLE DATA schema table owner`, with
    # line ends in names written as blanks.
    awk -F '\t' '
        function plain(name) {
            gsub(/\\\\/, "\001", name); gsub(/\\t/, "\t", name); gsub(/\\[nr]/, " ", name); gsub(/\\\./, "\002", name)
            if (!sub(/\./, " ", name)) name = "public " name
            gsub(/\001/, "\\", name); gsub(/\002/, ".", name)
            return name " "
        }
        FNR == NR { if (sub(/^[0-9]+; [0-9]+ [0-9]+ TABLE DATA /, "")) data[++count] = $0; next }
        {
            wanted = plain(substr($0, 1, length($0) - length($NF) - 1))
            for (i = 1; i <= count; i++) if (index(data[i], wanted) == 1) next
            print "no data for table " wanted; bad = 1
        }
        END { exit bad }' "$3/contents" "$1/counts.tsv" >&2 || fail "the payload lacks tables that were counted"
}

prove() { # FOLDER PAYLOAD SHA256
    payload_name "$2"
    [ -f "$1/$2" ] || fail "$1 lacks $2"
    [ "$(sha256_of "$1/$2")" = "$3" ] || fail "the payload's SHA-256 isn't the one of the manifest"
    scratch_in "$1"
    read_back "$1" "$2" "$SCRATCH"
    printf '%s\n' 'verified=bytes'
}
