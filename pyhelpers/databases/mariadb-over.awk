# Takes out of a schema text what time alone changed: the server drops an event whose time is over as soon as it is made
# again, or switches it off where it is to be preserved. First file: the lines of the live events; second: the text that
# was saved. Prints that without the events that are over, or with their state of now; their names go to the file `over`.
#
# Fields of an event: 2 name, 3 type, 8 ends, 10 status, 11 on completion, the last one its definer.

function without_definer(line) {
    sub(/\t[^\t]*$/, "", line)
    return line
}

FILENAME == ARGV[1] { live[$2] = without_definer($0); next }

$1 == "event" && ($3 == "ONE TIME" || $8 != "NULL") {
    if ($11 == "NOT PRESERVE" && !($2 in live)) {
        print $2 > over
        next
    }
    if ($10 == "ENABLED" && $2 in live) {
        saved = $0
        $10 = "DISABLED"
        if (without_definer($0) == live[$2])
            print $2 > over
        else
            $0 = saved
    }
}

{ print }
