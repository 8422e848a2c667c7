-- Begins to build the documents of the definition that serves once more, beside it. What is being
-- built already goes on.
--   view_name text, partition_count integer (null: as many as serve) → the name of the subscription
--   that builds; null where there is no such view
-- Index: views_role. Locks: varve.schema_migrations. Idempotent.
create or replace function varve.rebuild_view(view_name text, partition_count integer default null)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  serving record;
begin
  lock table varve.schema_migrations in exclusive mode;
  select v.version, v.fingerprint, v.filter_fields, s.partitions, s.event_types,
      s.aggregate_types, s.start_position
    into serving
    from varve.views v
    join varve.subscriptions s on s.name = v.name
    where v.view = view_name and v.role = 'serving';
  if not found then
    return null;
  end if;
  if not exists (select from varve.views v where v.view = view_name and v.role = 'building') then
    perform varve.make_view_table(view_name, 'building', serving.version, serving.filter_fields,
      serving.fingerprint, coalesce(partition_count, serving.partitions), serving.event_types,
      serving.start_position, serving.aggregate_types);
  end if;
  return view_name || ':building';
end
$$;
