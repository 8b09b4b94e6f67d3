#!/bin/sh
# Write a small file whole: whoever reads it sees the old content or the new one, also after a power cut.
#
#   sh -c "$(cat put.sh)" put PATH MODE BYTES   (standard input: the content)
#
# A link that is cut in mid-way ends standard input early, which looks like the end of the content: hence BYTES.
set -eu
umask 077
path=$1
mode=$2
bytes=$3
if [ -d "$path" ]; then
    echo "$path is a folder" >&2
    exit 1
fi
new=$(mktemp "${path%/*}/.belay-put.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
if [ "$(wc -c <"$new")" -ne "$bytes" ]; then
    echo "the content was cut short" >&2
    exit 1
fi
chmod "$mode" "$new"
sync "$new" 2>/dev/null || sync
mv -f "$new" "$path"
sync "${path%/*}/" 2>/dev/null || sync
