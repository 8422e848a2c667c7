-- Makes the table of an archived partition again, apart from the log, to be filled.
--   holder uuid of the lease, partition_name text → the last position that it holds already, or
--     the one before its first
-- The check on created_at is what ATTACH needs, so that it does not read the table under its lock.
-- Errors VA020 without the lease; VA021 where the partition is neither archived nor restoring.
-- Index: event_partitions_pkey, events_YYYY_MM_position.
-- Locks: the lease, varve.schema_migrations. Idempotent.
create or replace function varve.begin_restore(holder uuid, partition_name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  layer record;
  reached bigint;
begin
  perform varve.assert_partition_lease(holder);
  lock table varve.schema_migrations in exclusive mode;
  select * into layer from varve.event_partitions p where p.name = partition_name for update;
  if layer.state = 'archived' then
    perform varve.make_partition(partition_name);
    execute format(
      'alter table varve.%I add constraint %I check (created_at >= %L and created_at < %L)',
      partition_name, partition_name || '_bounds',
      to_char(layer.lower_bound at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"'),
      to_char(layer.upper_bound at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"'));
    update varve.event_partitions p set state = 'restoring' where p.name = partition_name;
  elsif layer.state is distinct from 'restoring' then
    raise exception 'partition % is not archived', partition_name using errcode = 'VA021';
  end if;
  execute format('select max(position) from varve.%I', partition_name) into reached;
  return coalesce(reached, layer.first_position - 1);
end
$$;
