-- Remembers that VACUUM (FREEZE, ANALYZE) has been through a closed partition and left nothing: under
-- somebody's old snapshot it leaves pages as they are.
--   partition_name text → true if it is remembered now
-- Index: event_partitions_pkey. Locks: the row of the register. Idempotent.
create or replace function varve.mark_frozen(partition_name text) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with marked as (
    update varve.event_partitions p set frozen_at = clock_timestamp()
      from pg_class c
      where p.name = partition_name and p.last_position is not null and p.state = 'attached'
        and c.oid = to_regclass(format('varve.%I', p.name)) and c.relallvisible = c.relpages
      returning 1
  )
  select exists (select from marked)
$$;
