-- Sets :settings to the settings of the database :database (ALTER DATABASE … SET, and those of roles in it), as one line of
-- JSON: [role or null, name, value], …
SELECT coalesce(jsonb_agg(jsonb_build_array(r.rolname, split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1))
    ORDER BY r.rolname, place), '[]') AS settings
FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY e (entry, place) LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
WHERE d.datname = :'database' AND (s.setrole = 0 OR r.rolname IS NOT NULL)
\gset
