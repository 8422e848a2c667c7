-- Ends one lease, so that another instance need not wait for it to expire. Whoever takes it next, be it
-- the same owner, gets another epoch.
--   old_owner uuid, subscription_name text, partition_number integer → true if it was the owner's
-- Index: leases_pkey. Locks: the row of the lease. Idempotent.
create or replace function varve.release_lease(
  old_owner uuid, subscription_name text, partition_number integer
) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with ended as (
    delete from varve.leases l
      where l.owner = old_owner and l.subscription = subscription_name
        and l.partition = partition_number
      returning 1
  )
  select exists (select from ended)
$$;
