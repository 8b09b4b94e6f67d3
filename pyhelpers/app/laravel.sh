#!/bin/sh
# What a deploy asks of a Laravel release (8 to 13).
#
#   laravel.sh boots APPDIR PHP                the release starts: `artisan --version`
#   laravel.sh ledger APPDIR PHP               table= the ledger's table, schema_dump=yes|no, files= how many migrations
#   laravel.sh pending APPDIR PHP LEDGERFILE   migration=NAME for each one that the ledger doesn't have, then pending=N
#   laravel.sh migrate APPDIR PHP              `artisan migrate --force`; its output passes through, and its exit status
#
# LEDGERFILE has lines BATCH<TAB>MIGRATION, as the engines' scripts print them. With an empty PHP `pending` and `ledger` read
# the folder database/migrations only, and say source=folder: migrations that packages bring themselves are not seen then.
# Nothing here connects to the database, except migrate. Exit: 0 done, 1 failed.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/durable.sh"

fail() {
    printf 'laravel: %s\n' "$1" >&2
    exit 1
}

boots() {
    as_app 60 "$1" artisan --version --no-ansi >&2 || fail "the app in $(pwd) does not start (artisan --version)"
    echo boots=yes
}

# As Laravel's migrator does it: every file of the folder that ends in .php and has an underscore, not those in folders below.
folder_says() {
    [ -d database/migrations ] || fail "there is no folder database/migrations in $(pwd)"
    echo table=migrations
    schema_dump=no
    for file in database/schema/*-schema.*; do [ ! -f "$file" ] || schema_dump=yes; done
    echo "schema_dump=$schema_dump"
    for file in database/migrations/*_*.php; do
        [ ! -f "$file" ] || basename "$file" .php | sed 's/^/file=/'
    done | LC_ALL=C sort
}

# Sets $answer: table=, schema_dump= and file= lines.
look_at_migrations() {
    if [ -z "$1" ]; then
        answer=$(folder_says)
        source=folder
    else
        answer=$(as_app 60 "$1" "$here/laravel-migrations.php" "$(pwd)") || fail "the app in $(pwd) does not start, so its migrations can't be listed"
        case $answer in *complete=yes) ;; *) fail "the app in $(pwd) gave no whole list of its migrations" ;; esac
        source=app
    fi
}

ledger() {
    look_at_migrations "$1"
    printf '%s\n' "$answer" | sed -n '/^table=/p; /^schema_dump=/p'
    printf 'files=%s\nsource=%s\n' "$(printf '%s\n' "$answer" | grep -c '^file=' || :)" "$source"
}

pending() {
    [ -r "$2" ] || fail "the ledger $2 can't be read"
    look_at_migrations "$1"
    printf '%s\n' "$answer" | LC_ALL=C awk '
        FILENAME != "-" { sub(/^[^\t]*\t/, ""); known[$0]; next }
        sub(/^file=/, "") && !($0 in known) { print "migration=" $0; count++ }
        END { print "pending=" count + 0 }
    ' "$2" -
    echo "source=$source"
}

migrate() {
    umask "${BELAY_UMASK:-022}"
    COLUMNS=500
    export COLUMNS
    exec "$1" artisan migrate --force --no-ansi </dev/null
}

verb=${1:-}
case $verb:$# in
boots:3 | ledger:3 | pending:4 | migrate:3) ;;
*) fail "unknown verb or number of arguments: $verb" ;;
esac
case ${4:-/} in /*) ;; *) fail "the ledger's path must be absolute" ;; esac
cd "$2" || fail "there is no folder $2"
shift 2
"$verb" "$@"
