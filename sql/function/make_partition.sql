-- Makes the table of a partition, apart from the log, with the indexes that make its events unique.
--   partition_name text → nothing
-- Index: none. Locks: the new table's own; its callers hold varve.schema_migrations. Repeating it
-- is safe: it fails where the table is there.
create or replace function varve.make_partition(partition_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create table varve.%I (like varve.events including defaults)', partition_name);
  execute format(
    'create unique index %I on varve.%I (position)',
    partition_name || '_position', partition_name);
  execute format(
    'create unique index %I on varve.%I (aggregate_type, aggregate_id, version)',
    partition_name || '_stream', partition_name);
  execute format(
    'create unique index %I on varve.%I (event_id)',
    partition_name || '_event_id', partition_name);
end
$$;
