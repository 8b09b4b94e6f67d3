# Reads a .env file the way phpdotenv 5 (Laravel 8 to 13) does, from the numbers of `od -An -v -t u1`.
#
# Bytes come in as numbers because awks differ in how they read odd bytes; lines and values are strings from then on.
# Nothing is ever evaluated. Where phpdotenv would stop with an error the entry is marked malformed instead: only the
# entries that somebody asks for have to be well-formed.
#
# Gives: look_up(name) after parse_dotenv(). refuse(reason) must be defined by the file that is loaded beside this one.

function add_byte(byte) {
    # Lines end in CR LF, LF or CR. `byte_before` is 13 after a CR that has ended a line already.
    if (byte == 10 && byte_before == 13) { byte_before = 10; return }
    byte_before = byte
    if (byte == 10 || byte == 13) { end_line(); return }
    if (byte == 0) line_is_odd = 1
    else line = line character[byte]
    check_utf8(byte)
}

function end_line() {
    if (continuation_bytes) line_is_odd = 1
    lines[++line_count] = line
    odd[line_count] = line_is_odd
    line = ""
    line_is_odd = continuation_bytes = 0
}

# phpdotenv silently rewrites what isn't UTF-8, so such lines are odd: readable, but not to be trusted.
function check_utf8(byte) {
    if (continuation_bytes) {
        if (byte < lowest || byte > highest) line_is_odd = 1
        lowest = 128; highest = 191
        continuation_bytes--
        return
    }
    lowest = 128; highest = 191
    if (byte < 128) return
    if (byte >= 194 && byte <= 223) continuation_bytes = 1
    else if (byte >= 224 && byte <= 239) continuation_bytes = 2
    else if (byte >= 240 && byte <= 244) continuation_bytes = 3
    else line_is_odd = 1
    if (byte == 224) lowest = 160
    if (byte == 237) highest = 159
    if (byte == 240) lowest = 144
    if (byte == 244) highest = 143
}

function trim(text) {
    gsub(/^[ \t\n\r\013]+/, "", text)
    gsub(/[ \t\n\r\013]+$/, "", text)
    return text
}

# Whether a line holds the closing quote of a value in double quotes (phpdotenv's Lines, looksLikeMultilineStop).
function closes(text, opened_here,    i, quotes) {
    if (text == "\"") return 1
    gsub(/\\\\/, "", text)
    for (i = 2; i <= length(text); i++)
        if (substr(text, i, 1) == "\"" && substr(text, i - 1, 1) != "\\") quotes++
    return opened_here ? quotes > 1 : quotes >= 1
}

function parse_dotenv(    i, text, inside, opened, buffer, first, is_odd) {
    end_line()
    if (substr(lines[1], 1, 3) == character[239] character[187] character[191]) lines[1] = substr(lines[1], 4)
    for (i = 1; i <= line_count; i++) {
        text = lines[i]
        opened = index(text, "=\"") && !closes(text, 1)
        if (opened && !inside) { inside = 1; buffer = ""; first = i; is_odd = 0 }
        else if (!inside) { first = i; is_odd = 0 }
        if (odd[i]) is_odd = 1
        if (inside) {
            buffer = i == first ? text : buffer "\n" text
            if (!closes(text, opened)) continue
            inside = 0
            text = buffer
        }
        text = trim(text)
        if (text != "" && substr(text, 1, 1) != "#") parse_entry(text, first, is_odd)
    }
}

function parse_entry(text, number, is_odd,    at, name, value) {
    at = index(text, "=")
    name = at ? trim(substr(text, 1, at - 1)) : text
    if (length(name) > 8 && name ~ /^export[ \t\n\r\013\014]/) { name = substr(name, 7); gsub(/^[ \t\n\r\013]+/, "", name) }
    if (length(name) >= 3 && (name ~ /^".*"$/ || name ~ /^'.*'$/)) name = substr(name, 2, length(name) - 2)
    if (name !~ /^[a-zA-Z0-9_.]+$/) {
        # A key that looks like one of ours but isn't readable must not silently fall back to a default.
        if (name ~ /DB_|DATABASE_URL/) refuse("line " number " of the .env file has no valid name before its equals sign")
        return
    }
    if (name in from_environment) return
    if (!at) { delete values[name]; delete malformed[name]; return }
    delete malformed[name]
    value = trim(substr(text, at + 1))
    problem = is_odd ? "is not valid UTF-8" : ""
    value = parse_value(value)
    if (problem != "") malformed[name] = problem " (line " number " of the .env file)"
    values[name] = value
}

# The value without quotes, escapes and comments, and with its ${NAME} replaced; sets `problem` when malformed.
function parse_value(text,    i, c, state, out, places, count) {
    if (text ~ /^\014/) problem = "begins with a form feed"
    state = "start"
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (state == "comment") break
        if (state == "start") {
            if (c == "'") { state = "single"; continue }
            if (c == "\"") { state = "double"; continue }
            state = "plain"
        }
        if (state == "plain") {
            if (c == "#") { state = "comment"; continue }
            if (c ~ /[ \t\n\r\013\014]/) { state = "after"; continue }
            if (c == "$") places[++count] = length(out)
            out = out c
        } else if (state == "single") {
            if (c == "'") state = "after"
            else out = out c
        } else if (state == "double") {
            if (c == "\"") state = "after"
            else if (c == "\\") state = "escape"
            else {
                if (c == "$") places[++count] = length(out)
                out = out c
            }
        } else if (state == "escape") {
            state = "double"
            if (c in escapes) out = out escapes[c]
            else problem = "has an escape sequence that phpdotenv doesn't know"
        } else if (state == "after") {
            if (c == "#") state = "comment"
            else if (c !~ /[ \t\n\r\013\014]/) problem = "has white space and no quotes"
        }
    }
    if (state == "single" || state == "double" || state == "escape") problem = "has no closing quote"
    for (; count > 0; count--) out = substr(out, 1, places[count]) resolve(substr(out, places[count] + 1))
    return out
}

# `text` begins with a dollar sign: its leading ${NAME} is replaced, anything else is left.
function resolve(text,    name, value) {
    if (!match(text, /^[$][{][a-zA-Z0-9_.]+[}]/)) return text
    name = substr(text, 3, RLENGTH - 3)
    text = substr(text, RLENGTH + 1)
    if (name in malformed) problem = "refers to ${" name "}, which " malformed[name]
    if (name in values) value = values[name]
    else {
        # phpdotenv would leave the text as it is, unless PHP happens to know such a variable: that is a guess.
        problem = "refers to ${" name "}, which is not set before it; write the value in single quotes if it means that text"
    }
    return value text
}

# Real environment variables win over the file (Laravel's dotenv is immutable).
function take_environment(    name) {
    for (name in ENVIRON) {
        if (name ~ /^(BELAY_|LC_ALL$|PWD$|OLDPWD$|SHLVL$|_$)/) continue
        values[name] = ENVIRON[name]
        from_environment[name] = 1
    }
}

function look_up(name) {
    if (name in malformed) refuse(name " " malformed[name])
    return name in values ? values[name] : ""
}

BEGIN {
    for (i = 1; i < 256; i++) character[i] = sprintf("%c", i)
    lowest = 128; highest = 191
    escapes["\""] = "\""; escapes["\\"] = "\\"; escapes["$"] = "$"
    escapes["n"] = "\n"; escapes["r"] = "\r"; escapes["t"] = "\t"; escapes["f"] = "\014"; escapes["v"] = "\013"
    take_environment()
}

/^end$/ { complete = 1; next }
{ for (i = 1; i <= NF; i++) add_byte($i + 0) }
