# shellcheck shell=sh disable=SC2034
# Copies that no restore owns: adopt and rehearse load into a database `…__belay_c_<tag>` beside the live one. A run stays
# connected to its copy until it ends, and with it all that it started. So one to which nobody is connected is what a
# killed run left behind, and the next dump, adopt or rehearse drops it. Sourced by postgresql.sh.

# A folder and names for such a copy.
own_copy() { # FOLDER
    drop_left_copies
    scratch_in "$1"
    WORK=$SCRATCH
    TAG=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    ARCHIVE=
    RESUMED=no
    database_names c
}

# Not with FORCE: whoever connects meanwhile keeps it. What can't be dropped now is the next one's to try.
drop_left_copies() {
    sql "$LIVE" >/dev/null 2>&1 <<'SQL' || :
SELECT format('DROP DATABASE %I', datname) FROM pg_database d
WHERE datname ~ '__belay_c_[0-9a-f]{8}$' AND pg_has_role(datdba, 'USAGE')
  AND starts_with(current_database(), left(datname, -18))
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)
\gexec
SQL
}

# A session that ends with the last process that has descriptor 7 open.
hold_copy() {
    rm -f "$WORK/hold"
    mkfifo "$WORK/hold"
    (PGAPPNAME=belay-copy && sql "$SHADOW") <"$WORK/hold" >/dev/null 2>&1 &
    HOLDING=$!
    exec 7>"$WORK/hold"
}

leave_copy() {
    [ -n "${HOLDING:-}" ] || return 0
    exec 7>&-
    kill "$HOLDING" 2>/dev/null || :
    wait "$HOLDING" || :
    HOLDING=
}
