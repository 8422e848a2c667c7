-- Holds a partition in the database, whatever retention says, or lets it go.
--   partition_name text, reason text: null lets it go
--   → the state of the partition; null where there is none of that name
-- Index: event_partitions_pkey. Locks: the row of the register. Idempotent.
create or replace function varve.hold_partition(partition_name text, reason text) returns text
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update varve.event_partitions p
    set hold_reason = reason,
        held_at = case when reason is not null then coalesce(p.held_at, clock_timestamp()) end
    where p.name = partition_name
    returning p.state
$$;
