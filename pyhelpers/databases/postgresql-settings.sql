-- Gives the database :target the settings in :settings (JSON, as postgresql-settings-of.sql writes it), and no others. What
-- this account may not set is an error where :strict is yes, a warning where it is no. A role that is gone needs none.
SELECT set_config('belay.settings', :'settings', false), set_config('belay.target', :'target', false),
    set_config('belay.strict', :'strict', false)
\g /dev/null
DO $settings$
DECLARE
    target CONSTANT text := current_setting('belay.target');
    item record;
    beginning text;
    text_value text;
BEGIN
    FOR item IN
        WITH wanted AS (
            SELECT coalesce(e ->> 0, '') AS role, e ->> 1 AS name, e ->> 2 AS content, place
            FROM jsonb_array_elements(current_setting('belay.settings')::jsonb) WITH ORDINALITY s (e, place)
            WHERE e ->> 0 IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = e ->> 0)
        ), present AS (
            SELECT coalesce(r.rolname, '') AS role, split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS content
            FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
            CROSS JOIN LATERAL unnest(s.setconfig) entry LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
            WHERE d.datname = target AND (s.setrole = 0 OR r.rolname IS NOT NULL)
        )
        SELECT role, name, w.content FROM wanted w FULL JOIN present p USING (role, name)
        WHERE w.content IS DISTINCT FROM p.content ORDER BY place
    LOOP
        beginning := CASE item.role WHEN '' THEN format('ALTER DATABASE %I', target)
            ELSE format('ALTER ROLE %I IN DATABASE %I', item.role, target) END;
        -- Lists of names are stored with their quotes; everything else is one literal. See pg_dump's variable_is_guc_list_quote.
        IF item.name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries') THEN
            text_value := CASE WHEN item.content IN ('', '""') THEN '''''' ELSE item.content END;
        ELSE
            text_value := quote_literal(item.content);
        END IF;
        BEGIN
            EXECUTE beginning || CASE WHEN item.content IS NULL THEN format(' RESET %I', item.name)
                ELSE format(' SET %I TO %s', item.name, text_value) END;
        EXCEPTION WHEN OTHERS THEN
            IF current_setting('belay.strict') = 'yes' THEN RAISE; END IF;
            RAISE WARNING 'the setting % of the database is not as it was in the backup: %', item.name, SQLERRM;
        END;
    END LOOP;
END
$settings$;
