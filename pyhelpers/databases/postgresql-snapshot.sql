-- The dump, its counts, its schema and (with :checksums) its rows' checksums in ONE snapshot: they describe the same state,
-- whoever writes meanwhile. Runs in the scratch folder, where all of them are left. The archive is written beside; its
-- writers hold the lock for as long as they run.
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_catalog.pg_export_snapshot() AS snapshot
\gset
\setenv BELAY_SNAPSHOT :snapshot
\! sh "$BELAY_HERE/postgresql-archive.sh"
\ir postgresql-facts.sql
\o settings.json
\set database :DBNAME
\ir postgresql-settings-of.sql
\qecho :settings
\o
\! flock archive.lock true
COMMIT;
