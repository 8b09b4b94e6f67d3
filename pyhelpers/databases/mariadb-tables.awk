# The part of mariadb-payload.awk that reads how tables are made. A table ends as soon as its options do:
#
#   CREATE TABLE `name` (
#     one line for each column, index and constraint
#   ) ENGINE=… options
#    PARTITION BY …;
#
# Indexes that are built from all rows at once cost the server a third of those that grow with each row. So a plain
# table gets all but its primary key late, when its rows are there (late_table); others have all of them from the start.

function begin_table(   identifier) {
    identifier = name_in(substr($0, length("CREATE TABLE ") + 1))
    if (substr($0, length("CREATE TABLE ") + length(identifier) + 1) != " (")
        refuse("isn't the start of a table")
    table = unquoted(identifier)
    columns = options = 0
    state = "columns"
    placed_table = new_table(identifier)
}

function in_columns(   line) {
    if ($0 ~ /^\)/) {
        put_keys()
        state = "options"
        in_options()
        return
    }
    if ($0 !~ /^  /)
        refuse("isn't part of a table")
    check_structure($0)
    line = $0
    sub(/,$/, "", line)
    if (line ~ /^  CONSTRAINT `([^`]|``)+` FOREIGN KEY \(/)
        key[++keys] = substr(line, 3)
    else {
        column[++columns] = TASK == "make" ? with_nextval(line, 2) : line
        if (TASK == "make" && column[columns] != line)
            print "ALTER TABLE " quoted(table) " MODIFY COLUMN " substr(with_nextval(line, 1), 3) ";" > COLUMNS
    }
}

function put_keys(   i, constraint, rest, names, line, index_name, found) {
    for (i = 1; i <= keys && (TASK == "make" || TASK == "keys"); i++) {
        constraint = name_in(substr(key[i], length("CONSTRAINT ") + 1))
        rest = substr(key[i], length("CONSTRAINT ") + length(constraint) + length(" FOREIGN KEY ") + 1)
        names = substr(rest, 1, index(rest, ") REFERENCES "))
        found = ""
        for (line = 1; line <= columns && TASK == "keys"; line++)
            if (index(column[line], "  KEY `") == 1) {
                index_name = name_in(substr(column[line], length("  KEY ") + 1))
                if (column[line] == "  KEY " index_name " " names)
                    found = unquoted(index_name)
            }
        print table "\t" unquoted(constraint) "\t" found "\t" key[i] > KEYS
    }
    keys = 0
}

function in_options() {
    check_structure($0)
    option[++options] = $0
    if ($0 ~ /;$/) {
        state = ""
        end_table()
    }
}

function end_table(   late, line, kept, kept_line) {
    late = late_table()
    if (late)
        plain_table[table]
    for (line = 1; line <= columns; line++)
        if (late && is_late(column[line]))
            indexes[table] = indexes[table] (indexes[table] == "" ? "" : ", ") "ADD " substr(column[line], 3)
        else
            kept_line[++kept] = column[line]
    if (table in indexes)
        indexed[++indexed_tables] = table
    if (TASK != "make")
        return
    print "CREATE TABLE " placed_table " ("
    for (line = 1; line <= kept; line++)
        print kept_line[line] (line < kept ? "," : "")
    for (line = 1; line <= options; line++)
        print option[line]
}

function is_late(line) { return line ~ /^  (UNIQUE )?KEY `/ }

# Whether the table is one whose rows may come in any order, from several sessions, before its indexes: of InnoDB, not
# partitioned, without history, generated columns, full text or the like. Its primary key stays; it must be there when
# others are unique, as InnoDB would order the rows by one of these, and it must be what a counting column needs.
function late_table(   line, text, primary, unique, counting) {
    if (options != 1 || option[1] !~ /^\) ENGINE=InnoDB[ ;]/ || option[1] ~ / (WITH|WITHOUT) SYSTEM VERSIONING|\/\*/)
        return 0
    for (line = 1; line <= columns; line++) {
        text = bare(column[line])
        if (text ~ /^  PRIMARY KEY \(/)
            primary = substr(column[line], length("  PRIMARY KEY (") + 1)
        else if (is_late(text)) {
            if (text ~ /\(\(|\/\*| USING HASH| WITHOUT OVERLAPS/)
                return 0
            unique = unique || text ~ /^  UNIQUE/
        } else if (text !~ /^  (`|CONSTRAINT ` CHECK )/ || text ~ / AS \(| (WITH|WITHOUT) SYSTEM VERSIONING/)
            return 0
        else if (text ~ / AUTO_INCREMENT( |$)/)
            counting = name_in(substr(column[line], 3))
    }
    return (!unique || primary != "") && (counting == "" || index(primary, counting) == 1)
}

# For each table with late indexes, how much there is to index and the statement that does it.
function put_late_indexes(   i) {
    for (i = 1; i <= indexed_tables; i++)
        printf "%.0f\tALTER TABLE %s %s;\n", size[indexed[i]], made[indexed[i]], indexes[indexed[i]] > LATE
}
