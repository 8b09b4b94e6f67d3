# shellcheck shell=sh disable=SC2016
# What the account may not see. The server doesn't say that it hides something: a database looks as if it had no triggers,
# routines or events, a backup would lack them, and what is restored of it would too. Sourced by mariadb.sh.
# Wants mariadb-client.sh.
#
# Rights come directly, by roles and by wildcards, so they are tried: by statements about what does not exist, which are
# denied with another error than they fail with.

NO_SUCH='`belay no such`'

# Prints a sentence, with the right to give, for each kind of object that the account may not see.
unseen() {
    account=$(ask "$DATABASE" "SELECT CONCAT('\`', REPLACE(SUBSTRING_INDEX(CURRENT_USER(), CONCAT('@', host), 1), '\`', '\`\`'), '\`@\`', host, '\`')
        FROM (SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', -1) host) h") || return 1
    # In a GRANT the name is a pattern.
    granted=$(identifier "$(printf '%s' "$DATABASE" | sed 's/[\\_%]/\\&/g')")
    sees_triggers || hidden_from triggers TRIGGER
    sees_routines || hidden_from 'procedures and functions' EXECUTE
    sees_events || hidden_from events EVENT
}

hidden_from() { # OBJECTS RIGHT
    printf '%s\n' "the account may not see $1, so a backup would lack them and a restore lose them: grant it $2 on the database (GRANT $2 ON $granted.* TO $account), also where there are none"
}

refuse_unseen() {
    unseen >"$SCRATCH/unseen" || fail "what the account may see could not be found out"
    [ ! -s "$SCRATCH/unseen" ] || fail "$(awk 'NR > 1 { printf "; " } { printf "%s", $0 }' "$SCRATCH/unseen")"
}

# Whether statement $1 fails with an error whose number is $2, an alternation.
fails_with() {
    ask "$DATABASE" "$1" >/dev/null 2>"$SCRATCH/errors" || :
    grep -q -E "ERROR ($2) " "$SCRATCH/errors"
}

sees_triggers() { ! fails_with "CREATE TRIGGER \`belay trial\` BEFORE INSERT ON $NO_SUCH FOR EACH ROW SET @i = 1" '1142|1044'; }

# Any right on all routines of the database is enough to see that they are there, and so is the list of all of the server
# (MariaDB: mysql.proc; MySQL: the rights SELECT and SHOW_ROUTINE). A right on one routine shows that one only.
sees_routines() {
    fails_with "CALL $NO_SUCH()" 1305 || fails_with "ALTER PROCEDURE $NO_SUCH COMMENT ''" 1305 || may_create_routines ||
        { [ "$VENDOR" = mariadb ] && ask "$DATABASE" 'SELECT 1 FROM mysql.proc LIMIT 0' >/dev/null 2>&1; } ||
        { [ "$VENDOR" = mysql ] && [ -n "$(ask "$DATABASE" "SELECT 1 FROM information_schema.user_privileges
            WHERE grantee = $(grantee) AND privilege_type IN ('SELECT', 'SHOW_ROUTINE') LIMIT 1" 2>/dev/null)" ]; }
}

# To make one as another account takes a right of the whole server, which is asked for after the one to make any. Who has
# that as well makes it, and has it dropped.
may_create_routines() {
    fails_with "CREATE DEFINER = $NO_SUCH@nowhere PROCEDURE $NO_SUCH() DO 1; DROP PROCEDURE $NO_SUCH" 1227 ||
        [ ! -s "$SCRATCH/errors" ]
}

sees_events() { ask "$DATABASE" 'SHOW EVENTS' >/dev/null 2>"$SCRATCH/errors" || ! grep -q -E 'ERROR (1044|1142) ' "$SCRATCH/errors"; }
