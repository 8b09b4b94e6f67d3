# The names that tables have at a place: a shadow or an attic. In a database of its own a table keeps its name; inside
# the live database it gets a prefix, and a number where the name has other characters or would grow too long.

# Returns PLAIN as an SQL identifier.
function quoted(plain) {
    gsub(/`/, "``", plain)
    return "`" plain "`"
}

# Returns the plain name of an SQL identifier.
function unquoted(identifier) {
    identifier = substr(identifier, 2, length(identifier) - 2)
    gsub(/``/, "`", identifier)
    return identifier
}

# Returns the name of table PLAIN at the place with PREFIX; the same one each time it is asked in one run.
# 48 bytes: 64 is the longest name, the prefix takes 8, and InnoDB makes constraints called `<table>_ibfk_<n>`.
function placed(plain, prefix) {
    if (prefix == "")
        return plain
    if (!(plain in placed_name)) {
        if (plain ~ /^[0-9A-Za-z_$]+$/ && length(plain) <= 48)
            placed_name[plain] = prefix plain
        else
            placed_name[plain] = prefix "~" (++placed_numbers)
    }
    return placed_name[plain]
}
