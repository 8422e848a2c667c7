-- Takes a partition out of what readers use, where nothing needs it any more: from now on whoever
-- wants its events is told its name. Undone by attach_partition.
--   holder uuid of the lease, partition_name text → why it is kept; null where it is out
-- Index: event_partitions_pkey; checkpoints is small; idempotency_created_at.
-- Locks: the lease, varve.schema_migrations, the row of the register. Idempotent.
create or replace function varve.begin_archive(holder uuid, partition_name text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  layer record;
  slowest record;
begin
  perform varve.assert_partition_lease(holder);
  lock table varve.schema_migrations in exclusive mode;
  select * into layer from varve.event_partitions p where p.name = partition_name for update;
  if not found then
    return 'there is no such partition';
  elsif layer.state = 'detached' then
    return null;
  elsif layer.state <> 'attached' then
    return 'it is ' || layer.state;
  elsif layer.hold_reason is not null then
    return 'it is held: ' || layer.hold_reason;
  elsif layer.first_position is null then
    return 'it holds no events';
  elsif layer.last_position is null then
    return 'it is not closed';
  elsif not exists (
    select from varve.event_partitions p where p.first_position > layer.last_position
  ) then
    return 'no later partition holds events';
  end if;
  select c.subscription, c.position into slowest
    from varve.checkpoints c
    order by c.position, c.subscription
    limit 1;
  if slowest.position < layer.last_position then
    return format('subscription %s has only read up to position %s of %s',
      slowest.subscription, slowest.position, layer.last_position);
  end if;
  if exists (
    select from varve.dead_letters d
      where d.state = 'waiting'
        and d.position between layer.first_position and layer.last_position
  ) then
    return 'dead letters wait that need its events';
  end if;
  if exists (
    select from varve.idempotency i
      where i.created_at >= layer.lower_bound and i.created_at < layer.upper_bound
  ) then
    return 'idempotency keys that are still remembered lead to its events';
  end if;
  update varve.event_partitions p set state = 'detached' where p.name = partition_name;
  return null;
end
$$;
