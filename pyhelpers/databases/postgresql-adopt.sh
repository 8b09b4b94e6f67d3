# shellcheck shell=sh disable=SC2034
# adopt: makes a backup of ours of an archive that another tool made with pg_dump (-Fc, -Fd or -Ft). Sourced by
# postgresql.sh.
#
# The archive is somebody else's, and loading one means running its SQL with this account's rights. So it is read whole
# first; its list of entries and the SQL that pg_restore makes of it must be what pg_dump writes; and it is loaded in one
# transaction, into a database of its own, by an account that can't reach beyond its databases.

plain_text="plain SQL, which only psql could run, and psql obeys commands in it (\\!, backticks) that reach files and programs. Make it with pg_dump -Fc, -Fd or -Ft"

# directory, custom, tar, gzip, zstd, zip or other, by the first bytes.
kind_of() { # FILE
    if [ -d "$1" ]; then
        if [ -f "$1/toc.dat" ]; then echo directory; else echo other; fi
        return
    fi
    start=$(head -c 16 "$1" | od -An -v -tx1 | tr -d ' \n')
    case $start in
    5047444d50*) echo custom ;;      # PGDMP
    746f632e64617400*) echo tar ;;   # toc.dat, the first member
    1f8b*) echo gzip ;;
    28b52ffd*) echo zstd ;;
    504b0304*) echo zip ;;
    *) echo other ;;
    esac
}

# Sets $ARCHIVE to what pg_restore reads, and $KIND.
open_archive() { # FILE
    [ -r "$1" ] || fail "$1 is no readable file"
    ARCHIVE=$1
    KIND=$(kind_of "$1")
    case $KIND in
    gzip | zstd)
        unpack_bounded "$KIND" "$1" "$SCRATCH/given"
        ARCHIVE=$SCRATCH/given
        KIND=$(kind_of "$ARCHIVE")
        ;;
    directory) check_folder "$1" ;;
    zip) fail "$1 is a zip: what backup packages put into it is $plain_text" ;;
    esac
    case $KIND in
    directory | custom) ;;
    tar) tar -tf "$ARCHIVE" >/dev/null 2>&1 || fail "$1 can't be read to its end: it is damaged or cut short" ;;
    *) fail "$1 is no archive of pg_dump. It may be $plain_text" ;;
    esac
}

# At most half of the free space.
unpack_bounded() { # KIND FILE TARGET
    space=$(df -Pk "$SCRATCH" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 / 2 }')
    [ "$1" = gzip ] || command -v zstd >/dev/null 2>&1 || fail "$2 is compressed by zstd, which this host lacks"
    {
        status=0
        if [ "$1" = gzip ]; then gzip -d -c "$2" || status=$?; else zstd -q -d -c "$2" || status=$?; fi
        echo "$status" >"$SCRATCH/unpack.status"
    } 2>"$SCRATCH/unpack.log" | head -c "$((space + 1))" >"$3" || fail "can't write in $SCRATCH (is the disk full?)"
    [ "$(bytes_of "$3")" -le "$space" ] || fail "$2 becomes larger than half of the free disk space ($space bytes): it isn't unpacked"
    [ "$(cat "$SCRATCH/unpack.status")" = 0 ] || fail "$2 can't be unpacked whole: it is damaged or cut short"
}

# The archive names the files of its data: they must lie in its folder. (In toc.dat a text follows its length, whose high
# bytes are zero.)
check_folder() { # FOLDER
    strange=$(find "$1" -mindepth 1 ! -type f | head -n 1)
    [ -z "$strange" ] || fail "$1 isn't taken: $strange is no plain file, and pg_restore would follow it"
    cat "$1/toc.dat" "$1"/blobs*.toc 2>/dev/null | tr '\000 ' '[\n*]' >"$SCRATCH/names"
    if grep -Eq '^(\.?/+)*\.\./' "$SCRATCH/names"; then
        fail "$1 isn't taken: it names files outside its own folder"
    fi
}

# An account whose rights end at its databases: what runs while an archive is loaded (checks, index expressions,
# materialized views) runs with them.
need_harmless_account() {
    powers=$(sql "$LIVE" <<'SQL'
SELECT string_agg(power, ', ') FROM (
    SELECT unnest(ARRAY[CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN rolreplication THEN 'REPLICATION' END]) AS power FROM pg_roles WHERE rolname = current_user
    UNION ALL
    SELECT rolname FROM pg_roles WHERE rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
      AND pg_has_role(oid, 'MEMBER') AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)) p
SQL
    ) || unknown "the account's rights can't be read"
    [ -z "$powers" ] || fail "this account may do too much to load somebody else's archive ($powers): use the app's own"
}

# Writes $SCRATCH/contents (all entries) and $SCRATCH/wanted (those to load); refuses kinds that reach out of a database.
choose_entries() { # FILE
    "$BIN/pg_restore" -l "$ARCHIVE" >"$SCRATCH/contents" 2>"$SCRATCH/restore.log" || {
        version=$(sed -n 's/.*unsupported version (\([0-9.]*\)).*/\1/p' "$SCRATCH/restore.log")
        [ -z "$version" ] || fail "$1 was made by a newer pg_dump (archive format $version) than this host's PostgreSQL $CLIENT clients can read: install those of its version"
        tail -n 1 "$SCRATCH/restore.log" >&2
        fail "$1 can't be read: it is damaged or cut short"
    }
    sql "$LIVE" >"$SCRATCH/trusted" <<'SQL' || unknown "the server's extensions can't be listed"
SELECT DISTINCT name FROM pg_available_extension_versions v
WHERE NOT superuser OR coalesce((to_jsonb(v) ->> 'trusted')::boolean, false)
SQL
    awk -v trusted="$SCRATCH/trusted" -v wanted="$SCRATCH/wanted" '
        BEGIN {
            while ((getline name <trusted) > 0) creatable[name]
            taken = "^(SCHEMA|EXTENSION|COMMENT|ACL|DEFAULT ACL|SHELL TYPE|TYPE|DOMAIN|FUNCTION|PROCEDURE|AGGREGATE|OPERATOR|OPERATOR CLASS|OPERATOR FAMILY|CAST|COLLATION|CONVERSION|TEXT SEARCH CONFIGURATION|TEXT SEARCH DICTIONARY|STATISTICS|TABLE|TABLE ATTACH|TABLE DATA|SEQUENCE|SEQUENCE SET|SEQUENCE OWNED BY|DEFAULT|CONSTRAINT|CHECK CONSTRAINT|FK CONSTRAINT|INDEX|INDEX ATTACH|RULE|TRIGGER|VIEW|MATERIALIZED VIEW|MATERIALIZED VIEW DATA|ROW SECURITY|POLICY|BLOB|BLOBS|BLOB METADATA|BLOB COMMENTS|DATABASE|DATABASE PROPERTIES|ENCODING|STDSTRINGS|SEARCHPATH) "
        }
        /^;/ || /^$/ { next }
        {
            entry = $0
            if (!sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry)) { print "it has an entry that can not be read: " $0; exit }
            if (entry ~ /^(DATABASE|DATABASE PROPERTIES|ACL|DEFAULT ACL|PUBLICATION|PUBLICATION TABLE|PUBLICATION TABLES IN SCHEMA|SECURITY LABEL) /) next
            if (entry ~ /^(PROCEDURAL LANGUAGE|EXTENSION) - plpgsql / || entry ~ /^COMMENT - (EXTENSION|PROCEDURAL LANGUAGE|DATABASE) / ||
                entry ~ /^COMMENT - SCHEMA public /) next
            if (entry ~ /^EXTENSION - /) {
                split(entry, part, " ")
                if (!(part[3] in creatable)) { print "only a superuser can create its extension " part[3] " here, or the server lacks it"; exit }
            }
            if (entry !~ taken) { print "it holds " entry; exit }
            print >wanted
        }' "$SCRATCH/contents" >"$SCRATCH/hostile"
    [ ! -s "$SCRATCH/hostile" ] || fail "$1 isn't taken: $(cat "$SCRATCH/hostile")"
    [ -f "$SCRATCH/wanted" ] || : >"$SCRATCH/wanted"
}

# pg_restore, told not to give anything away and not to leave the transaction.
restored() { # OPTIONS
    "$BIN/pg_restore" --exit-on-error --single-transaction --no-owner --no-acl --no-tablespaces --no-password \
        -L "$SCRATCH/wanted" "$@" "$ARCHIVE"
}

# Reads the whole archive, and with it all SQL that would be run.
check_statements() { # FILE
    size=$(du -sk "$ARCHIVE" | awk '{ printf "%.0f\n", ($1 + 256) * 1024 * 250 }')
    {
        status=0
        restored -f - || status=$?
        echo "$status" >"$SCRATCH/read.status"
    } 2>"$SCRATCH/read.log" | awk -v limit="$size" -f "$HERE/postgresql-adopt.awk" >"$SCRATCH/hostile" || fail "$1 can't be checked"
    # A reader that was left by awk ends with an error too. And pg_restore itself doesn't notice where a tar ends early.
    reason=$(head -n 1 "$SCRATCH/hostile")
    case $reason/$(cat "$SCRATCH/read.status") in
    /0) ;;
    /* | "its last entry doesn't end"/*)
        tail -n 1 "$SCRATCH/read.log" >&2
        fail "$1 can't be read to its end: it is damaged or cut short"
        ;;
    *) fail "$1 isn't taken: $reason" ;;
    esac
}

adopt() { # FILE FOLDER
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
    own_copy "$folder"
    need_database_mode
    need_harmless_account
    open_archive "$1"
    choose_entries "$1"
    check_statements "$1"
    trap 'drop_beside "$SHADOW" >/dev/null 2>&1 || :; rm -rf "$SCRATCH"' EXIT
    create_shadow || no_shadow "$(tail -n 1 "$WORK/restore.log")"
    restored -d "$(conninfo "$SHADOW")" 2>"$SCRATCH/restore.log" || {
        tail -n 5 "$SCRATCH/restore.log" >&2
        fail "$1 can't be loaded here; the live database was not touched"
    }
    dump_shadow "$folder"
}

# The connection folder with another database in it.
dump_shadow() { # FOLDER
    mkdir "$SCRATCH/conn"
    for file in "$CONN"/*; do
        case ${file##*/} in
        database) printf '%s\n' "$SHADOW" >"$SCRATCH/conn/database" ;;
        pgservice.conf) SHADOW=$SHADOW awk '/^dbname=/ { print "dbname=" ENVIRON["SHADOW"]; next } { print }' "$file" >"$SCRATCH/conn/pgservice.conf" ;;
        *) [ ! -f "$file" ] || cp -p "$file" "$SCRATCH/conn/" ;;
        esac
    done
    sh "$HERE/postgresql.sh" dump "$SCRATCH/conn" "$1"
}
