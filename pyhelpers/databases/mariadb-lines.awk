# How lines of a dump are read: what is quoted, what is a row, and how a line is refused. Runs with mariadb-names.awk.
#
# A refusal is a sentence on stderr and status 3.

function refuse(problem) {
    printf "the payload is refused: line %d %s\n", NR, problem | "cat >&2"
    close("cat >&2")
    refused = 1
    exit 3
}

# Returns TEXT with each quoted string as ' and each quoted name as `; "?" when a quote isn't closed in it.
function bare(text,   at, quote, out) {
    while (match(text, /['"`]/)) {
        quote = substr(text, RSTART, 1)
        out = out substr(text, 1, RSTART - 1) (quote == "`" ? "`" : "'")
        text = substr(text, RSTART)
        if (!match(text, /^(`([^`]|``)*`|'([^'\\]|\\.|'')*'|"([^"\\]|\\.|"")*")/))
            return "?"
        text = substr(text, RLENGTH + 1)
    }
    return out text
}

# Refuses rows that hold anything but values; TEXT is what follows the table's name. Returns how many rows it holds.
function check_rows(text,   count, i, pieces, found) {
    if (index(text, "\\"))
        gsub(/\\./, "", text)
    count = split(text, pieces, "'")
    if (count % 2 == 0)
        refuse("ends inside a string")
    for (i = 1; i <= count; i += 2) {
        if (pieces[i] ~ /[^-+0-9A-Za-z_.,() ;]|--/ || i < count && index(pieces[i], ";"))
            refuse("holds something other than rows")
        if (pieces[i] ~ /[A-Za-z_]/)
            check_words(pieces[i])
        if (pieces[i] ~ /[0-9A-Za-z_.)] *\(/)
            refuse("holds something other than rows")
        found += gsub(/\(/, "", pieces[i])
    }
    if (pieces[count] !~ /^[^;]*\)[,;]$/)
        refuse("holds something other than rows")
    return found
}

# What may stand between strings besides digits: NULL, numbers and the marks before a string. So nothing is called.
function check_words(text,   count, i, words) {
    count = split(text, words, /[^0-9A-Za-z_.]+/)
    for (i = 1; i <= count; i++)
        if (words[i] !~ /^([0-9.]+([eE][0-9]*)?|NULL|0x[0-9A-Fa-f]+|[bBxXN]|_[a-z0-9]+)?$/)
            refuse("holds something other than rows")
}

# Returns the quoted name with which TEXT begins, or refuses.
function name_in(text) {
    if (!match(text, /^`([^`]|``)+`/))
        refuse("lacks a table's name")
    return substr(text, 1, RLENGTH)
}
