# shellcheck shell=sh
# dump and prove, and the check of a payload that a restore begins with. Sourced by sqlite.sh.

# zstd or gzip, as asked for by BELAY_COMPRESSION; zstd where the host has it when that is left open.
compression() {
    case ${BELAY_COMPRESSION:-auto} in
    auto) if command -v zstd >/dev/null 2>&1; then echo zstd; else echo gzip; fi ;;
    *) printf '%s\n' "$BELAY_COMPRESSION" ;;
    esac
}

dump() { # FOLDER
    folder=$1
    mkdir -p "$folder"
    scratch_in "$folder"
    raw=$SCRATCH/raw.sqlite
    missing=no
    source=$LIVE
    if [ ! -e "$LIVE" ]; then
        missing=yes
        source=:memory:
        say "the database $LIVE doesn't exist yet: backed up as an empty one"
    fi
    sqlite save "$source" "$raw" || fail "the copy of $LIVE failed (is the disk full?)"
    integrity_of "$raw" || fail "$LIVE is damaged (integrity_check): it can't be backed up as it is"
    counts_of "$raw" "$SCRATCH/counts.tsv" || fail "the rows can't be counted"
    schema_of "$raw" "$SCRATCH/schema.txt" || fail "the schema can't be read"
    inventory_of "$raw" "$SCRATCH/inventory.tsv" || fail "the objects can't be listed"
    # Each page of the copy in which the rows were counted: more than a checksum of each table, and cheaper.
    printf '%s\n' "$(sha256_of "$raw")" >"$SCRATCH/raw.sha256"
    compression=$(compression)
    if [ "$compression" = zstd ]; then
        payload=payload.sqlite.zst
        zstd -q -3 -T0 -o "$SCRATCH/payload" "$raw" || fail "zstd failed (is the disk full?)"
    else
        payload=payload.sqlite.gz
        gzip -n -c "$raw" >"$SCRATCH/payload" || fail "gzip failed (is the disk full?)"
    fi
    sha256=$(sha256_of "$SCRATCH/payload")
    printf '%s  %s\n' "$sha256" "$payload" >"$SCRATCH/payload.sha256"
    for file in counts.tsv schema.txt inventory.tsv raw.sha256 payload.sha256 payload; do
        target=$folder/$file
        [ "$file" != payload ] || target=$folder/$payload
        mv "$SCRATCH/$file" "$target.new"
        settle "$target"
    done
    # The rows were counted in the copy itself, which is one state of the database: exact by construction.
    printf '%s\n' "payload=$payload" "bytes=$(bytes_of "$folder/$payload")" "raw_bytes=$(bytes_of "$raw")" \
        "sha256=$sha256" "compression=$compression" "missing=$missing" "counts_exact=yes" \
        "schema_sha256=$(sha256_of "$folder/schema.txt")" \
        "tables=$(lines_in "$folder/counts.tsv")" "rows=$(rows_in "$folder/counts.tsv")" 'checksums=yes'
}

unpack() { # PAYLOAD TARGET
    case $1 in
    *.zst)
        command -v zstd >/dev/null 2>&1 || fail "this backup is compressed by zstd, which this host lacks"
        zstd -q -d -f -o "$2" "$1"
        ;;
    *.gz) gzip -d -c "$1" >"$2" ;;
    *) fail "not a payload of ours: $1" ;;
    esac
}

# Backups of earlier versions have none.
has_checksums() { if [ -f "$1/raw.sha256" ]; then echo yes; else echo no; fi; } # FOLDER

payload_name() {
    case $1 in
    payload.sqlite.zst | payload.sqlite.gz) ;;
    *) fail "not a payload of ours: '$1'" ;;
    esac
}

# Unpack a payload beside and compare it with what the dump wrote down: a database that passes is the dumped one.
unpack_and_compare() { # FOLDER PAYLOAD TARGET
    payload_name "$2"
    for file in counts.tsv schema.txt; do
        [ -f "$1/$file" ] || fail "$1 lacks $file"
    done
    drop_database "$3"
    unpack "$1/$2" "$3" || fail "the payload can't be unpacked whole: it is damaged or cut short, or the disk is full"
    if [ "$(has_checksums "$1")" = yes ] && [ "$(cat "$1/raw.sha256")" != "$(sha256_of "$3")" ]; then
        fail "what is in the payload isn't what was dumped, byte for byte"
    fi
    integrity_of "$3" || fail "the payload isn't an intact SQLite database"
    counts_of "$3" "$3.counts" || fail "the payload's rows can't be counted"
    cmp -s "$3.counts" "$1/counts.tsv" || fail "the payload's row counts aren't those of the dump"
    schema_of "$3" "$3.schema" || fail "the payload's schema can't be read"
    cmp -s "$3.schema" "$1/schema.txt" || fail "the payload's schema isn't the one of the dump"
}

prove() { # FOLDER PAYLOAD SHA256
    payload_name "$2"
    [ "$(sha256_of "$1/$2")" = "$3" ] || fail "the payload's SHA-256 isn't the one of the manifest"
    scratch_in "$1"
    unpack_and_compare "$1" "$2" "$SCRATCH/raw.sqlite"
    printf '%s\n' 'verified=bytes' "raw_bytes=$(bytes_of "$SCRATCH/raw.sqlite")"
}
