# shellcheck shell=sh disable=SC2016,SC2034
# Mode `inside`, for an account that can't create databases: one transaction moves everything live into schemas
# `_belay_a_<tag>_…`, a second one (pg_restore --single-transaction) fills the emptied schemas from the dump. Between the
# two the database is empty, never half: whoever comes after a kill sees from the server which of the two was done.
# Sourced by postgresql.sh.

move() { # OUTGOING INCOMING: see postgresql-inside.sql
    for _ in $(seq "$TRIES"); do
        # Statements of dead clients would hold the locks that a move needs.
        stop_sql >/dev/null
        sql "$LIVE" -v outgoing="$1" -v incoming="$2" -f "$HERE/postgresql-inside.sql" 2>"$WORK/move.log" && return 0
        grep -q 'lock timeout' "$WORK/move.log" || break
    done
    return 1
}

moved_away() { # ATTIC TAG
    found=$(printf "SELECT count(*) FROM pg_namespace WHERE starts_with(nspname, '_belay_%s_')" "$1" | sql "$LIVE") ||
        unknown "the server can't be asked which schemas exist"
    [ "$found" != 0 ]
}

# Whether no object of the app is left outside Belay's schemas.
emptied() {
    schema_of "$LIVE" "$WORK/live.schema" || unknown "the schema can't be read"
    ! grep -Evq '^(schema|database|(grant|comment)	schema)	' "$WORK/live.schema"
}

# The archive's entries that belong into schemas. What belongs to the database as a whole (extensions, casts,
# publications, large objects, default grants) was not moved away and is not loaded again; a schema or an extension is
# when it is missing now.
wanted_entries() { # FOLDER PAYLOAD
    sql "$LIVE" >"$WORK/present" <<'SQL' || return 1
SELECT 'SCHEMA - ' || translate(nspname, E'\n\r', '  ') || ' ' FROM pg_namespace
UNION ALL SELECT 'SCHEMA ' || quote_ident(nspname) || ' ' FROM pg_namespace
UNION ALL SELECT 'EXTENSION - ' || translate(extname, E'\n\r', '  ') || ' ' FROM pg_extension
SQL
    contents_of "$1/$2" >"$WORK/contents" || return 1
    awk '
        FNR == NR { present[++count] = $0; next }
        /^;/ { next }
        {
            entry = $0
            if (!sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry)) next
            if (entry ~ /^(DEFAULT ACL -|PUBLICATION TABLES? IN SCHEMA|PUBLICATION TABLE) /) next
            about = entry
            if (sub(/^(ACL|COMMENT|SECURITY LABEL) - SCHEMA /, "SCHEMA ", about) ||
                sub(/^DEFAULT ACL /, "SCHEMA - ", about) || entry ~ /^(SCHEMA|EXTENSION) - /) {
                for (i = 1; i <= count; i++) if (index(about " ", present[i]) == 1) next
            } else if (entry ~ /^[A-Z][A-Z ]* - /) next
            print
        }' "$WORK/present" "$WORK/contents" >"$WORK/wanted"
}

# Fill the emptied schemas; all or nothing.
fill() { # FOLDER PAYLOAD
    unpack_archive "$1/$2" || return 1
    wanted_entries "$1" "$2" || return 1
    "$BIN/pg_restore" --single-transaction --exit-on-error --no-password -L "$WORK/wanted" -d "$(conninfo "$LIVE")" "$ARCHIVE" 2>"$WORK/restore.log"
}

put_back() {
    end_leftovers "$LIVE"
    if emptied; then
        move '' "a_$TAG" || unknown "the moved objects could not be put back yet: run this again"
    else
        # What was loaded isn't what was dumped: out with it, the attic in, in one transaction.
        move "x_$TAG" "a_$TAG" || unknown "the moved objects could not be put back yet: run this again"
        drop_schemas "x_$TAG" || say "the refused copy in schemas _belay_x_${TAG}_… could not be dropped"
    fi
}

# The settings of the database as they are now, once: the undo gives these back.
note_settings() {
    [ ! -f "$WORK/settings.before" ] || return 0
    { cat "$HERE/postgresql-settings-of.sql" && printf '%s\n' '\qecho :settings'; } |
        sql "$LIVE" -v database="$LIVE" >"$WORK/settings.before.new" || fail "the database's settings can't be read"
    settle "$WORK/settings.before"
}

# Gives the database the settings in FILE, as far as this account may; what it may not is told.
set_settings() { # FILE
    [ -f "$1" ] || return 0
    {
        printf '%s\n' '\set settings `cat "$BELAY_SETTINGS"`' '\set strict no'
        cat "$HERE/postgresql-settings.sql"
    } | BELAY_SETTINGS=$1 sql "$LIVE" -v target="$LIVE" || unknown "the database's settings can't be put back"
}

restore_inside() { # FOLDER PAYLOAD
    check_backup "$1" "$2"
    note_settings
    if ! moved_away "a_$TAG"; then
        read_back "$1" "$2" "$WORK"
        unpack_archive "$1/$2" || fail "the payload can't be unpacked (is the disk full?); nothing was changed"
        move "a_$TAG" '' || {
            tail -n 3 "$WORK/move.log" >&2
            fail "the live objects could not be moved aside; nothing was changed"
        }
    elif RESUMED=yes && ! emptied && ! same_as_dump "$LIVE" "$1"; then
        hold "Objects were created in the database while its own were set aside in the schemas _belay_a_${TAG}_…. Drop what was created and run the restore again."
    fi
    if emptied && ! { fill "$1" "$2" || filled_after_all; }; then
        tail -n 5 "$WORK/restore.log" >&2
        put_back
        fail "the dump can't be loaded; everything was put back as it was$(path_hint "$WORK/restore.log")"
    fi
    same_as_dump "$LIVE" "$1" || {
        put_back
        fail "what was loaded isn't what was dumped; everything was put back as it was"
    }
    set_settings "$1/settings.json"
    printf 'SET client_min_messages = error; ANALYZE' | sql "$LIVE" >/dev/null 2>&1 || say "the restored tables could not be analysed"
    ATTIC="_belay_a_${TAG}_*"
}

# A client that died at the commit doesn't know that it succeeded.
filled_after_all() {
    end_leftovers "$LIVE"
    ! emptied
}

unrestore_inside() {
    if ! moved_away "b_$TAG"; then
        moved_away "a_$TAG" || fail "the attic _belay_a_${TAG}_* is gone"
        move "b_$TAG" "a_$TAG" || {
            tail -n 3 "$WORK/move.log" >&2
            fail "the schemas could not be exchanged; nothing was changed"
        }
    fi
    set_settings "$WORK/settings.before"
    ATTIC="_belay_b_${TAG}_*"
}

# Drop the schemas of one tag, unless that would take anything outside them along.
drop_schemas() { # ATTIC TAG
    sql "$LIVE" -v prefix="_belay_$1_" >/dev/null 2>"$WORK/drop.log" <<'SQL'
BEGIN;
SELECT set_config('belay.prefix', :'prefix', true);
DO $drop$
DECLARE
    space record;
    before bigint;
    count_outside CONSTANT text := $count$
        SELECT (SELECT count(*) FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM inside))
            + (SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               WHERE NOT a.attisdropped AND c.relnamespace NOT IN (SELECT oid FROM inside))
            + (SELECT count(*) FROM pg_constraint WHERE connamespace NOT IN (SELECT oid FROM inside))
            + (SELECT count(*) FROM pg_proc WHERE pronamespace NOT IN (SELECT oid FROM inside))
            + (SELECT count(*) FROM pg_type WHERE typnamespace NOT IN (SELECT oid FROM inside))
            + (SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               WHERE c.relnamespace NOT IN (SELECT oid FROM inside))
            + (SELECT count(*) FROM pg_extension)
    $count$;
    with_inside CONSTANT text := 'WITH inside AS (SELECT oid FROM pg_namespace WHERE nspname ~ ''^(pg_toast|_belay_)'') ';
    after bigint;
BEGIN
    EXECUTE with_inside || count_outside INTO before;
    FOR space IN SELECT nspname FROM pg_namespace WHERE starts_with(nspname, current_setting('belay.prefix')) LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', space.nspname);
    END LOOP;
    EXECUTE with_inside || count_outside INTO after;
    IF before <> after THEN
        RAISE EXCEPTION 'live objects depend on what is in the attic';
    END IF;
END
$drop$;
COMMIT;
SQL
}

attic_drop_inside() {
    for kind in a b x; do
        drop_schemas "${kind}_$TAG" || {
            cat "$WORK/drop.log" >&2
            fail "the attic can't be dropped"
        }
    done
}
