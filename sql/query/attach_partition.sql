-- Puts a partition back into the log; see sql/function/attach_partition.sql.
--   $1 owner of the lease: uuid, $2 partition: text → void, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.attach_partition($1::uuid, $2::text);
