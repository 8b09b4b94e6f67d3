#!/bin/sh
# The releases layout: releases/NAME/, shared/{.env,storage}, current -> releases/NAME.
#
#   releases.sh create NAME           an empty folder for a new release
#   releases.sh finish NAME KIND      after the code is there: links to shared/, the file RELEASE, all on disk
#   releases.sh switch NAME           `current` becomes this release, by one rename
#   releases.sh switch-undo           `current` becomes what it was, if it is still ours
#   releases.sh fail NAME             never switch to this release again (as an undo: also right if it was never made)
#   releases.sh prune KEEP [NAME...]  delete old releases; the names are kept whatever their age
#   releases.sh list                  NAME<TAB>current|good|failed|unfinished<TAB>seconds since 1970, newest first
#
# Runs in BELAY_BASE, notes in BELAY_DEPLOY: `release`, `previous` (what `current` said before, or none), `switched-to`,
# `changed` (when the code became another one; services.sh compares it with the start of the workers).
# Exit: 0 done, 1 failed and nothing changed, 10 hold with the reason.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/durable.sh"

fail() {
    printf 'releases: %s\n' "$1" >&2
    exit 1
}

hold() {
    echo "$1"
    exit 10
}

valid() {
    case $1 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) return 1 ;; esac
    [ "${#1}" -le 128 ]
}

named() { valid "$1" || fail "a release's name begins with a letter or digit and has only letters, digits, dot, dash and underscore"; }

real_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }

# --- making one -----------------------------------------------------------------------------------------------------

create() {
    named "$1"
    mkdir -p releases shared
    # Our own unfinished folder may be met again after a cut; anybody else's is not touched.
    if [ -e "releases/$1" ] || [ -L "releases/$1" ]; then
        [ "$(cat "$BELAY_DEPLOY/release" 2>/dev/null)" = "$1" ] || fail "there is a release $1 already"
    else
        printf '%s\n' "$1" | store "$BELAY_DEPLOY/release"
        mkdir "releases/$1"
    fi
    printf 'release=%s\npath=%s\n' "$1" "$(pwd)/releases/$1"
}

# What comes with the code gives way to shared/: links are replaced whole, so that a rerun finds either.
link_shared() {
    target=../../shared/$1
    link=releases/$name/$1
    [ "$(readlink "$link" 2>/dev/null)" != "$target" ] || return 0
    rm -rf "$link"
    ln -s "$target" "$link"
}

share_storage() {
    storage=releases/$name/storage
    if [ ! -e shared/storage ]; then
        rm -rf shared/storage.new
        mkdir shared/storage.new
        # The first release's own storage becomes everybody's.
        if [ -d "$storage" ] && [ ! -L "$storage" ]; then cp -R -p "$storage/." shared/storage.new/; fi
        mv -T shared/storage.new shared/storage
    fi
    for folder in app/public logs framework/cache/data framework/sessions framework/views; do
        [ -d "shared/storage/$folder" ] || mkdir -p "shared/storage/$folder"
    done
    link_shared storage
    mkdir -p "releases/$name/bootstrap/cache"
    # What `artisan storage:link` makes, but relative, so that it follows the release.
    public=releases/$name/public
    if [ -d "$public" ] && [ ! -e "$public/storage" ] && [ ! -L "$public/storage" ]; then ln -s ../storage/app/public "$public/storage"; fi
}

finish() {
    name=$1
    named "$name"
    real_folder "releases/$name" || fail "there is no release $name"
    [ ! -e "releases/$name/.belay-failed" ] || fail "the release $name has failed before"
    case $2 in
    laravel)
        [ -f "releases/$name/artisan" ] || fail "the release $name has no artisan, so it is no Laravel app; is the source folder right?"
        [ -f shared/.env ] || fail "there is no $(pwd)/shared/.env; put the app's settings there once, readable by its user only"
        share_storage
        ;;
    plain)
        if [ -e shared/storage ]; then link_shared storage; fi
        ;;
    *) fail "the kind of app is laravel or plain" ;;
    esac
    if [ -e shared/.env ]; then link_shared .env; fi
    printf '%s\n' "$name" | store "releases/$name/RELEASE" 644
    # Everything is on disk before `current` can name it: after a power cut a link to half a release would be worse than none.
    sync
    printf 'release=%s\n' "$name"
}

# --- the switch -----------------------------------------------------------------------------------------------------

current() { readlink current 2>/dev/null || echo none; }

# One rename(2): every request sees the old release or the new one.
point_current_at() {
    rm -f .current.belay
    ln -s "$1" .current.belay
    mv -f -T .current.belay current || fail "current could not be exchanged; this needs an mv that knows -T"
    flush .
}

switch() {
    named "$1"
    [ "$(cat "releases/$1/RELEASE" 2>/dev/null)" = "$1" ] || fail "there is no finished release $1"
    [ ! -e "releases/$1/.belay-failed" ] || fail "the release $1 has failed before; it is never switched to"
    if [ -e current ] && [ ! -L current ]; then fail "$(pwd)/current is no link; move it away, or use layout: in-place"; fi
    if [ "$(current)" != "releases/$1" ]; then
        current | store "$BELAY_DEPLOY/previous"
        printf '%s\n' "$1" | store "$BELAY_DEPLOY/switched-to"
        point_current_at "releases/$1"
        mark_change
    elif [ ! -e "$BELAY_DEPLOY/changed" ]; then
        mark_change
    fi
    printf 'current=releases/%s\nprevious=%s\n' "$1" "$(cat "$BELAY_DEPLOY/previous" 2>/dev/null || echo "releases/$1")"
}

switch_undo() {
    if [ -e "$BELAY_DEPLOY/switched-to" ] && [ -e "$BELAY_DEPLOY/previous" ]; then
        ours=releases/$(cat "$BELAY_DEPLOY/switched-to")
        previous=$(cat "$BELAY_DEPLOY/previous")
        # A link that says something else was set by somebody else, or is undone already.
        if [ "$(current)" = "$ours" ]; then
            if [ "$previous" = none ]; then
                rm -f current
                flush .
            else
                [ -d "$previous" ] || hold "The release before this deploy ($previous) is gone, so current still names the new one."
                point_current_at "$previous"
            fi
            mark_change
        fi
    fi
    rm -f .current.belay
    printf 'current=%s\n' "$(current)"
}

mark_failed() {
    named "$1"
    if [ "$(current)" = "releases/$1" ]; then fail "the release $1 is live; switch away from it before it is marked"; fi
    if real_folder "releases/$1"; then : | store "releases/$1/.belay-failed" 644; fi
}

# --- looking and pruning --------------------------------------------------------------------------------------------

state_of() {
    if [ "$(current)" = "releases/$1" ] || [ "$(current_name)" = "$1" ]; then
        echo current
    elif [ -e "releases/$1/.belay-failed" ]; then
        echo failed
    elif [ -f "releases/$1/RELEASE" ]; then
        echo good
    else
        echo unfinished
    fi
}

# The live release's name even when somebody wrote the link in another way, e.g. as an absolute path.
current_name() {
    live=$(readlink -f current 2>/dev/null) || return 0
    [ "${live%/*}" != "$(cd releases && pwd -P)" ] || printf '%s\n' "${live##*/}"
}

# Names, newest first, by the time of the file RELEASE. Links, files and names that we would never give are left out.
by_age() {
    set --
    for folder in releases/*/; do
        folder=${folder%/}
        if ! valid "${folder#releases/}" || ! real_folder "$folder"; then continue; fi
        if [ -f "$folder/RELEASE" ]; then set -- "$@" "$folder/RELEASE"; else set -- "$@" "$folder"; fi
    done
    # The names were checked: one a line is safe to read.
    # shellcheck disable=SC2012
    [ $# -eq 0 ] || ls -dt -- "$@" | sed 's|^releases/||; s|/RELEASE$||'
}

list() {
    by_age | while IFS= read -r name; do
        file=releases/$name/RELEASE
        [ -f "$file" ] || file=releases/$name
        printf '%s\t%s\t%s\n' "$name" "$(state_of "$name")" "$(date -r "$file" +%s)"
    done
}

delete() {
    # Marked first: a release that is half deleted must never look like one to go back to.
    : >"releases/$1/.belay-failed" 2>/dev/null || :
    chmod -R u+rwX "releases/$1" 2>/dev/null || :
    if rm -rf -- "releases/$1" 2>/dev/null; then
        printf 'deleted=%s\n' "$1"
    else
        printf 'warning=the release %s could not be deleted whole; does it hold files of another user?\n' "$1"
    fi
}

prune() {
    keep=$1
    shift
    case $keep in '' | *[!0-9]* | 0) fail "how many releases to keep is a number from 1" ;; esac
    pinned=" $* "
    for file in previous switched-to; do
        [ ! -e "$BELAY_DEPLOY/$file" ] || pinned="$pinned$(sed 's|.*/||' "$BELAY_DEPLOY/$file") "
    done
    by_age >"$BELAY_DEPLOY/releases-by-age"
    good=0
    while IFS= read -r name; do
        state=$(state_of "$name")
        case $state in current | good) good=$((good + 1)) ;; esac
        # Failed and unfinished ones newer than the last kept good one stay: somebody may want to look at them.
        if [ "$state" = current ] || [ "$good" -lt "$keep" ] || { [ "$state" = good ] && [ "$good" -le "$keep" ]; }; then continue; fi
        case $pinned in *" $name "*) continue ;; esac
        delete "$name"
    done <"$BELAY_DEPLOY/releases-by-age"
}

cd "$BELAY_BASE"
verb=${1:-}
[ $# -eq 0 ] || shift
case $verb:$# in
create:1) create "$1" ;;
finish:2) finish "$1" "$2" ;;
switch:1) switch "$1" ;;
switch-undo:0) switch_undo ;;
fail:1) mark_failed "$1" ;;
prune:0) fail "prune needs to know how many releases to keep" ;;
prune:*) prune "$@" ;;
list:0) list ;;
*) fail "unknown verb or number of arguments: $verb" ;;
esac
