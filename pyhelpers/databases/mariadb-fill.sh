# shellcheck shell=sh disable=SC2016,SC2034
# Filling a shadow from a payload. Sourced by mariadb.sh.
#
# First all tables are made, empty and without the indexes that can be built later. Then the rows come in side by side:
# each job is a reader of the whole payload (mariadb-rows.awk) and a session that loads what is its. At last the jobs
# share the tables whose indexes are still missing. Whether all of it arrived is for prove_shadow to say.

JOBS_MOST=4 # end_earlier_session knows as many
CHUNK_BYTES=${BELAY_LOAD_CHUNK:-8388608} # of rows that one job takes at a time
NO_DUMP='holds what no dump holds'
SMALL_BYTES=2097152 # a payload below that isn't worth a second session

fill_shadow() { # FOLDER PAYLOAD
    source=$(fact_of_backup database)
    place=$(place_database s)
    : >"$SCRATCH/failed"
    for file in keys.tsv objects.sql columns.sql; do : >"$WORK/load/$file"; done
    : >"$WORK/names.s"
    : >"$SCRATCH/late"
    count_jobs "$1/$2"
    make_tables "$1/$2" || fill_failed "$2"
    in_jobs fill_job "$1/$2" || fill_failed "$2"
    [ ! -s "$SCRATCH/late" ] || in_jobs index_job || index_slowly || fill_failed "$2"
    [ ! -s "$WORK/load/objects.sql" ] || tail -n 3 "$WORK/load/objects.sql" | grep -q '^-- Dump completed' ||
        fail "$WORK could not be written (is the disk full?), the live database is untouched"
    for class in routines views triggers events; do
        ! grep -q "^$(kind_of "$class")$TAB" "$WORK/load/schema.txt" || grep -q -x -e "-- Belay: part $class" "$WORK/load/objects.sql" ||
            only_broken_views "$class" || fail "the payload $2 lacks its $class, the live database is untouched"
    done
}

only_broken_views() { [ "$1" = views ] && ! grep -q "^view$TAB" "$WORK/load/inventory.tsv"; } # CLASS

# When the server refuses, or dies (MariaDB 10.11 does on a full disk), all that feeds it fails too: the cause is told alone.
fill_failed() { # PAYLOAD
    why=$(cat "$SCRATCH"/errors* | reason -)
    if [ -z "$why" ] || grep -q "$NO_DUMP" "$SCRATCH/failed"; then
        why="$why $(sort -u "$SCRATCH/failed" | tr '\n' ' ')"
    fi
    fail "loading $1 failed, the live database is untouched: $why$(full_disk_hint "$why")"
}

full_disk_hint() { # REASON
    case $1 in
    *' full'* | *'No more room'* | *'No space left'* | *'ERROR 1180'* | *'ERROR 2006'* | *'ERROR 2013'*)
        echo " (is the server's disk full?)"
        ;;
    esac
}

# Sets JOBS: one for each processor, 2 to 4; BELAY_LOAD_JOBS says it otherwise.
count_jobs() { # FILE
    JOBS=${BELAY_LOAD_JOBS:-}
    if [ -z "$JOBS" ]; then
        JOBS=$(nproc 2>/dev/null) || JOBS=2
        [ "$JOBS" -ge 2 ] || JOBS=2
        [ "$(wc -c <"$1")" -ge "$SMALL_BYTES" ] || JOBS=1
    fi
    [ "$JOBS" -le "$JOBS_MOST" ] || JOBS=$JOBS_MOST
}

# Runs the command "$@" once for each job, with JOB and a session's lock of its own, all at once. Status 1 when one failed.
in_jobs() {
    rm -f "$SCRATCH"/errors*
    pids=
    JOB=0
    while [ "$JOB" -lt "$JOBS" ]; do
        (
            GUARD=${GUARD:+$GUARD.$JOB}
            "$@" || {
                echo 'a session ended early' >>"$SCRATCH/failed"
                exit 1
            }
        ) &
        pids="$pids $!"
        JOB=$((JOB + 1))
    done
    jobs_failed=0
    for pid in $pids; do
        wait "$pid" || jobs_failed=1
    done
    [ "$jobs_failed" = 0 ] && [ ! -s "$SCRATCH/failed" ]
}

unpacked() { decompress "$1" || echo 'it does not decompress' >>"$SCRATCH/failed"; } # FILE

read_as() { # TASK
    TASK=$1 SOURCE=${source:-${LIVE:-$DATABASE}} TARGET=$DATABASE PLACE=$place PREFIX=$(place_prefix s) \
        NAMES=$WORK/names.s KEYS=$WORK/load/keys.tsv COLUMNS=$WORK/load/columns.sql OBJECTS=$WORK/load/objects.sql \
        LATE=$SCRATCH/late JOB=$JOB JOBS=$JOBS CHUNK=$CHUNK_BYTES STOP=$SCRATCH/failed read_payload || {
        # 3: the reader refused a line, or another job has failed. Else nobody takes what it writes any more.
        if [ $? -eq 3 ] && [ ! -s "$SCRATCH/failed" ]; then
            echo "it is incomplete or $NO_DUMP" >>"$SCRATCH/failed"
        else
            echo 'its reader was cut off' >>"$SCRATCH/failed"
        fi
    }
}

# The lines of rows are left out without a look: the jobs look at them. In a table's definition a line may begin with
# (PARTITION.
make_tables() { # FILE
    JOB=0
    unpacked "$1" | {
        grep -v '^([^P]' || echo 'it holds no tables' >>"$SCRATCH/failed"
    } | read_as make | load "$place" 2>"$SCRATCH/errors" && [ ! -s "$SCRATCH/failed" ]
}

fill_job() { unpacked "$1" | read_as rows | load "$place" 2>"$SCRATCH/errors.$JOB"; } # FILE

# The statements for the tables that are this job's: each goes, the largest first, to the job with the least so far.
index_statements() {
    sort -rn "$SCRATCH/late" | awk -v job="$JOB" -v jobs="$JOBS" '{
        least = 0
        for (i = 1; i < jobs; i++)
            if (bytes[i] < bytes[least])
                least = i
        bytes[least] += $1 + 1
        if (least == job)
            print substr($0, index($0, "\t") + 1)
    }'
}

index_job() { index_statements | load "$place" 2>"$SCRATCH/errors.$JOB"; }

# Building an index in one go needs room in the server's folder for temporary files. A server that lacks it can still
# copy the table. What is there already is no error, and what is missing at the end prove_shadow sees.
index_slowly() {
    say "the indexes could not be built in one go, so row by row: $(cat "$SCRATCH"/errors* | reason -)"
    : >"$SCRATCH/failed"
    JOB=0
    JOBS=1
    index_statements | sed 's/;$/, ALGORITHM=COPY;/' | load "$place" --force 2>"$SCRATCH/errors" || :
    ! grep '^ERROR' "$SCRATCH/errors" | grep -q -v '^ERROR 1061 '
}
