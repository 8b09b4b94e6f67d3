-- Moves the app's objects between its own schemas and Belay's, all in one transaction.
--
-- :outgoing  move what is live into schemas `_belay_<outgoing>_<schema>` (empty: leave it)
-- :incoming  move what lies in `_belay_<incoming>_<schema>` back to where it came from (empty: nothing)
--
-- A schema of the account's own is renamed whole. `public`, a schema of somebody else, and one that holds parts of an
-- extension must stay: what is in them is moved one by one; parts of extensions stay where they are. What a Belay
-- schema is, and the comment that its original had, is written in its comment as JSON.
BEGIN;
SET LOCAL search_path = '';
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = 0;
SELECT set_config('belay.outgoing', :'outgoing', true), set_config('belay.incoming', :'incoming', true)
\g /dev/null
DO $move$
DECLARE
    objects_of CONSTANT text := $objects$
        SELECT classid, objid FROM (
            SELECT 'pg_catalog.pg_class'::regclass::oid AS classid, c.oid AS objid FROM pg_catalog.pg_class c
            WHERE c.relnamespace = $1 AND (c.relkind IN ('r', 'p', 'v', 'm', 'f') OR c.relkind = 'S' AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                  AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_catalog.pg_class'::regclass))
            UNION ALL
            SELECT 'pg_catalog.pg_type'::regclass, t.oid FROM pg_catalog.pg_type t
            LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
            WHERE t.typnamespace = $1 AND (t.typtype IN ('d', 'e', 'r', 'm') OR t.typtype = 'b' AND t.typelem = 0 OR c.relkind = 'c')
            UNION ALL SELECT 'pg_catalog.pg_proc'::regclass, oid FROM pg_catalog.pg_proc WHERE pronamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_operator'::regclass, oid FROM pg_catalog.pg_operator WHERE oprnamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_opclass'::regclass, oid FROM pg_catalog.pg_opclass WHERE opcnamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_opfamily'::regclass, oid FROM pg_catalog.pg_opfamily WHERE opfnamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_collation'::regclass, oid FROM pg_catalog.pg_collation WHERE collnamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_conversion'::regclass, oid FROM pg_catalog.pg_conversion WHERE connamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::regclass, oid FROM pg_catalog.pg_statistic_ext WHERE stxnamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_ts_config'::regclass, oid FROM pg_catalog.pg_ts_config WHERE cfgnamespace = $1
            UNION ALL SELECT 'pg_catalog.pg_ts_dict'::regclass, oid FROM pg_catalog.pg_ts_dict WHERE dictnamespace = $1
        ) o
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'e')
    $objects$;
    outgoing CONSTANT text := current_setting('belay.outgoing');
    incoming CONSTANT text := current_setting('belay.incoming');
    space record;
    thing record;
    named record;
    attic text;
    note jsonb;
BEGIN
    IF outgoing <> '' THEN
        FOR space IN
            SELECT n.oid, n.nspname, obj_description(n.oid, 'pg_namespace') AS remark,
                n.nspname <> 'public' AND pg_has_role(n.nspowner, 'USAGE') AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_depend member
                    JOIN pg_catalog.pg_depend place ON place.classid = member.classid AND place.objid = member.objid
                    WHERE member.deptype = 'e' AND place.refclassid = 'pg_catalog.pg_namespace'::regclass AND place.refobjid = n.oid
                ) AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_extension e WHERE e.extnamespace = n.oid
                ) AS whole
            FROM pg_catalog.pg_namespace n
            WHERE n.nspname !~ '^(pg_|_belay_)' AND n.nspname <> 'information_schema'
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                              WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
            ORDER BY n.nspname
        LOOP
            -- Names end after 63 bytes; PostgreSQL would cut a character in two less gracefully.
            SELECT left(full_name, length) INTO attic
            FROM (SELECT '_belay_' || outgoing || '_' || space.nspname AS full_name) f, generate_series(63, 1, -1) length
            WHERE octet_length(left(full_name, length)) <= 63 LIMIT 1;
            note := jsonb_build_object('belay', CASE WHEN space.whole THEN 'renamed' ELSE 'moved' END,
                'schema', space.nspname, 'comment', space.remark);
            IF space.whole THEN
                EXECUTE format('ALTER SCHEMA %I RENAME TO %I', space.nspname, attic);
            ELSE
                EXECUTE format('CREATE SCHEMA %I', attic);
                FOR thing IN EXECUTE objects_of USING space.oid LOOP
                    -- Asked now, because an argument's type may have moved a moment ago.
                    SELECT type, identity INTO named FROM pg_identify_object(thing.classid, thing.objid, 0);
                    EXECUTE format('ALTER %s %s SET SCHEMA %I', replace(named.type, ' object', ''), named.identity, attic);
                END LOOP;
            END IF;
            EXECUTE format('COMMENT ON SCHEMA %I IS %L', attic, note::text);
        END LOOP;
    END IF;
    IF incoming <> '' THEN
        FOR space IN
            SELECT oid, nspname, obj_description(oid, 'pg_namespace')::jsonb AS note FROM pg_catalog.pg_namespace
            WHERE starts_with(nspname, '_belay_' || incoming || '_') ORDER BY nspname
        LOOP
            IF space.note ->> 'belay' = 'renamed' THEN
                EXECUTE format('ALTER SCHEMA %I RENAME TO %I', space.nspname, space.note ->> 'schema');
                EXECUTE format('COMMENT ON SCHEMA %I IS %L', space.note ->> 'schema', space.note ->> 'comment');
            ELSE
                FOR thing IN EXECUTE objects_of USING space.oid LOOP
                    SELECT type, identity INTO named FROM pg_identify_object(thing.classid, thing.objid, 0);
                    EXECUTE format('ALTER %s %s SET SCHEMA %I', replace(named.type, ' object', ''), named.identity, space.note ->> 'schema');
                END LOOP;
                EXECUTE format('DROP SCHEMA %I', space.nspname);
            END IF;
        END LOOP;
    END IF;
END
$move$;
COMMIT;
