# shellcheck shell=sh disable=SC2034
# Mode `database`: the dump is loaded into a fresh database beside the live one, proven there, and swapped in by two
# ALTER DATABASE … RENAME in ONE transaction. Which names exist tells on which side of the swap the server is, so a run
# after a kill needs no other memory. Sourced by postgresql.sh.
#
# There is no fence that could be left behind (ALLOW_CONNECTIONS false): while the rename waits for the last sessions
# it holds the database's lock, which keeps newcomers out, and the sessions in it are ended from beside.

# Names beside the live one: `<database>__belay_<s|b|a>_<tag>`, cut to the 63 bytes that a name may have. A copy that no
# restore owns has a `c` in the place of the `s`: see postgresql-copy.sh.
database_names() { # s|c
    COPY=$1
    if [ ! -f "$WORK/names" ]; then
        sql "$LIVE" -v tag="$TAG" -v copy="$COPY" >"$WORK/names.new" <<'SQL' || fail "the new names can't be made"
SELECT left(current_database(), length) || '__belay_' || kind || '_' || :'tag'
FROM unnest(ARRAY[:'copy', 'b', 'a']) WITH ORDINALITY kinds (kind, place), (
    SELECT length FROM generate_series(45, 1, -1) length WHERE octet_length(left(current_database(), length)) <= 45 LIMIT 1) l
ORDER BY place
SQL
        settle "$WORK/names"
    fi
    SHADOW=$(sed -n 1p "$WORK/names")
    ATTIC_B=$(sed -n 2p "$WORK/names")
    ATTIC_A=$(sed -n 3p "$WORK/names")
    [ -n "$ATTIC_A" ] || fail "the new names can't be read"
    for MAINTENANCE in postgres template1; do
        if [ "$MAINTENANCE" != "$LIVE" ] && look 2>/dev/null; then return; fi
    done
    unknown "neither the database postgres nor template1 can be reached"
}

# Which of our databases there are: `live`, `shadow`, `attic_a`, `attic_b`, each with its OID. Every start of a client
# takes its time, so all of it is one question.
look() {
    sql "$MAINTENANCE" -v live="$LIVE" -v shadow="$SHADOW" -v a="$ATTIC_A" -v b="$ATTIC_B" >"$WORK/there" <<'SQL'
SELECT part || ' ' || oid FROM pg_database
JOIN (VALUES ('live', :'live'), ('shadow', :'shadow'), ('attic_a', :'a'), ('attic_b', :'b')) ours (part, name) ON datname = name
SQL
}

there() { grep -q "^$1 " "$WORK/there"; } # PART, as it was at the last look

exists() { # DATABASE
    found=$(printf "SELECT count(*) FROM pg_database WHERE datname = :'name'" | sql "$MAINTENANCE" -v name="$1") ||
        unknown "the server can't be asked which databases exist"
    [ "$found" = 1 ]
}

# Whether INCOMING has become the live database and OUTGOING is what was live.
swapped() { # INCOMING OUTGOING, as parts
    there "$2" && ! there "$1" && there live
}

drop_beside() { # DATABASE: never the live one
    case $1 in
    *__belay_[scab]_*) ;;
    *) fail "not a database of ours: $1" ;;
    esac
    [ "$1" != "$LIVE" ] || fail "the live database is not dropped"
    [ "$COPY" = s ] || leave_copy
    # FORCE may not end the server's own autovacuum, and fails; without it, that is asked to end.
    if [ "$SERVER" -ge 13 ] && printf 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)' |
        sql "$MAINTENANCE" -v name="$1" 2>/dev/null; then return; fi
    printf 'DROP DATABASE IF EXISTS :"name"' | sql "$MAINTENANCE" -v name="$1"
}

# An empty database as the live one is: owner, encoding, locale, tablespace, grants; and with the settings of the backup in
# FOLDER, or with those of the live one.
# Exit 2 when this account may not: then the restore can still work inside the database.
create_shadow() { # [FOLDER]
    drop_beside "$SHADOW" || fail "an unfinished copy can't be dropped"
    sql "$MAINTENANCE" -v live="$LIVE" -v shadow="$SHADOW" 2>"$WORK/restore.log" <<'SQL' || return 2
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
        :'shadow', pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), j ->> 'datcollate', j ->> 'datctype')
    || CASE j ->> 'datlocprovider'
        WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(j ->> 'datlocale', j ->> 'daticulocale'))
            || coalesce(format(' ICU_RULES %L', nullif(j ->> 'daticurules', '')), '')
        WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j ->> 'datlocale')
        WHEN 'c' THEN ' LOCALE_PROVIDER libc'
        ELSE '' END
    || CASE WHEN t.spcname = 'pg_default' THEN '' ELSE format(' TABLESPACE %I', t.spcname) END
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace, to_jsonb(d) j WHERE d.datname = :'live'
\gexec
SQL
    BELAY_SETTINGS=${1:-/nowhere}/settings.json sql "$MAINTENANCE" -v live="$LIVE" -v shadow="$SHADOW" -f "$HERE/postgresql-properties.sql" 2>>"$WORK/restore.log" || return 2
    [ "$COPY" = s ] || hold_copy
}

refused() { grep -Eq 'permission denied|must be (the )?(owner|superuser|member|able)' "$WORK/restore.log"; }

# Exit 2 as above. Ownership and grants are kept: an account for which that is impossible was refused before.
load_shadow() { # FOLDER PAYLOAD
    unpack_archive "$1/$2" || fail "the payload can't be unpacked (is the disk full?); the live database was not touched"
    create_shadow "$1" || {
        drop_beside "$SHADOW" || :
        return 2
    }
    "$BIN/pg_restore" --exit-on-error --no-password --jobs="$(jobs)" -d "$(conninfo "$SHADOW")" "$ARCHIVE" 2>"$WORK/restore.log" || {
        drop_beside "$SHADOW" || :
        if refused; then return 2; fi
        tail -n 5 "$WORK/restore.log" >&2
        fail "the dump can't be loaded; the live database was not touched$(path_hint "$WORK/restore.log")"
    }
    # A dump holds no statistics; without them the first queries after a restore would be planned blindly.
    printf 'SET client_min_messages = error; ANALYZE' | sql "$SHADOW" >>"$WORK/restore.log" 2>&1 &
    analysing=$!
    same_as_dump "$SHADOW" "$1" || {
        wait "$analysing" || :
        drop_beside "$SHADOW" || :
        fail "the loaded copy isn't what was dumped; the live database was not touched"
    }
    wait "$analysing" || say "the restored tables could not be analysed"
}

# Rename OUTGOING away and INCOMING in. Whether it happened is asked from the server, never taken from the client.
swap() { # INCOMING OUTGOING INCOMING-PART OUTGOING-PART
    for _ in $(seq "$TRIES"); do
        old=$(sed -n 's/^live //p' "$WORK/there")
        [ -n "$old" ] || unknown "the live database is gone"
        sql "$MAINTENANCE" -v live="$LIVE" -v old="$old" -f "$HERE/postgresql-clear.sql" >/dev/null 2>&1 &
        clearing=$!
        sql "$MAINTENANCE" -v live="$LIVE" -v incoming="$1" -v outgoing="$2" 2>"$WORK/swap.log" <<'SQL' || :
BEGIN;
SET LOCAL lock_timeout = '10s';
ALTER DATABASE :"live" RENAME TO :"outgoing";
ALTER DATABASE :"incoming" RENAME TO :"live";
COMMIT;
SQL
        kill "$clearing" 2>/dev/null || :
        wait "$clearing" 2>/dev/null || :
        end_leftovers "$MAINTENANCE" # or the clearing would hit whoever connects next
        look || unknown "the server can't be asked which databases exist"
        ! swapped "$3" "$4" || return 0
    done
    cat "$WORK/swap.log" >&2
    who_holds >&2 || :
    fail "the databases could not be exchanged, the live one is as it was"
}

who_holds() {
    sql "$MAINTENANCE" -v live="$LIVE" <<'SQL'
SELECT format('postgresql: session %s of %s (%s) holds the database', pid, usename, application_name)
FROM pg_stat_activity WHERE datname = :'live'
SQL
}

# Exit 2 when only the other mode is possible.
restore_database() { # FOLDER PAYLOAD
    database_names s
    if ! swapped shadow attic_a; then
        if there attic_a || ! there live; then
            hold "The databases $LIVE, $SHADOW and $ATTIC_A are not as any step of this restore leaves them. Look which one is whole."
        fi
        if ! twin_is_whole "$1"; then
            check_backup "$1" "$2"
            rm -f "$WORK/shadow.ready"
            load_shadow "$1" "$2" || return 2
            mark "$WORK/shadow.ready" "$SHADOW"
        fi
        swap "$SHADOW" "$ATTIC_A" shadow attic_a
    fi
    ATTIC=$ATTIC_A
}

unrestore_database() {
    database_names s
    if ! swapped attic_a attic_b; then
        there attic_a || fail "the attic $ATTIC_A is gone"
        swap "$ATTIC_A" "$ATTIC_B" attic_a attic_b
    fi
    ATTIC=$ATTIC_B
}

attic_drop_database() {
    database_names s
    for name in "$SHADOW" "$ATTIC_A" "$ATTIC_B"; do
        drop_beside "$name" || unknown "$name can't be dropped"
    done
}
