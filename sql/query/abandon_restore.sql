-- Gives a restore up; see sql/function/abandon_restore.sql.
--   $1 owner of the lease: uuid, $2 partition: text → void, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.abandon_restore($1::uuid, $2::text);
