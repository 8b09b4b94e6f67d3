#!/bin/sh
# The way back for code that is exchanged in place.
#
#   inplace.sh snapshot BASE   before the user's deploy-command: a copy of the code, and a list of every file's state
#   inplace.sh restore BASE    as the undo: changed and missing files come back, added ones move to the attic
#
# Copy in $BELAY_DEPLOY/snapshot, attic in $BELAY_DEPLOY/replaced: whatever a restore overwrites or takes away is there.
# Not the code's and left alone: .belay, storage, maintenance.json, SQLite files, git's object store (it only grows).
# .env, vendor, node_modules and bootstrap/cache count as code. A file counts as changed when its inode, size, mode or
# change time (ctime, which nobody can set back) differ, so 30,000 files are compared without reading one of them.
# Exit: 0 done (or nothing to do), 1 failed; both verbs may be cut anywhere and run again.
set -eu
umask 077
LC_ALL=C
TZ=UTC
export LC_ALL TZ

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/durable.sh"

snapshot=$BELAY_DEPLOY/snapshot
attic=$BELAY_DEPLOY/replaced

fail() {
    printf 'inplace: %s\n' "$1" >&2
    exit 1
}

# Run find over the code with the given tests and action. A database of the app's that is named otherwise than *.sqlite
# or *.db is known from the connection folder.
find_code() {
    database=./none
    if [ "$(cat "$BELAY_DEPLOY/database/engine" 2>/dev/null)" = sqlite ]; then
        database=$(cat "$BELAY_DEPLOY/database/database")
        database=./${database#"$(pwd -P)"/}
        # find takes patterns: the path must mean itself.
        database=$(printf '%s\n' "$database" | sed 's/[][*?\\]/\\&/g')
    fi
    find . -xdev \( -path ./.belay -o -path ./storage -o -path ./maintenance.json -o -path ./.git/objects -o -path ./.git/lfs \
        -o -path "$database" -o -path "$database-*" -o -name '*.sqlite' -o -name '*.sqlite[-3]*' -o -name '*.db' -o -name '*.db-*' \
        \) -prune -o "$@"
}

# The state of all code: $1.files (STATE<TAB>PATH) and $1.folders (MODE<TAB>PATH), sorted. Sockets and the like are no code.
take_stock() {
    find_code \( -type f -o -type l \) -exec stat -c '%i %s %z %f	%n' {} + >"$1.new"
    sort "$1.new" >"$1.files"
    find_code -type d -exec stat -c '%a	%n' {} + >"$1.new"
    sort "$1.new" >"$1.folders"
    rm "$1.new"
}

# Sets words to a file with the lines of $1 as xargs wants them. By a file, not a pipe: a list cut short must be noticed.
nul_separated() {
    words=$BELAY_DEPLOY/inplace-words
    tr '\n' '\000' <"$1" >"$words"
}

# Copy the files that $1 lists (one path a line) to the folder $2, a thousand at a time, and see that both ends did it.
# GNU tar says 1 when a file changed while it was read (a log, a cache): the copy is whole all the same.
copy_files() {
    [ -s "$1" ] || return 0
    harmless=0
    if tar --version 2>/dev/null | grep -q 'GNU tar'; then harmless=1; fi
    nul_separated "$1"
    # shellcheck disable=SC2016  # the inner shell expands
    xargs -0 -n 1000 sh -c '
        set -eu
        target=$1 harmless=$2 status=$3
        shift 3
        {
            code=0
            tar -cf - "$@" || code=$?
            echo "$code" >"$status"
        } | tar -xpf - -C "$target"
        read -r code <"$status"
        [ "$code" -le "$harmless" ]
    ' sh "$2" "$harmless" "$BELAY_DEPLOY/tar-status" <"$words" || fail "the files could not all be copied; is the disk full?"
}

# Run a command on all paths that the file $1 lists.
each() {
    list=$1
    shift
    [ -s "$list" ] || return 0
    nul_separated "$list"
    xargs -0 "$@" -- <"$words"
}

take_snapshot() {
    # Once whole it is never taken again: by then the code may be the new one.
    [ ! -e "$snapshot/complete" ] || return 0
    rm -rf "$snapshot"
    mkdir -p "$snapshot/code"
    find_code \( -name '*
*' -o -name '*\\*' \) -print >"$snapshot/odd"
    [ ! -s "$snapshot/odd" ] || fail "a file's name holds a line break or a backslash, which can't be put back safely: $(head -n 2 "$snapshot/odd")"
    take_stock "$snapshot/before"
    cut -f 2- "$snapshot/before.files" >"$snapshot/paths"
    copy_files "$snapshot/paths" "$snapshot/code"
    # Change times are as fine as the kernel's clock tick; after this no change can look like none.
    sleep 1
    sync
    mark_change
    date -u +%Y-%m-%dT%H:%M:%SZ | store "$snapshot/complete"
}

# What has to be done, as lists: added, changed (both there, different), missing; folders likewise.
compare() {
    take_stock "$attic/now"
    for name in added changed missing folders-added folders-missing folders-changed; do : >"$attic/$name"; done
    OUT=$attic awk -F '\t' '
        BEGIN { out = ENVIRON["OUT"] }
        { path = substr($0, index($0, "\t") + 1) }
        FILENAME == ARGV[1] { before[path] = $1; next }
        !(path in before) { print path >(out "/added"); next }
        { if (before[path] != $1) print path >(out "/changed"); delete before[path] }
        END { for (path in before) print path >(out "/missing") }
    ' "$snapshot/before.files" "$attic/now.files"
    OUT=$attic awk -F '\t' '
        BEGIN { out = ENVIRON["OUT"] }
        { path = substr($0, index($0, "\t") + 1) }
        FILENAME == ARGV[1] { before[path] = $1; next }
        !(path in before) { print path >(out "/folders-added"); next }
        { if (before[path] != $1) print before[path] "\t" path >(out "/folders-changed"); delete before[path] }
        END { for (path in before) print before[path] "\t" path >(out "/folders-missing") }
    ' "$snapshot/before.folders" "$attic/now.folders"
    cat "$attic/changed" "$attic/missing" >"$attic/to-restore"
    cat "$attic/folders-missing" "$attic/folders-changed" >"$attic/folders-modes"
}

# Fill the attic before anything is touched, and only once: on a rerun the files here may be the old ones already.
fill_attic() {
    [ ! -e "$attic/complete" ] || return 0
    rm -rf "$attic"
    mkdir -p "$attic/code"
    compare
    cat "$attic/added" "$attic/changed" >"$attic/to-keep"
    copy_files "$attic/to-keep" "$attic/code"
    sync
    date -u +%Y-%m-%dT%H:%M:%SZ | store "$attic/complete"
}

put_back() {
    each "$attic/added" rm -f
    # Deepest first; a folder that holds something of the app's own (a database, a mount) stays.
    sort -r "$attic/folders-added" >"$attic/folders-away"
    each "$attic/folders-away" rmdir 2>/dev/null || :
    cut -f 2- "$attic/folders-missing" >"$attic/folders-back"
    each "$attic/folders-back" mkdir -p
    (cd "$snapshot/code" && copy_files "$attic/to-restore" "$1")
    # A handful of different modes, so a handful of calls.
    cut -f 1 "$attic/folders-modes" >"$attic/modes"
    sort -u -o "$attic/modes" "$attic/modes"
    while IFS= read -r mode; do
        sed -n "s/^$mode	//p" "$attic/folders-modes" >"$attic/folders-of-mode"
        each "$attic/folders-of-mode" chmod "$mode"
    done <"$attic/modes"
}

restore() {
    if [ ! -e "$snapshot/complete" ] || [ -e "$attic/restored" ]; then
        echo restored=0
        return
    fi
    fill_attic
    put_back "$1"
    sync
    mark_change
    date -u +%Y-%m-%dT%H:%M:%SZ | store "$attic/restored"
    count=$(wc -l <"$attic/to-restore")
    moved=$(wc -l <"$attic/added")
    printf 'restored=%s\nmoved=%s\nattic=%s\n' "$((count))" "$((moved))" "$attic/code"
}

[ $# -eq 2 ] || fail "there are snapshot BASE and restore BASE"
case $2 in /?*) ;; *) fail "the base folder must be an absolute path" ;; esac
cd "$2" || fail "there is no folder $2"
base=$(pwd -P)
case $1 in
snapshot)
    take_snapshot
    echo "files=$(($(wc -l <"$snapshot/before.files")))"
    ;;
restore) restore "$base" ;;
*) fail "unknown verb; there are snapshot and restore" ;;
esac
