-- Takes a partition out of what readers use; see sql/function/begin_archive.sql.
--   $1 owner of the lease: uuid, $2 partition: text → kept: text, why not, or null; one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.begin_archive($1::uuid, $2::text) as kept;
