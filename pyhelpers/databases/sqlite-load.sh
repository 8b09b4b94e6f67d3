# shellcheck shell=sh
# load and unload (the twin of a restore), rehearse, and the mark of change. Sourced by sqlite.sh.

# Make WORK/shadow.sqlite the proven copy of a payload. Its own SHA-256 is written down when it is proven, so that a twin
# that was kept for long, or one that a power failure cut, is known to be that copy or made again.
make_shadow() { # FOLDER PAYLOAD
    shadow=$WORK/shadow.sqlite
    if [ -f "$WORK/shadow.ready" ] && [ -f "$shadow" ] && [ "$(cat "$WORK/shadow.ready")" = "$(sha256_of "$shadow")" ]; then
        return 0
    fi
    rm -f "$WORK/shadow.ready"
    if [ -f "$1/payload.sha256" ]; then
        (cd "$1" && sha256sum -c payload.sha256 >/dev/null 2>&1) || fail "the payload's SHA-256 isn't the one of the dump"
    fi
    unpack_and_compare "$1" "$2" "$shadow"
    mark "$WORK/shadow.ready" "$(sha256_of "$shadow")"
}

load() { # FOLDER PAYLOAD WORK
    mkdir -p "$3"
    WORK=$(cd "$3" && pwd)
    lock_work "$WORK"
    ! swap_begun || fail "the restore in $WORK has begun already: there is nothing left to load"
    make_shadow "$1" "$2"
    printf '%s\n' 'loaded=yes' 'mode=database' "tables=$(lines_in "$1/counts.tsv")" \
        "rows=$(rows_in "$1/counts.tsv")" "checksums=$(has_checksums "$1")" "shadow=$WORK/shadow.sqlite"
}

# Whether a restore got so far that it, and not its reader, knows what the shadow is needed for.
swap_begun() {
    for file in attic.sqlite attic.sqlite.new restored undone dropped; do
        [ ! -e "$WORK/$file" ] || return 0
    done
    return 1
}

unload() { # WORK
    if [ -d "$1" ]; then
        WORK=$(cd "$1" && pwd)
        lock_work "$WORK"
        if ! swap_begun && { [ -e "$WORK/shadow.sqlite" ] || [ -e "$WORK/shadow.ready" ]; }; then
            rm -f "$WORK/shadow.ready"
            drop_database "$WORK/shadow.sqlite"
            printf '%s\n' 'unloaded=yes'
            return
        fi
    fi
    printf '%s\n' 'unloaded=nothing'
}

# The path as it is once links in its folders are followed; the file itself may be missing.
real_path() { printf '%s/%s\n' "$(readlink -f "$(dirname "$1")")" "$(basename "$1")"; }

refuse_as_target() { # FILE
    case $1 in
    /*) ;;
    *) fail "a rehearsal needs the absolute path of a file, not '$1'" ;;
    esac
    [ -d "$(dirname "$1")" ] || fail "the folder of $1 doesn't exist"
    if [ "$(real_path "$1")" = "$(real_path "$LIVE")" ] || [ "$(readlink -f "$1")" = "$(readlink -f "$LIVE")" ]; then
        fail "$1 is the live database: a rehearsal goes into another one"
    fi
    case $(real_path "$1") in
    */.belay/*) fail "$1 lies where Belay keeps its own files: a rehearsal goes elsewhere" ;;
    esac
    [ ! -L "$1" ] || fail "$1 is a link: a rehearsal goes into a file of its own"
    [ ! -s "$1-wal" ] && [ ! -s "$1-journal" ] || fail "$1 is in use: a rehearsal goes into an empty database"
    [ ! -e "$1" ] || [ "$(sqlite query "$1" 'SELECT count(*) FROM sqlite_master' 2>/dev/null)" = 0 ] ||
        fail "$1 holds something already: a rehearsal goes into an empty database"
}

same_content() { # FILE FOLDER
    integrity_of "$1" && counts_of "$1" "$SCRATCH/counts" && cmp -s "$SCRATCH/counts" "$2/counts.tsv" &&
        schema_of "$1" "$SCRATCH/schema" && cmp -s "$SCRATCH/schema" "$2/schema.txt"
}

rehearse() { # FOLDER PAYLOAD INTO
    payload_name "$2"
    refuse_as_target "$3"
    if [ -f "$1/payload.sha256" ]; then
        (cd "$1" && sha256sum -c payload.sha256 >/dev/null 2>&1) || fail "the payload's SHA-256 isn't the one of the dump"
    fi
    scratch_in "$(dirname "$3")"
    copy=$SCRATCH/copy.sqlite
    unpack_and_compare "$1" "$2" "$copy"
    if [ -e "$3" ]; then
        sqlite load "$3" "$copy" || fail "$3 can't be written"
        same_content "$3" "$1" || {
            sqlite save :memory: "$SCRATCH/empty.sqlite" && sqlite load "$3" "$SCRATCH/empty.sqlite" || :
            fail "what came to lie in $3 isn't what was dumped; it was emptied again"
        }
    else
        ln "$copy" "$3" || fail "$3 can't be made" # unlike mv, it never replaces
        same_content "$3" "$1" || {
            drop_database "$3"
            fail "what came to lie in $3 isn't what was dumped; it was removed again"
        }
    fi
    printf '%s\n' "tables=$(lines_in "$1/counts.tsv")" "rows=$(rows_in "$1/counts.tsv")" 'rehearsed=yes'
}

# Equal marks: the same bytes, so no write in between. With a rollback journal every commit raises the change counter of
# the header (sqlite.org/fileformat2, 1.3.7). A WAL database need not touch its header at all, so there it is everything
# that counts. The WAL is read BEFORE the file: what a checkpoint moves meanwhile is then seen twice, never not at all.
mark_of_live() {
    if [ ! -e "$LIVE" ]; then
        printf '%s\n' 'mark=missing'
        return
    fi
    # One that is held exclusively raises its counter only once: it can't be told.
    if ! sqlite query "$LIVE" 'SELECT count(*) FROM sqlite_master' >/dev/null 2>&1; then
        printf '%s\n' 'mark='
        return
    fi
    wal=none
    [ ! -s "$LIVE-wal" ] || wal=$(sha256_of "$LIVE-wal") || wal=unreadable
    header=$(head -c 100 "$LIVE" | od -An -v -tx1 | tr -d ' \n')
    content=header
    case $header in
    ????????????????????????????????????0101*) ;;
    *) content=$(sha256_of "$LIVE") || content= ;;
    esac
    if [ -z "$header$content" ] || [ -z "$content" ] || [ "$wal" = unreadable ]; then
        printf '%s\n' 'mark='
    else
        printf '%s\n' "mark=$wal-$header-$content"
    fi
}
