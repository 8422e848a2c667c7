-- Lets the SQL view of a view's name show the documents of the version that serves.
--   view_name text → nothing
-- Index: views_role. Locks: the SQL view, exclusively, for a moment. Idempotent.
create or replace function varve.point_view(view_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target text;
begin
  select v.table_name into strict target
    from varve.views v where v.view = view_name and v.role = 'serving';
  execute format('create or replace view varve_views.%I as select * from varve_views.%I',
    view_name, target);
  if exists (select from pg_roles r where r.rolname = 'varve_app') then
    execute format('grant select on varve_views.%I to varve_app', view_name);
  end if;
end
$$;
