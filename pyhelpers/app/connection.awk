# Decides from the entries of a .env file (or from one URL) which database the app uses, and writes the folder CONN.
#
# In:  BELAY_OUT the folder to write into, BELAY_FROM `env` or `url`, BELAY_URL_KEYS the keys that may hold the URL,
#      BELAY_APP the app's folder. By environment, because awk -v would interpret backslashes.
# Out: facts as key=value lines on stdout (the caller adds database=, once a path is resolved). On refusal the reason on stderr, exit status 1.

function refuse(reason) {
    print "credentials: " reason > "/dev/stderr"
    refused = 1
    exit 1
}

# A setting as Laravel's env() gives it: (null) and (empty) are words with a meaning there, and quotes are stripped twice.
function setting(name,    text, word) {
    if (name in from_environment) overridden = overridden (overridden == "" ? "" : ",") name
    text = look_up(name)
    word = tolower(text)
    if (word ~ /^(null|[(]null[)]|empty|[(]empty[)])$/) return ""
    if (word ~ /^(true|false|[(]true[)]|[(]false[)])$/) refuse(name " is a word that Laravel turns into a truth value; put something else there")
    if (length(text) > 1 && text !~ /\n/ && (text ~ /^".*"$/ || text ~ /^'.*'$/)) text = substr(text, 2, length(text) - 2)
    return text
}

function read_env(    keys, count, i, url, found) {
    parse_dotenv()
    part["driver"] = setting("DB_CONNECTION")
    part["host"] = setting("DB_HOST")
    part["port"] = setting("DB_PORT")
    part["database"] = setting("DB_DATABASE")
    part["user"] = setting("DB_USERNAME")
    part["password"] = setting("DB_PASSWORD")
    part["unix_socket"] = setting("DB_SOCKET")
    part["sslmode"] = setting("DB_SSLMODE")
    part["ssl_ca"] = setting("MYSQL_ATTR_SSL_CA")
    count = split(ENVIRON["BELAY_URL_KEYS"], keys, " ")
    for (i = 1; i <= count; i++) {
        url = setting(keys[i])
        if (url == "") continue
        if (found != "" && found != url) refuse("DB_URL and DATABASE_URL are both set and differ; keep the one that the app reads")
        found = url
    }
    if (found != "") take_url(found, 1)
}

function take_url(url, as_laravel,    name) {
    split_url(url, as_laravel)
    for (name in url_part) part[name] = url_part[name]
}

function engine_of(driver) {
    if (driver == "mysql" || driver == "mariadb") return "mariadb"
    if (driver == "pgsql") return "postgresql"
    if (driver == "sqlite") return "sqlite"
    if (driver == "") refuse("DB_CONNECTION is not set, so the app's database is not known; set it, or give database-url")
    refuse("DB_CONNECTION is none of sqlite, mysql, mariadb, pgsql; give database-url instead")
}

function check_server(engine,    name) {
    if (part["host"] == "") part["host"] = "127.0.0.1"
    if (part["host"] ~ /^\[.*\]$/) part["host"] = substr(part["host"], 2, length(part["host"]) - 2)
    if (part["port"] == "") part["port"] = engine == "mariadb" ? "3306" : "5432"
    if (part["port"] !~ /^[0-9]+$/ || part["port"] + 0 < 1 || part["port"] + 0 > 65535) refuse("DB_PORT is no port number")
    if (part["database"] == "") refuse("DB_DATABASE is not set")
    if (part["user"] == "") refuse("DB_USERNAME is not set")
    for (name in part)
        if (name != "password" && (has_control(part[name]) || part[name] ~ /^ | $/))
            refuse("the " name " of the database has control characters, or spaces at its ends")
}

function save(name, text) {
    printf "%s%s", text, (text == "" ? "" : "\n") > (folder "/" name)
    close(folder "/" name)
}

# A value in double quotes as MariaDB's option files read it (mysys/my_default.c).
function option_quoted(text,    out, i, c) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "\\" || c == "\"") c = "\\" c
        else if (c == "\n") c = "\\n"
        else if (c == "\r") c = "\\r"
        else if (c == "\t") c = "\\t"
        out = out c
    }
    # Its reader takes lines of at most 4 KiB and would cut a longer one in two.
    if (length(out) > 4000) refuse("the password is too long for an option file of MariaDB's clients (4000 bytes)")
    return "\"" out "\""
}

function write_mariadb(    text) {
    text = "[client]\nuser=" option_quoted(part["user"]) "\npassword=" option_quoted(part["password"])
    text = text "\nhost=" option_quoted(part["host"]) "\nport=" part["port"]
    if (part["unix_socket"] != "") text = text "\nsocket=" option_quoted(part["unix_socket"])
    if (part["ssl_ca"] != "") text = text "\nssl-ca=" option_quoted(part["ssl_ca"])
    save("client.cnf", text "\ndefault-character-set=utf8mb4")
}

function write_postgresql(    text) {
    if (part["password"] ~ /[\n\r]/) refuse("the password holds a line break, which PostgreSQL's password file can't")
    text = "[belay]\nhost=" part["host"] "\nport=" part["port"] "\ndbname=" part["database"] "\nuser=" part["user"]
    if (part["sslmode"] != "") text = text "\nsslmode=" part["sslmode"]
    save("pgservice.conf", text)
    # Any host and any database: a restore works in databases beside the app's own.
    save("pgpass", "*:*:*:" pass_escaped(part["user"]) ":" pass_escaped(part["password"]))
}

function pass_escaped(text,    out, i, c) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        out = out (c == "\\" || c == ":" ? "\\" c : c)
    }
    return out
}

function check_sqlite() {
    if (part["database"] == ":memory:") refuse("the app's SQLite database lives in memory; there is nothing to back up")
    if (has_control(part["database"])) refuse("the path of the SQLite database has control characters")
    if (substr(part["database"], 1, 1) == "/") return
    if (ENVIRON["BELAY_APP"] == "") refuse("the path of the SQLite database is relative, and no app folder was given")
    part["database"] = ENVIRON["BELAY_APP"] "/" (part["database"] == "" ? "database/database.sqlite" : part["database"])
}

END {
    if (refused) exit 1
    if (!complete) refuse("the settings could not be read")
    folder = ENVIRON["BELAY_OUT"]
    if (ENVIRON["BELAY_FROM"] == "url") {
        end_line()
        if (line_count == 2 && lines[2] == "") line_count = 1
        if (line_count != 1 || odd[1]) refuse("the database URL must be one line of UTF-8")
        take_url(lines[1], 0)
    } else read_env()
    engine = engine_of(part["driver"])
    if (engine == "sqlite") {
        check_sqlite()
        part["user"] = part["host"] = part["port"] = part["unix_socket"] = ""
    } else check_server(engine)
    if (engine == "mariadb") write_mariadb()
    if (engine == "postgresql") write_postgresql()
    save("database", part["database"])
    save("user", part["user"])
    save("host", part["host"])
    save("port", part["port"])
    save("socket", part["unix_socket"])
    save("engine", engine)
    print "engine=" engine
    print "host=" part["host"]
    print "port=" part["port"]
    print "user=" part["user"]
    print "socket=" part["unix_socket"]
    print "overridden=" overridden
}
