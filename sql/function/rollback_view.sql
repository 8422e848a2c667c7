-- Lets the version that served before the last swap serve again; the one that serves now becomes the
-- one that is built, so that it can be swapped in again.
--   view_name text → done | no-previous | building
-- building: another one is being built, which has to be dropped first.
-- It serves from where it is: where nobody has kept it up to date it is as old as that, and says so.
-- Index: views_role, checkpoints_pkey. Locks: as varve.swap_view. Repeating it is safe: no-previous.
create or replace function varve.rollback_view(view_name text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
begin
  lock table varve.schema_migrations in exclusive mode;
  if not exists (select from varve.views v where v.name = view_name || ':previous') then
    return 'no-previous';
  end if;
  if exists (select from varve.views v where v.name = view_name || ':building') then
    return 'building';
  end if;
  perform from varve.checkpoints c where c.subscription in (view_name, view_name || ':previous')
    order by c.subscription, c.partition for update;
  perform varve.rename_subscription(view_name, view_name || ':building');
  perform varve.rename_subscription(view_name || ':previous', view_name);
  perform varve.point_view(view_name);
  return 'done';
end
$$;
