-- Ends the sessions in the database with the OID :old for as long as it bears the name :live, at most 10 seconds:
-- newcomers too, while the rename beside this waits for them. The OID was asked before the rename, so that nobody in
-- the database that has the name afterwards is hit.
SELECT set_config('belay.live', :'live', false), set_config('belay.old', :'old', false)
\g /dev/null
DO $clear$
DECLARE
    old CONSTANT oid := current_setting('belay.old')::oid;
    session record;
BEGIN
    FOR i IN 1..400 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE oid = old AND datname = current_setting('belay.live'));
        PERFORM pg_stat_clear_snapshot();
        FOR session IN SELECT pid FROM pg_catalog.pg_stat_activity WHERE datid = old AND pid <> pg_backend_pid() LOOP
            BEGIN
                PERFORM pg_terminate_backend(session.pid);
            EXCEPTION WHEN insufficient_privilege THEN
                NULL; -- somebody else's: the rename will say so
            END;
        END LOOP;
        PERFORM pg_sleep(0.025);
    END LOOP;
END
$clear$;
