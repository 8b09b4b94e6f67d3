# shellcheck shell=sh disable=SC2034
# load and unload (the twin of a restore), rehearse, and the mark of change. Sourced by postgresql.sh.

load() { # FOLDER PAYLOAD WORK
    payload_name "$2"
    mkdir -p "$3"
    folder=$(cd "$1" && pwd)
    open_work "$3"
    if [ -f "$WORK/restored" ] || [ -f "$WORK/undone" ] || [ "$(cat "$WORK/mode" 2>/dev/null)" = inside ]; then
        fail "the restore in $WORK has begun already: there is nothing left to load"
    fi
    check_facts "$folder"
    need_database_mode
    mark "$WORK/mode" database
    database_names s
    ! there attic_a || fail "the restore in $WORK has begun already: there is nothing left to load"
    if ! twin_is_whole "$folder"; then
        check_backup "$folder" "$2"
        rm -f "$WORK/shadow.ready"
        load_shadow "$folder" "$2" || no_shadow "$(tail -n 1 "$WORK/restore.log")"
        mark "$WORK/shadow.ready" "$SHADOW"
    fi
    printf '%s\n' 'loaded=yes' 'mode=database' "tables=$(lines_in "$folder/counts.tsv")" \
        "rows=$(rows_in "$folder/counts.tsv")" "checksums=$(has_checksums "$folder")" "shadow=$SHADOW"
}

# Whether what an earlier run loaded and proved is still there, whole. A crash of the server empties unlogged tables and
# nothing else, so these alone are counted again: a rollback takes the same time at any size.
twin_is_whole() { # FOLDER
    [ -f "$WORK/shadow.ready" ] && there shadow || return 1
    read_facts "$SHADOW" -v unlogged=yes
    awk 'FNR == NR { dumped[$0]; next } !($0 in dumped) { bad = 1 } END { exit bad }' "$1/counts.tsv" "$WORK/now.counts" &&
        same_schema "$1"
}

check_facts() { # FOLDER
    for file in counts.tsv schema.txt; do
        [ -f "$1/$file" ] || fail "$1 lacks $file"
    done
}

# Not for a twin: what is live then doesn't come from the payload any more, and reading that takes its time.
check_backup() { # FOLDER PAYLOAD
    check_facts "$1"
    [ -f "$1/$2" ] || fail "$1 lacks $2"
    if [ -f "$1/payload.sha256" ]; then
        (cd "$1" && sha256sum -c payload.sha256 >/dev/null 2>&1) || fail "the payload's SHA-256 isn't the one of the dump"
    fi
}

need_database_mode() {
    sql "$LIVE" -f "$HERE/postgresql-rights.sql" >"$WORK/rights" || unknown "the account's rights can't be read"
    choose_mode "$WORK/rights"
    [ "$MODE" = database ] || no_shadow "$(printf '%s' "$OBSTACLE" | sed 's/, nor schemas.*//')"
}

no_shadow() { # REASON
    fail "a copy can't be held beside the live database ($1): a backup is proven by its bytes alone (verify: bytes), or give the account CREATEDB (ALTER ROLE … CREATEDB) and the ownership of the database"
}

# Drops what `load` made, unless a restore has begun to swap it in: then that restore, or its undo, owns it.
unload() { # WORK
    unloaded=nothing
    if [ -f "$1/tag" ] && [ "$(cat "$1/mode" 2>/dev/null)" = database ] && [ ! -f "$1/restored" ]; then
        open_work "$1"
        database_names s
        if [ ! -f "$WORK/restored" ] && ! there attic_a && there live && there shadow; then
            rm -f "$WORK/shadow.ready"
            drop_beside "$SHADOW" || unknown "$SHADOW can't be dropped"
            unloaded=yes
        fi
    fi
    printf '%s\n' "unloaded=$unloaded"
}

refuse_as_target() { # DATABASE
    [ "$1" != "$LIVE" ] || fail "$1 is the live database: a rehearsal goes into another one"
    case $1 in
    *__belay_[scab]_????????) fail "$1 is a copy that Belay keeps for a restore: a rehearsal goes into another database" ;;
    postgres | template0 | template1) fail "$1 is the server's own database: a rehearsal goes into another one" ;;
    '') fail "a rehearsal needs the name of a database" ;;
    esac
    [ "$(printf '%s' "$1" | wc -c)" -le 63 ] || fail "a database's name has 63 bytes at most"
}

rehearse() { # FOLDER PAYLOAD INTO
    payload_name "$2"
    refuse_as_target "$3"
    folder=$(cd "$1" && pwd)
    check_backup "$folder" "$2"
    into=$3
    own_copy "$folder"
    if exists "$into"; then
        rehearse_in_existing "$folder" "$2"
    else
        rehearse_in_new "$folder" "$2"
    fi
    printf '%s\n' "tables=$(lines_in "$folder/counts.tsv")" "rows=$(rows_in "$folder/counts.tsv")" 'rehearsed=yes'
}

# It gets its name only when it is proven.
rehearse_in_new() { # FOLDER PAYLOAD
    trap 'drop_beside "$SHADOW" >/dev/null 2>&1 || :; rm -rf "$SCRATCH"' EXIT
    load_shadow "$1" "$2" ||
        fail "this account can't create the database ($(tail -n 1 "$WORK/restore.log")): have $into made, empty, with GRANT CREATE ON DATABASE and GRANT ALL ON SCHEMA public to it"
    leave_copy
    printf 'ALTER DATABASE :"old" RENAME TO :"new"' | sql "$MAINTENANCE" -v old="$SHADOW" -v new="$into" || fail "$into can't be made"
}

# Filled as a restore inside the database fills the emptied schemas: all or nothing.
rehearse_in_existing() { # FOLDER PAYLOAD
    LIVE=$into # for the rest of this run: what is left to do is done in it
    empty_database || fail "$into holds something already: a rehearsal goes into an empty database"
    fill "$1" "$2" || {
        tail -n 5 "$WORK/restore.log" >&2
        fail "the dump can't be loaded into $into; nothing was left in it"
    }
    same_as_dump "$LIVE" "$1" || {
        if move "x_$TAG" '' && drop_schemas "x_$TAG"; then fail "what was loaded isn't what was dumped; it was dropped again"; fi
        fail "what was loaded isn't what was dumped, and it can't be dropped again: look into $into"
    }
}

empty_database() {
    schema_of "$LIVE" "$WORK/into.schema" || fail "$LIVE can't be read"
    objects=$(printf 'SELECT count(*) FROM pg_largeobject_metadata' | sql "$LIVE") || fail "$LIVE can't be read"
    [ "$objects" = 0 ] && ! grep -Evq '^(schema	public|(grant|comment)	schema	public|database	(extension|setting))	' "$WORK/into.schema"
}

# Every write takes a transaction id, so equal snapshots (the next id, and the ids still running) mean that none was
# committed in between: in the whole server, hence the false alarms. A crash may hand out ids of lost transactions once
# more; the processes of the server itself are other ones then.
mark_of_live() {
    sql "$LIVE" <<'SQL' || printf '%s\n' 'mark='
SELECT 'mark=' || coalesce(CASE WHEN NOT pg_is_in_recovery() THEN
    concat_ws('-', (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        extract(epoch FROM pg_postmaster_start_time()),
        (SELECT string_agg(pid::text, '.' ORDER BY pid) FROM pg_stat_activity WHERE usesysid IS NULL AND datid IS NULL),
        txid_current_snapshot())
    END, '')
SQL
}
