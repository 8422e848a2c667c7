-- Makes the table of a view's documents, its indexes, its row and its checkpoints, for one role.
--   view_name text, view_role text: serving | building, view_version integer,
--   filter_fields text[], view_fingerprint text, partition_count integer, event_types text[],
--   start_position bigint, aggregate_types text[] (null: all) → the table's name
-- What was given up in the version that serves is so in the next: its discarded letters are copied,
-- of what that wants.
-- A name that is taken, as by another building of the same version, gets a number behind it. Postgres
-- cuts names at 63 bytes, and not where they are told apart: a long one is cut here.
-- Index: views_pkey. Locks: the new table's own; its callers hold varve.schema_migrations. Repeating
-- it is safe: it fails where the role is taken.
create or replace function varve.make_view_table(
  view_name text, view_role text, view_version integer, filter_fields text[],
  view_fingerprint text, partition_count integer, event_types text[], start_position bigint,
  aggregate_types text[]
) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  past constant bigint := varve.view_epoch(view_name);
  new_subscription constant text :=
    view_name || case when view_role = 'serving' then '' else ':' || view_role end;
  longest constant integer := 63;
  ending text := '_v' || view_version;
  new_table text := left(view_name, longest - length(ending)) || ending;
  again integer := 1;
  field text;
begin
  while to_regclass(format('varve_views.%I', new_table)) is not null loop
    again := again + 1;
    ending := '_v' || view_version || '_' || again;
    new_table := left(view_name, longest - length(ending)) || ending;
  end loop;
  execute format(
    'create table varve_views.%I (
       key text collate "C" primary key, document jsonb not null,
       first_position bigint not null, position bigint not null)', new_table);
  execute format('create index on varve_views.%I (first_position desc)', new_table);
  foreach field in array filter_fields loop
    execute format(
      'create index on varve_views.%I ((document->>%L) collate "C", first_position desc)',
      new_table, field);
  end loop;
  if exists (select from pg_roles r where r.rolname = 'varve_app') then
    execute format('grant select on varve_views.%I to varve_app', new_table);
  end if;
  insert into varve.views (name, view, role, version, table_name, fingerprint, filter_fields,
      made_at)
    values (new_subscription, view_name, view_role, view_version, new_table, view_fingerprint,
      make_view_table.filter_fields, clock_timestamp());
  perform varve.declare_subscription(
    new_subscription, 'view', partition_count, event_types, aggregate_types, start_position
  );
  -- Whoever held the one of this name before may be at the same position.
  update varve.checkpoints c set epoch = past + 1
    where c.subscription = new_subscription and past > 0;
  -- Those of an earlier building, in other partitions perhaps, are settled and nobody's any more.
  delete from varve.dead_letters d
    where d.subscription = new_subscription and view_name <> new_subscription;
  insert into varve.dead_letters (subscription, partition, key, kind, stream, position,
      event_id, event_type, error_code, attempts, state, reason, failed_at, settled_at)
    select new_subscription, varve.stream_partition(d.stream, partition_count), d.key, d.kind,
        d.stream, d.position, d.event_id, d.event_type, d.error_code, d.attempts, d.state,
        d.reason, d.failed_at, d.settled_at
      from varve.dead_letters d
      where d.subscription = view_name and d.state = 'discarded'
        and view_name <> new_subscription
        and (make_view_table.event_types is null
          or d.event_type = any (make_view_table.event_types))
        and (make_view_table.aggregate_types is null or exists (
          select from unnest(make_view_table.aggregate_types) t
            where starts_with(d.stream, t || '-')
        ))
        and d.position > (
          select min(c.position) from varve.checkpoints c where c.subscription = new_subscription
        );
  return new_table;
end
$$;
