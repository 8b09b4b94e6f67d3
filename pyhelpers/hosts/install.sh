#!/bin/sh
# Put the agent and the scripts of one version on the host.
#
#   sh -c "$(cat install.sh)" install BASE AGENT SCRIPTS   (standard input: a tar of both)
#
# Content-addressed, so that a deploy that is under way, or held, keeps the very files that it began with. Racing
# installs of the same version write the same bytes; the rename makes either of them whole.
set -eu
umask 077
base=$1
agent=$2
scripts=$3
state=$base/.belay
if [ ! -d "$base" ]; then (umask 022 && mkdir -p "$base"); fi
mkdir -p "$state"
# shellcheck disable=SC3067  # not in POSIX, but in dash, BusyBox, bash and ksh
if [ -L "$state" ] || [ ! -O "$state" ]; then
    echo "$state is not a folder of this user's own" >&2
    exit 1
fi
chmod 700 "$state"
if [ -f "$state/$agent" ] && [ -d "$state/$scripts" ]; then
    exit 0
fi
new=$(mktemp -d "$state/install.XXXXXX")
trap 'rm -rf "$new"' EXIT
tar -xf - -C "$new"
sync
if [ ! -d "$state/$scripts" ]; then mv "$new/scripts" "$state/$scripts" 2>/dev/null || [ -d "$state/$scripts" ]; fi
mv -f "$new/agent" "$state/$agent"
