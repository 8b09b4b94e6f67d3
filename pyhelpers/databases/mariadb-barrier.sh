# shellcheck shell=sh disable=SC2016
# The barrier of a fleet (barrier.sh) in a MariaDB database. Sourced by mariadb.sh. Wants mariadb-client.sh.
#
# It is an empty table whose comment is the state. Its name is one of Belay's own (OURS), with a number that no restore
# keeps: so it is in no backup, count or schema, and a restore that exchanges all tables leaves it where it is.

BARRIER=_buf1ee_

barrier_name() {
    case $1 in '' | *[!0-9a-f]*) fail "not a barrier's name: $1" ;; esac
    printf '%s%s' "$BARRIER" "$1"
}

# Prints barrier=STATE, or barrier=none.
barrier() { # NAME
    barrier_state=$(ask "$DATABASE" "SELECT IFNULL(MAX(table_comment), 'none') FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND table_name = '$(barrier_name "$1")'") || fail 'the barrier could not be asked for'
    printf '%s\n' "barrier=$barrier_state"
}

# What fleets that are over left behind goes when a new barrier is made.
barrier_set() { # NAME STATE
    barrier_table=$(barrier_name "$1")
    case $2 in '' | *[!a-z]*) fail "not a barrier's state: $2" ;; esac
    if ! ask "$DATABASE" "SELECT CONCAT('DROP TABLE IF EXISTS \`', table_name, '\`;') FROM information_schema.tables
        WHERE table_schema = $THIS_DATABASE AND LEFT(table_name, 8) = '$BARRIER' AND table_name <> '$barrier_table'" >"$SCRATCH/barriers" ||
        ! query "$DATABASE" <"$SCRATCH/barriers" ||
        ! ask "$DATABASE" "CREATE TABLE IF NOT EXISTS $barrier_table (state INT) COMMENT = '$2';
            ALTER TABLE $barrier_table COMMENT = '$2'"; then
        fail 'the barrier could not be set'
    fi
}

barrier_drop() { # NAME
    ask "$DATABASE" "DROP TABLE IF EXISTS $(barrier_name "$1")" || fail 'the barrier could not be dropped'
}
