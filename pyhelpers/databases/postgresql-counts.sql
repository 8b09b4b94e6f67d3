-- `table<TAB>rows` of every ordinary table, partitions one by one. The name is the bare one in `public`, else
-- `schema.name`; backslash, tab, line ends and a dot inside a name are escaped by a backslash. With the variable
-- `unlogged` set to yes: of the unlogged ones alone. With `aggregate` set, that is printed in the place of the rows.
-- Row security must not hide rows from a count: with it off, a policy that would filter is an error.
\if :{?unlogged} \else \set unlogged no
\endif
\if :{?aggregate} \else \set aggregate 'pg_catalog.count(*)'
\endif
SET row_security = off;
SET search_path = '';
SET standard_conforming_strings = on;
SELECT format('SELECT %L || E''\t'' || %s FROM ONLY %I.%I belay',
    CASE WHEN n.nspname = 'public' THEN '' ELSE e.schema || '.' END || e.name,
    :'aggregate', n.nspname, c.relname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT replace(replace(replace(replace(replace(n.nspname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), '.', '\.') AS schema,
        replace(replace(replace(replace(replace(c.relname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), '.', '\.') AS name
) e
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND (c.relpersistence = 'u' OR :'unlogged' <> 'yes')
  AND n.nspname !~ '^(pg_|_belay_)' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
\gexec
