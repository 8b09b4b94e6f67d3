#!/bin/sh
# Takes the app down for a deploy and lets it up again, without ever lifting what somebody else put down.
#
#   maintenance.sh down      KIND APPDIR PHP SECRETFILE RETRY REFRESH RENDER REDIRECT STATUS   (all but KIND may be empty)
#   maintenance.sh up        KIND APPDIR PHP   lets the public in; the file `live` is written first
#   maintenance.sh undo-down KIND APPDIR PHP   the same as a saga's undo: also right when `down` never ran or was cut
#   maintenance.sh held      KIND APPDIR PHP   exit 0: down by our flag, and it never was away since
#   maintenance.sh status    KIND APPDIR PHP   state=, owner=, deployment=, since= (the only one that may run outside a deploy)
#
# KIND is laravel or plain. BELAY_BASE and BELAY_DEPLOY come from the agent. Laravel's flag is storage/framework/down, put
# in place whole by one rename, with our deploy's id in it; so there is no moment in which nobody knows whose flag it is.
# A plain app's flag is maintenance.json, beside its .env. Exit: 0 done, 1 failed or (held) no, 10 hold, with the reason.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/durable.sh"

verb=${1:-} kind=${2:-} app=${3:-} php=${4:-}
if [ "$verb" = status ] && [ ! -d "${BELAY_DEPLOY:-}" ]; then
    BELAY_DEPLOY=$(mktemp -d)
    trap 'rm -rf "$BELAY_DEPLOY"' EXIT
fi
record=$BELAY_DEPLOY/maintenance
id=${BELAY_DEPLOY##*/}

fail() {
    printf 'maintenance: %s\n' "$1" >&2
    exit "${2:-1}"
}

hold() {
    echo "$1"
    exit 10
}

# --- the app's own view ---------------------------------------------------------------------------------------------

ask_app() {
    ask=$1
    shift
    [ -n "$php" ] && [ -e "$app/artisan" ] || return 1
    answer=$(cd "$app" && as_app 60 "$php" "$here/laravel-maintenance.php" "$ask" "$(pwd)" "$@" 2>/dev/null) || return 1
    [ "$(told complete)" = yes ]
}

told() { printf '%s\n' "$answer" | sed -n "s/^$1=//p"; }

# Sets flag, page and driver. At the end of a deploy the places are those of its beginning, whatever `current` says then.
locate() {
    driver="file"
    page=
    if [ "$kind" = plain ]; then
        # An app in place is its base folder, and may well have a folder `releases` of its own.
        if [ "$app" != "$BELAY_BASE" ] && [ -d "$BELAY_BASE/releases" ]; then flag=$BELAY_BASE/shared/maintenance.json; else flag=$BELAY_BASE/maintenance.json; fi
        return
    fi
    if [ -s "$record/place" ]; then
        driver=$(head -n 1 "$record/place")
        storage=$(sed 1d "$record/place")
    elif ask_app state /dev/null; then
        storage=$(told storage)
        driver=$(told driver)
    else
        driver=unknown
        storage=$app/storage
        [ -d "$storage" ] || storage=$BELAY_BASE/shared/storage
    fi
    [ -d "$storage/framework" ] || fail "there is no folder $storage/framework for Laravel's maintenance flag"
    storage=$(cd "$storage" && pwd -P)
    flag=$storage/framework/down
    page=$storage/framework/maintenance.php
}

# --- whose flag -----------------------------------------------------------------------------------------------------

# Our name stands on a line of its own: the payload is written with one key a line, and a template is one long string.
flag_value() { sed -n "s/^ *\"$1\": *\"\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p" "$2" 2>/dev/null | head -n 1; }

ours() { [ -f "$flag" ] && [ "$(flag_value belay "$flag")" = "$id" ]; }

# What the app's cache says about maintenance, for drivers that keep it there; an empty file when it's up.
cached_payload() {
    rm -f "$record/cached"
    (umask 077 && : >"$record/cached")
    ask_app state "$record/cached"
}

# --- down -----------------------------------------------------------------------------------------------------------

check_options() {
    case $retry$refresh$status in *[!0-9]*) fail "retry, refresh and status are numbers" ;; esac
    case $status in '' | [2-5][0-9][0-9]) ;; *) fail "the status of the maintenance page must be between 200 and 599" ;; esac
    case $redirect in '' | /*) ;; *) fail "the redirect must begin with a slash" ;; esac
    # Bytes that JSON or a header would read differently have no place in a path of the app.
    case $redirect in *[!A-Za-z0-9/._~%?=\&+-]*) fail "the redirect has characters that don't belong in a path" ;; esac
    if [ -n "$secret_file" ] && [ ! -f "$secret_file" ]; then fail "there is no file with the maintenance secret: $secret_file"; fi
    # An empty secret would let everybody in: to Laravel it is the path of the home page.
    if [ ! -s "$secret_file" ]; then secret_file=; fi
    [ -n "$secret_file" ] || return 0
    secret=$(cat "$secret_file")
    case $secret in '' | *[!A-Za-z0-9._~-]*) fail "the maintenance secret may only hold letters, digits, dot, underscore, tilde and dash" ;; esac
}

# Remember what was there before us: first the files, then the word that makes them count.
remember() {
    mkdir -p "$record"
    rm -f "$record/lifted" "$record/person.flag" "$record/person.page" "$record/person.cache" "$record/was"
    was=up
    if [ -f "$flag" ]; then
        was=down
        store "$record/person.flag" <"$flag"
    fi
    if [ -n "$page" ] && [ -f "$page" ]; then store "$record/person.page" <"$page"; fi
    if [ "$kind" = laravel ]; then
        printf '%s\n%s\n' "$driver" "$storage" | store "$record/place"
        if [ "$driver" != file ] && cached_payload && [ -s "$record/cached" ] && [ "$(flag_value belay "$record/cached")" != "$id" ]; then
            was=down
            store "$record/person.cache" <"$record/cached"
        fi
    fi
    printf '%s\n' "$was" | store "$record/was"
}

quoted() { if [ -n "$1" ]; then printf '"%s"' "$1"; else printf null; fi; }
number() { printf '%s' "${1:-null}"; }

# For plain apps, and for a Laravel that doesn't boot. The values were checked: none needs escaping.
plain_payload() {
    template='<!doctype html><meta charset=utf-8><title>Be right back<\/title><p>This site is being updated. Please come back in a minute.'
    printf '{\n    "except": [],\n    "redirect": %s,\n    "retry": %s,\n    "refresh": %s,\n    "secret": %s,\n    "status": %s,\n' \
        "$(quoted "$redirect")" "$(number "$retry")" "$(number "$refresh")" "$(quoted "$secret")" "${status:-503}"
    printf '    "template": "%s",\n    "belay": "%s",\n    "since": %s\n}\n' "$template" "$id" "$(date +%s)"
}

# $record/payload, and for Laravel $record/payload.stub. A view that the user chose must work; the default one may fail.
compose() {
    rm -f "$record/payload" "$record/payload.stub"
    if [ "$kind" = laravel ]; then
        keep=
        for saved in person.flag person.cache; do [ ! -s "$record/$saved" ] || keep=$record/$saved; done
        if ask_app payload "$record/payload" "$secret_file" "$id" "$keep" \
            "$retry" "$refresh" "${render:-errors::503}" "$redirect" "$status"; then
            return
        fi
        if [ -n "$render" ] && ask_app state /dev/null; then
            fail "the app could not render the view $render for its maintenance page"
        fi
        stub=$app/vendor/laravel/framework/src/Illuminate/Foundation/Console/stubs/maintenance-mode.stub
        [ -f "$stub" ] || stub=$here/maintenance-page.php
        store "$record/payload.stub" <"$stub"
    fi
    plain_payload | store "$record/payload"
}

down() {
    secret_file=$5 retry=$6 refresh=$7 render=$8 redirect=$9
    shift 9
    status=$1 secret=
    check_options
    locate
    if ours; then
        changed=no
        [ -e "$record/payload" ] || compose
    else
        # Taking it again after somebody lifted it is right, but from now on nobody may say it was down all the time.
        if [ -e "$BELAY_DEPLOY/held-down" ]; then mkdir -p "$record" && echo broken | store "$record/broken"; fi
        changed=yes
        remember
        compose
        # Laravel looks at the page only when the flag is there; so the page may come first, and the flag decides.
        if [ -n "$page" ] && { [ "$was" = up ] || [ ! -f "$page" ]; }; then store "$page" 644 <"$record/payload.stub"; fi
        store "$flag" 644 <"$record/payload"
    fi
    if [ "$kind" = laravel ] && ! ask_app enabled "$record/payload" && [ "$driver" != file ] && [ "$driver" != unknown ]; then
        fail "the app keeps its maintenance flag in its $driver, and could not be told"
    fi
    ours || fail "the maintenance flag was put in place and is gone again"
    date -u +%Y-%m-%dT%H:%M:%SZ | store "$BELAY_DEPLOY/held-down"
    printf 'state=down\nchanged=%s\nwas=%s\ndriver=%s\n' "$changed" "$(cat "$record/was")" "$driver"
}

# --- up -------------------------------------------------------------------------------------------------------------

went_live() { [ -e "$BELAY_DEPLOY/live" ] || date -u +%Y-%m-%dT%H:%M:%SZ | store "$BELAY_DEPLOY/live"; }

restored() { [ -s "$record/person.flag" ] && [ -f "$flag" ] && cmp -s "$flag" "$record/person.flag"; }

# What a person put down stays down, with the page and the secret that they chose.
give_back() {
    if [ -s "$record/person.cache" ] && ! ask_app enabled "$record/person.cache"; then
        hold "The app keeps its maintenance flag in its $driver and doesn't boot, so the flag from before the deploy could not be put back."
    fi
    if [ -s "$record/person.flag" ]; then store "$flag" 644 <"$record/person.flag"; else rm -f "$flag"; fi
    if [ -n "$page" ] && [ ! -f "$record/person.page" ]; then rm -f "$page"; fi
}

remove_ours() {
    went_live
    rm -f "$flag"
    if [ -n "$page" ] && [ ! -f "$record/person.page" ]; then rm -f "$page"; fi
    flush "${flag%/*}"
    [ "$kind" = laravel ] || return 0
    if ! ask_app disabled "$id" && [ "$driver" != file ] && [ "$driver" != unknown ]; then
        hold "The app keeps its maintenance flag in its $driver and doesn't boot, so the flag could not be lifted there."
    fi
}

lift() {
    if [ ! -e "$record/was" ] || [ -e "$record/lifted" ]; then
        report no
        return
    fi
    locate
    was=$(cat "$record/was")
    changed=no
    if restored; then
        :
    elif ours; then
        changed=yes
        if [ "$was" = down ]; then give_back; else remove_ours; fi
    elif [ -f "$flag" ]; then
        # Somebody put it down while we had it, or instead of us: that is theirs to lift.
        went_live
    else
        remove_ours
    fi
    echo lifted | store "$record/lifted"
    report "$changed"
}

# --- asking ---------------------------------------------------------------------------------------------------------

report() {
    locate
    state=up
    owner=none
    since=
    deployment=
    payload=
    if [ -f "$flag" ]; then
        payload=$flag
    elif [ "$driver" != file ] && mkdir -p "$record" && cached_payload && [ -s "$record/cached" ]; then
        payload=$record/cached
    fi
    if [ -n "$payload" ]; then
        state=down
        owner=person
        deployment=$(flag_value belay "$payload")
        [ -z "$deployment" ] || owner=belay
        since=$(flag_value since "$payload")
        [ -n "$since" ] || [ "$payload" != "$flag" ] || since=$(date -r "$flag" +%s)
    fi
    printf 'state=%s\nowner=%s\ndeployment=%s\nsince=%s\nchanged=%s\ndriver=%s\n' "$state" "$owner" "$deployment" "$since" "$1" "$driver"
}

held() {
    locate
    [ -e "$BELAY_DEPLOY/held-down" ] || fail "the app was not taken down by this deploy"
    [ ! -e "$record/broken" ] || fail "somebody lifted the maintenance during this deploy"
    ours || fail "the maintenance flag of this deploy is gone or was replaced"
    [ "$kind" = laravel ] && [ "$driver" != file ] || return 0
    cached_payload || fail "the app keeps its maintenance flag in its $driver and can't be asked"
    [ "$driver" = unknown ] && [ "$(told driver)" = file ] && return 0
    [ "$(flag_value belay "$record/cached")" = "$id" ] || fail "the maintenance flag in the app's $driver is gone or was replaced"
}

case $id in '' | *[!A-Za-z0-9._-]*) fail "BELAY_DEPLOY must be the folder of a deploy" ;; esac
case $kind in laravel | plain) ;; *) fail "the kind of app is laravel or plain" ;; esac
case $verb in
down)
    [ $# -eq 10 ] || fail "down takes nine arguments"
    down "$@"
    ;;
up | undo-down) lift ;;
held) held ;;
status) report no ;;
*) fail "unknown verb; there are down, up, undo-down, held and status" ;;
esac
