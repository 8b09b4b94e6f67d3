-- What this account may do, as `key=value` lines.
SET search_path = '';
WITH spaces AS (
    SELECT oid, nspname, nspowner FROM pg_catalog.pg_namespace n
    WHERE nspname !~ '^(pg_|_belay_)' AND nspname <> 'information_schema'
), members AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), owned AS ( -- the objects that a restore replaces
    SELECT c.relowner AS owner, n.nspname, c.relname AS name FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = c.oid)
    UNION ALL
    SELECT p.proowner, n.nspname, p.proname FROM pg_catalog.pg_proc p JOIN spaces n ON n.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
    UNION ALL
    SELECT t.typowner, n.nspname, t.typname FROM pg_catalog.pg_type t JOIN spaces n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('d', 'e', 'r')
      AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid)
), foreign_objects AS (
    SELECT format('%I.%I', nspname, name) AS name FROM owned WHERE NOT pg_has_role(owner, 'USAGE')
), extensions AS (
    SELECT e.extname FROM pg_catalog.pg_extension e
    LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
    WHERE e.extname <> 'plpgsql'
      AND (v.name IS NULL OR v.superuser AND NOT coalesce((to_jsonb(v) ->> 'trusted')::boolean, false))
), ranges AS ( -- their constructors belong to the server's superuser and can't be moved out of `public`
    SELECT t.typname FROM pg_catalog.pg_type t JOIN spaces n ON n.oid = t.typnamespace
    WHERE t.typtype = 'r' AND (n.nspname = 'public' OR NOT pg_has_role(n.nspowner, 'USAGE'))
      AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid)
)
SELECT unnest(ARRAY[
    'superuser=' || CASE WHEN r.rolsuper THEN 'yes' ELSE 'no' END,
    'createdb=' || CASE WHEN r.rolcreatedb OR r.rolsuper THEN 'yes' ELSE 'no' END,
    'owner=' || CASE WHEN pg_has_role(d.datdba, 'USAGE') THEN 'yes' ELSE 'no' END,
    'create_schema=' || CASE WHEN has_database_privilege(d.oid, 'CREATE') THEN 'yes' ELSE 'no' END,
    'foreign_objects=' || coalesce((SELECT string_agg(translate(name, E'\n\r', '  '), ', ' ORDER BY name)
                                    FROM (SELECT name FROM foreign_objects LIMIT 5) f), ''),
    'superuser_extensions=' || coalesce((SELECT string_agg(extname, ', ') FROM extensions), ''),
    'ranges=' || coalesce((SELECT string_agg(translate(typname, E'\n\r', '  '), ', ') FROM ranges), ''),
    'large_objects=' || (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata),
    'publications=' || (SELECT count(*) FROM pg_catalog.pg_publication),
    'raw_bytes=' || pg_database_size(d.oid)
])
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE r.rolname = current_user AND d.datname = current_database();
