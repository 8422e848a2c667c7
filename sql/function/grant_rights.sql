-- Gives the role of a service what it may: read everything, call the functions, insert nowhere.
-- PUBLIC may call none of them. No parameters → nothing. Runs at the end of a migration.
-- Index: none, the catalogue's own. Locks: catalogue rows of what it grants on; its callers hold
-- varve.schema_migrations, since concurrent grants fail with "tuple concurrently updated".
-- Idempotent.
create or replace function varve.grant_rights() returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  revoke execute on all functions in schema varve from public;
  if exists (select from pg_roles r where r.rolname = 'varve_app') then
    grant usage on schema varve, varve_views to varve_app;
    grant select on all tables in schema varve, varve_views to varve_app;
    grant execute on all functions in schema varve to varve_app;
    revoke execute on function varve.grant_rights() from varve_app;
  end if;
end
$$;
