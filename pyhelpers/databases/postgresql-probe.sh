# shellcheck shell=sh disable=SC2034
# What the account may do, and who else is at work. Sourced by postgresql.sh.

right() { sed -n "s/^$1=//p" "$RIGHTS"; }

# Sets $MODE: how this account can put the database back (database, inside or none), and $OBSTACLE: why not better.
#   database  a fresh database beside the live one, swapped in by two renames in one transaction
#   inside    the live objects are moved into schemas of their own, and the dump is loaded into the emptied ones
choose_mode() { # RIGHTS
    RIGHTS=$1
    OBSTACLE=
    if [ "$(right foreign_objects)" ] && [ "$(right superuser)" = no ]; then
        MODE=none
        OBSTACLE="objects of other owners: $(right foreign_objects). Give them to this account, or use the owner's"
        return
    fi
    if [ "$(right createdb)" = no ]; then
        OBSTACLE="this account can't create databases"
    elif [ "$(right owner)" = no ]; then
        OBSTACLE="this account isn't the database's owner"
    elif [ "$(right superuser_extensions)" ] && [ "$(right superuser)" = no ]; then
        OBSTACLE="only a superuser can create these extensions: $(right superuser_extensions)"
    elif ! MAINTENANCE=$(maintenance_database); then
        OBSTACLE="neither the database postgres nor template1 lets this account in"
    else
        MODE=database
        return
    fi
    inside_or_none
}

inside_or_none() {
    MODE=none
    if [ "$(right create_schema)" = no ]; then
        OBSTACLE="$OBSTACLE, nor schemas. GRANT CREATE ON DATABASE to it, or CREATEDB and the ownership of the database"
    elif [ "$(right ranges)" ]; then
        OBSTACLE="$OBSTACLE, and range types in public can't be moved aside: $(right ranges)"
    else
        MODE=inside
    fi
}

probe() {
    scratch_in "${TMPDIR:-/tmp}"
    sql "$LIVE" -f "$HERE/postgresql-rights.sql" >"$SCRATCH/rights" || fail "the account's rights can't be read"
    choose_mode "$SCRATCH/rights"
    printf '%s\n' "server_version=$(printf 'SHOW server_version' | sql "$LIVE")" \
        "client_version=$("$BIN/pg_dump" --version | sed 's/^[^0-9]*//')" 'vendor=postgresql' "database=$LIVE" \
        "restore_mode=$MODE" "compression=$(compression)" "raw_bytes=$(right raw_bytes)"
    if [ "$MODE" = none ]; then printf '%s\n' 'can_create=no'; else printf '%s\n' 'can_create=yes'; fi
    warnings
}

warnings() {
    if [ "$MODE" = none ]; then
        printf '%s\n' "warning=this account can make backups but can't restore them: $OBSTACLE"
    elif [ "$MODE" = inside ]; then
        printf '%s\n' "warning=a restore works inside the database and leaves it empty while it loads: $OBSTACLE"
        if [ "$(right large_objects)" != 0 ]; then
            printf '%s\n' "warning=$(right large_objects) large objects: a restore inside the database leaves them as they are"
        fi
        if [ "$(right publications)" != 0 ]; then
            printf '%s\n' 'warning=publications keep publishing the replaced tables after a restore inside the database'
        fi
    fi
    if [ "$(printf 'SELECT pg_is_in_recovery()' | sql "$LIVE")" = t ]; then
        printf '%s\n' 'warning=the server is a replica: the backup would be of a copy, and no restore could be made on it'
    fi
    replicas=$(printf 'SELECT count(*) FROM pg_stat_replication' | sql "$LIVE") || replicas=0
    if [ "$replicas" != 0 ]; then
        printf '%s\n' "warning=$replicas replicas follow this server; what a restore loads goes to them too, and they may lag meanwhile"
    fi
    unrestorable_views "$SCRATCH/views.log" >"$SCRATCH/views" || fail "the materialized views can't be read"
    if [ -s "$SCRATCH/views" ]; then
        printf '%s\n' "warning=no backup can be made: no restore could fill the materialized view $(head -n 1 "$SCRATCH/views")$(path_hint "$SCRATCH/views.log")"
    fi
    pathless=$(sql "$LIVE" -v pathless=yes -f "$HERE/postgresql-views.sql") || fail "the materialized views can't be read"
    if [ -n "$pathless" ]; then
        printf '%s\n' "warning=functions without a search_path of their own fill materialized views or indexes: $pathless. What they name without its schema no restore finds, and \`verify: bytes\` does not see it (\`verify: loaded\` does): ALTER FUNCTION … SET search_path = public, pg_temp"
    fi
    if [ "$SERVER" -lt 12 ]; then printf '%s\n' "warning=PostgreSQL $SERVER is not supported: 12 is the oldest"; fi
    if [ "$CLIENT" != "$SERVER" ]; then
        printf '%s\n' "warning=the clients are PostgreSQL $CLIENT, the server is $SERVER: install postgresql-client-$SERVER"
    fi
}

# Other sessions of this account that are running a statement or sit in a transaction.
at_work="datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND usename = current_user AND state <> 'idle'"

# Ends them and waits until they are gone: their clients may be long dead, their statements are not.
stop_sql() {
    stopped=$(sql "$LIVE" <<SQL
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE $at_work
SQL
    ) || unknown "the sessions can't be ended"
    wait_until_none "$LIVE" "$at_work" || fail "$left sessions of this account are still at work after 20 seconds"
    printf '%s\n' "stopped=$stopped"
}

wait_until_none() { # DATABASE CONDITION; sets $left
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        left=$(printf 'SELECT count(*) FROM pg_stat_activity WHERE %s' "$2" | sql "$1") || unknown "the sessions can't be counted"
        [ "$left" != 0 ] || return 0
        sleep 1
    done
    return 1
}

# The state of other accounts' sessions is hidden from ordinary ones; `hidden` counts what can't be judged.
busy() {
    sql "$LIVE" <<'SQL'
SELECT unnest(ARRAY['busy=' || count(*) FILTER (WHERE state <> 'idle'), 'hidden=' || count(*) FILTER (WHERE state IS NULL)])
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type IS NOT DISTINCT FROM 'client backend'
SQL
}

# Laravel looks the table up by the search path; a path that only the app sets is made up for by looking everywhere.
ledger() { # TABLE
    sql "$LIVE" -v table="$1" <<'SQL'
SELECT format('SELECT batch || E''\t'' || migration FROM %s ORDER BY (batch || E''\t'' || migration) COLLATE "C"', ledger::regclass)
FROM (SELECT coalesce(to_regclass(quote_ident(:'table'))::oid, (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = :'table' AND c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|_belay_)'
    ORDER BY n.nspname LIMIT 1)) AS ledger) found
WHERE ledger IS NOT NULL
\gexec
SQL
}

# When the last row of each table was written, as the app's own columns say it: `table<TAB>time`, sorted.
newest() {
    scratch_in "${TMPDIR:-/tmp}"
    sql "$LIVE" -f "$HERE/postgresql-newest.sql" >"$SCRATCH/newest" || fail "the newest rows can't be found"
    awk -F '\t' '$2 > newest[$1] { newest[$1] = $2 } END { for (name in newest) print name "\t" newest[name] }' "$SCRATCH/newest" | sort
}

# The highest key of each table whose primary key a sequence counts up: what is above it later was written later.
tops() {
    scratch_in "${TMPDIR:-/tmp}"
    sql "$LIVE" -f "$HERE/postgresql-tops.sql" >"$SCRATCH/tops" || fail "the highest keys can't be read"
    sort "$SCRATCH/tops"
}

# The rows above the tops in FILE now. Nothing without FILE.
since() { # FILE
    [ -r "$1" ] || return 0
    scratch_in "${TMPDIR:-/tmp}"
    {
        printf '%s\n' "\\set tops \`cat \"\$BELAY_TOPS\"\`" '\set since yes'
        cat "$HERE/postgresql-tops.sql"
    } | BELAY_TOPS=$1 sql "$LIVE" >"$SCRATCH/since" || fail "the rows that were added can't be counted"
    sort "$SCRATCH/since"
}
