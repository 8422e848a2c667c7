-- Drops the table of a partition that was exported; see sql/function/finish_archive.sql.
--   $1 owner of the lease: uuid, $2 partition: text, $3 archive: text of a JSON object
--     → kept: text, why not, or null; one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.finish_archive($1::uuid, $2::text, $3::text::jsonb) as kept;
