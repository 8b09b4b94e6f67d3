-- `table<TAB>time` for each column updated_at or created_at that holds a time: the newest one. Names as in
-- postgresql-counts.sql.
SET row_security = off;
SET search_path = '';
SET standard_conforming_strings = on;
SELECT format('SELECT %L || E''\t'' || pg_catalog.max(%I) FROM %I.%I HAVING pg_catalog.max(%I) IS NOT NULL',
    CASE WHEN n.nspname = 'public' THEN '' ELSE e.schema || '.' END || e.name, a.attname, n.nspname, c.relname, a.attname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped AND a.attname IN ('updated_at', 'created_at')
CROSS JOIN LATERAL (
    SELECT replace(replace(replace(replace(replace(n.nspname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), '.', '\.') AS schema,
        replace(replace(replace(replace(replace(c.relname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), '.', '\.') AS name
) e
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^(pg_|_belay_)' AND n.nspname <> 'information_schema'
  AND a.atttypid IN ('pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype)
\gexec
