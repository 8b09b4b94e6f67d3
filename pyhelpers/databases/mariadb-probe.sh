# shellcheck shell=sh disable=SC2016
# What the server, the account and the sessions are like right now. Sourced by mariadb.sh. Wants mariadb-client.sh.

# Sessions at work in this database, other than our own; the account sees those of others only with PROCESS.
SESSIONS="id <> CONNECTION_ID() AND db = $THIS_DATABASE"
AT_WORK="command NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID')"

warn_about() { # SENTENCE STATEMENT: warns with what the statement's rows say, when it has any
    warn_rows=$(ask "$DATABASE" "$2" 2>/dev/null | head -n 20 | tr '\n' ' ') || return 0
    [ -z "$warn_rows" ] || printf 'warning=%s: %s\n' "$1" "$(printf '%s' "$warn_rows" | tr -d '\000-\037')"
}

probe() {
    echo "server_version=$SERVER_VERSION"
    echo "client_version=$("$DUMP_CLIENT" --version | tr -d '\n')"
    echo "vendor=$VENDOR"
    printf '%s\n' "database=$DATABASE"
    if can_create_database "$(ask "$DATABASE" 'SELECT LEFT(DATABASE(), 40)')__belay_p_00000000" 2>/dev/null; then
        echo can_create=yes
    else
        echo can_create=no
    fi
    ask "$DATABASE" "SELECT CONCAT('account=', CURRENT_USER(), '\ndata_bytes=', IFNULL(SUM(data_length + index_length), 0),
        '\ntables=', COUNT(*), '\nbinary_log=', IF(@@log_bin, 'yes', 'no')) FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES AND table_name NOT REGEXP $OURS"
    unseen >"$SCRATCH/unseen" || fail 'what the account may see could not be found out'
    sed 's/^/warning=no backup can be made: /' "$SCRATCH/unseen"
    warn_about 'no backup can be made: the account may not read these routines of others; grant it SELECT on mysql.proc (MariaDB) or SHOW_ROUTINE (MySQL), or make it their definer' "
        SELECT routine_name FROM information_schema.routines WHERE routine_schema = $THIS_DATABASE AND routine_definition IS NULL"
    warn_about_clients
    warn_about_server
    warn_about_tables
    warn_about_objects
}

warn_about_server() {
    warn_about 'the server is read-only, as a replica is: the backup would be of a copy, and no restore could be made on' "
        SELECT @@hostname FROM DUAL WHERE @@read_only = 1"
    warn_about 'replicas follow this server; what a restore loads and renames goes to them too, and they may lag meanwhile. How many' "
        SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%' HAVING COUNT(*) > 0"
}

warn_about_clients() {
    if [ "$VENDOR" = mariadb ] && ! is_mariadb_program "$DUMP_CLIENT"; then
        echo "warning=the server is MariaDB, the dump client is MySQL's: install mariadb-client"
    elif [ "$VENDOR" = mysql ] && is_mariadb_program "$DUMP_CLIENT"; then
        echo "warning=the server is MySQL, the dump client is MariaDB's: rows of generated columns would not load again"
    fi
    has_option "$SQL_CLIENT" sandbox || has_option "$SQL_CLIENT" system-command ||
        echo 'warning=the client is older than its fix for CVE-2024-21096 (no --sandbox): update it'
    case $SERVER_VERSION in
    10.[0-5].*MariaDB* | 10.6.0-*MariaDB*)
        echo 'warning=before MariaDB 10.6.1 a crash during the swap can leave some tables moved; a rerun moves the others'
        ;;
    esac
    warn_about 'the account lacks rights that backup and restore need, or has them through a role' "
        SELECT p.n FROM (SELECT 'SELECT' n UNION SELECT 'INSERT' UNION SELECT 'CREATE' UNION SELECT 'ALTER' UNION SELECT 'DROP'
            UNION SELECT 'INDEX' UNION SELECT 'REFERENCES' UNION SELECT 'TRIGGER' UNION SELECT 'SHOW VIEW' UNION SELECT 'CREATE VIEW'
            UNION SELECT 'CREATE ROUTINE' UNION SELECT 'ALTER ROUTINE' UNION SELECT 'EVENT') p
        WHERE p.n NOT IN (SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = $(grantee)
            UNION SELECT privilege_type FROM information_schema.schema_privileges
            WHERE grantee = $(grantee) AND DATABASE() LIKE table_schema)"
    warn_about 'with a binary log only SUPER may create triggers and functions here (log_bin_trust_function_creators is off), unless it is granted to' "
        SELECT CURRENT_USER() FROM DUAL WHERE @@log_bin = 1 AND @@log_bin_trust_function_creators = 0
            AND NOT EXISTS (SELECT 1 FROM information_schema.user_privileges
                WHERE grantee = $(grantee) AND privilege_type IN ('SUPER', 'BINLOG ADMIN', 'SET USER'))"
}

grantee() { # the account as information_schema writes it; the host is what follows the last @
    printf '%s' "CONCAT('''', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1),
        '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"
}

warn_about_tables() {
    in_database="table_schema = $THIS_DATABASE AND table_name NOT REGEXP $OURS"
    warn_about 'tables whose engine takes no snapshots; rows written to them during a backup may be half in it' "
        SELECT CONCAT(table_name, ' (', engine, ')') FROM information_schema.tables
        WHERE $in_database AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'"
    has_option "$DUMP_CLIENT" dump-history ||
        warn_about 'tables with system versioning; their current rows are backed up, their history is not' "
        SELECT table_name FROM information_schema.tables WHERE $in_database AND table_type = 'SYSTEM VERSIONED'"
    warn_about 'tables with foreign keys to another database; it is not part of the backup' "
        SELECT DISTINCT table_name FROM information_schema.key_column_usage
        WHERE $in_database AND referenced_table_schema <> $THIS_DATABASE"
    warn_about 'tables of other databases with foreign keys into this one; a restore will refuse' "
        SELECT DISTINCT CONCAT(table_schema, '.', table_name) FROM information_schema.key_column_usage
        WHERE referenced_table_schema = $THIS_DATABASE AND table_schema <> $THIS_DATABASE AND table_schema NOT LIKE '%\\_\\_belay\\_%'"
    warn_about 'tables that earlier restores keep here (attic); no backup holds them' "
        SELECT CONCAT(LEFT(table_name, 8), '… (', COUNT(*), ')') FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND table_name REGEXP $OURS GROUP BY LEFT(table_name, 8)"
}

warn_about_objects() {
    warn_about 'objects whose definer is another account; a restore makes them again only where they changed, and as its own where it must' "
        SELECT CONCAT(n, ' (', d, ')') FROM (
            SELECT trigger_name n, definer d FROM information_schema.triggers WHERE trigger_schema = $THIS_DATABASE
            UNION ALL SELECT table_name, definer FROM information_schema.views WHERE table_schema = $THIS_DATABASE
            UNION ALL SELECT routine_name, definer FROM information_schema.routines WHERE routine_schema = $THIS_DATABASE
            UNION ALL SELECT event_name, definer FROM information_schema.events WHERE event_schema = $THIS_DATABASE
        ) o WHERE d <> CURRENT_USER()"
    warn_about 'events that are enabled; they write even while the app is in maintenance' "
        SELECT event_name FROM information_schema.events WHERE event_schema = $THIS_DATABASE AND status = 'ENABLED'"
}

busy() {
    others=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.processlist LEFT JOIN information_schema.innodb_trx
        ON trx_mysql_thread_id = id WHERE $SESSIONS AND ($AT_WORK OR trx_id IS NOT NULL)" 2>/dev/null) ||
        others=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.processlist WHERE $SESSIONS AND $AT_WORK") ||
        fail 'the sessions could not be read'
    echo "busy=$others"
}

# Kills the connections of this account on this database that run a statement, and waits a minute until they are gone:
# a statement that changed much is rolled back first.
stop_sql() {
    waits_left=60
    stopped=' '
    while :; do
        running=$(ask "$DATABASE" "SELECT id FROM information_schema.processlist WHERE $SESSIONS AND $AT_WORK
            AND user = (SELECT user FROM information_schema.processlist WHERE id = CONNECTION_ID())") ||
            fail 'the sessions could not be read'
        [ -n "$running" ] || break
        [ "$waits_left" -gt 0 ] || fail "statements are still running after a minute: connections $(echo "$running" | tr '\n' ' ')"
        for id in $running; do
            case $stopped in
            *" $id "*) ;;
            *)
                say "kills connection $id"
                ask "$DATABASE" "KILL $id" 2>/dev/null || : # it may have ended by itself
                stopped="$stopped$id "
                ;;
            esac
        done
        waits_left=$((waits_left - 1))
        sleep 1
    done
    echo "stopped=$(echo "$stopped" | wc -w | tr -d ' ')"
}

# Laravel's list of migrations, `batch<TAB>migration`, sorted; nothing when there is no such table.
ledger() { # TABLE
    exists=$(ask "$DATABASE" "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND table_name = $(literal "$1")") || fail 'the tables could not be read'
    [ "$exists" != 0 ] || return 0
    ask "$DATABASE" "SELECT batch, migration FROM $(identifier "$1")" >"$SCRATCH/ledger" ||
        fail "the table $1 could not be read"
    sort "$SCRATCH/ledger"
}

# When the last row of each table was written, as the app's own columns say it: `table<TAB>time`, sorted.
newest() {
    ask "$DATABASE" "SELECT CONCAT('SELECT ', QUOTE(c.table_name), ', MAX(', c.column_name, ') newest FROM \`',
        REPLACE(c.table_name, '\`', '\`\`'), '\` HAVING newest IS NOT NULL;')
        FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = $THIS_DATABASE AND t.table_type IN $TABLE_TYPES AND c.table_name NOT REGEXP $OURS
            AND c.column_name IN ('updated_at', 'created_at') AND c.data_type IN ('datetime', 'timestamp')" >"$SCRATCH/newest.sql" &&
        query "$DATABASE" <"$SCRATCH/newest.sql" >"$SCRATCH/newest" &&
        awk -F '\t' '$2 > newest[$1] { newest[$1] = $2 } END { for (name in newest) print name "\t" newest[name] }' "$SCRATCH/newest" | sort
}

# Tables whose primary key the server counts up, as `table<TAB>column<TAB>statement<TAB>identifier of the column`. Ordinary
# names only: a control character would break the line.
integer_keys() { # WORDS of the statement before FROM
    ask "$DATABASE" "SELECT c.table_name, c.column_name, CONCAT('SELECT ', QUOTE(c.table_name), $1, ' FROM \`',
            REPLACE(c.table_name, '\`', '\`\`'), '\`'), CONCAT('\`', REPLACE(c.column_name, '\`', '\`\`'), '\`')
        FROM information_schema.columns c JOIN information_schema.tables t
            ON t.table_schema = c.table_schema AND $(same t.table_name c.table_name)
        WHERE c.table_schema = $THIS_DATABASE AND t.table_schema = $THIS_DATABASE AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
            AND c.column_key = 'PRI' AND c.extra LIKE '%auto_increment%' AND c.data_type LIKE '%int'
            AND c.table_name NOT REGEXP $OURS AND CONCAT(c.table_name, c.column_name) NOT REGEXP '[[:cntrl:]]'
            AND 1 = (SELECT COUNT(*) FROM information_schema.columns k
                WHERE k.table_schema = $THIS_DATABASE AND $(same k.table_name c.table_name) AND k.column_key = 'PRI')"
}

# The highest key of each such table, `table<TAB>column<TAB>key`: what is above it later was written later.
tops() {
    integer_keys "', ', QUOTE(c.column_name), ', MAX(\`', REPLACE(c.column_name, '\`', '\`\`'), '\`)'" >"$SCRATCH/keyed" &&
        awk -F '\t' '{ print $3 ";" }' "$SCRATCH/keyed" >"$SCRATCH/tops.sql" &&
        query "$DATABASE" --raw <"$SCRATCH/tops.sql" >"$SCRATCH/tops" && sort "$SCRATCH/tops"
}

# The rows above the tops in FILE now, `table<TAB>rows`, for each table that has the same key still. Nothing without FILE.
since() { # FILE
    [ -r "$1" ] || return 0
    integer_keys "', COUNT(*)'" >"$SCRATCH/keyed" &&
        awk -F '\t' '
            FILENAME == ARGV[1] { top[$1, $2] = $3; next }
            ($1, $2) in top {
                if (top[$1, $2] ~ /^-?[0-9]+$/) print $3 " WHERE " $4 " > " top[$1, $2] ";"
                else if (top[$1, $2] == "NULL") print $3 ";"
            }' "$1" "$SCRATCH/keyed" >"$SCRATCH/since.sql" &&
        query "$DATABASE" --raw <"$SCRATCH/since.sql" >"$SCRATCH/since" && sort "$SCRATCH/since"
}
