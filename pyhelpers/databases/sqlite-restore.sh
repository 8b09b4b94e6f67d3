# shellcheck shell=sh
# restore, unrestore and attic-drop. Sourced by sqlite.sh.
#
# WORK: shadow.sqlite (+ shadow.ready: its SHA-256), attic.sqlite, restored (what was printed; its existence = done), undone.

# Whether two database files hold the same pages. Bytes 18, 19 (journal mode), 24-27 and 92-99 (change counters) of
# the header, and 40-43 (schema cookie, raised by every backup into a live file) may differ: sqlite.org/fileformat2.
same_pages() {
    [ -f "$1" ] && [ -f "$2" ] && [ "$(bytes_of "$1")" = "$(bytes_of "$2")" ] || return 1
    differences=$(cmp -l "$1" "$2" 2>/dev/null | awk '
        !(($1 >= 19 && $1 <= 20) || ($1 >= 25 && $1 <= 28) || ($1 >= 41 && $1 <= 44) || ($1 >= 93 && $1 <= 100)) {
            print "differ"; exit }')
    [ -z "$differences" ]
}

# A backup can't change the page size of a database that is in WAL mode: leave WAL first (SQLite waits for readers).
fit_page_size() { # SOURCE
    [ -s "$LIVE" ] || return 0
    [ "$(sqlite query "$LIVE" 'PRAGMA page_size')" != "$(sqlite query "$1" 'PRAGMA page_size')" ] || return 0
    [ "$(sqlite query "$LIVE" 'PRAGMA journal_mode')" = wal ] || return 0
    [ "$(sqlite query "$LIVE" 'PRAGMA journal_mode=DELETE')" = delete ]
}

# The new file of a database that doesn't exist yet gets the mode that the caller's umask gives.
make_missing_live() {
    [ ! -e "$LIVE" ] || return 0
    place=$(dirname "$LIVE")
    mkdir -p "$place"
    : >>"$LIVE" || fail "can't make $LIVE"
    # Nobody knows any more who could read the lost file; whoever shares its folder shares it again.
    chgrp "$(stat -c %g "$place")" "$LIVE" 2>/dev/null || :
    chmod "$(printf '%o' $((0$(stat -c %a "$place") & 0666)))" "$LIVE" || fail "can't make $LIVE"
}

load_into_live() { # SOURCE
    make_missing_live
    tried=0
    until fit_page_size "$1" && sqlite load "$LIVE" "$1"; do
        tried=$((tried + 1))
        [ "$tried" -lt "$TRIES" ] || fail "the live database stayed locked by another process's transaction, or the disk is full; it is as it was"
        say "the live database can't be written, trying again"
        sleep 1
    done
}

# Put SOURCE into the live file, keep what was there as WORK/attic.sqlite. Running it again, after a kill at any
# point, never replaces the attic by what we put in ourselves.
swap_in() { # SOURCE WORK
    attic=$2/attic.sqlite
    now=$2/now.sqlite
    drop_database "$now"
    if [ -e "$LIVE" ]; then
        save_live "$now"
    else
        sqlite save :memory: "$now" || fail "can't write in $2"
    fi
    if [ -f "$attic" ] && same_pages "$now" "$1"; then
        drop_database "$now" # an earlier run got as far as the swap
    else
        if [ -f "$attic" ] && ! same_pages "$now" "$attic"; then
            keep_older_attic "$2" # somebody wrote since an earlier run: nothing is thrown away
        fi
        mv "$now" "$attic.new"
        settle "$attic"
        load_into_live "$1"
    fi
    matches "$1" || { load_into_live "$1" && matches "$1"; } ||
        hold "The restored database changed while it was checked: something still writes to $LIVE. Stop it and run the restore again."
    drop_database "$now"
}

save_live() { # COPY
    sqlite save "$LIVE" "$1" && return
    drop_database "$1"
    ! integrity_of "$LIVE" || fail "the live database can't be kept as $1 (is the disk full?); it was not touched"
    hold "The live file $LIVE can't be read as a SQLite database. Move it aside and run the restore again: the backup is intact."
}

keep_older_attic() {
    number=1
    while [ -e "$1/attic.$number.sqlite" ]; do number=$((number + 1)); done
    mv "$1/attic.sqlite" "$1/attic.$number.sqlite"
}

matches() { # SOURCE: the live database has its schema and its counts
    counts_of "$LIVE" "$WORK/live.counts" && schema_of "$LIVE" "$WORK/live.schema" &&
        counts_of "$1" "$1.counts" && schema_of "$1" "$1.schema" &&
        cmp -s "$WORK/live.counts" "$1.counts" && cmp -s "$WORK/live.schema" "$1.schema"
}

mark() { # FILE LINE...
    marker=$1
    shift
    printf '%s\n' "$@" >"$marker.new"
    settle "$marker"
}

# One at a time per restore. Children inherit the lock, so that a run after a SIGKILL waits for what the killed one
# left behind instead of racing it.
lock_work() {
    exec 9>"$1/lock"
    flock -w 600 9 || fail "an earlier run of this restore is still at work in $1"
}

restore() { # FOLDER PAYLOAD WORK
    mkdir -p "$3"
    WORK=$(cd "$3" && pwd)
    lock_work "$WORK"
    [ ! -f "$WORK/undone" ] || fail "this restore was undone; start a new one in a new folder"
    if [ ! -f "$WORK/restored" ]; then
        make_shadow "$1" "$2"
        swap_in "$WORK/shadow.sqlite" "$WORK"
        mark "$WORK/restored" "attic=$WORK/attic.sqlite" "tables=$(lines_in "$1/counts.tsv")" \
            "rows=$(rows_in "$1/counts.tsv")" 'restored=yes' 'mode=database'
    fi
    drop_database "$WORK/shadow.sqlite"
    cat "$WORK/restored"
}

unrestore() { # WORK
    [ -f "$1/restored" ] || fail "nothing was restored from $1"
    WORK=$(cd "$1" && pwd)
    lock_work "$WORK"
    [ ! -f "$WORK/dropped" ] || fail "the attic of this restore was dropped"
    if [ ! -f "$WORK/undone" ]; then
        [ -f "$WORK/back.sqlite" ] || mv "$WORK/attic.sqlite" "$WORK/back.sqlite"
        swap_in "$WORK/back.sqlite" "$WORK"
        counts_of "$WORK/back.sqlite" "$WORK/back.counts" || fail "the rows can't be counted"
        mark "$WORK/undone" "attic=$WORK/attic.sqlite" "tables=$(lines_in "$WORK/back.counts")" \
            "rows=$(rows_in "$WORK/back.counts")" 'unrestored=yes' 'mode=database'
    fi
    drop_database "$WORK/back.sqlite"
    cat "$WORK/undone"
}

attic_drop() { # WORK
    [ -d "$1" ] || return 0
    lock_work "$1"
    [ -f "$1/restored" ] || fail "the restore in $1 isn't finished: its attic is still needed"
    [ -f "$1/undone" ] || [ ! -f "$1/back.sqlite" ] || fail "the undo in $1 isn't finished: its attic is still needed"
    mark "$1/dropped" dropped=yes
    rm -f "$1"/attic.sqlite* "$1"/attic.*.sqlite* "$1"/shadow.sqlite* "$1"/back.sqlite* "$1"/now.sqlite*
    printf '%s\n' 'dropped=yes'
}
