# Views, routines, triggers and events of a dump that another tool made: taken out of it, looked through, and written
# so that the server can read each as one statement only. Runs with mariadb-adopt.awk.

# Returns SQL without comments, each string as '' and quoted names as they are. "?" when something isn't closed, "!" when
# there is a comment that some servers run.
function code_of(text,   out, mark, at) {
    while (match(text, /['"`#]|--[\001-\040\177]|--$|\/\*/)) {
        out = out substr(text, 1, RSTART - 1)
        text = substr(text, RSTART)
        mark = substr(text, 1, 1)
        if (mark == "#" || mark == "-") {
            at = index(text, "\n")
            text = at ? substr(text, at) : ""
            out = out " "
        } else if (mark == "/") {
            if (text ~ /^\/\*M?!/)
                return "!"
            at = index(text, "*/")
            if (!at)
                return "?"
            text = substr(text, at + 2)
            out = out " "
        } else {
            if (!match(text, /^(`([^`]|``)*`|'([^'\\]|\\.|'')*'|"([^"\\]|\\.|"")*")/))
                return "?"
            out = out (mark == "`" ? substr(text, 1, RLENGTH) : "''")
            text = substr(text, RLENGTH + 1)
        }
    }
    return out text
}

# Refuses code that reaches beyond its database: accounts, files, other servers, settings of the whole server, code
# that is put together only when it runs, names of other databases.
function check_code(code,   text, word) {
    text = toupper(code)
    if (text ~ /(^|[^A-Z0-9_$])(LOAD_FILE|SYS_EXEC|SYS_EVAL)([^A-Z0-9_$]|$)/)
        refuse("ends an object that reads a file or calls a program")
    gsub(/`([^`]|``)*`/, "``", text)
    if (match(text, /(^|[^A-Z0-9_$@.])(OUTFILE|DUMPFILE|LOAD|GRANT|REVOKE|PREPARE|EXECUTE|INSTALL|UNINSTALL|SHUTDOWN|KILL|FLUSH|RESET|PURGE|SONAME|BINLOG)([^A-Z0-9_$]|$)/) ||
        match(text, /(^|[^A-Z0-9_$])(GLOBAL|PERSIST|PERSIST_ONLY|SQL_LOG_BIN)([^A-Z0-9_$]|$)/) ||
        match(text, /(^|[^A-Z0-9_$])(CREATE|ALTER|DROP|RENAME|CHANGE|SET)[\001-\040]+(OR[\001-\040]+REPLACE[\001-\040]+)?(DATABASE|SCHEMA|USER|ROLE|SERVER|MASTER|REPLICATION|PASSWORD|TABLESPACE|LOGFILE)([^A-Z0-9_$]|$)/)) {
        word = substr(text, RSTART, RLENGTH)
        gsub(/[^A-Z_ ]/, " ", word)
        refuse("ends an object that must not be adopted: it has" word)
    }
    check_qualifiers(code)
}

# Refuses `name.` where a database of the server has that name. An alias may have any other.
function check_qualifiers(code,   name) {
    while (match(code, /(`([^`]|``)+`|[0-9A-Za-z_$\200-\377]+)[\001-\040]*\./)) {
        name = substr(code, RSTART, RLENGTH)
        code = substr(code, RSTART + RLENGTH)
        sub(/[\001-\040]*\.$/, "", name)
        if (name ~ /^`/)
            name = unquoted(name)
        if (tolower(name) in other)
            refuse("ends an object that names another database, " name)
    }
}

# --- where an object begins and ends ---------------------------------------------------------------------------------

function begins_object() {
    return delimiter == ";;" ? /^(CREATE |\/\*!(50003|50106) CREATE\*\/ )/ : /^\/\*!50001 CREATE ALGORITHM=/
}

function begin_object() {
    text = ""
    state = "object"
    in_object()
}

# An object ends at a line that ends with the delimiter, outside of every string. In the dump parts of it stand in
# comments that all servers run; without them it is plain SQL.
function in_object(   whole) {
    text = text (text == "" ? "" : "\n") $0
    if (delimiter == ";" && $0 !~ /\*\/;$/ || delimiter == ";;" && $0 !~ /;;$/)
        return
    whole = delimiter == ";" ? plain_view(text) : plain_object(text)
    if (code_of(whole) == "?")
        return
    state = ""
    take_object(whole)
}

# Returns the statement without its definer, whose name is kept in a list.
function without_definer(statement,   at) {
    if (match(statement, /^CREATE( ALGORITHM=[A-Z]+)? (\/\*!50(017|117|013|020) )?DEFINER=`([^`]|``)*`(@`([^`]|``)*`)?(\*\/)? /)) {
        at = RLENGTH
        match(statement, /DEFINER=`([^`]|``)*`(@`([^`]|``)*`)?/)
        print substr(statement, RSTART + 8, RLENGTH - 8) > (OUT "/definers")
        statement = (statement ~ /^CREATE ALGORITHM/ ? substr(statement, 1, index(statement, " DEFINER=")) : "CREATE ") substr(statement, at + 1)
    }
    return statement
}

function plain_view(statement,   option) {
    sub(/;$/, "", statement)
    sub(/^\/\*!50001 /, "", statement)
    sub(/ \*\/\n\/\*!50013 /, " ", statement)
    sub(/ \*\/\n\/\*!50001 VIEW /, " VIEW ", statement)
    if (match(statement, / \*\/\n\/\*!50002 WITH (CASCADED|LOCAL) CHECK OPTION \*\/$/)) {
        option = substr(statement, RSTART, RLENGTH) ~ /CASCADED/ ? "CASCADED" : "LOCAL"
        statement = substr(statement, 1, RSTART - 1) " WITH " option " CHECK OPTION"
    } else
        sub(/ ?\*\/$/, "", statement)
    return without_definer(statement)
}

function plain_object(statement) {
    sub(/ *;;$/, "", statement)
    sub(/^\/\*!(50003|50106) CREATE\*\/ /, "CREATE ", statement)
    statement = without_definer(statement)
    if (sub(/^CREATE \/\*!(50003|50106) /, "CREATE ", statement))
        sub(/\n?[ \t]*\*\/$/, "", statement)
    return statement
}

# --- one object ------------------------------------------------------------------------------------------------------

function take_object(statement,   code, name, class) {
    code = code_of(statement)
    if (code == "!")
        refuse("ends an object with a comment that only some servers run")
    name = "(`([^`]|``)+`|[0-9A-Za-z_$\200-\377]+)"
    if (code ~ ("^CREATE( ALGORITHM=(UNDEFINED|MERGE|TEMPTABLE))?( SQL SECURITY (DEFINER|INVOKER))? VIEW " name " AS ")) {
        class = "views"
        sub(/^CREATE/, "CREATE OR REPLACE", statement)
    } else if (code ~ ("^CREATE (FUNCTION|PROCEDURE) " name " *[(]"))
        class = "routines"
    else if (toupper(code) ~ ("^CREATE TRIGGER " toupper(name) "[\001-\040]+(BEFORE|AFTER)[\001-\040]+(INSERT|UPDATE|DELETE)[\001-\040]+ON[\001-\040]+" toupper(name) "[\001-\040]+FOR[\001-\040]+EACH[\001-\040]+ROW[\001-\040]"))
        class = "triggers"
    else if (code ~ ("^CREATE EVENT " name " ON SCHEDULE ")) {
        class = "events"
        if (ENVIRON["QUIET"] == "yes")
            statement = switched_off(statement)
    } else
        refuse("ends what is no view, routine, trigger or event of this database")
    check_code(code)
    made[class]++
    objects++
    write_object(class, statement)
}

function switched_off(statement,   before, rest) {
    if (!match(statement, / ON COMPLETION (NOT )?PRESERVE (ENABLE|DISABLE ON SLAVE|DISABLE)( COMMENT '([^'\\]|\\.|'')*')? DO /))
        refuse("ends an event whose state can't be told")
    before = substr(statement, 1, RSTART - 1)
    rest = substr(statement, RSTART)
    if (bare(before) == "?")
        refuse("ends an event whose state can't be told")
    if (rest ~ /^ ON COMPLETION (NOT )?PRESERVE ENABLE/)
        print "event" > (OUT "/silenced")
    sub(/PRESERVE (ENABLE|DISABLE ON SLAVE|DISABLE)/, "PRESERVE DISABLE", rest)
    return before rest
}

# PREPARE takes one statement and no more, whatever delimiters or semicolons a body may hold; as a string on
# one line nothing of it can be taken for a command of the client.
function write_object(class, statement,   file) {
    file = OUT "/" class ".sql"
    if (collation != "")
        print "ALTER DATABASE " quoted(PLACE) " " collation ";" > file
    print "SET sql_mode = " (class == "views" || setting["sql_mode"] == "" ? "''" : setting["sql_mode"]) \
        ", character_set_client = " (setting["character_set_client"] == "" ? "utf8mb4" : setting["character_set_client"]) \
        (setting["collation_connection"] == "" ? "" : ", collation_connection = " setting["collation_connection"]) \
        ", time_zone = " (class == "events" && setting["time_zone"] != "" ? setting["time_zone"] : "'+00:00'") ";" > file
    gsub(/\\/, "&&", statement)
    gsub(/'/, "&&", statement)
    print "PREPARE belay FROM '" escaped(escaped(statement, "\r", "\\r"), "\n", "\\n") "';" > file
    print "EXECUTE belay;" > file
    if (collation != "")
        print "ALTER DATABASE " quoted(PLACE) " " charset ";" > file
}

function escaped(text, character, instead,   count, i, pieces, out) {
    count = split(text, pieces, character)
    for (i = 1; i <= count; i++)
        out = out (i > 1 ? instead : "") pieces[i]
    return out
}

# An object may have been made while its database had another collation; the dump says so before and after it.
function is_collation_of_objects(line) {
    if (line !~ ("^ALTER DATABASE " NAME " CHARACTER SET [a-z0-9_]+ COLLATE [a-z0-9_]+ ;;?$"))
        return 0
    remember_database(name_in(substr(line, index(line, "`"))))
    collation = line
    sub(/^.*` /, "", collation)
    sub(/ ;;?$/, "", collation)
    if (collation == charset)
        collation = ""
    return 1
}
