# Plans the exchange and says what remains of it. Runs with mariadb-names.awk.
#
# task=plan       Files: names of the live tables; names file of the place whose tables come in. Prints the moves,
#                 `away|in<TAB>database<TAB>table<TAB>database<TAB>table`, and writes the names file of the place where
#                 the live tables go to the file `names`. Environment: LIVE, FROM, TO (databases), PREFIX (of TO).
# task=remaining  Files: `database<TAB>table` that exist; moves. Prints one RENAME TABLE of all moves that haven't
#                 happened, nothing when all have; writes how many have to the file `moved`.

BEGIN {
    OFS = "\t"
    live = ENVIRON["LIVE"]
    from = ENVIRON["FROM"]
    to = ENVIRON["TO"]
    prefix = ENVIRON["PREFIX"]
    if (task == "plan")
        printf "" > names
}

task == "plan" && FILENAME == ARGV[1] {
    print "away", live, $1, to, placed($1, prefix)
    print placed($1, prefix), $1 > names
}

task == "plan" && FILENAME != ARGV[1] { print "in", from, $1, live, $2 }

task == "remaining" && FILENAME == ARGV[1] { exists[$1 "\t" $2]; next }

# A table that went away exists where it went; one that came in no longer exists where it came from. Tables go away
# first: one that seems to have come in while another still has to go was dropped by somebody, and nothing has moved.
task == "remaining" {
    if ($1 == "away" && ($4 "\t" $5) in exists || $1 == "in" && !(($2 "\t" $3) in exists))
        done++
    else {
        clauses = clauses (clauses == "" ? "" : ",\n") quoted($2) "." quoted($3) " TO " quoted($4) "." quoted($5)
        stays = stays || $1 == "away"
    }
    gone = gone || $1 == "away" && ($4 "\t" $5) in exists
}

END {
    if (task == "remaining") {
        print (stays && !gone ? 0 : done + 0) > moved
        if (clauses != "")
            print "RENAME TABLE " clauses ";"
    }
}
