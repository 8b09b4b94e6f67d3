# shellcheck shell=sh disable=SC2016,SC2034
# Loading a backup beside the live database, and proving it there. Sourced by mariadb.sh. Wants all that restore wants.
#
# `load` stops when the copy is proven, and `restore` with the same work folder then only swaps; without it, restore
# loads first. `unload` drops a copy that no restore has begun to use.

# Objects that this account could not make again after the swap, or for which the server has no room, are a reason not to
# swap: tries one of each kind, at place $2.
refuse_unmakeable() { # INVENTORY LETTER
    trial=$(identifier "$(place_database "$2")").$(identifier "$(place_prefix "$2")~trial")
    {
        drop_trial "$1"
        printf '%s\n' "CREATE TABLE $trial (i INT);"
        ! grep -q "^trigger$TAB" "$1" || printf '%s\n' "CREATE TRIGGER $trial BEFORE INSERT ON $trial FOR EACH ROW SET NEW.i = 1;"
        printf '%s\n' "DROP TABLE $trial;"
        ! grep -q "^view$TAB" "$1" || printf '%s\n' "CREATE VIEW $trial AS SELECT 1 AS i; DROP VIEW $trial;"
        ! grep -q -E "^(function|procedure)$TAB" "$1" ||
            printf '%s\n' "CREATE FUNCTION $trial() RETURNS INT DETERMINISTIC NO SQL RETURN 1; DROP FUNCTION $trial;"
        ! grep -q "^event$TAB" "$1" ||
            printf '%s\n' "CREATE EVENT $trial ON SCHEDULE EVERY 1 YEAR DISABLE DO DO 1; DROP EVENT $trial;"
    } | query "$DATABASE" 2>"$SCRATCH/errors" && return 0
    drop_trial "$1" | query "$DATABASE" --force 2>/dev/null || :
    fail "the account may not make again what the backup holds, nothing was changed: $(reason "$SCRATCH/errors")$(full_disk_hint "$(reason "$SCRATCH/errors")")"
}

drop_trial() { # INVENTORY
    ! grep -q -E "^(function|procedure)$TAB" "$1" || printf '%s\n' "DROP FUNCTION IF EXISTS $trial;"
    ! grep -q "^event$TAB" "$1" || printf '%s\n' "DROP EVENT IF EXISTS $trial;"
    ! grep -q "^view$TAB" "$1" || printf '%s\n' "DROP VIEW IF EXISTS $trial;"
    printf '%s\n' "DROP TABLE IF EXISTS $trial;"
}

refuse_foreign_references() {
    others=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.key_column_usage
        WHERE referenced_table_schema = $THIS_DATABASE AND table_schema <> $THIS_DATABASE
            AND table_schema NOT LIKE CONCAT(REPLACE(REPLACE($(literal "$BASE"), '_', '\\\\_'), '%', '\\\\%'), '\\\\_\\\\_belay\\\\_%')") ||
        fail 'the server does not answer'
    [ "$others" = 0 ] || fail "tables of other databases have foreign keys to tables of $DATABASE; they would follow the old tables"
}

fact_of_backup() { sed -n "s/^$1=//p" "$WORK/load/facts" | head -n 1; } # KEY

# Copies the backup's state into WORK, so that a rerun needs FOLDER only while it loads.
take_state() { # FOLDER PAYLOAD
    known_payload "$2"
    for file in "$2" counts.tsv schema.txt inventory.tsv; do
        [ -r "$1/$file" ] || fail "the backup lacks $file"
    done
    rm -rf "$WORK/load"
    mkdir -p "$WORK/load"
    identity_of "$1" >"$WORK/load/identity"
    cp "$1/counts.tsv" "$1/schema.txt" "$1/inventory.tsv" "$WORK/load/"
    : >"$WORK/load/facts"
    for file in facts checksums.tsv; do
        [ ! -r "$1/$file" ] || cp "$1/$file" "$WORK/load/"
    done
    if [ -r "$1/payload.sha256" ]; then
        [ "$(cut -d ' ' -f 1 "$1/payload.sha256")" = "$(sha256_of "$1/$2")" ] ||
            fail "the payload $2 was changed: its SHA-256 isn't the recorded one"
    fi
}

load_shadow() { # FOLDER PAYLOAD
    take_state "$1" "$2"
    refuse_foreign_references
    drop_place s || fail 'the shadow of an earlier run could not be dropped'
    refuse_without_room
    # shellcheck disable=SC2154 # it is assigned in the trap itself
    trap 'code=$?; [ "$code" != 1 ] || (give_up_shadow) || :; rm -rf "$SCRATCH"; exit "$code"' EXIT
    make_place s || fail 'the shadow could not be made'
    refuse_unmakeable "$WORK/load/inventory.tsv" s
    fill_shadow "$1" "$2"
    prove_shadow
    sync "$WORK"/load/* "$WORK/names.s"
    echo yes | durable "$WORK/load/done"
    trap 'rm -rf "$SCRATCH"' EXIT
}

# A load that fills the disk doesn't only fail: MariaDB 10.11 dies of it, and can't start again while the disk is full, as
# the rollback of what was loaded needs room itself. So where the server's folder can be seen, its free space is asked for
# before. A copy takes about as much as the tables did when they were dumped, or less.
refuse_without_room() {
    needed=$(fact_of_backup data_bytes)
    server=$(ask "$DATABASE" "SELECT CONCAT(@@hostname, '\n', @@datadir)") || fail 'the server does not answer'
    place=$(printf '%s\n' "$server" | sed -n 2p)
    if [ -z "$needed" ] || [ "$(printf '%s\n' "$server" | head -n 1)" != "$(uname -n)" ] || [ ! -d "$place" ]; then return 0; fi
    free=$(df -Pk "$place" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')
    [ "${free:-$needed}" -ge "$needed" ] ||
        fail "a copy takes about $needed bytes on the server's disk, and $place has $free free: nothing was changed. Make room there"
}

# What could not be loaded or proven goes at once: it may be what fills the server's disk, and the live database needs
# that room. A server that died of it is waited for.
give_up_shadow() {
    { answers || wait_for_server; } && drop_place s
}

# The shadow must hold what the dump wrote down: every table, every row count, every column, index and check, and each
# table's checksum where there is one.
prove_shadow() {
    counts_of_place "$(place_database s)" "$(at_place s)" "$WORK/names.s" >"$SCRATCH/shadow-counts" ||
        fail 'the shadow could not be counted'
    if [ "$(fact_of_backup counts_exact)" = no ]; then
        cut -f 1 "$WORK/load/counts.tsv" >"$SCRATCH/want-lines"
        cut -f 1 "$SCRATCH/shadow-counts" >"$SCRATCH/have-lines"
    else
        cat "$WORK/load/counts.tsv" >"$SCRATCH/want-lines"
        cat "$SCRATCH/shadow-counts" >"$SCRATCH/have-lines"
    fi
    cmp -s "$SCRATCH/want-lines" "$SCRATCH/have-lines" ||
        fail "the loaded tables or rows aren't those of the backup, the live database is untouched: $(first_difference)"
    describe_shadow || fail "the shadow's schema could not be read"
    cp "$SCRATCH/shadow-schema" "$SCRATCH/have-lines"
    grep -E "^($TABLE_KINDS)$TAB" "$WORK/load/schema.txt" >"$SCRATCH/want-lines" || :
    if ! cmp -s "$SCRATCH/want-lines" "$SCRATCH/have-lines"; then
        [ "$SAME_SERIES" = no ] || fail "the loaded tables aren't those of the backup, the live database is untouched: $(first_difference)"
        say "warning: another server series describes some tables in other words: $(first_difference)"
    fi
    [ "$(grep -c "^foreign-key$TAB" "$WORK/load/schema.txt")" = "$(grep -c . "$WORK/load/keys.tsv")" ] ||
        fail "the payload's foreign keys aren't those of the backup, the live database is untouched"
    prove_checksums
    cp "$SCRATCH/shadow-schema" "$WORK/load/shadow.txt"
    cp "$SCRATCH/shadow-counts" "$WORK/load/rows.tsv"
}

describe_shadow() { # to $SCRATCH/shadow-schema
    schema_text_of_place "$(place_database s)" "$(at_place s)" "$WORK/names.s" "$(place_prefix s)" >"$SCRATCH/shadow-schema"
}

# A copy that was proven earlier must still be that copy: the app may have dropped every table of its database since,
# and a server that restarts empties tables that it keeps in memory only. Rows of InnoDB's tables outlive it.
shadow_is_whole() {
    [ "$MODE" = inside ] || is_database "$(place_database s)" || return 1
    describe_shadow || fail 'the copy that was loaded earlier could not be read'
    cmp -s "$SCRATCH/shadow-schema" "$WORK/load/shadow.txt" || return 1
    counts_of_place "$(place_database s)" "$(at_place s) AND engine <> 'InnoDB'" "$WORK/names.s" >"$SCRATCH/shadow-counts" ||
        fail 'the copy that was loaded earlier could not be counted'
    [ -z "$(comm -23 "$SCRATCH/shadow-counts" "$WORK/load/rows.tsv")" ]
}

# Which backup a copy was loaded from; empty when the backup doesn't say.
identity_of() { cut -d ' ' -f 1 "$1/payload.sha256" 2>/dev/null || :; } # FOLDER

is_copy_of() { # FOLDER: a backup that is gone by now can't be asked
    [ ! -r "$1/payload.sha256" ] || [ "$(identity_of "$1")" = "$(cat "$WORK/load/identity")" ]
}

# Returns when the proven copy of the backup lies beside the live database, or its tables have begun to move.
ensure_shadow() { # FOLDER PAYLOAD
    if [ -f "$WORK/load/done" ]; then
        ! has_swapped || return 0
        refuse_foreign_references # a migration may have made some since
        if is_copy_of "$1" && shadow_is_whole; then
            return 0
        fi
        say 'the copy that was loaded earlier is not whole any more, or of another backup: it is loaded again'
        rm -f "$WORK/load/done"
    fi
    load_shadow "$1" "$2"
}

first_difference() {
    diff "$SCRATCH/want-lines" "$SCRATCH/have-lines" | grep '^[<>]' | head -n 2 | tr '\t\n' '  ' | cut -c 1-300
}

series() { printf '%s' "$1" | cut -d . -f 1,2; } # 10.11 of 10.11.19-MariaDB

# Whether another series of the server made the backup, which may describe the same table in other words.
compare_series() { # FOLDER
    SAME_SERIES=yes
    [ ! -r "$1/facts" ] || [ "$(series "$(sed -n 's/^server_version=//p' "$1/facts")")" = "$(series "$SERVER_VERSION")" ] ||
        SAME_SERIES=no
}

# --- verbs -----------------------------------------------------------------------------------------------------------

load_beside() { # FOLDER PAYLOAD WORK
    begin_work "$3"
    if [ -d "$WORK/restore" ] || [ -d "$WORK/unrestore" ] || [ -f "$WORK/dropped" ]; then
        fail 'a restore has used this work folder; give a load a new one'
    fi
    compare_series "$1"
    ensure_shadow "$1" "$2"
    echo loaded=yes
    echo "mode=$MODE"
    awk -F '\t' '{ rows += $2 } END { printf "tables=%d\nrows=%.0f\n", NR, rows }' "$WORK/load/rows.tsv"
    printf '%s\n' "shadow=$(place_name s)"
}

unload() { # WORK
    if [ ! -f "$1/id" ] || [ -d "$1/restore" ] || [ -d "$1/unrestore" ]; then
        echo unloaded=nothing
        return
    fi
    begin_work "$1"
    unloaded=nothing
    ! place_is_made s || unloaded=yes
    rm -f "$WORK/load/done"
    drop_place s || fail "the copy at $(place_name s) could not be dropped"
    rm -rf "$WORK/load" "$WORK/names.s"
    echo "unloaded=$unloaded"
}

place_is_made() { # LETTER
    if [ "$MODE" = database ]; then
        is_database "$(place_database "$1")"
    else
        [ "$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.tables
            WHERE table_schema = $THIS_DATABASE AND $(at_place "$1")")" != 0 ]
    fi
}
