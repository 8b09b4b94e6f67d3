# shellcheck shell=sh
# adopt: makes a backup of ours of a database file that another tool copied. Sourced by sqlite.sh.
#
# The file is somebody else's: it is unpacked within bounds, checked, and only then dumped like a live database. SQL text
# is not read at all: only the sqlite3 program could run it, together with its own commands (.shell, ATTACH, writefile).

# Where virtual tables may come from: modules that keep their rows in the database itself.
SAFE_MODULES='fts3|fts4|fts5|fts5vocab|rtree|rtree_i32|geopoly'

kind_of() { # FILE: sqlite, gzip, zstd, zip or other, by its first bytes
    case $(head -c 16 "$1" | od -An -v -tx1 | tr -d ' \n') in
    53514c69746520666f726d6174203300) echo sqlite ;;
    1f8b*) echo gzip ;;
    28b52ffd*) echo zstd ;;
    504b0304*) echo zip ;;
    *) echo other ;;
    esac
}

# At most a third of the free space: the copy that is dumped and the payload have to lie beside it.
space_for_copy() { df -Pk "$1" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 / 3 }'; }

unpack_bounded() { # KIND FILE TARGET BYTES
    outcome=$SCRATCH/unpack.status
    {
        status=0
        case $1 in
        gzip) gzip -d -c "$2" || status=$? ;;
        zstd) zstd -q -d -c "$2" || status=$? ;;
        sqlite) cat "$2" || status=$? ;;
        esac
        echo "$status" >"$outcome"
    } 2>"$SCRATCH/unpack.log" | head -c "$(($4 + 1))" >"$3" || fail "can't write in $SCRATCH (is the disk full?)"
    [ "$(bytes_of "$3")" -le "$4" ] || fail "$2 becomes larger than a third of the free disk space ($4 bytes): it isn't unpacked"
    [ "$(cat "$outcome")" = 0 ] || fail "$2 can't be unpacked whole: it is damaged or cut short"
}

# What a schema may do when the app, or we, use it: nothing that reaches out of the database. Every `using` of a virtual
# table must name a safe module, because a name may hold the word too.
refuse_hostile() { # DATABASE
    sqlite query "$1" "SELECT coalesce(rootpage, 0) || char(9) || $(escaped name) || char(9) || $(escaped "coalesce(sql, '')")
        FROM sqlite_master" >"$SCRATCH/objects" || fail "the schema can't be read: it is damaged, or made to be"
    awk -F '\t' -v safe="$SAFE_MODULES" '
        {
            sql = tolower($3)
            gsub(/\\[ntr]/, " ", sql)
            gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", sql)
            if (sql ~ /virtual +table/ || $1 == 0 && sql ~ /^ *create +[a-z ]*table/) {
                rest = sql
                uses = 0
                while (match(rest, /(^|[^a-z0-9_])using([^a-z0-9_]|$)/)) {
                    rest = substr(rest, RSTART + RLENGTH)
                    uses++
                    if (rest !~ "^ *[[\"`]?(" safe ")[]\"`]? *([(]|$)") uses = -999
                }
                if (uses < 1) { print "its virtual table " $2 " uses a module other than " safe; exit }
            }
            if (match(sql, /(^|[^a-z0-9_])["[`]?(load_extension|readfile|writefile|edit|fts3_tokenizer|zipfile|fsdir|lsdir)[]"`]? *[(]/)) {
                print "its object " $2 " calls a function that reaches files"; exit
            }
        }' "$SCRATCH/objects" >"$SCRATCH/hostile"
    [ ! -s "$SCRATCH/hostile" ] || fail "this database isn't taken: $(cat "$SCRATCH/hostile")"
}

adopt() { # FILE FOLDER
    [ -f "$1" ] && [ -r "$1" ] || fail "$1 is no readable file"
    [ "$(readlink -f "$1")" != "$(readlink -f "$LIVE")" ] || fail "$1 is the live database: make a backup of it instead"
    for ending in wal journal; do
        [ ! -s "$1-$ending" ] || fail "a -$ending lies beside $1: it is in use, or was copied while it was; its last writes aren't in it"
    done
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
    scratch_in "$folder"
    kind=$(kind_of "$1")
    copy=$SCRATCH/adopted.sqlite
    text="SQL text, which only the sqlite3 program could run, together with commands that reach files and programs. Give it a database file (.sqlite, .gz or .zst of it)"
    case $kind in
    zip) fail "$1 is a zip: what backup packages put into it is $text" ;;
    other) fail "$1 is no SQLite database. It may be $text" ;;
    zstd) command -v zstd >/dev/null 2>&1 || fail "$1 is compressed by zstd, which this host lacks" ;;
    esac
    unpack_bounded "$kind" "$1" "$copy" "$(space_for_copy "$folder")"
    [ "$(kind_of "$copy")" = sqlite ] || fail "$1 holds no SQLite database. It may be $text"
    refuse_hostile "$copy"
    integrity_of "$copy" || fail "$1 isn't an intact SQLite database (integrity_check)"
    mkdir "$SCRATCH/conn"
    printf '%s\n' "$copy" >"$SCRATCH/conn/database"
    sh "$HERE/sqlite.sh" dump "$SCRATCH/conn" "$folder"
}
