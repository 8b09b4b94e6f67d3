# Prints which view must come before which, as pairs of numbers for tsort; each number also with itself. Files: an
# inventory, whose n-th view has the number n; `view<TAB>definition`. Environment: LIVE, the database, which the server
# writes before each view that a definition reads. Runs with mariadb-names.awk.

# Returns the definition without the strings in it, which may quote what looks like another view.
function without_strings(text,   out) {
    while (match(text, /['`]/)) {
        out = out substr(text, 1, RSTART - 1)
        text = substr(text, RSTART)
        if (!match(text, /^(`([^`]|``)*`|'([^'\\]|\\.|'')*')/))
            break
        if (substr(text, 1, 1) == "`")
            out = out substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
    }
    return out text
}

FILENAME == ARGV[1] {
    if ($1 == "view") {
        number[$2] = ++views
        called[views] = quoted(ENVIRON["LIVE"]) "." quoted($2)
    }
    next
}

$1 in number {
    print number[$1], number[$1]
    text = without_strings(substr($0, length($1) + 2))
    for (i = 1; i <= views; i++)
        if (i != number[$1] && index(text, called[i]))
            print i, number[$1]
}
