-- Drops a version of a view that does not serve, with its documents.
--   view_name text, view_role text: previous | building → true if there was one
-- Index: views_pkey. Locks: varve.schema_migrations; the table of its documents. Idempotent.
create or replace function varve.drop_view_version(view_name text, view_role text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
begin
  lock table varve.schema_migrations in exclusive mode;
  if view_role not in ('previous', 'building') or not exists (
    select from varve.views v where v.view = view_name and v.role = view_role
  ) then
    return false;
  end if;
  perform varve.forget_subscription(view_name || ':' || view_role);
  return true;
end
$$;
