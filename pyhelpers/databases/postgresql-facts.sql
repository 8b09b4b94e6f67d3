-- What a database holds, read in one session into the current folder: schema.raw, and counts.raw with the rows of each
-- table; with the variable `checksums` set to yes their checksum is a third field, from the same pass over the rows.
-- The schema comes first: the settings for checksums would write some of its constants differently.
\if :{?checksums} \else \set checksums no
\endif
\o schema.raw
\ir postgresql-schema.sql
\o counts.raw
\if :checksums
\ir postgresql-checksums.sql
\else
\ir postgresql-counts.sql
\endif
\o
