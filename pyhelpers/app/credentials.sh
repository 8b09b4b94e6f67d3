#!/bin/sh
# Finds out how the app reaches its database and writes that down in the folder CONN, for the engines' scripts.
#
#   credentials.sh read ENVFILE CONN APPFOLDER [OWN]   from the app's .env (or .env.$APP_ENV beside it, as Laravel does)
#   credentials.sh url CONN                            from a URL on standard input
#   credentials.sh compare CONN APPFOLDER PHP          asks the app itself where it would connect to
#
# OWN is a file with DB_USERNAME and DB_PASSWORD of an account that may do more than the app's: backups and restores are
# made by it. CONN/app is then the connection of the app itself, for ending what the app left behind.
#
# An app whose settings say nothing of a database has none: engine=none, and no CONN.
# CONN is made 0700, its files 0600, each replaced whole. Facts go to stdout; a password never does. The .env is parsed,
# never sourced: nothing in it can run. Exit: 0 done, 1 refused or different (reason on stderr), 2 the app can't say.
set -eu
umask 077

here=$(dirname "$0")

fail() {
    printf 'credentials: %s\n' "$1" >&2
    exit "${2:-1}"
}

# The bytes of stdin as numbers; `end` follows only when all were read, so that a broken read can't look like a short file.
bytes() {
    od -An -v -t u1 && echo end
}

# Which keys hold the URL: DB_URL since Laravel 11, DATABASE_URL before; the app's own config decides when it has one.
url_keys() {
    keys=
    for key in DB_URL DATABASE_URL; do
        if [ ! -f "$1/config/database.php" ] || grep -q "['\"]${key}['\"]" "$1/config/database.php"; then
            keys="$keys $key"
        fi
    done
    printf '%s\n' "$keys"
}

# The path without links: `current` will point elsewhere tomorrow, the database stays where it is.
physical() {
    folder=$(dirname "$1")
    if [ -d "$folder" ]; then readlink -f "$1"; else printf '%s\n' "$1"; fi
}

# Run the parser on the bytes of stdin, finish the files in $conn.new, then move them into CONN.
make_connection() {
    conn=$1
    new=$conn.new
    rm -rf "$new"
    mkdir -p "$new" "$conn"
    chmod 700 "$conn"
    if ! bytes | BELAY_OUT=$new LC_ALL=C awk -f "$here/dotenv.awk" -f "$here/database-url.awk" -f "$here/connection.awk"; then
        rm -rf "$new"
        exit 1
    fi
    database=$(cat "$new/database")
    if [ "$(cat "$new/engine")" = sqlite ]; then
        database=$(physical "$database")
        printf '%s\n' "$database" >"$new/database"
        [ -f "$database" ] && echo database_exists=yes || echo database_exists=no
    fi
    printf 'database=%s\n' "$database"
    sync
    # `engine` goes last: a folder without it isn't finished.
    for name in database user host port socket client.cnf pgservice.conf pgpass engine; do
        if [ -e "$new/$name" ]; then mv -f "$new/$name" "$conn/$name"; else rm -f "$conn/$name"; fi
    done
    sync
    rmdir "$new"
}

# Whether the file, or the environment, says anything of a database; what it says may still be wrong.
names_database() {
    grep -qE 'DB_|DATABASE_URL' "$1" || env | grep -qE '^(DB_|DATABASE_URL=)'
}

read_env() {
    env_file=$1 conn=$2 app=${3%/}
    if [ -n "${APP_ENV:-}" ] && [ -f "$app/.env.$APP_ENV" ]; then env_file=$app/.env.$APP_ENV; fi
    [ -f "$env_file" ] || fail "there is no file $env_file; the app's settings are read from it"
    [ -r "$env_file" ] || fail "$env_file can't be read by $(id -un)"
    printf 'env_file=%s\n' "$env_file"
    if [ -f "$app/bootstrap/cache/config.php" ]; then echo config_cached=yes; else echo config_cached=no; fi
    export BELAY_FROM=env BELAY_APP="$app"
    BELAY_URL_KEYS=$(url_keys "$app")
    export BELAY_URL_KEYS
    own=${4-}
    if [ -z "$own" ] || [ ! -f "$own" ]; then
        if ! names_database "$env_file"; then
            echo engine=none
            return
        fi
        rm -rf "$conn/app"
        make_connection "$conn" <"$env_file"
        return
    fi
    place=$conn
    mkdir -p "$place"
    make_connection "$place/app" <"$env_file" >/dev/null
    take_over "$own" "$env_file" "$place"
}

# The same database by the account in OWN. Whoever could read that file could do more than the app.
take_over() { # OWN ENVFILE CONN
    # shellcheck disable=SC2012  # the mode of one file, the same everywhere
    case $(ls -ldL "$1" | cut -c 5-10) in
    ------) ;;
    *) fail "$1 can be read or written by others; make it mode 0600" ;;
    esac
    ! grep -qvE '^[[:space:]]*(#.*)?$|^(DB_USERNAME|DB_PASSWORD)=' "$1" ||
        fail "$1 may hold DB_USERNAME and DB_PASSWORD only, each on one line"
    # A real environment variable is the app's, not this account's. Of two lines with one key the last one counts.
    (
        unset DB_USERNAME DB_PASSWORD
        { cat "$2" && echo && cat "$1"; } | make_connection "$3"
    ) || exit
    echo own_account=yes
    for name in engine database host port socket; do
        [ "$(cat "$3/$name" 2>/dev/null || :)" = "$(cat "$3/app/$name" 2>/dev/null || :)" ] ||
            fail "$1 changes more than the account ($name)"
    done
    ! cmp -s "$3/user" "$3/app/user" || [ ! -s "$3/user" ] ||
        fail "$1 names the app's own account, or DB_URL in $2 names the account: take the account out of the URL"
}

read_url() {
    export BELAY_FROM=url
    make_connection "$1"
}

# One value of the app's answer; the answer has one key=value line for each.
told() {
    printf '%s\n' "$answer" | sed -n "s/^$1=//p"
}

known() {
    cat "$conn/$1" 2>/dev/null || :
}

# $3 is what the app says, $2 what CONN says, $1 what it is called.
same_or_note() {
    if [ "$2" != "$3" ]; then
        differs="$differs${differs:+,}$1"
        printf 'app_%s=%s\n' "$1" "$3"
    fi
}

compare() {
    conn=$1 app=$2 php=$3
    [ -s "$conn/engine" ] || fail "the folder $conn is not finished"
    [ ! -d "$conn/app" ] || conn=$conn/app
    answer=$(cd "$app" && COLUMNS=500 "$php" "$here/app-identity.php" "$app" </dev/null 2>/dev/null) ||
        fail "the app in $app could not say which database it uses; does it boot?" 2
    [ "$(told complete)" = yes ] || fail "the app in $app gave no usable answer about its database" 2
    differs=
    driver=$(told driver)
    [ "$driver" != mysql ] || driver=mariadb
    [ "$driver" != pgsql ] || driver=postgresql
    same_or_note engine "$(known engine)" "$driver"
    database=$(told database)
    if [ "$driver" = sqlite ]; then
        case $database in /* | :memory:) ;; *) database=$app/$database ;; esac
        same_or_note database "$(known database)" "$(physical "$database")"
    else
        same_or_note database "$(known database)" "$database"
        same_or_note user "$(known user)" "$(told user)"
        same_or_note socket "$(known socket)" "$(told socket)"
        # With a socket, host and port mean nothing.
        if [ ! -s "$conn/socket" ]; then
            same_or_note host "$(known host)" "$(told host)"
            same_or_note port "$(known port)" "$(told port)"
        fi
    fi
    printf 'differs=%s\n' "$differs"
    [ -z "$differs" ] || fail "the app itself connects elsewhere than its settings say (different: $differs)"
}

arguments() {
    [ "$1" -eq "$2" ] || fail "this verb takes $(($2 - 1)) arguments"
}

here=$(cd "$here" && pwd)
case ${1:-} in
read)
    [ $# -eq 5 ] || arguments $# 4
    read_env "$2" "$3" "$4" "${5-}"
    ;;
url)
    arguments $# 2
    read_url "$2"
    ;;
compare)
    arguments $# 4
    compare "$2" "$3" "$4"
    ;;
*) fail "unknown verb; there are read, url and compare" ;;
esac
