-- Takes or renews the leases of subscriptions for one owner. A lease that another owner holds is
-- left alone until it expires by this database's clock; a change of owner raises the epoch, and
-- from then on the owner before can write nothing. One that ends more than an hour from now was
-- taken while the clock was ahead: nobody asks for so long, and it is as good as expired.
--   new_owner uuid, wanted_views jsonb: [{name, version}], duration_ms integer
--   → one row a lease that is held now: subscription, epoch, position of the checkpoint
-- A version of a view that does not serve gets no lease: during a roll-out the program before would
-- write its own documents into the new table.
-- Index: leases_pkey, checkpoints_pkey.
-- Locks: rows of leases and checkpoints in order of name. Idempotent.
create or replace function varve.acquire_leases(
  new_owner uuid, wanted_views jsonb, duration_ms integer
) returns table (subscription text, epoch bigint, "position" bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted text;
  held bigint;
begin
  for wanted in
    select v.name from varve.views v
      join jsonb_to_recordset(wanted_views) w (name text, version integer)
        on w.name = v.name and w.version = v.version
      order by v.name
  loop
    insert into varve.leases as l (subscription, owner, epoch, expires_at)
      select c.subscription, new_owner, c.epoch + 1,
          clock_timestamp() + make_interval(secs => duration_ms / 1000.0)
        from varve.checkpoints c
        where c.subscription = wanted and c.partition = 0
      on conflict (subscription, partition) do update set
        owner = excluded.owner,
        epoch = case when l.owner = excluded.owner then l.epoch else excluded.epoch end,
        expires_at = excluded.expires_at
        where l.owner = excluded.owner or l.expires_at < clock_timestamp()
          or l.expires_at > clock_timestamp() + interval '1 hour'
      returning l.epoch into held;
    continue when not found;
    update varve.checkpoints c set epoch = held
      where c.subscription = wanted and c.partition = 0 and c.epoch < held;
    return query
      select c.subscription, c.epoch, c.position from varve.checkpoints c
        where c.subscription = wanted and c.partition = 0 and c.epoch = held;
  end loop;
end
$$;
