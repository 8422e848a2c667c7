-- Ends every lease of one owner at once, and its share in those of others, so that nobody need wait
-- for them to expire.
--   old_owner uuid → the number of leases that ended
-- Index: none, a handful of rows. Locks: rows of leases and instances. Idempotent.
create or replace function varve.release_leases(old_owner uuid) returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with gone as (
    update varve.instances i set expires_at = clock_timestamp() where i.owner = old_owner
  ), ended as (
    update varve.leases l set expires_at = '-infinity' where l.owner = old_owner returning 1
  )
  select count(*) from ended
$$;
