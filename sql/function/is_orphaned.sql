-- Whether no instance knows a subscription as it was declared, but for one that asks. An instance is
-- known of for half a minute after its end: it may be starting again, or the database was away. Who
-- has declared it may not have come to ask for its leases yet: for ten seconds it counts as one.
--   subscription_name text, asking uuid: an owner of leases, or null → boolean
-- Index: subscriptions_pkey; instances are a handful. Locks: none. Reads only.
create or replace function varve.is_orphaned(subscription_name text, asking uuid) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.declared_at not between clock_timestamp() - interval '10 seconds' and clock_timestamp()
    and not exists (
      select from varve.instances i
        where i.owner is distinct from asking and s.name = any (i.capable)
          and i.expires_at > clock_timestamp() - interval '30 seconds'
    )
    from varve.subscriptions s
    where s.name = subscription_name
$$;
