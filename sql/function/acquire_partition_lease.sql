-- Takes or renews the lease of whoever changes the life of partitions: one at a time in the whole
-- installation, the worker's upkeep and the command line alike. Its name is no view's. As with the
-- leases of views, one that ends more than an hour from now is as good as expired.
--   new_owner uuid, random for each run, so that the owner is the fence; duration_ms integer
--   → true if it is held now, false where another holds it
-- Index: leases_pkey. Locks: the row of the lease. Idempotent.
create or replace function varve.acquire_partition_lease(new_owner uuid, duration_ms integer)
returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with held as (
    insert into varve.leases as l (subscription, owner, epoch, expires_at)
      values (
        '$partitions', new_owner, 1,
        clock_timestamp() + make_interval(secs => duration_ms / 1000.0)
      )
      on conflict (subscription, partition) do update set
        owner = excluded.owner,
        epoch = case when l.owner = excluded.owner then l.epoch else l.epoch + 1 end,
        expires_at = excluded.expires_at
        where l.owner = excluded.owner or l.expires_at < clock_timestamp()
          or l.expires_at > clock_timestamp() + interval '1 hour'
      returning 1
  )
  select exists (select from held)
$$;
