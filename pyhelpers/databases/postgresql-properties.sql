-- Gives the database :shadow what belongs to the database :live itself and isn't in a dump: grants, settings (also those
-- of roles in this database), connection limit, comment. Raises an error when one of them may not be given away.
BEGIN;
SET LOCAL search_path = '';
SELECT set_config('belay.live', :'live', true), set_config('belay.shadow', :'shadow', true)
\g /dev/null
DO $properties$
DECLARE
    shadow CONSTANT text := current_setting('belay.shadow');
    live record;
    setting record;
    item record;
    text_value text;
BEGIN
    SELECT d.oid, d.datacl, d.datconnlimit, shobj_description(d.oid, 'pg_database') AS remark INTO STRICT live
    FROM pg_catalog.pg_database d WHERE d.datname = current_setting('belay.live');
    EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT %s', shadow, live.datconnlimit);
    EXECUTE format('COMMENT ON DATABASE %I IS %L', shadow, live.remark);
    FOR setting IN
        SELECT r.rolname, split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS content
        FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) entry
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = live.oid
    LOOP
        -- Lists of names are stored with their quotes; everything else is one literal. See pg_dump's variable_is_guc_list_quote.
        IF setting.name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries') THEN
            text_value := CASE WHEN setting.content IN ('', '""') THEN '''''' ELSE setting.content END;
        ELSE
            text_value := quote_literal(setting.content);
        END IF;
        IF setting.rolname IS NULL THEN
            EXECUTE format('ALTER DATABASE %I SET %I TO %s', shadow, setting.name, text_value);
        ELSE
            EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %I TO %s', setting.rolname, shadow, setting.name, text_value);
        END IF;
    END LOOP;
    IF live.datacl IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', shadow);
        FOR item IN
            SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
                a.privilege_type, a.is_grantable
            FROM aclexplode(live.datacl) a
        LOOP
            EXECUTE format('GRANT %s ON DATABASE %I TO %s %s', item.privilege_type, shadow, item.grantee,
                CASE WHEN item.is_grantable THEN 'WITH GRANT OPTION' END);
        END LOOP;
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT a.grantee, a.privilege_type, a.is_grantable, d.datname
                     FROM pg_catalog.pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                     WHERE d.datname IN (current_setting('belay.live'), shadow)) g
        GROUP BY grantee, privilege_type, is_grantable HAVING count(DISTINCT datname) <> 2
    ) THEN
        RAISE EXCEPTION 'permission denied: the grants on the database could not be repeated';
    END IF;
END
$properties$;
COMMIT;
