-- Makes what a view's definition needs, unless it is there: the first one serves, and another one
-- than the one that serves is built beside it, from its start.
--   view_name text, view_version integer, filter_fields text[], view_fingerprint text (null: a
--   program before fingerprints), event_types text[], partition_count integer, start_position bigint
--   (null: the end of the log, or where the one that serves has begun), aggregate_types text[] (null:
--   all)
--   → true if anything was made
-- Documents of two definitions are never mixed: each has a table of its own, and whoever declares
-- a definition gets the lease of that one alone. What was being built of a third definition is
-- taken away.
-- Index: views_role. Error VA006: a later version serves, and nothing is kept for this one any more.
-- Locks: none where there is nothing to make, else varve.schema_migrations, as every change of the
-- schema does. Idempotent.
drop function if exists varve.ensure_view(text, integer, text[]);
create or replace function varve.ensure_view(
  view_name text, view_version integer, filter_fields text[], view_fingerprint text default null,
  event_types text[] default null, partition_count integer default 1,
  start_position bigint default 0, aggregate_types text[] default null
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  found_role text;
  serving record;
begin
  for attempt in 1..2 loop
    select v.name into found_role from varve.views v
      where v.view = view_name and v.version = view_version
        and coalesce(v.fingerprint = view_fingerprint, true)
      order by v.role = 'serving' desc, v.role = 'building' desc
      limit 1;
    if found then
      if view_fingerprint is not null then
        update varve.views v
          set fingerprint = view_fingerprint, filter_fields = ensure_view.filter_fields
          where v.name = found_role and v.fingerprint is null;
        perform varve.declare_subscription(
          found_role, 'view', partition_count, event_types, aggregate_types, start_position
        );
      end if;
      return false;
    end if;
    if attempt = 1 then
      lock table varve.schema_migrations in exclusive mode;
    end if;
  end loop;
  select v.version, s.start_position into serving
    from varve.views v
    left join varve.subscriptions s on s.name = v.name
    where v.view = view_name and v.role = 'serving';
  if not found then
    perform varve.make_view_table(view_name, 'serving', view_version, filter_fields,
      view_fingerprint, partition_count, event_types, start_position, aggregate_types);
    perform varve.point_view(view_name);
    return true;
  end if;
  if serving.version > view_version then
    raise exception 'view % is at version %', view_name, serving.version using errcode = 'VA006';
  end if;
  perform varve.forget_subscription(view_name || ':building');
  perform varve.make_view_table(view_name, 'building', view_version, filter_fields,
    view_fingerprint, partition_count, event_types,
    coalesce(ensure_view.start_position, serving.start_position), aggregate_types);
  return true;
end
$$;
