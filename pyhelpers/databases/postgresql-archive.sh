#!/bin/sh
# Writes the archive of one snapshot into the file `payload` of the current folder, in the background: what it starts
# holds archive.lock to its end. Run by postgresql-snapshot.sql, whose transaction holds the snapshot; psql can't pass an
# exit status on, so both are left in files, and pg_dump's process id for the case that the rest fails meanwhile.
#
# In the environment: BELAY_PG_DUMP, BELAY_SNAPSHOT, BELAY_ARCHIVE (zstd or gzip). pg_dump's own gzip is single-threaded
# and took twice the time of zstd -1 for twice the bytes (measured on 420 MB), so it is the choice where zstd is missing.
set -u
unset PGCLIENTENCODING # the dump keeps the database's own encoding

pg_dump_to() {
    "$BELAY_PG_DUMP" --format=custom --no-password --lock-wait-timeout=120s --exclude-schema='_belay_*' \
        --snapshot="$BELAY_SNAPSHOT" "$@" -d service=belay 2>pg_dump.log &
    echo $! >pg_dump.pid
    wait $!
    echo $? >pg_dump.status
}

archive() {
    if [ "$BELAY_ARCHIVE" = zstd ]; then
        pg_dump_to --compress=0 | zstd -q -1 -T0 -o payload
        echo $? >zstd.status
    else
        pg_dump_to --compress=1 --file=payload
        echo 0 >zstd.status
    fi
}

exec 8>archive.lock
flock 8
archive </dev/null >/dev/null &
