-- Lets what was built serve, at once for everybody. What served is kept as the previous version,
-- and whoever knows its definition goes on keeping it up to date; the one before that is dropped.
--   view_name text → done | no-building | behind
-- behind: it had not reached the position of what serves within two seconds, during which that one
-- stood still; nothing was changed.
-- Readers see one or the other: documents, position and name change in one transaction, and the
-- position does not go back.
-- Index: views_role, checkpoints_pkey. Locks: varve.schema_migrations; the checkpoints of both; the
-- SQL view, exclusively, for a moment. Repeating it is safe: no-building.
create or replace function varve.swap_view(view_name text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  building constant text := view_name || ':building';
  reached bigint;
  deadline timestamptz;
begin
  lock table varve.schema_migrations in exclusive mode;
  if not exists (select from varve.views v where v.name = building) then
    return 'no-building';
  end if;
  perform from varve.checkpoints c where c.subscription = view_name
    order by c.partition for update;
  select min(c.position) into reached from varve.checkpoints c where c.subscription = view_name;
  deadline := clock_timestamp() + interval '2 seconds';
  while (select min(c.position) < reached from varve.checkpoints c where c.subscription = building)
  loop
    if clock_timestamp() > deadline then
      return 'behind';
    end if;
    perform pg_sleep(0.02);
  end loop;
  perform from varve.checkpoints c where c.subscription = building order by c.partition for update;
  perform varve.forget_subscription(view_name || ':previous');
  perform varve.rename_subscription(view_name, view_name || ':previous');
  perform varve.rename_subscription(building, view_name);
  perform varve.point_view(view_name);
  return 'done';
end
$$;
