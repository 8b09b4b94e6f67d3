# Reads the SQL that pg_restore makes of an archive (`pg_restore --single-transaction -f -`) and prints why it isn't taken;
# prints nothing for one that consists of statements as pg_dump writes them, and ends whole.
#
# -v limit=BYTES  larger is a bomb
#
# The list of an archive's entries says what each claims to be, not what it does: the text is what would be run. It is
# cut into statements outside of quotes, comments and COPY data, and each must begin as one of pg_dump's own does. Each
# entry begins with pg_restore's `-- Name: …` line, so that one that doesn't end its quotes or data can't hide the next.

function refuse(reason) { if (!refused) print reason; refused = 1; exit }

function words_in(text, word,    count) {
    count = 0
    while (match(text, "(^|[^a-z0-9_$])" word "([^a-z0-9_$]|$)")) { count++; text = substr(text, RSTART + RLENGTH - 1) }
    return count
}

# What stands outside quotes is kept in `head`, lower-case; a quoted name stands as q, a text as s.
function add(text) { if (length(head) < 100000) head = head tolower(text) }

function finished(    name) {
    gsub(/[ \t\r]+/, " ", head)
    sub(/^ /, "", head)
    if (head ~ /^create (or replace )?(function|procedure) / && head ~ / begin atomic / &&
        words_in(head, "end") <= words_in(head, "case")) { add(" ; "); return } # a body of statements goes on
    name = "[a-z0-9_$.]+|q"
    if (head ~ /^set [a-z_]+ = / || head ~ /^select pg_catalog\.(setval|set_config|lo_create|lo_open|lowrite|lo_close)\([^()]*\) *$/) {
        if (head ~ /standard_conforming_strings = off/) refuse("it was made with standard_conforming_strings off")
        if (head !~ /^(select|set (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding|standard_conforming_strings|check_function_bodies|xmloption|client_min_messages|row_security|default_tablespace|default_table_access_method|escape_string_warning|default_with_oids) = [a-z0-9s']+ *$)/)
            refuse("it sets what a dump doesn't set: " substr(head, 1, 60))
    } else if (head ~ /^begin *$/ && !begun) begun = 1
    else if (head ~ /^commit *$/ && !committed) committed = 1
    else if (head ~ /^copy [^;]* from stdin *$/) data = 1
    else if (head !~ /^create (or replace )?((constraint )?trigger|unlogged table|table|schema|extension|type|domain|function|procedure|aggregate|operator|cast|collation|conversion|text search (configuration|dictionary)|statistics|sequence|(unique )?index|rule|(recursive |materialized )?view|policy) / &&
             head !~ /^alter (table|type|domain|function|procedure|aggregate|operator|collation|conversion|text search|statistics|sequence|index|view|materialized view|large object) / &&
             head !~ /^comment on (table|column|type|domain|function|procedure|aggregate|operator|cast|collation|conversion|text search|statistics|sequence|index|rule|view|materialized view|policy|trigger|constraint|schema|large object) / &&
             head !~ /^refresh materialized view /)
        refuse("it holds a statement that no dump needs: " substr(head, 1, 60))
    if (committed && head !~ /^commit/) refuse("it goes on after its end: " substr(head, 1, 60))
    head = ""
}

{
    bytes += length($0) + 1
    if (bytes > limit) refuse("it becomes more than 250 times as large as the file: a decompression bomb")
    if (before == "--" && $0 ~ /^-- (Data for )?Name: .*; Type: .*; Schema: /) {
        if (data || quote != "" || head ~ /[^ \t]/) refuse("an entry doesn't end before the next begins: " substr($0, 4, 60))
    }
    before = $0
    if (data) {
        if ($0 == "\\.") data = 0
        next
    }
    if (quote == "" && head !~ /[^ \t]/ && $0 ~ /^\\(un)?restrict [A-Za-z0-9]+$/) next # pg_restore's own; never obeyed here
    line = $0
    while (line != "") {
        if (quote == "") {
            if (!match(line, /['";\\]|--|\/\*|\$[A-Za-z_\200-\377]*[A-Za-z0-9_\200-\377]*\$/)) { add(line); break }
            token = substr(line, RSTART, RLENGTH)
            previous = RSTART > 1 ? substr(line, RSTART - 1, 1) : ""
            add(substr(line, 1, RSTART - 1))
            line = substr(line, RSTART + RLENGTH)
            if (token == "--") break
            if (token == "\\") refuse("it holds a command for psql")
            if (token == ";") { finished(); continue }
            if (token ~ /^\$/ && previous ~ /[A-Za-z0-9_$\200-\377]/) { add("$"); line = substr(token, 2) line; continue }
            if (token ~ /^\$[0-9]/) { add("$"); line = substr(token, 2) line; continue }
            quote = token
            if (token == "/*") depth = 1
            if (token == "'" && previous ~ /[eE]/) {
                word = head
                if (word ~ /(^|[^a-z0-9_$])e$/) quote = "e'"
            }
        } else if (quote == "'" || quote == "\"") {
            place = index(line, quote)
            if (!place) break
            line = substr(line, place + 1)
            if (substr(line, 1, 1) == quote) { line = substr(line, 2); continue }
            add(quote == "'" ? "s" : "q")
            quote = ""
        } else if (quote == "e'") {
            if (!match(line, /[\\']/)) break
            token = substr(line, RSTART, 1)
            line = substr(line, RSTART + (token == "\\" ? 2 : 1))
            if (token == "'") {
                if (substr(line, 1, 1) == "'") { line = substr(line, 2); continue }
                add("s")
                quote = ""
            }
        } else if (quote == "/*") {
            if (!match(line, /\/\*|\*\//)) break
            depth += substr(line, RSTART, 1) == "/" ? 1 : -1
            line = substr(line, RSTART + 2)
            if (!depth) quote = ""
        } else {
            place = index(line, quote)
            if (!place) break
            line = substr(line, place + length(quote))
            add("s")
            quote = ""
        }
    }
    if (quote == "") add(" ")
}

END {
    if (!refused && (data || quote != "" || head ~ /[^ \t]/)) print "its last entry doesn't end"
}
