# Reads a dump that another tool made, as mariadb-dump and mysqldump write it, and lets through only what it knows.
# Runs with mariadb-names.awk, mariadb-lines.awk and mariadb-code.awk.
#
# Prints statements that make and fill tables in the current database. Settings, locks, drops, the dump's own database
# and the stand-ins for views are left out; views, routines, triggers and events go to files, to be made afterwards.
# Anything else is refused, and a dump whose last settings are missing was cut.
#
# Environment: PLACE    the database where all of it is made, put where the dump names its own
#              CHARSET  `CHARACTER SET … COLLATE …` of that database
#              SCHEMAS  names of the server's other databases, one a line: none of them may be named
#              QUIET    yes: events are made switched off
#              OUT      folder to write to: rows.tsv (`table<TAB>rows`), made.tsv (`class<TAB>number`), views.sql,
#                       routines.sql, triggers.sql, events.sql, definers (one a line), charset, silenced (events)

# Takes the name of the dump's own database, which is the first one that it names.
function remember_database(identifier) {
    if (named != "" && named != identifier)
        refuse("names a second database; only a dump of one database can be adopted")
    named = identifier
}

# --- lines that are left out -----------------------------------------------------------------------------------------

# What a dump of this family sets around its tables. Nothing of it is passed on, so it only has to be known.
function is_setting(line,   assignment) {
    if (line ~ /^set autocommit=0;$|^(commit|COMMIT);$/)
        return 1
    if (line !~ /^(\/\*M?![0-9]+ )?SET .*(\*\/)? ?;;?$/)
        return 0
    sub(/^(\/\*M?![0-9]+ )?SET /, "", line)
    sub(/ *(\*\/)? *;;?$/, "", line)
    if (line ~ /^NAMES utf8(mb3|mb4)?$/)
        return speaks_utf8 = 1
    if (line == "TIME_ZONE='+00:00'")
        return in_utc = 1
    if (line == "SQL_NOTES=@OLD_SQL_NOTES")
        return complete = 1
    if (remember_setting(line))
        return 1
    assignment = "(@[A-Za-z_]+ *= *@@(SESSION[.]|session[.])?[A-Za-z_]+|(@@|@@SESSION[.]|@@session[.])?[A-Za-z_]+ *= *(@[A-Za-z_]+|0)"
    assignment = assignment "|SQL_MODE='NO_AUTO_VALUE_ON_ZERO'|character_set_(client|results) *= *[a-z0-9_]+)"
    return line ~ ("^" assignment "(, *" assignment ")*$")
}

# The settings that an object is made with.
function remember_setting(line,   value) {
    value = line
    sub(/^[a-z_]+ *= */, "", value)
    if (line ~ /^character_set_client *= *(utf8|utf8mb3|utf8mb4|latin1|latin2|ascii|cp850|cp1250|cp1251|cp1252)$/)
        setting["character_set_client"] = value
    else if (line ~ /^collation_connection *= *[a-z0-9_]+$/)
        setting["collation_connection"] = value
    else if (line ~ /^time_zone *= *'(SYSTEM|[-+][0-9:]+|[A-Za-z_\/]+)'$/)
        setting["time_zone"] = value
    else if (line ~ /^sql_mode *= *'[A-Z0-9_,]*'$/) {
        # With these the server reads quotes or backslashes in another way than this reader.
        if (value ~ /ANSI|NO_BACKSLASH_ESCAPES|ORACLE|MSSQL|DB2|POSTGRESQL|MAXDB/)
            refuse("sets a mode that changes what quotes mean")
        setting["sql_mode"] = value
    } else
        return 0
    return 1
}

function is_left_out(line) {
    return line ~ ("^(DROP (TABLE|SEQUENCE|VIEW) IF EXISTS " NAME "|LOCK TABLES " NAME " WRITE|UNLOCK TABLES|" \
        "/[*]!50001 DROP (TABLE|VIEW) IF EXISTS " NAME " ?[*]/|/[*]!40000 ALTER TABLE " NAME " (DISABLE|ENABLE) KEYS [*]/|" \
        "/[*]!50032 DROP TRIGGER IF EXISTS " NAME " [*]/|/[*]!50003 DROP (FUNCTION|PROCEDURE) IF EXISTS " NAME " [*]/|" \
        "/[*]!50106 DROP EVENT IF EXISTS " NAME " [*]/) ?;$")
}

# The dump's own database. Its name goes, its character set stays.
function is_database(line,   clause) {
    if (line ~ ("^CREATE DATABASE (/[*]!32312 IF NOT EXISTS[*]/ )?" NAME " /[*]!40100 DEFAULT CHARACTER SET [a-z0-9_]+( COLLATE [a-z0-9_]+)? [*]/( /[*]!80016 DEFAULT ENCRYPTION='N' [*]/)?;$")) {
        remember_database(name_in(substr(line, index(line, "`"))))
        clause = line
        sub(/^.*\/\*!40100 DEFAULT /, "", clause)
        sub(/ \*\/.*$/, "", clause)
        if (clause ~ / COLLATE /)
            charset = clause
        print "ALTER DATABASE " quoted(PLACE) " " clause ";"
        print clause > (OUT "/charset")
    } else if (line ~ ("^USE " NAME ";$") || line ~ ("^/[*]!40000 DROP DATABASE IF EXISTS " NAME "[*]/;$")) {
        if (named == "" && tables)
            refuse("changes the database in the middle of the dump")
        remember_database(name_in(substr(line, index(line, "`"))))
    } else
        return 0
    return 1
}

# --- tables ----------------------------------------------------------------------------------------------------------

# Returns LINE with each nextval(`database`.`sequence`) outside of strings as one of the sequence that was made here.
function with_own_sequences(line,   before, call) {
    before = ""
    while (match(line, "nextval[(]" NAME "[.]" NAME "[)]")) {
        call = substr(line, RSTART, RLENGTH)
        before = before substr(line, 1, RSTART - 1)
        line = substr(line, RSTART + RLENGTH)
        if (bare(before) != "?") {
            call = substr(call, index(call, "`.`") + 2)
            call = "nextval(" quoted(PLACE) "." known_table(substr(call, 1, length(call) - 1)) ")"
        }
        before = before call
    }
    return before line
}

# Refuses a line of a table that holds more than that: another statement, a comment, another database, a query, a file.
function check_structure(line,   text) {
    text = bare(line)
    sub(/;$/, "", text)
    gsub(/\/\*!50[0-6][0-9][0-9] /, " ", text) # run by every server; those of 50700 and later may hold no quotes
    gsub(/\/\*M?![0-9]+ [^'`*;]*\*\//, " ", text)
    gsub(/nextval\(`\.`\)/, " ", text)
    if (text ~ /[?;#]|\/\*|--[\001-\040]|--$/)
        refuse("holds more than one statement, or a comment")
    if (text ~ /`[ \t]*\.|\.[ \t]*`|[A-Za-z_$][ \t]*\.[ \t]*[A-Za-z_$]/)
        refuse("names another database")
    gsub(/ENGINE ?= ?(InnoDB|MyISAM|Aria|MEMORY)/, " ", text)
    if (toupper(text) ~ /(^|[^A-Z0-9_$`])(SELECT|TABLE|LOAD_FILE|DIRECTORY|CONNECTION|UNION|ENGINE|OUTFILE|DUMPFILE)([^A-Z0-9_$`]|$)/)
        refuse("holds a query, a file, or another kind of table than a backup can keep")
}

function known_table(identifier) {
    if (!(unquoted(identifier) in rows))
        refuse("fills a table that the dump doesn't make")
    return identifier
}

function begin_table(   identifier) {
    identifier = name_in(substr($0, length("CREATE TABLE ") + 1))
    if (substr($0, length("CREATE TABLE ") + length(identifier) + 1) != " (")
        refuse("isn't the start of a table")
    new_table(identifier, 0)
    state = "columns"
    print
}

function new_table(identifier, first) {
    if (unquoted(identifier) in rows)
        refuse("makes a table a second time")
    tables++
    rows[unquoted(identifier)] = first
}

function in_columns() {
    if ($0 ~ /^\)/) {
        state = "options"
        in_options()
        return
    }
    if ($0 !~ /^  (`|PRIMARY KEY |UNIQUE KEY |KEY |FULLTEXT KEY |SPATIAL KEY |VECTOR KEY |CONSTRAINT |CHECK |PERIOD FOR )/)
        refuse("isn't part of a table")
    $0 = with_own_sequences($0)
    check_structure($0)
    print
}

function in_options() {
    check_structure($0)
    print
    if ($0 ~ /;$/)
        state = ""
}

function begin_rows(   identifier, rest) {
    identifier = known_table(name_in(substr($0, length("INSERT INTO ") + 1)))
    filled = unquoted(identifier)
    rest = substr($0, length("INSERT INTO ") + length(identifier) + 1)
    if (!speaks_utf8 || !in_utc)
        refuse("comes before the dump says that it speaks UTF-8 and UTC (SET NAMES utf8mb4, TIME_ZONE='+00:00')")
    if (rows[filled] < 0 || !match(rest, /^ (\((`([^`]|``)+`(, ?)?)+\) )?VALUES/))
        refuse("isn't an INSERT of rows")
    rest = substr(rest, RLENGTH + 1)
    if (rest != "") {
        if (rest !~ /^ \(/)
            refuse("isn't an INSERT of rows")
        rows[filled] += check_rows(rest)
    }
    print
    state = rest ~ /;$/ ? "" : "rows"
}

function in_rows() {
    if (substr($0, 1, 1) != "(")
        refuse("isn't a row")
    rows[filled] += check_rows($0)
    print
    if (substr($0, length($0)) == ";")
        state = ""
}

# A sequence is a table without rows that can be counted.
function sequence(before,   identifier, rest) {
    identifier = name_in(substr($0, length(before) + 1))
    rest = substr($0, length(before) + length(identifier) + 1)
    if (before ~ /^CREATE/ ? rest !~ /^ [a-z0-9 -]+( ENGINE=InnoDB)?;$/ : rest !~ /^, [0-9-]+, [01](, [0-9]+)?\);$/)
        refuse("isn't a statement about a sequence")
    if (before ~ /^CREATE/)
        new_table(identifier, -1)
    else
        known_table(identifier)
    print
}

# --- the order of things ---------------------------------------------------------------------------------------------

BEGIN {
    PLACE = ENVIRON["PLACE"]
    OUT = ENVIRON["OUT"]
    NAME = "`([^`]|``)+`"
    delimiter = ";"
    charset = ENVIRON["CHARSET"]
    count = split(ENVIRON["SCHEMAS"], schemas, "\n")
    for (i = 1; i <= count; i++)
        other[tolower(schemas[i])]
    print "SET NAMES utf8mb4;"
    print "SET time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0;"
}

state == "rows" { in_rows(); next }

state == "columns" { in_columns(); next }

state == "options" { in_options(); next }

state == "object" { in_object(); next }

state == "stand-in" || state == "gtid" {
    if (state == "stand-in" ? /\*\/;$/ : /';$/)
        state = ""
    next
}

delimiter == ";" && index($0, "INSERT INTO ") == 1 { complete = 0; begin_rows(); next }

/^$|^-- |^--$/ { next }

/^\/\*M?!999999\\- enable the sandbox mode \*\/ *$/ { next } # our own call of the client does so by an option

$0 == "DELIMITER ;;" { delimiter = ";;"; next }

$0 == "DELIMITER ;" { delimiter = ";"; next }

{ complete = 0 }

is_setting($0) { next }

begins_object() { begin_object(); next }

delimiter == ";" && (is_left_out($0) || is_database($0)) { next }

is_collation_of_objects($0) { next }

delimiter == ";" && $0 ~ ("^/[*]!50001 CREATE (VIEW " NAME " AS SELECT ?|TABLE " NAME " [(])$") { state = "stand-in"; next }

delimiter == ";" && /^SET @@GLOBAL\.GTID_PURGED=/ {
    if (!/;$/)
        state = "gtid"
    next
}

delimiter == ";" && index($0, "CREATE TABLE ") == 1 { begin_table(); next }

delimiter == ";" && index($0, "CREATE SEQUENCE ") == 1 { sequence("CREATE SEQUENCE "); next }

delimiter == ";" && index($0, "DO SETVAL(") == 1 { sequence("DO SETVAL("); next }

delimiter == ";" && index($0, "SELECT SETVAL(") == 1 { sequence("SELECT SETVAL("); next }

# Of the line only words are shown: it may hold a password.
{
    match($0, /^[A-Za-z]*( [A-Za-z]+)?/)
    refuse("is no line that a dump of one database has there" (RLENGTH > 0 ? ": " substr($0, 1, RLENGTH) : ""))
}

END {
    if (!refused) {
        if (!complete || state != "" || delimiter != ";")
            refuse("is the last one, but not the end of a dump: it was cut, or made with --compact")
        for (table in rows)
            if (rows[table] >= 0)
                print table "\t" rows[table] > (OUT "/rows.tsv")
        for (class in made)
            print class "\t" made[class] > (OUT "/made.tsv")
    }
}
