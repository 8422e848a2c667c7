-- Makes the table of an archived partition again; see sql/function/begin_restore.sql.
--   $1 owner of the lease: uuid, $2 partition: text → reached: bigint, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.begin_restore($1::uuid, $2::text) as reached;
