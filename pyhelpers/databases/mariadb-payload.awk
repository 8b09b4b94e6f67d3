# Reads a payload as mariadb-dump.sh wrote it, lets nothing through that isn't a known kind of line, and takes it
# apart. Runs with mariadb-names.awk, mariadb-lines.awk, mariadb-tables.awk and mariadb-rows.awk.
#
# A dump client escapes line ends inside data, so whatever stands at the start of a line is structure, not data. What
# stands inside a line is checked too (TASK=make and rows): one statement per line, no name of another database, no
# comment that could hide one from this reader and not from the server.
#
# Environment: TASK    check: only read; prints tables=N, and longest=BYTES of the longest INSERT
#                      make: print the SQL that makes the tables, without foreign keys and late indexes; the lines of
#                      rows may be missing, and all after the tables is left out
#                      rows: print the SQL that fills the tables, job number JOB's share of it; all jobs read all
#                      keys: only collect the foreign keys
#              SOURCE  the name of the database that was dumped, the only one that may be named
#              TARGET  the name of the database that is restored, put in its place
#              PREFIX  what to put before table names ("" = nothing)
#              PLACE   the name of the database where the tables are made
#              NAMES   file to write: `name at the place<TAB>original name` (TASK=make)
#              KEYS    file to write: `table<TAB>constraint<TAB>index<TAB>CONSTRAINT … FOREIGN KEY …`, where index is
#                      the one that has exactly the key's columns, if any (TASK=keys), or nothing (TASK=make)
#              COLUMNS file to write: statements for the live tables, whose defaults shall name live sequences (TASK=make)
#              OBJECTS file to write: the parts after the tables, as they are (job 0)
#              LATE    file to write: `bytes of rows<TAB>statement that adds the table's late indexes` (job 0)
#              JOB, JOBS, CHUNK  see mariadb-rows.awk
#              STOP    a file: when it isn't there or isn't empty any more, another job has failed

# Refuses a line of structure that holds more than its own statement. Comments of the form /*!50100 … */ are part of
# it: every server that is supported runs them. Those of newer versions may hold no quotes, as one server runs them
# and another skips them.
function check_structure(line,   text) {
    if (TASK == "keys")
        return
    text = bare(line)
    sub(/;$/, "", text)
    gsub(/\/\*!50[0-6][0-9][0-9] /, " ", text) # MariaDB skips those from 50700 on
    gsub(/\/\*M?![0-9]+ [^'`*;]*\*\//, " ", text)
    if (text ~ /[?;#]|\/\*|--[ \t]|--$/)
        refuse("holds more than one statement, or a comment")
    if (text ~ /`\.`/ && !allowed_qualified(line))
        refuse("names another database")
}

# Defaults such as nextval(`live`.`sequence`), and foreign keys, are the only places where a dump names a database.
function allowed_qualified(line) {
    return line ~ /^  CONSTRAINT .* FOREIGN KEY / || bare(with_nextval(line, 0)) !~ /`\.`/
}

# Returns LINE with each nextval(`source`.`sequence`) as one of a sequence in the database that is restored (CALLS=1),
# of one at the place (CALLS=2), or of nothing (CALLS=0).
function with_nextval(line, calls,   call, at, out, sequence_name) {
    call = "nextval(" quoted(SOURCE) "."
    while ((at = index(line, call)) > 0) {
        sequence_name = name_in(substr(line, at + length(call)))
        out = out substr(line, 1, at - 1) "nextval("
        line = substr(line, at + length(call) + length(sequence_name))
        if (calls == 1)
            out = out quoted(TARGET) "." sequence_name
        else if (calls == 2)
            out = out quoted(PLACE) "." known_table(sequence_name)
    }
    return out line
}

# Returns the identifier of a table that this payload makes, as it is called at the place.
function new_table(identifier,   plain) {
    plain = unquoted(identifier)
    if (plain in made)
        refuse("makes a table a second time")
    made[plain] = quoted(placed(plain, PREFIX))
    tables++
    if (TASK == "make")
        print placed(plain, PREFIX) "\t" plain > NAMES
    return made[plain]
}

function known_table(identifier) {
    if (!(unquoted(identifier) in made))
        refuse("fills a table that the payload doesn't make")
    return made[unquoted(identifier)]
}

# --- parts -----------------------------------------------------------------------------------------------------------

function begin_part(name) {
    if (part != "" && !complete)
        refuse("begins a new part, but the one before has no end: the dump was cut")
    if (part == "" && name != "tables" || part != "" && name == "tables")
        refuse("begins a part out of order")
    part = name
    complete = 0
    delimiter = ";"
}

# What was made while the database had another collation is made so again.
function alter_database() {
    if (index($0, "ALTER DATABASE " quoted(SOURCE) " CHARACTER SET ") != 1)
        refuse("names another database")
    $0 = "ALTER DATABASE " quoted(TARGET) substr($0, length("ALTER DATABASE " quoted(SOURCE)) + 1)
}

function in_objects() {
    if (delimiter == ";;") {
        if ($0 == "DELIMITER ;")
            delimiter = ";"
        else if (part == "events" && /^ALTER DATABASE `([^`]|``)+` CHARACTER SET [a-z0-9_]+ COLLATE [a-z0-9_]+ ;;$/)
            alter_database() # before and after an event it stands between these delimiters
    } else if ($0 == "DELIMITER ;;")
        delimiter = ";;"
    else if (index($0, "ALTER DATABASE ") == 1)
        alter_database()
    else if ($0 !~ /^$|^-- |^--$|^\/\*M?!|^ |^SET (@saved_cs_client|character_set_client) /)
        refuse("is no line that a dump of views, routines, triggers or events has there")
    if (TASK == "rows" && JOB == 0)
        print > OBJECTS
}

# --- the tables' part, but for tables (mariadb-tables.awk) and rows (mariadb-rows.awk) ---------------------------------

# CREATE SEQUENCE `s` … and DO SETVAL(`s`, …), the only two statements about a sequence.
function sequence(before,   identifier, name) {
    identifier = name_in(substr($0, length(before) + 1))
    if ($0 !~ /;$/)
        refuse("isn't a whole statement")
    check_structure($0)
    name = before ~ /^CREATE/ ? new_table(identifier) : known_table(identifier)
    if (before ~ /^CREATE/ ? TASK == "make" : TASK == "rows" && JOB == 0)
        print before name substr($0, length(before) + length(identifier) + 1)
}

# Session settings, each of which the dump client writes into every dump.
function is_setting(line,   assignment) {
    if (line ~ /^set autocommit=0;$|^commit;$/)
        return 1
    if (line !~ /^(\/\*M?![0-9]+ )?SET .*(\*\/)? ?;$/)
        return 0
    sub(/^(\/\*M?![0-9]+ )?SET /, "", line)
    sub(/ *(\*\/)? *;$/, "", line)
    assignment = "(@OLD_[A-Z_]+ *= *@@[A-Z_]+|[A-Z_]+ *= *(@OLD_[A-Z_]+|0)|NAMES utf8mb4|TIME_ZONE='[+]00:00'"
    assignment = assignment "|SQL_MODE='NO_AUTO_VALUE_ON_ZERO'|@saved_cs_client *= *@@character_set_client"
    assignment = assignment "|character_set_client *= *(utf8mb4|utf8|@saved_cs_client)"
    assignment = assignment "|@old_system_versioning_insert_history=@@session[.]system_versioning_insert_history"
    assignment = assignment "|(@@session[.])?system_versioning_insert_history=(1|@old_system_versioning_insert_history))"
    return line ~ ("^" assignment "(, " assignment ")*$")
}

function in_tables() {
    if (state == "rows")
        in_rows()
    else if (state == "columns")
        in_columns()
    else if (state == "options")
        in_options()
    else if (index($0, "INSERT INTO ") == 1) {
        if (TASK != "make")
            begin_rows()
    } else if (index($0, "CREATE TABLE ") == 1)
        begin_table()
    else if (index($0, "CREATE SEQUENCE ") == 1)
        sequence("CREATE SEQUENCE ")
    else if (index($0, "DO SETVAL(") == 1)
        sequence("DO SETVAL(")
    else if (index($0, "SELECT SETVAL(") == 1)
        sequence("SELECT SETVAL(")
    else if (is_setting($0)) {
        if (TASK == "make" || TASK == "rows")
            print
    }
    else
        refuse("is no line that a dump of tables has there")
}

BEGIN {
    TASK = ENVIRON["TASK"]
    SOURCE = ENVIRON["SOURCE"]
    PREFIX = ENVIRON["PREFIX"]
    NAMES = ENVIRON["NAMES"]
    KEYS = ENVIRON["KEYS"]
    OBJECTS = ENVIRON["OBJECTS"]
    COLUMNS = ENVIRON["COLUMNS"]
    TARGET = ENVIRON["TARGET"]
    PLACE = ENVIRON["PLACE"]
    LATE = ENVIRON["LATE"]
    JOB = ENVIRON["JOB"] + 0
    JOBS = ENVIRON["JOBS"] + 0
    CHUNK = ENVIRON["CHUNK"] + 0
    STOP = ENVIRON["STOP"]
    delimiter = ";"
}

TASK == "make" && part != "" && part != "tables" { next }

# Rows first: nearly every line is one.
state == "rows" { in_rows(); next }

state == "" && delimiter == ";" && index($0, "-- Belay: part ") == 1 {
    begin_part(substr($0, length("-- Belay: part ") + 1))
    if (part != "tables" && TASK == "rows" && JOB == 0)
        print > OBJECTS
    next
}

state == "" && delimiter == ";" && $0 == "-- Belay: end" {
    begin_part("end")
    next
}

part == "end" { refuse("comes after the end") }

part == "" { refuse("comes before the first part: this isn't a payload of Belay") }

part != "tables" {
    if ($0 != "")
        complete = (delimiter == ";" && index($0, "-- Dump completed") == 1)
    in_objects()
    next
}

state == "" && /^$|^-- |^--$/ {
    if ($0 != "")
        complete = (index($0, "-- Dump completed") == 1)
    next
}

# The line that locks the client's own commands; our own call of the client does so by an option.
state == "" && /^\/\*M?!999999\\- enable the sandbox mode \*\/ *$/ { next }

{ complete = 0; in_tables() }

END {
    if (!refused) {
        if (part != "end" && TASK != "make")
            refuse("is the last one, but not the end: the dump was cut")
        if (TASK == "check")
            printf "tables=%d\nlongest=%.0f\n", tables, longest
        if (TASK == "rows" && JOB == 0)
            put_late_indexes()
    }
}
