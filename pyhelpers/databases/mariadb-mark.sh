# shellcheck shell=sh disable=SC2016
# Where the server is in its own log of changes. Sourced by mariadb.sh. Wants mariadb-client.sh and mariadb-schema.sh.

# Prints mark=START-LSN-SCHEMA: when the server started, the position in InnoDB's redo log, a hash of the schema.
#
# Every change of a row, and every commit, in any database of the server writes to that log before anybody can see it,
# so equal marks mean that nothing was written here. The server also writes to it by itself for about ten seconds after
# a change: that is a false alarm. The binary log would give fewer, but it can be off, filtered by database, or left out
# by a session (sql_log_bin = 0), and then says nothing about a write. Views, triggers and routines lie in files outside
# of InnoDB, hence the schema. The start, because a server that crashed may have lost writes that it had told as done
# (innodb_flush_log_at_trx_commit other than 1), and reach the same position again with other rows; it is told in whole
# seconds, so two starts look alike only where a server lived for less than one. A number that a sequence gives out of its
# cache is no write: a dump begins after the cache.
#
# Empty where that isn't the whole truth: a table of another engine, a server that follows another one and may be
# behind (read_only), MySQL (which none of this was tried on).
mark() {
    [ "$VENDOR" = mariadb ] || { echo mark= && return; }
    schema_text >"$SCRATCH/mark-schema" || fail 'the schema could not be read'
    mark_place=$(ask "$DATABASE" "SELECT CONCAT(
            (SELECT UNIX_TIMESTAMP() - variable_value FROM information_schema.global_status WHERE variable_name = 'UPTIME'), '-',
            (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'INNODB_LSN_CURRENT'))
        FROM DUAL WHERE CAST(@@read_only AS CHAR) IN ('0', 'OFF') AND NOT EXISTS (SELECT 1 FROM information_schema.tables
            WHERE table_schema = $THIS_DATABASE AND table_type IN $TABLE_TYPES AND IFNULL(engine, '') <> 'InnoDB'
            AND table_name NOT REGEXP $OURS)") || fail "the server's log position could not be read"
    case $mark_place in
    *[0-9]-[1-9]*) echo "mark=$mark_place-$(sha256_of "$SCRATCH/mark-schema" | cut -c 1-16)" ;;
    *) echo mark= ;;
    esac
}
