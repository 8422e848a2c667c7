-- Gives the role of a service what it may: read everything, call the functions, insert nowhere.
-- PUBLIC may call none of them. No parameters → nothing. Runs at the end of a migration.
-- Archiving and restoring are the owner's: they drop tables, and they write events as they are told.
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
    revoke execute on function varve.grant_rights(), varve.make_partition(text),
      varve.begin_archive(uuid, text), varve.finish_archive(uuid, text, jsonb),
      varve.begin_restore(uuid, text), varve.load_partition(uuid, text, jsonb),
      varve.attach_partition(uuid, text), varve.abandon_restore(uuid, text),
      varve.hold_partition(text, text),
      varve.mark_frozen(text) from varve_app;
  end if;
end
$$;
