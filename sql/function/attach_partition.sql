-- Puts a partition that is restored, or was detached and not yet dropped, back into the log; also one
-- that was detached although the register knows nothing of it, as by a program that was held up.
--   holder uuid of the lease, partition_name text → nothing
-- Errors VA020 without the lease; VA021 where its rows are not those that the register knows, or its
-- detachment is half-way, which can only be finished.
-- Index: events_YYYY_MM_position.
-- Locks: the lease, varve.schema_migrations, SHARE UPDATE EXCLUSIVE on varve.events, which lets
-- reads and appends go on, and the table that comes. Idempotent.
create or replace function varve.attach_partition(holder uuid, partition_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  layer record;
  stored record;
  bounds_check name;
  half_way boolean;
begin
  perform varve.assert_partition_lease(holder);
  lock table varve.schema_migrations in exclusive mode;
  select * into layer from varve.event_partitions p where p.name = partition_name for update;
  select i.inhdetachpending into half_way
    from pg_inherits i
    where i.inhrelid = to_regclass(format('varve.%I', partition_name));
  if layer.state = 'attached' and not half_way then
    return;
  end if;
  if half_way then
    raise exception 'partition % is half detached', partition_name using errcode = 'VA021';
  end if;
  if layer.state is null or layer.state = 'archived' then
    raise exception 'partition % is not there', partition_name using errcode = 'VA021';
  end if;
  execute format('select min(position) as low, max(position) as high, count(*) as count
    from varve.%I', partition_name) into stored;
  if (layer.first_position, layer.last_position, layer.last_position - layer.first_position + 1)
      is distinct from (stored.low, stored.high, stored.count) then
    raise exception 'the rows are not those of partition %', partition_name
      using errcode = 'VA021';
  end if;
  if half_way is null then
    execute format('alter table varve.events attach partition varve.%I for values from (%L) to (%L)',
      partition_name,
      to_char(layer.lower_bound at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"'),
      to_char(layer.upper_bound at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"'));
  end if;
  -- The bounds say it from now on; this one, or the one that DETACH CONCURRENTLY left behind.
  for bounds_check in
    select c.conname from pg_constraint c
      where c.conrelid = format('varve.%I', partition_name)::regclass and c.contype = 'c'
  loop
    execute format('alter table varve.%I drop constraint %I', partition_name, bounds_check);
  end loop;
  update varve.event_partitions p
    set state = 'attached',
        frozen_at = case when p.state <> 'restoring' then p.frozen_at end
    where p.name = partition_name;
end
$$;
