-- Whether no living instance knows a subscription as it was declared, but for one that asks. Who has
-- declared it may not have come to ask for its leases yet: for ten seconds it counts as living.
--   subscription_name text, asking uuid: an owner of leases, or null → boolean
-- Index: subscriptions_pkey; instances are a handful. Locks: none. Reads only.
create or replace function varve.is_orphaned(subscription_name text, asking uuid) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.declared_at < clock_timestamp() - interval '10 seconds' and not exists (
      select from varve.instances i
        where i.owner is distinct from asking and i.expires_at > clock_timestamp()
          and s.name = any (i.capable)
    )
    from varve.subscriptions s
    where s.name = subscription_name
$$;
