#!/bin/sh
# What this host has and lacks, as key=value lines; changes nothing, and needs nothing of Belay's on the host.
#
#   sh doctor.sh BASE [MOUNTS]     (MOUNTS: the kernel's table of mounts, by default /proc/self/mounts)
set -u
base=$1
mounts=${2:-/proc/self/mounts}

has() { command -v "$1" >/dev/null 2>&1; }

missing=
for tool in flock setsid tar awk sed grep find sort cmp mktemp readlink; do
    has "$tool" || missing="$missing${missing:+ }$tool"
done
printf 'missing=%s\n' "$missing"
if has zstd; then echo compression=zstd; else echo compression=gzip; fi
printf 'user=%s\n' "$(id -un)"
if [ -d "$base" ]; then
    if [ -w "$base" ]; then echo base=writable; else echo base=readonly; fi
else
    echo base=missing
fi
folder=$base
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
[ -w "$folder" ] && echo parent=writable || echo parent=readonly
printf 'free_kib=%s\n' "$(df -Pk "$folder" | awk 'NR == 2 {print $4}')"
printf 'filesystem=%s\n' "$(stat -f -c %T "$folder" 2>/dev/null || echo unknown)"
# The mount that the folder lies on is the last one of those whose place is a beginning of its path. In the table a space
# is written \\040, a backslash \\134; a path of ours holds neither.
(cd "$folder" 2>/dev/null && pwd -P || printf '%s\n' "$folder") | awk '
    NR == FNR { path = $0 "/"; next }
    { place = $2 == "/" ? "/" : $2 "/" }
    index(path, place) == 1 && length(place) >= longest { longest = length(place); point = $2; type = $3; how = $4 }
    END { printf "mount=%s\nmount_type=%s\nmount_options=%s\n", point, type, how }' - "$mounts"
daemon=none
if cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'crond?'; then daemon=cron; fi
# Denied by cron.allow or cron.deny, `crontab -l` says so; an empty table is fine.
if [ "$daemon" = cron ] && ! crontab -l >/dev/null 2>&1; then
    crontab -l 2>&1 | grep -qiE 'no crontab|no such file' || daemon=denied
fi
printf 'reboot=%s\n' "$daemon"
if has php; then printf 'php=%s\n' "$(php -r 'echo PHP_VERSION;' 2>/dev/null)"; else echo php=; fi
