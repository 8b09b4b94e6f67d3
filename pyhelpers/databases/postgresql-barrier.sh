# shellcheck shell=sh
# The barrier of a fleet (barrier.sh) in a PostgreSQL database. Sourced by postgresql.sh. Wants postgresql-client.sh.
#
# It is an empty schema whose comment is the state. Its name is one of Belay's own, so it is in no backup, count or
# schema text. A restore that exchanges whole databases takes it along into the attic: then the database is back.

barrier_name() {
    case $1 in '' | *[!0-9a-f]*) fail "not a barrier's name: $1" ;; esac
    printf '_belay_fleet_%s' "$1"
}

# Prints barrier=STATE, or barrier=none.
barrier() { # NAME
    barrier_schema=$(barrier_name "$1")
    barrier_state=$(sql "$LIVE" -v name="$barrier_schema" <<'SQL'
SELECT coalesce((SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = :'name'), 'none')
SQL
    ) || unknown "the barrier could not be asked for"
    printf '%s\n' "barrier=$barrier_state"
}

# What fleets that are over left behind goes when a new barrier is made.
barrier_set() { # NAME STATE
    barrier_schema=$(barrier_name "$1")
    case $2 in '' | *[!a-z]*) fail "not a barrier's state: $2" ;; esac
    sql "$LIVE" -v name="$barrier_schema" -v state="$2" >/dev/null <<'SQL' || fail "the barrier could not be set"
BEGIN;
SELECT format('DROP SCHEMA %I', nspname) FROM pg_namespace WHERE nspname ~ '^_belay_fleet_' AND nspname <> :'name' \gexec
CREATE SCHEMA IF NOT EXISTS :"name";
COMMENT ON SCHEMA :"name" IS :'state';
COMMIT;
SQL
}

barrier_drop() { # NAME
    printf 'DROP SCHEMA IF EXISTS %s' "$(barrier_name "$1")" | sql "$LIVE" >/dev/null || fail "the barrier could not be dropped"
}
