-- Tables whose primary key a sequence counts up: `table<TAB>column<TAB>key` with the highest one, NULL in an empty table.
-- With the variable `tops`, which holds such lines, the rows above them now, as `table<TAB>rows`, for each table that has the
-- same key still. Names as in postgresql-counts.sql.
\if :{?tops} \else \set tops ''
\endif
\if :{?since} \else \set since no
\endif
SET row_security = off;
SET search_path = '';
SET standard_conforming_strings = on;
WITH keyed AS (
    SELECT CASE WHEN n.nspname = 'public' THEN '' ELSE e.schema || '.' END || e.name AS name, e.key,
        n.nspname, c.relname, a.attname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    CROSS JOIN LATERAL (
        SELECT replace(replace(replace(replace(replace(n.nspname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), '.', '\.') AS schema,
            replace(replace(replace(replace(replace(c.relname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), '.', '\.') AS name,
            replace(replace(replace(replace(a.attname, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r') AS key
    ) e
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^(pg_|_belay_)' AND n.nspname <> 'information_schema'
      AND a.atttypid IN ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype, 'pg_catalog.int8'::pg_catalog.regtype)
      AND (a.attidentity <> '' OR EXISTS (SELECT FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum
          AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'))
), noted AS (
    SELECT split_part(line, E'\t', 1) AS name, split_part(line, E'\t', 2) AS key, split_part(line, E'\t', 3) AS top
    FROM unnest(string_to_array(:'tops', E'\n')) line
)
SELECT format('SELECT %L || E''\t'' || coalesce(pg_catalog.max(%I)::pg_catalog.text, ''NULL'') FROM ONLY %I.%I',
    name || E'\t' || key, attname, nspname, relname) FROM keyed WHERE :'since' <> 'yes'
UNION ALL
SELECT format('SELECT %L || E''\t'' || pg_catalog.count(*) FROM ONLY %I.%I', name, nspname, relname)
    || CASE WHEN top = 'NULL' THEN '' ELSE format(' WHERE %I > %L::pg_catalog.int8', attname, top) END
FROM keyed JOIN noted USING (name, key) WHERE :'since' = 'yes' AND top ~ '^(NULL|-?[0-9]{1,19})$'
\gexec
