-- Makes a subscription's row and its checkpoints unless they are there, and brings what is declared
-- of it up to date: what it wants, and how many partitions.
--   subscription_name text, subscription_kind text: view | reactor, partition_count integer,
--   event_types text[], aggregate_types text[]: null for all; start_position bigint: where a new
--   one begins, exclusive; null for the end of the log
--   → true if it was made
-- Whether one comes to want something else, varve.change_filter decides; where it does not yet,
-- varve.acquire_leases asks again.
-- Index: subscriptions_pkey, checkpoints_pkey. Locks: the row of the subscription, and those of its
-- checkpoints where the number of partitions changes. Idempotent.
create or replace function varve.declare_subscription(
  subscription_name text, subscription_kind text, partition_count integer, event_types text[],
  aggregate_types text[], start_position bigint
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  known record;
  start bigint := declare_subscription.start_position;
begin
  if start is null then
    select h.position into start from varve.log_head() h;
  end if;
  insert into varve.subscriptions as s (
      name, kind, partitions, event_types, aggregate_types, start_position
    )
    values (subscription_name, subscription_kind, partition_count,
      declare_subscription.event_types, declare_subscription.aggregate_types,
      start)
    on conflict (name) do nothing;
  if found then
    insert into varve.checkpoints (
        subscription, partition, position, proof_from, proof_position, audited_position
      )
      select subscription_name, p, start, start, start, start
        from generate_series(0, partition_count - 1) p
      on conflict (subscription, partition) do nothing;
    return true;
  end if;
  select s.partitions, s.wanted_partitions, s.event_types, s.aggregate_types into known
    from varve.subscriptions s where s.name = subscription_name;
  if (known.event_types, known.aggregate_types) is distinct from
    (declare_subscription.event_types, declare_subscription.aggregate_types) then
    perform varve.change_filter(
      subscription_name, declare_subscription.event_types, declare_subscription.aggregate_types, null
    );
  end if;
  if coalesce(known.wanted_partitions, known.partitions) <> partition_count then
    perform varve.want_partitions(subscription_name, partition_count);
  end if;
  return false;
end
$$;
