-- The canonical text of a PostgreSQL schema: one line for each fact, tab-separated, to be sorted by the caller.
--
-- Equal texts are equal schemas, also after a dump and a restore: no OIDs, no physical order, no grantors, and no
-- difference between a missing and a spelled-out default ACL. Members of extensions are left out (the extension
-- stands for them), and so is what Belay keeps in schemas of its own (`_belay_…`). Facts that belong to the database
-- and to no schema begin with `database`.
--
-- Casts to text and varchar are left out of every expression: PostgreSQL writes `IN ('a')` on a varchar column, which
-- is how Laravel makes an enum, in one way when it was typed and in another after a restore, with the same meaning.
SET search_path = '';
SET standard_conforming_strings = on;
SET quote_all_identifiers = off;
SET datestyle = ISO;
SET intervalstyle = postgres;

WITH spaces AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^(pg_|_belay_)' AND nspname <> 'information_schema'
), members AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), made_by_types AS ( -- constructors and casts of a range
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'i' AND refclassid = 'pg_catalog.pg_type'::regclass
), relations AS (
    SELECT c.*, format('%I.%I', s.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN spaces s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = c.oid)
), routines AS (
    SELECT p.* FROM pg_catalog.pg_proc p JOIN spaces s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM (TABLE members UNION ALL TABLE made_by_types) m
                      WHERE m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid)
), types AS (
    SELECT t.*, format('%I.%I', s.nspname, t.typname) AS name
    FROM pg_catalog.pg_type t JOIN spaces s ON s.oid = t.typnamespace
    WHERE (t.typtype IN ('d', 'e', 'r') OR (t.typtype = 'b' AND t.typelem = 0)
           OR t.typrelid IN (SELECT oid FROM relations WHERE relkind = 'c'))
      AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid)
), grants AS (
    SELECT 'schema' AS kind, quote_ident(nspname) AS name, coalesce(nspacl, acldefault('n', nspowner)) AS acl FROM spaces
    UNION ALL SELECT 'relation', name, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
        FROM relations WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT 'column', format('%s.%I', r.name, a.attname), a.attacl
        FROM relations r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL SELECT 'routine', oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) FROM routines
    UNION ALL SELECT 'type', name, coalesce(typacl, acldefault('T', typowner)) FROM types
), lines (fields) AS (
    SELECT ARRAY['schema', nspname, pg_get_userbyid(nspowner)]::text[] FROM spaces
    UNION ALL
    SELECT ARRAY['table', name, pg_get_userbyid(relowner), relkind::text || relpersistence::text || relreplident::text,
        CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced' END,
        array_to_string(reloptions, ','), pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
        (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_catalog.pg_inherits WHERE inhrelid = relations.oid),
        (SELECT format('%I %s', s.srvname, array_to_string(f.ftoptions, ',')) FROM pg_catalog.pg_foreign_table f
         JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = relations.oid)]::text[]
    FROM relations WHERE relkind IN ('r', 'p', 'f')
    UNION ALL
    SELECT ARRAY[CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, name, pg_get_userbyid(relowner),
        array_to_string(reloptions, ','), CASE WHEN NOT relispopulated THEN 'not populated' END, pg_get_viewdef(oid)]::text[]
    FROM relations WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT ARRAY['column', r.name, to_char(row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum), 'FM0000'), a.attname,
        format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END || pg_get_expr(d.adbin, d.adrelid),
        nullif(a.attidentity::text, ''),
        CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END, array_to_string(a.attoptions, ',')]::text[]
    FROM relations r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT ARRAY['view column', r.name, a.attname, pg_get_expr(d.adbin, d.adrelid)]::text[]
    FROM relations r JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.adnum WHERE r.relkind = 'v'
    UNION ALL
    SELECT ARRAY['sequence', r.name, pg_get_userbyid(r.relowner), format('%s %s..%s start %s by %s cache %s%s',
            format_type(s.seqtypid, NULL), s.seqmin, s.seqmax, s.seqstart, s.seqincrement, s.seqcache,
            CASE WHEN s.seqcycle THEN ' cycle' END),
        (SELECT format('%s.%I', d.refobjid::regclass, a.attname) FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
           AND d.refclassid = 'pg_catalog.pg_class'::regclass)]::text[]
    FROM relations r JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
    UNION ALL
    SELECT ARRAY['constraint', coalesce(r.name, t.name), c.conname, pg_get_constraintdef(c.oid)]::text[]
    FROM pg_catalog.pg_constraint c LEFT JOIN relations r ON r.oid = c.conrelid LEFT JOIN types t ON t.oid = c.contypid
    WHERE c.contype NOT IN ('n', 't') AND (r.oid IS NOT NULL OR t.oid IS NOT NULL)
    UNION ALL
    SELECT ARRAY['index', r.name, pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'invalid' END,
        CASE WHEN i.indisclustered THEN 'clustered' END, CASE WHEN i.indisreplident THEN 'replica identity' END]::text[]
    FROM pg_catalog.pg_index i JOIN relations r ON r.oid = i.indrelid WHERE r.relkind IN ('r', 'p', 'm')
    UNION ALL
    SELECT ARRAY['trigger', r.name, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text]::text[]
    FROM pg_catalog.pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT ARRAY['rule', r.name, w.rulename, pg_get_ruledef(w.oid), w.ev_enabled::text]::text[]
    FROM pg_catalog.pg_rewrite w JOIN relations r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT ARRAY['policy', r.name, p.polname, p.polpermissive::text, p.polcmd::text,
        (SELECT string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(o) END, ',' ORDER BY 1) FROM unnest(p.polroles) o),
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)]::text[]
    FROM pg_catalog.pg_policy p JOIN relations r ON r.oid = p.polrelid
    UNION ALL
    SELECT ARRAY['routine', oid::regprocedure::text, pg_get_userbyid(proowner), pg_get_functiondef(oid)]::text[]
    FROM routines WHERE prokind <> 'a'
    UNION ALL
    SELECT ARRAY['aggregate', p.oid::regprocedure::text, pg_get_userbyid(p.proowner), a.aggtransfn::regprocedure::text,
        a.aggfinalfn::regproc::text, a.aggcombinefn::regproc::text, format_type(a.aggtranstype, NULL), a.agginitval, a.aggkind::text]::text[]
    FROM routines p JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
    UNION ALL
    SELECT ARRAY['type', name, pg_get_userbyid(typowner), typtype::text, CASE WHEN typnotnull THEN 'not null' END, typdefault,
        CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END,
        (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_catalog.pg_enum WHERE enumtypid = types.oid),
        (SELECT format('%s %s', format_type(rngsubtype, NULL), rngsubdiff) FROM pg_catalog.pg_range WHERE rngtypid = types.oid)]::text[]
    FROM types
    UNION ALL
    SELECT ARRAY['statistics', pg_get_statisticsobjdef(x.oid)]::text[] FROM pg_catalog.pg_statistic_ext x JOIN spaces s ON s.oid = x.stxnamespace
    UNION ALL
    -- What is rarely made by an app: named, not described.
    SELECT ARRAY[o.type, o.identity]::text[]
    FROM spaces s CROSS JOIN LATERAL (
        SELECT 'pg_catalog.pg_operator'::regclass AS class, oid FROM pg_catalog.pg_operator WHERE oprnamespace = s.oid
        UNION ALL SELECT 'pg_catalog.pg_opclass'::regclass, oid FROM pg_catalog.pg_opclass WHERE opcnamespace = s.oid
        UNION ALL SELECT 'pg_catalog.pg_opfamily'::regclass, oid FROM pg_catalog.pg_opfamily WHERE opfnamespace = s.oid
        UNION ALL SELECT 'pg_catalog.pg_collation'::regclass, oid FROM pg_catalog.pg_collation WHERE collnamespace = s.oid
        UNION ALL SELECT 'pg_catalog.pg_conversion'::regclass, oid FROM pg_catalog.pg_conversion WHERE connamespace = s.oid
        UNION ALL SELECT 'pg_catalog.pg_ts_config'::regclass, oid FROM pg_catalog.pg_ts_config WHERE cfgnamespace = s.oid
        UNION ALL SELECT 'pg_catalog.pg_ts_dict'::regclass, oid FROM pg_catalog.pg_ts_dict WHERE dictnamespace = s.oid
    ) x CROSS JOIN LATERAL pg_identify_object(x.class, x.oid, 0) o
    WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = x.class AND m.objid = x.oid)
    UNION ALL
    SELECT ARRAY['comment', o.type, o.identity, d.description]::text[]
    FROM pg_catalog.pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) o
    WHERE (o.schema IN (SELECT nspname FROM spaces)
           OR (d.classoid = 'pg_catalog.pg_namespace'::regclass AND d.objoid IN (SELECT oid FROM spaces))
           OR d.classoid IN ('pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_constraint'::regclass,
                             'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_rewrite'::regclass))
      AND NOT EXISTS (SELECT FROM members m WHERE m.classid = d.classoid AND m.objid = d.objoid)
      AND (d.classoid <> 'pg_catalog.pg_namespace'::regclass OR d.description <> 'standard public schema')
      AND d.objoid >= 16384
    UNION ALL
    SELECT ARRAY['grant', g.kind, g.name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
        string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ',' ORDER BY a.privilege_type)]::text[]
    FROM grants g CROSS JOIN LATERAL aclexplode(g.acl) a GROUP BY g.kind, g.name, a.grantee
    UNION ALL
    SELECT ARRAY['database', 'extension', e.extname, e.extversion, n.nspname]::text[]
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
    UNION ALL
    SELECT ARRAY['database', 'setting', r.rolname, split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)]::text[]
    FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    CROSS JOIN LATERAL unnest(s.setconfig) entry LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    WHERE d.datname = current_database() AND (s.setrole = 0 OR r.rolname IS NOT NULL)
    UNION ALL
    SELECT ARRAY['database', 'event trigger', evtname, evtevent, evtfoid::regproc::text, evtenabled::text]::text[]
    FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT ARRAY['database', 'publication', pubname]::text[] FROM pg_catalog.pg_publication
    UNION ALL
    SELECT ARRAY['database', 'foreign server', srvname]::text[] FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT ARRAY['database', 'cast', format('%s to %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL))]::text[]
    FROM pg_catalog.pg_cast c
    WHERE c.oid >= 16384 AND NOT EXISTS (
        SELECT FROM (TABLE members UNION ALL TABLE made_by_types) m
        WHERE m.classid = 'pg_catalog.pg_cast'::regclass AND m.objid = c.oid)
    UNION ALL
    SELECT ARRAY['database', 'default grant', pg_get_userbyid(d.defaclrole), n.nspname, d.defaclobjtype::text,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable::text]::text[]
    FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
    CROSS JOIN LATERAL aclexplode(d.defaclacl) a WHERE n.nspname IS NULL OR n.nspname !~ '^_belay_'
)
SELECT rtrim((
    SELECT string_agg(replace(replace(replace(replace(
            regexp_replace(regexp_replace(regexp_replace(coalesce(f, ''),
                '::(character varying|text)(\(\d+\))?(\[\])?', '', 'g'),
                '\((''([^'']|'''')*'')\)', '\1', 'g'),
                '\(\((ARRAY\[[^]]*\])\)\)', '(\1)', 'g'),
            '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r'), E'\t' ORDER BY n)
    FROM unnest(fields) WITH ORDINALITY AS u (f, n)
), E'\t')
FROM lines;
