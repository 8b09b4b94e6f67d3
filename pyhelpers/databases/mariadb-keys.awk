# Prints the statements that add the foreign keys that tables lack. First file: `table<TAB>name` of constraints and of
# indexes with our passing names that exist; second: `table<TAB>constraint<TAB>index<TAB>CONSTRAINT … FOREIGN KEY …` that
# shall exist. Runs with mariadb-names.awk.
#
# Where an index is named, MariaDB may have made it itself for an earlier key, and would put a new one under another
# name in its place. Renaming it there and back makes it an index like others; neither touches a row. Its passing name
# is that of the line, so that a run after a kill between the two knows which index it has before it.

FILENAME == ARGV[1] { exists[$1 "\t" $2]; next }

($1 "\t" $2) in exists { next }

{
    if (!($1 in clauses))
        order[++tables] = $1
    else
        clauses[$1] = clauses[$1] ", "
    clauses[$1] = clauses[$1] "ADD " substr($0, length($1) + length($2) + length($3) + 4)
    if ($3 != "" && !(($1 "\t" $3) in renamed)) {
        renamed[$1 "\t" $3]
        passing = "_belay " FNR
        if (!(($1 "\t" passing) in exists))
            away[$1] = away[$1] (away[$1] == "" ? "" : ", ") "RENAME KEY " quoted($3) " TO " quoted(passing)
        back[$1] = back[$1] (back[$1] == "" ? "" : ", ") "RENAME KEY " quoted(passing) " TO " quoted($3)
    }
}

END {
    for (i = 1; i <= tables; i++) {
        table = "ALTER TABLE " quoted(order[i]) " "
        if (away[order[i]] != "")
            print table away[order[i]] ";"
        if (back[order[i]] != "")
            print table back[order[i]] ";"
        print table clauses[order[i]] ";"
    }
}
