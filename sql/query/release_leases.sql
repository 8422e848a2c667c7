-- Ends the leases of an owner at once.
--   $1 owner: uuid → ended: bigint, one row
-- Index: none: leases is a handful of rows. Locks: rows of leases. Idempotent: yes.
select varve.release_leases($1::uuid) as ended;
