#!/bin/sh
# SQLite by its own command-line client. `sqlite_driver.py` and `sqlite_driver.php` answer the same four verbs for
# hosts that lack it:
#
#   version             the library's version
#   query FILE SQL      run one statement, print the first column of each row
#   counts FILE         `table<TAB>rows` of every ordinary table
#   save FILE COPY      online backup of FILE into COPY (made new): sees one state, honours locks and the WAL
#   load FILE COPY      online backup of COPY into FILE: one transaction, so that a reader sees either
#
# FILE may be `:memory:` in `save` (an empty database). COPY's last part is a plain name of ours.
# Exit 0 done, 1 failed; how long to wait for a lock, in ms: BELAY_SQLITE_WAIT_MS.
set -eu
wait_ms=${BELAY_SQLITE_WAIT_MS:-5000}
verb=$1

# run FILE COMMAND...: no personal settings, no functions of the file's own schema (a backup may be hostile).
run() {
    file=$1
    shift
    sqlite3 -batch -bail -init /dev/null -noheader -list "$file" ".timeout $wait_ms" \
        'PRAGMA trusted_schema=OFF' "$@" </dev/null
}

case $verb in
version) run :memory: 'SELECT sqlite_version()' ;;
query) run "$2" "$3" ;;
counts)
    # SQL that writes SQL: a statement for each table, its name quoted and its output escaped by SQLite itself.
    statements=$(run "$2" "
        SELECT 'SELECT '
          || quote(replace(replace(replace(replace(name, '\\', '\\\\'), char(9), '\\t'), char(10), '\\n'), char(13), '\\r'))
          || ' || char(9) || count(*) FROM \"' || replace(name, '\"', '\"\"') || '\";'
        FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    sqlite3 -batch -bail -init /dev/null -noheader -list -cmd ".timeout $wait_ms" \
        -cmd 'PRAGMA trusted_schema=OFF' "$2" <<STATEMENTS
$statements
STATEMENTS
    ;;
save)
    cd "$(dirname "$3")"
    copy=$(basename "$3")
    rm -f "$copy" "$copy-wal" "$copy-shm" "$copy-journal"
    run "$2" ".backup $copy"
    ;;
load)
    cd "$(dirname "$3")"
    run "$2" ".restore $(basename "$3")"
    ;;
*) exit 1 ;;
esac
