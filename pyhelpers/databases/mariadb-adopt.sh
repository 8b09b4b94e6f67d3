# shellcheck shell=sh disable=SC2016,SC2034
# Adopting a dump that another tool made: mariadb-dump or mysqldump, alone or in a zip of spatie/laravel-backup. Sourced
# by mariadb.sh. Wants all the others.
#
# What it says is checked line by line (mariadb-adopt.awk), loaded into a database of its own beside the live one, and
# dumped from there, so that the backup is one like any other. Nothing of the dump is ever run as it stands.

READER_KIBIBYTES=4194304 # of memory for the reader: a compressed line of zeros must not eat up the host's

adopt() { # FILE FOLDER
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then
        fail "there is no file $1 that can be read"
    fi
    LIVE=$DATABASE
    FOLDER=$2
    mkdir -p "$FOLDER"
    find_lock_down
    drop_adopted # what a killed run left
    # shellcheck disable=SC2154 # it is assigned in the trap itself
    trap 'code=$?; (drop_adopted) || :; rm -rf "$SCRATCH"; exit "$code"' EXIT
    make_adopted
    look_around
    mkdir "$SCRATCH/adopted"
    : >"$SCRATCH/failed"
    # A NUL, which no dump of this family holds, would hide from some awks what comes after it; as a line's end it doesn't.
    unpack "$1" | tr '\000' '\n' | {
        read_foreign || echo refused >"$SCRATCH/refused"
    } | load "$ADOPTED" 2>"$SCRATCH/errors" || echo refused >"$SCRATCH/refused"
    if [ -s "$SCRATCH/failed" ] || [ -f "$SCRATCH/refused" ]; then
        fail "the dump is refused, nothing was changed: $(why_refused)"
    fi
    DATABASE=$ADOPTED
    make_adopted_objects
    prove_adopted
    dump "$FOLDER" >"$SCRATCH/facts"
    warn_of_adopted >>"$SCRATCH/facts"
    durable "$FOLDER/facts" <"$SCRATCH/facts"
    DATABASE=$LIVE
    trap 'rm -rf "$SCRATCH"' EXIT
    drop_adopted
    cat "$FOLDER/facts"
}

# When the reader refuses, all around it fails too: its reason comes first, unless it only missed the end.
why_refused() {
    if [ -s "$SCRATCH/failed" ] && { [ ! -s "$SCRATCH/refusal" ] || grep -q 'is the last one' "$SCRATCH/refusal"; }; then
        head -n 1 "$SCRATCH/failed"
    elif [ -s "$SCRATCH/refusal" ]; then
        sed 's/^the payload is refused: //' "$SCRATCH/refusal" | head -n 1
    else
        reason "$SCRATCH/errors"
    fi
}

# --- the database of its own -----------------------------------------------------------------------------------------

# Makes the database ADOPTED, with the live one's character set. Its name is written down first.
make_adopted() {
    adopted_id=$(random_hex)
    ADOPTED=$(ask "$LIVE" 'SELECT LEFT(DATABASE(), 40)')__belay_d_$adopted_id
    printf '%s\n' "$ADOPTED" | durable "$FOLDER/.adopting"
    can_create_database "$ADOPTED" 2>/dev/null ||
        fail "adopting a dump needs a database of its own, and the account may not create one: grant it ALL on databases that begin with the name of $LIVE and __belay_"
    CHARSET=$(ask "$LIVE" "SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
        FROM information_schema.schemata WHERE schema_name = $THIS_DATABASE") || fail 'the server does not answer'
    take_over "$(adopted_lock)"
    ask "$LIVE" "CREATE DATABASE $(identifier "$ADOPTED") $CHARSET" || fail "the database $ADOPTED could not be made"
}

adopted_lock() { printf 'belay:d%s' "${ADOPTED##*_}"; }

# Drops the database that FOLDER names, if any, and whatever is still at work in it.
drop_adopted() {
    [ -f "$FOLDER/.adopting" ] || return 0
    DATABASE=$LIVE
    ADOPTED=$(cat "$FOLDER/.adopting")
    case $ADOPTED in
    *__belay_d_*) ;;
    *) fail "$FOLDER/.adopting names no database of ours" ;;
    esac
    GUARD=
    take_over "$(adopted_lock)"
    there=$(ask "$LIVE" "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = $(literal "$ADOPTED")") ||
        fail 'the server does not answer'
    [ "$there" = 0 ] || ask "$LIVE" "DROP DATABASE IF EXISTS $(identifier "$ADOPTED")" || fail "the database $ADOPTED could not be dropped"
    rm -f "$FOLDER/.adopting"
}

# --- what the file holds ---------------------------------------------------------------------------------------------

# Prints the SQL in file $1, whatever it is packed in; the first bytes tell, not the name. A failure leaves a line in
# $SCRATCH/failed, as no pipe reports it.
unpack() {
    case $(od -A n -N 4 -t x1 <"$1" | tr -d ' \n') in
    1f8b*) gzip -dc <"$1" 2>/dev/null || echo 'it does not decompress' >>"$SCRATCH/failed" ;;
    28b52ffd) zstd -dqc <"$1" 2>/dev/null || echo 'it does not decompress, or this host lacks zstd' >>"$SCRATCH/failed" ;;
    504b0304) unpack_zip "$1" ;;
    *) cat <"$1" || echo 'it can not be read' >>"$SCRATCH/failed" ;;
    esac
}

# A backup of spatie/laravel-backup has its dumps in the folder db-dumps.
unpack_zip() { # FILE
    if ! zip_list "$1" >"$SCRATCH/members" 2>/dev/null; then
        echo 'the archive can not be read: it is damaged, or this host has neither unzip nor bsdtar' >>"$SCRATCH/failed"
        return
    fi
    grep -x -E 'db-dumps/[0-9A-Za-z._-]+\.sql(\.gz)?' "$SCRATCH/members" >"$SCRATCH/dumps" || :
    if [ "$(grep -c '^db-dumps/.' "$SCRATCH/members")" != 1 ] || [ "$(grep -c . "$SCRATCH/dumps")" != 1 ]; then
        echo 'the archive must hold exactly one file db-dumps/NAME.sql or db-dumps/NAME.sql.gz' >>"$SCRATCH/failed"
        return
    fi
    member=$(cat "$SCRATCH/dumps")
    case $member in
    *.gz)
        {
            zip_member "$1" "$member" || zip_failed
        } | gzip -dc 2>/dev/null || echo 'the dump in the archive does not decompress' >>"$SCRATCH/failed"
        ;;
    *) zip_member "$1" "$member" || zip_failed ;;
    esac
}

zip_failed() { echo 'the dump in the archive can not be read: it is damaged or encrypted' >>"$SCRATCH/failed"; }

# Names of the files in a zip. unzip (Info-ZIP's and BusyBox's) prints them in the fourth column.
zip_list() {
    if command -v unzip >/dev/null; then
        unzip -l "$1" </dev/null >"$SCRATCH/listing" && awk 'NF == 4 { print $4 }' "$SCRATCH/listing"
    elif command -v bsdtar >/dev/null; then
        bsdtar -tf "$1" </dev/null
    else
        busybox unzip -l "$1" </dev/null >"$SCRATCH/listing" && awk 'NF == 4 { print $4 }' "$SCRATCH/listing"
    fi
}

zip_member() { # FILE NAME, to standard output
    if command -v unzip >/dev/null; then
        unzip -p "$1" "$2" </dev/null 2>/dev/null
    elif command -v bsdtar >/dev/null; then
        bsdtar -xOf "$1" "$2" </dev/null 2>/dev/null
    else
        busybox unzip -p "$1" "$2" </dev/null 2>/dev/null
    fi
}

# --- making it -------------------------------------------------------------------------------------------------------

# Asks the server before the client that loads has its lock.
look_around() {
    others=$(ask "$LIVE" "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> $THIS_DATABASE
        UNION SELECT 'mysql' UNION SELECT 'sys' UNION SELECT 'performance_schema'") || fail 'the server does not answer'
    scheduler=$(ask "$LIVE" 'SELECT @@event_scheduler') || fail 'the server does not answer'
    quiet=no
    [ "$scheduler" != ON ] || quiet=yes # else an event would run here, before anybody has looked at it
}

read_foreign() {
    (
        # shellcheck disable=SC3045 # dash, BusyBox and bash have it; where it is missing, only the limit is
        ulimit -v "$READER_KIBIBYTES" 2>/dev/null || :
        PLACE=$ADOPTED CHARSET=$CHARSET SCHEMAS=$others QUIET=$quiet OUT=$SCRATCH/adopted awk -f "$HERE/mariadb-names.awk" \
            -f "$HERE/mariadb-lines.awk" -f "$HERE/mariadb-code.awk" -f "$HERE/mariadb-adopt.awk" 2>"$SCRATCH/refusal"
    )
}

# Routines first, as views and triggers call them; views again and again, as they may read each other.
make_adopted_objects() {
    touch "$SCRATCH/adopted/rows.tsv" "$SCRATCH/adopted/made.tsv" "$SCRATCH/adopted/definers" "$SCRATCH/adopted/silenced"
    if [ "$VENDOR" = mysql ] && grep -q -v '^views' "$SCRATCH/adopted/made.tsv"; then
        fail 'dumps with routines, triggers or events can be adopted only on MariaDB' # MySQL can't prepare them
    fi
    for class in routines views triggers events; do
        [ -f "$SCRATCH/adopted/$class.sql" ] || continue
        make_class_of_adopted "$class" || fail "the dump's $class could not be made, nothing was changed: $(reason "$SCRATCH/errors")"
    done
}

make_class_of_adopted() { # CLASS
    if [ "$1" != views ]; then
        load "$ADOPTED" <"$SCRATCH/adopted/$1.sql" >/dev/null 2>"$SCRATCH/errors"
        return
    fi
    failures_before=-1
    while :; do
        query "$ADOPTED" --binary-mode --force ${LOCKED_DOWN:+"$LOCKED_DOWN"} <"$SCRATCH/adopted/views.sql" >/dev/null 2>"$SCRATCH/errors" || :
        failures=$(grep -c '^ERROR' "$SCRATCH/errors") || :
        [ "$failures" != 0 ] || return 0
        [ "$failures" != "$failures_before" ] || return 1
        failures_before=$failures
    done
}

# All that the dump says must be there: each table with each row, each view, routine and trigger.
prove_adopted() {
    counts >"$SCRATCH/have-lines" || fail 'what was loaded could not be counted'
    sort "$SCRATCH/adopted/rows.tsv" >"$SCRATCH/want-lines"
    cmp -s "$SCRATCH/want-lines" "$SCRATCH/have-lines" ||
        fail "the loaded tables or rows aren't those of the dump, nothing was changed: $(first_difference)"
    inventory >"$SCRATCH/inventory.tsv" || fail 'what was loaded could not be listed'
    for class in routines views triggers; do
        want=$(sed -n "s/^$class$TAB//p" "$SCRATCH/adopted/made.tsv")
        have=$(sed 's/^procedure/function/; s/^function/routine/' "$SCRATCH/inventory.tsv" | grep -c "^$(kind_of "$class")$TAB") || :
        [ "${want:-0}" = "$have" ] || fail "the dump holds ${want:-0} $class, but $have could be made, nothing was changed"
    done
}

warn_of_adopted() {
    own=$(ask "$ADOPTED" "SELECT CONCAT('\`', REPLACE(REPLACE(CURRENT_USER(), '\`', '\`\`'), '@', '\`@\`'), '\`')")
    if grep -q -v -x -F "$own" "$SCRATCH/adopted/definers"; then
        echo 'warning=views, routines, triggers or events of other accounts were adopted as this account'"'"'s own'
    fi
    [ ! -s "$SCRATCH/adopted/silenced" ] ||
        echo "warning=events were adopted switched off, as the server's event scheduler is on; enable them after a restore"
    made=$(sed -n "s/^events$TAB//p" "$SCRATCH/adopted/made.tsv")
    left=$(grep -c "^event$TAB" "$SCRATCH/inventory.tsv") || :
    [ "${made:-0}" = "$left" ] || echo "warning=events whose time is over were not adopted"
}
