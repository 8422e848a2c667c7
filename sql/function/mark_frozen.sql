-- Remembers that VACUUM (FREEZE, ANALYZE) has been through a closed partition.
--   partition_name text → nothing
-- Index: event_partitions_pkey. Locks: the row of the register. Idempotent.
create or replace function varve.mark_frozen(partition_name text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update varve.event_partitions p set frozen_at = clock_timestamp()
    where p.name = partition_name and p.last_position is not null and p.state = 'attached'
$$;
