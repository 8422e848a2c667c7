-- Ends one lease of an owner.
--   $1 owner: uuid, $2 subscription: text, $3 partition: integer → ended: boolean, one row
-- Index: leases_pkey. Locks: the row of the lease. Idempotent: yes.
select varve.release_lease($1::uuid, $2, $3::integer) as ended;
