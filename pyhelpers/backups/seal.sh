#!/bin/sh
# Make a proven dump a backup: the manifest into its folder, then the folder under its final name, in that order.
# A backup without a manifest doesn't exist, and a manifest without its payload can't either.
#
#   sh seal.sh INCOMING FINAL   (standard input: manifest.json)
set -eu
umask 077
incoming=$1
final=$2
# A call whose link was lost comes again.
if [ ! -d "$incoming" ] && [ -f "$final/manifest.json" ]; then exit 0; fi
cat >"$incoming/manifest.json.new"
# shellcheck disable=SC2015  # an old `sync` without arguments flushes everything
sync "$incoming"/* 2>/dev/null || sync
mv "$incoming/manifest.json.new" "$incoming/manifest.json"
mv "$incoming" "$final"
sync "$final" "$(dirname "$final")" 2>/dev/null || sync
