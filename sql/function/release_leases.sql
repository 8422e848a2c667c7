-- Ends every lease of one owner at once, so that another need not wait for it to expire.
--   old_owner uuid → the number of leases that ended
-- Index: none, a handful of rows. Locks: rows of leases. Idempotent.
create or replace function varve.release_leases(old_owner uuid) returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with ended as (
    update varve.leases l set expires_at = '-infinity' where l.owner = old_owner returning 1
  )
  select count(*) from ended
$$;
