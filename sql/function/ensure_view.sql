-- Makes the table of a view's version, its indexes, its checkpoint and the SQL view of its name.
--   view_name text, view_version integer, filter_fields text[] → true if anything was made
-- A later version than the one that serves starts from nothing: documents of two versions are never
-- mixed, and the table of the version before is dropped. Its dead letters are resolved by that: what
-- cannot be read this time either is put aside anew.
-- Index: views_pkey, checkpoints_pkey, dead_letters_waiting.
-- Error VA006: a later version serves; a program that knows only an earlier one must not undo it.
-- Locks: none where there is nothing to make, else varve.schema_migrations, as every change of the
-- schema does. Idempotent.
create or replace function varve.ensure_view(
  view_name text, view_version integer, filter_fields text[]
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  new_table constant text := view_name || '_v' || view_version;
  old record;
  field text;
begin
  if exists (select from varve.views v where v.name = view_name and v.version = view_version) then
    return false;
  end if;
  lock table varve.schema_migrations in exclusive mode;
  select v.version, v.table_name into old from varve.views v where v.name = view_name;
  if old.version = view_version then
    return false;
  end if;
  if old.version > view_version then
    raise exception 'view % is at version %', view_name, old.version using errcode = 'VA006';
  end if;
  execute format(
    'create table varve_views.%I (
       key text collate "C" primary key, document jsonb not null,
       first_position bigint not null, position bigint not null)', new_table);
  execute format(
    'create index on varve_views.%I (first_position desc)', new_table);
  foreach field in array filter_fields loop
    execute format(
      'create index on varve_views.%I ((document->>%L) collate "C", first_position desc)',
      new_table, field);
  end loop;
  execute format('create or replace view varve_views.%I as select * from varve_views.%I',
    view_name, new_table);
  if old.table_name is not null then
    execute format('drop table varve_views.%I', old.table_name);
  end if;
  if exists (select from pg_roles r where r.rolname = 'varve_app') then
    execute format('grant select on varve_views.%I, varve_views.%I to varve_app',
      new_table, view_name);
  end if;
  insert into varve.views as v (name, version, table_name)
    values (view_name, view_version, new_table)
    on conflict (name) do update set version = excluded.version, table_name = excluded.table_name;
  delete from varve.leases l where l.subscription = view_name;
  update varve.dead_letters l set state = 'resolved', reason = 'the view was built anew'
    where l.subscription = view_name and l.state = 'waiting';
  insert into varve.checkpoints as c (subscription) values (view_name)
    on conflict (subscription, partition) do update
      set position = 0, epoch = c.epoch + 1, events_processed = 0;
  return true;
end
$$;
