-- `table<TAB>rows<TAB>checksum` of every ordinary table, with names as postgresql-counts.sql writes them: the sum of a hash
-- of each row's text, which doesn't depend on their order. It costs two thirds of the time of the dump itself (230 MB).
-- The hash is the one that places rows in hash partitions, so servers of all versions agree on it.
SET timezone = 'UTC';
SET datestyle = ISO;
SET intervalstyle = postgres;
SET extra_float_digits = 1;
SET bytea_output = hex;
\set aggregate 'pg_catalog.count(*) || E''\\t'' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended((belay.*)::pg_catalog.text, 0)), 0)'
\ir postgresql-counts.sql
