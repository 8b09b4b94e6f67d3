# shellcheck shell=sh disable=SC2034
# restore, unrestore and attic-drop: what is common to both modes. Sourced by postgresql.sh.
#
# WORK holds tag (8 hex digits, part of every name we make), mode, names, shadow.ready, restored and undone (what was
# printed; their existence means done), dropped. Where a killed run left off is asked from the server, not from WORK.

# One at a time per restore. Children inherit the lock, so that a run after a SIGKILL waits for what the killed one
# left behind instead of racing it.
open_work() { # WORK
    WORK=$(cd "$1" && pwd)
    exec 9>"$WORK/lock"
    flock -w 600 9 || fail "an earlier run of this restore is still at work in $WORK"
    if [ ! -f "$WORK/tag" ]; then mark "$WORK/tag" "$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')"; fi
    TAG=$(cat "$WORK/tag")
    PGAPPNAME=belay-$TAG
    export PGAPPNAME
    ARCHIVE=
    RESUMED=no
    trap 'rm -f "$WORK/archive"' EXIT
    end_leftovers "$LIVE"
}

# Sets $ARCHIVE: a file that pg_restore can seek in, which loading by several jobs needs.
unpack_archive() { # PAYLOAD
    [ -z "$ARCHIVE" ] || return 0
    case $1 in
    *.zst) unpacked "$1" >"$WORK/archive" 2>"$WORK/restore.log" && ARCHIVE=$WORK/archive ;;
    *) ARCHIVE=$1 ;;
    esac
}

# A killed client's transaction may live on in the server for a while: end it, and wait until it is rolled back.
end_leftovers() { # DATABASE to ask from
    ours="usename = current_user AND pid <> pg_backend_pid() AND application_name = 'belay-$TAG'"
    ended=$(printf 'SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE %s' "$ours" | sql "$1") ||
        unknown "what an earlier run left in the server can't be ended"
    [ "$ended" = 0 ] || wait_until_none "$1" "$ours" || unknown "what an earlier run left in the server doesn't end"
}

# Equal but for casts and brackets: a restored expression is sometimes written differently with the same meaning.
loosely() { sed -e 's/::[A-Za-z_."]*\( [a-z]*\)*\(([0-9,]*)\)\{0,1\}\(\[\]\)*//g' -e 's/[() ]//g' "$1"; }

# A server that crashes empties unlogged tables. Whether that is the whole difference, in a run that goes on after
# another: its copy was whole once, and can't be loaded a second time.
emptied_by_a_crash() { # DATABASE FOLDER
    [ "$RESUMED" = yes ] || return 1
    sql "$1" -v unlogged=yes -f "$HERE/postgresql-counts.sql" >"$WORK/now.unlogged" || unknown "the restored rows can't be counted"
    awk -F '\t' '
        FILENAME == ARGV[1] { if ($2 == 0) empty[$1]; next }
        FILENAME == ARGV[2] { dumped[$1] = $2; next }
        { seen++ }
        !($1 in dumped) || dumped[$1] != $2 && !($1 in empty) { bad = 1 }
        END { for (name in dumped) all++; exit bad || seen != all }
        ' "$WORK/now.unlogged" "$2/counts.tsv" "$WORK/now.counts" || return 1
    say 'warning: the server crashed, and emptied the unlogged tables, as it does'
}

# now.schema, now.counts and now.checksums of DATABASE, in $WORK.
read_facts() { # DATABASE [OPTIONS of psql]
    about=$1
    shift
    (cd "$WORK" && sql "$about" "$@" -f "$HERE/postgresql-facts.sql") || unknown "what was restored can't be read"
    sorted_facts "$WORK" "$WORK/now.schema" "$WORK/now.counts" "$WORK/now.checksums" ||
        unknown "$WORK can't be written (is the disk full?)"
}

# Whether DATABASE holds the rows and the schema that were dumped.
same_as_dump() { # DATABASE FOLDER
    read_facts "$1" -v checksums="$(has_checksums "$2")"
    if ! cmp -s "$WORK/now.counts" "$2/counts.tsv" && ! emptied_by_a_crash "$1" "$2"; then
        say "the row counts differ from the dump's"
        return 1
    fi
    same_rows "$2" && same_schema "$2"
}

# Whether the dump wrote the rows' checksums down: what was loaded of it has passed same_rows then.
has_checksums() { if [ -f "$1/checksums.tsv" ]; then echo yes; else echo no; fi; } # FOLDER

# By checksum, where the dump wrote them down; but for tables that a crash of the server emptied (see above).
same_rows() { # FOLDER
    [ -f "$1/checksums.tsv" ] || return 0
    if cmp -s "$WORK/now.counts" "$1/counts.tsv"; then : >"$WORK/now.unlogged"; fi
    comm -3 "$WORK/now.checksums" "$1/checksums.tsv" | awk -F '\t' '
        FILENAME == ARGV[1] { if ($2 == 0) empty[$1]; next }
        { name = $1 == "" ? $2 : $1 }
        !(name in empty) && !said[name]++ { print name }' "$WORK/now.unlogged" - >"$WORK/checksums.differ"
    [ -s "$WORK/checksums.differ" ] || return 0
    say "rows differ from the dump's in $(head -n 3 "$WORK/checksums.differ" | tr '\n' ' ')"
    return 1
}

# Facts of the database as a whole are left out: an extension's version is the server's, and mode `inside` leaves them as
# they are.
same_schema() { # FOLDER
    grep -v '^database	' "$1/schema.txt" >"$WORK/dumped.schema" || :
    # A schema that holds parts of an extension stays when the migration that made it is undone inside the database.
    awk -F '\t' '
        FNR == NR { if ($1 == "schema") known[$2]; next }
        $1 == "database" || $1 == "schema" && !($2 in known) { next }
        $2 == "schema" { name = $3; if (name ~ /^"/) { gsub(/""/, "\"", name); name = substr(name, 2, length(name) - 2) }
                         if (!(name in known)) next }
        { print }' "$WORK/dumped.schema" "$WORK/now.schema" >"$WORK/restored.schema"
    if cmp -s "$WORK/dumped.schema" "$WORK/restored.schema"; then return 0; fi
    loosely "$WORK/dumped.schema" | sort >"$WORK/dumped.loose"
    loosely "$WORK/restored.schema" | sort >"$WORK/restored.loose"
    if cmp -s "$WORK/dumped.loose" "$WORK/restored.loose"; then return 0; fi
    diff "$WORK/dumped.schema" "$WORK/restored.schema" | head -n 10 >&2 || :
    return 1
}

# Decided once: a rerun must go on in the mode in which it began.
decide_mode() {
    if [ ! -f "$WORK/mode" ]; then
        sql "$LIVE" -f "$HERE/postgresql-rights.sql" >"$WORK/rights" || unknown "the account's rights can't be read"
        choose_mode "$WORK/rights"
        [ "$MODE" != none ] || fail "this account can't restore: $OBSTACLE"
        mark "$WORK/mode" "$MODE"
    fi
    MODE=$(cat "$WORK/mode")
}

fall_back_inside() { # FOLDER PAYLOAD
    tail -n 3 "$WORK/restore.log" >&2
    say "no database can be made beside the live one; restoring inside it"
    RIGHTS=$WORK/rights
    OBSTACLE="this account can't create a database as the live one is"
    inside_or_none
    [ "$MODE" = inside ] || fail "this account can't restore: $OBSTACLE"
    mark "$WORK/mode" inside
    restore_inside "$1" "$2"
}

restore() { # FOLDER PAYLOAD WORK
    payload_name "$2"
    mkdir -p "$3"
    folder=$(cd "$1" && pwd)
    open_work "$3"
    [ ! -f "$WORK/undone" ] || fail "this restore was undone; start a new one in a new folder"
    if [ ! -f "$WORK/restored" ]; then
        check_facts "$folder"
        decide_mode
        if [ "$MODE" = database ]; then
            restore_database "$folder" "$2" || fall_back_inside "$folder" "$2"
        else
            restore_inside "$folder" "$2"
        fi
        mark "$WORK/restored" "attic=$ATTIC" "tables=$(lines_in "$folder/counts.tsv")" \
            "rows=$(rows_in "$folder/counts.tsv")" 'restored=yes' "mode=$MODE"
    fi
    cat "$WORK/restored"
}

unrestore() { # WORK
    [ -f "$1/restored" ] || fail "nothing was restored from $1"
    [ ! -f "$1/dropped" ] || fail "the attic of this restore was dropped"
    open_work "$1"
    MODE=$(cat "$WORK/mode")
    if [ ! -f "$WORK/undone" ]; then
        if [ "$MODE" = database ]; then unrestore_database; else unrestore_inside; fi
        counts_of "$LIVE" "$WORK/now.counts" || unknown "the rows can't be counted"
        mark "$WORK/undone" "attic=$ATTIC" "tables=$(lines_in "$WORK/now.counts")" \
            "rows=$(rows_in "$WORK/now.counts")" 'unrestored=yes' "mode=$MODE"
    fi
    cat "$WORK/undone"
}

attic_drop() { # WORK
    [ -d "$1" ] || return 0
    [ -f "$1/restored" ] || fail "the restore in $1 isn't finished: its attic is still needed"
    open_work "$1"
    MODE=$(cat "$WORK/mode")
    if [ ! -f "$WORK/undone" ] && undo_begun; then fail "the undo in $WORK isn't finished: its attic is still needed"; fi
    mark "$WORK/dropped" dropped=yes
    if [ "$MODE" = database ]; then attic_drop_database; else attic_drop_inside; fi
    printf '%s\n' 'dropped=yes'
}

undo_begun() {
    if [ "$MODE" = database ]; then
        database_names s
        there attic_b
    else
        moved_away "b_$TAG"
    fi
}
