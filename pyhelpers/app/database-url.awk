# Splits a database URL as PHP's parse_url and Laravel's ConfigurationUrlParser do.
#
# Gives: split_url(url, as_laravel) sets url_part["driver" | "user" | "password" | "host" | "port" | "database" |
# "unix_socket" | "sslmode"] for the parts that are there. refuse(reason) must be defined by the file loaded beside this one.

function split_url(url, as_laravel,    at, rest, authority, path, query) {
    url_as_laravel = as_laravel
    if (has_control(url) || url ~ / /) refuse("the database URL holds white space or control characters; write them as %20 and so on")
    if (!match(url, "^[a-zA-Z][a-zA-Z0-9+.-]*://")) refuse("the database URL does not begin with a driver such as mysql:// or pgsql://")
    url_part["driver"] = driver_of(substr(url, 1, RLENGTH - 3))
    rest = substr(url, RLENGTH + 1)
    if (url_part["driver"] == "sqlite") { split_sqlite(rest); return }
    at = match(rest, "[/?#]") ? RSTART : length(rest) + 1
    authority = substr(rest, 1, at - 1)
    rest = substr(rest, at)
    split_authority(authority)
    if (at = index(rest, "#")) rest = substr(rest, 1, at - 1)
    path = rest
    if (at = index(rest, "?")) { path = substr(rest, 1, at - 1); query = substr(rest, at + 1) }
    if (length(path) > 1) url_part["database"] = percent_decoded(substr(path, 2))
    split_query(query)
}

function driver_of(scheme) {
    if (scheme == "mysql2") return "mysql"
    if (scheme == "postgres" || scheme == "postgresql") return "pgsql"
    if (scheme == "sqlite3") return "sqlite"
    return scheme
}

# Laravel: sqlite:///name is relative to the app, sqlite:////folder/name is absolute. A URL from a person has no app
# beside it, so there three slashes are absolute too.
function split_sqlite(rest,    at) {
    if (substr(rest, 1, 1) != "/") refuse("a database URL of SQLite is written sqlite:////absolute/path")
    if (at = match(rest, /[?#]/)) rest = substr(rest, 1, at - 1)
    rest = percent_decoded(rest)
    sub(/^\/\/+/, "//", rest)
    if (url_as_laravel || substr(rest, 1, 2) == "//") rest = substr(rest, 2)
    url_part["database"] = rest
}

function split_authority(text,    at, login, port) {
    at = last_index(text, "@")
    if (at) {
        login = substr(text, 1, at - 1)
        text = substr(text, at + 1)
        if (at = index(login, ":")) {
            url_part["password"] = typed("password", percent_decoded(substr(login, at + 1)))
            login = substr(login, 1, at - 1)
        }
        url_part["user"] = typed("user", percent_decoded(login))
    }
    if (text !~ /^\[.*\]$/ && (at = last_index(text, ":"))) {
        port = substr(text, at + 1)
        if (port != "" && (port !~ /^[0-9]+$/ || length(port) > 5))
            refuse("the port in the database URL is no number; / ? # @ in a password must be written %2F %3F %23 %40")
        if (port != "") url_part["port"] = port
        text = substr(text, 1, at - 1)
    }
    if (text == "") refuse("the database URL names no host")
    url_part["host"] = typed("host", percent_decoded(text))
}

# Options that choose another database would be dangerous to ignore; those that only tune the session are not ours.
function split_query(query,    count, pairs, i, at, name, value) {
    count = split(query, pairs, "&")
    for (i = 1; i <= count; i++) {
        if (pairs[i] == "") continue
        at = index(pairs[i] "=", "=")
        name = substr(pairs[i], 1, at - 1)
        value = substr(pairs[i], at + 1)
        gsub(/[+]/, " ", value)
        if (name == "unix_socket" || name == "sslmode") url_part[name] = typed(name, percent_decoded(value))
        else if (name !~ /^(charset|collation|strict|engine|timezone|application_name|connect_timeout|serverVersion|sslcert|sslkey|sslrootcert)$/)
            refuse("the database URL has an option that is not understood; allowed are unix_socket, sslmode, charset, collation and the like")
    }
}

# Laravel reads each part as JSON where it can: 1e3 becomes 1000, null becomes nothing. Such parts are refused.
function typed(name, text,    bare) {
    if (!url_as_laravel) return text
    bare = text
    gsub(/^[ \t\r\n]+/, "", bare)
    gsub(/[ \t\r\n]+$/, "", bare)
    if (name == "host" && text ~ /^\[[0-9a-fA-F.]*:[0-9a-fA-F:.]*\]$/) return text
    if (bare == text && bare ~ /^(0|[1-9][0-9]*)$/ && length(bare) <= 18) return text
    if (bare ~ /^(true|false|null)$/ || tolower(bare) ~ /^(true|false|null)$/ || bare ~ /^["[{]/ || bare ~ /^-?[0-9.]+([eE][-+]?[0-9]+)?$/)
        refuse("Laravel would read the " name " in the database URL as JSON and change it; use the DB_ keys instead")
    return text
}

function percent_decoded(text,    out, at, hex) {
    while (at = index(text, "%")) {
        out = out substr(text, 1, at - 1)
        hex = tolower(substr(text, at + 1, 2))
        if (hex ~ /^[0-9a-f][0-9a-f]$/) {
            if (hex == "00") refuse("the database URL holds a NUL byte")
            out = out character[16 * (index("0123456789abcdef", substr(hex, 1, 1)) - 1) + index("0123456789abcdef", substr(hex, 2, 1)) - 1]
            text = substr(text, at + 3)
        } else {
            out = out "%"
            text = substr(text, at + 1)
        }
    }
    return out text
}

function last_index(text, c,    i) {
    for (i = length(text); i > 0; i--) if (substr(text, i, 1) == c) return i
    return 0
}

function has_control(text) {
    return text ~ control_characters
}

BEGIN { control_characters = "[\001-\037\177]" }
