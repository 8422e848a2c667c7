-- Takes or renews the lease of the partitions; see sql/function/acquire_partition_lease.sql.
--   $1 owner: uuid, $2 duration in milliseconds: integer → held: boolean, one row
-- Index: leases_pkey. Locks: the row of the lease. Idempotent: yes.
select varve.acquire_partition_lease($1::uuid, $2::integer) as held;
