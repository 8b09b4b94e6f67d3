-- Gives the database :shadow what belongs to the database :live itself and isn't in a dump: grants, connection limit,
-- comment; and the settings (also those of roles in this database) that are in the file BELAY_SETTINGS, as the backup wrote
-- them, or those of :live where there is none. Raises an error when one of them may not be given away.
\set strict yes
\set target :shadow
\set database :live
\set settings `cat "$BELAY_SETTINGS" 2>/dev/null`
SELECT :'settings' = '' AS unknown
\gset
\if :unknown
\ir postgresql-settings-of.sql
\endif
BEGIN;
SET LOCAL search_path = '';
SELECT set_config('belay.live', :'live', true), set_config('belay.shadow', :'shadow', true)
\g /dev/null
DO $properties$
DECLARE
    shadow CONSTANT text := current_setting('belay.shadow');
    live record;
    item record;
BEGIN
    SELECT d.oid, d.datacl, d.datconnlimit, shobj_description(d.oid, 'pg_database') AS remark INTO STRICT live
    FROM pg_catalog.pg_database d WHERE d.datname = current_setting('belay.live');
    EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT %s', shadow, live.datconnlimit);
    EXECUTE format('COMMENT ON DATABASE %I IS %L', shadow, live.remark);
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
\ir postgresql-settings.sql
COMMIT;
