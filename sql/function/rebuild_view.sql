-- Begins to build a view's documents once more, beside those that serve. What is being built already
-- goes on, unless it is asked for in another number of partitions: then it begins again in that.
--   view_name text, partition_count integer (null: as many as there are) → the name of the
--   subscription that builds; null where there is no such view
-- Index: views_role. Locks: varve.schema_migrations; the table of documents that it drops. Idempotent.
create or replace function varve.rebuild_view(view_name text, partition_count integer default null)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  last record;
begin
  lock table varve.schema_migrations in exclusive mode;
  -- "building" comes before "serving": its definition may be a newer one.
  select v.role, v.version, v.fingerprint, v.filter_fields, s.partitions, s.event_types,
      s.aggregate_types, s.start_position
    into last
    from varve.views v
    join varve.subscriptions s on s.name = v.name
    where v.view = view_name and v.role in ('building', 'serving')
    order by v.role limit 1;
  if not found then
    return null;
  end if;
  if last.role = 'building' then
    if coalesce(partition_count, last.partitions) = last.partitions then
      return view_name || ':building';
    end if;
    perform varve.drop_view_version(view_name, 'building');
  end if;
  perform varve.make_view_table(view_name, 'building', last.version, last.filter_fields,
    last.fingerprint, coalesce(partition_count, last.partitions), last.event_types,
    last.start_position, last.aggregate_types);
  return view_name || ':building';
end
$$;
