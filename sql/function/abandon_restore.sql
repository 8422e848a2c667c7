-- Gives a restore up: what was loaded goes, and the partition is archived as before.
--   holder uuid of the lease, partition_name text → nothing
-- Error VA020 without the lease.
-- Index: event_partitions_pkey. Locks: the lease, varve.schema_migrations, the table that goes.
-- Idempotent: a partition that is not being restored is left alone.
create or replace function varve.abandon_restore(holder uuid, partition_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
begin
  perform varve.assert_partition_lease(holder);
  lock table varve.schema_migrations in exclusive mode;
  update varve.event_partitions p set state = 'archived'
    where p.name = partition_name and p.state = 'restoring';
  if found then
    execute format('drop table varve.%I', partition_name);
  end if;
end
$$;
