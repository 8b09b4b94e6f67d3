-- Warns `no plan for NAME`, and why, of each materialized view whose query can't be planned without a search_path. It writes
-- nothing, or the mark of change would be another one. With the
-- variable `pathless` set to yes instead: the functions in SQL or PL/pgSQL that materialized views and indexes use, and that
-- set no search_path; what is in their bodies only running them tells.
\if :{?pathless} \else \set pathless no
\endif
SET search_path = '';
SET row_security = off;
\if :pathless
SELECT string_agg(DISTINCT p.oid::regprocedure::text, ', ')
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.refobjid
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
JOIN pg_catalog.pg_class c ON c.oid = coalesce(w.ev_class, CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid END)
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('m', 'i') AND n.nspname !~ '^(pg_|_belay_)' AND l.lanname IN ('sql', 'plpgsql')
  AND to_jsonb(p) ->> 'prosqlbody' IS NULL
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
\else
DO $plans$
DECLARE
    view record;
    context text;
BEGIN
    FOR view IN
        SELECT c.oid, translate(c.oid::regclass::text, E'\n\r', '  ') AS name
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname !~ '^(pg_|_belay_)' ORDER BY 2
    LOOP
        BEGIN
            EXECUTE 'EXPLAIN ' || pg_get_viewdef(view.oid);
        EXCEPTION WHEN undefined_table OR undefined_function OR undefined_object OR undefined_column THEN
            GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
            RAISE WARNING E'no plan for %\n%\nCONTEXT:  %', view.name, SQLERRM, context;
        END;
    END LOOP;
END
$plans$;
\endif
