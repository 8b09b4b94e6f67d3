# The part of mariadb-payload.awk that reads rows, and shares them out among jobs (TASK=rows):
#
# Each job is a session of its own, with a reader of its own that reads the whole payload, and checks and prints only
# what is its: of plain tables (mariadb-tables.awk) the statements that begin in each JOBS-th CHUNK of the rows' bytes,
# and job 0 all of other tables. A chunk is long enough that a session fills a table from one end.

function is_own() { return !(table in plain_table) ? JOB == 0 : int(at / CHUNK) % JOBS == JOB }

function begin_rows(   identifier, rest) {
    identifier = name_in(substr($0, length("INSERT INTO ") + 1))
    rest = substr($0, length("INSERT INTO ") + length(identifier) + 1)
    table = unquoted(identifier)
    known_table(identifier)
    own = TASK == "rows" && is_own()
    if (own)
        stop_when_another_failed()
    if (rest == " VALUES")
        state = "rows"
    else if (match(rest, /^ (\([^()]*\) )?VALUES \(/)) {
        if (own)
            check_rows(substr(rest, RLENGTH))
        check_structure(substr(rest, 1, RLENGTH - 1))
        if (rest ~ /\),$/)
            state = "rows"
        else if (rest !~ /\);$/)
            refuse("isn't an INSERT of rows")
    } else if (rest ~ /^ \([^()]*\) VALUES$/) {
        check_structure(rest)
        state = "rows"
    } else
        refuse("isn't an INSERT of rows")
    if (own)
        print "INSERT INTO " made[table] rest
    statement = length($0) + 1
    begun = at
    at += length(rest)
    if (state != "rows")
        end_rows()
}

# Rows that hold nothing but literals, as nearly all do, are known by one look. Very long lines are not: an awk without
# an automaton needs memory for each step of it.
function in_rows() {
    if (substr($0, 1, 1) != "(")
        refuse("isn't a row")
    at += length($0)
    statement += length($0) + 1
    if (own) {
        if (length($0) > 65536 || $0 !~ /^[(](NULL|0x[0-9A-F]+|-?[0-9.]+([eE][-+]?[0-9]+)?|(_binary )?('([^'\\]|\\.)*')+)(,(NULL|0x[0-9A-F]+|-?[0-9.]+([eE][-+]?[0-9]+)?|(_binary )?('([^'\\]|\\.)*')+))*[)][,;]$/)
            check_rows($0)
        print
    }
    if (substr($0, length($0)) == ";") {
        state = ""
        end_rows()
    }
}

function end_rows() {
    size[table] += at - begun
    if (statement > longest)
        longest = statement
}

function stop_when_another_failed(   line) {
    if (STOP == "")
        return
    if ((getline line < STOP) != 0) {
        refused = 1
        exit 3
    }
    close(STOP)
}
